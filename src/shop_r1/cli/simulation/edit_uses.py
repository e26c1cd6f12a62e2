"""How often the edits of versions held on what shoppers saw, counted in the sessions that are kept."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from shop_r1.drivers.edits.page_variant import PageVariant
from shop_r1.jsonl import read_records
from shop_r1.records.comparisons import EditUse
from shop_r1.records.sessions import Session


def read_edit_uses(
    sessions: Path, variants: Mapping[str, PageVariant], version_of: Mapping[str, str] | None = None
) -> tuple[EditUse, ...]:
    """Return how often each edit of each version held; `version_of` leads from a session's id to its version.

    Without it all sessions are of the one version there is; sessions that it does not know count for none.

    Raises:
        DataError: the file cannot be read.
    """
    (only, *_) = variants
    pages, held, undone = Counter[str](), Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for session in read_records(sessions, Session):
        name = only if version_of is None else version_of.get(session.session_id)
        if name is not None and name in variants:
            pages[name] += _count(session, name, held, undone)
    return tuple(
        EditUse(
            version=name,
            edit=label,
            pages=held[name, label],
            undone=undone[name, label],
            pages_seen=pages[name],
        )
        for name, variant in variants.items()
        for label in variant.labels
    )


def _count(
    session: Session, name: str, held: Counter[tuple[str, str]], undone: Counter[tuple[str, str]]
) -> int:
    """Count the events of one session, and return how many pages its shopper saw.

    A page that is seen after the last step belongs to no step, and its edits to the last step's events.
    """
    for step in session.steps:
        for event in step.events or ():
            if event.kind == "edited":
                held[name, event.detail or ""] += event.count
            elif event.kind == "edit_undone":
                undone[name, event.detail or ""] += event.count
    last = session.steps[-1]
    is_held_back = any(event.kind == "purchase_held" for event in last.events or ())
    return len(session.steps) + (last.action.type != "terminate" and not is_held_back)


def edit_warnings(uses: Iterable[EditUse]) -> list[str]:
    """Return what has to be known of edits that did not hold, in sentences without their full stops."""
    found = []
    for use in uses:
        if not use.pages and use.pages_seen:
            found.append(
                f"Edit {use.edit} of {use.version} held on none of the {use.pages_seen:,} pages that "
                "shoppers saw; compare --check says what it finds"
            )
        if use.undone:
            found.append(f"Edit {use.edit} of {use.version} was taken back on {use.undone:,} of the pages")
    return found


def edit_rows(uses: Sequence[EditUse], version: str) -> list[tuple[str, str]]:
    """Return a version's edits and on how many pages each held, as rows of a table."""
    return [(each.edit, f"{each.pages:,} of {each.pages_seen:,}") for each in uses if each.version == version]

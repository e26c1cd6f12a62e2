"""Saved pages and the links between them, as sessions of one click."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from shop_r1.errors import DataError, PageError
from shop_r1.importers.targets import Target, TargetPage
from shop_r1.jsonl import read_json
from shop_r1.records.actions import click
from shop_r1.records.sessions import Page, Session, Step
from shop_r1.validation_messages import describe_problems


class PageMove(BaseModel):
    """One entry of `links.json`: a saved page, and a link on it that leads to another saved page."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    site: str = ""
    from_file: str = Field(min_length=1)
    """The page with the link, relative to the folder."""
    href: str = Field(min_length=1)
    """The link's address, as the page writes it."""
    text: str = ""
    """The link's text; tells several links of one address apart."""


@dataclass(frozen=True)
class PageImport:
    """The sessions that `import_pages` made of a folder, and why it could not resolve the other moves."""

    sessions: list[Session] = field(default_factory=list)
    chosen_by: Counter[str] = field(default_factory=Counter)
    """How many moves each way of choosing the link settled."""
    unresolved: list[str] = field(default_factory=list)


def import_pages(folder: Path) -> PageImport:
    """Return the moves of the folder's `links.json` as sessions of one step: a page, and the link clicked.

    Nothing is known of what came before or after a move, so its click is the session's first step; predict it
    with `list_examples(sessions, first_step=0)`. There is no rationale and nothing was bought.

    Raises:
        DataError: `links.json` cannot be read, is not a list of moves, or no move can be resolved.
    """
    moves = _read_moves(folder / "links.json")
    read_page = lru_cache(maxsize=None)(lambda name: TargetPage(read_within(folder, name)))
    result = PageImport()
    for number, move in enumerate(moves):
        try:
            page = read_page(move.from_file)
            found = page.find(Target(href=move.href, label=move.text or None))
        except PageError as error:
            result.unresolved.append(f"links.json, entry {number} ({move.from_file}): {error}")
            continue
        result.chosen_by[found.way] += 1
        short = Page(url=move.from_file, html=page.simplified.html)
        step = Step(page=short, action=click(found.element.name))
        result.sessions.append(
            Session(session_id=f"pages-{number:03d}-{move.site}", source="pages", steps=(step,))
        )
    if not result.sessions:
        problem = f"none of its {len(moves)} moves could be resolved; first: {result.unresolved[0]}"
        raise DataError.at(folder / "links.json", None, problem)
    return result


def _read_moves(path: Path) -> Sequence[PageMove]:
    try:
        moves = TypeAdapter(list[PageMove]).validate_python(read_json(path))
    except ValidationError as error:
        raise DataError.at(path, None, describe_problems(error)) from None
    if not moves:
        raise DataError.at(path, None, "holds no moves; expected a list of {from_file, href, text, …}")
    return moves


def read_within(folder: Path, name: str) -> bytes:
    """Return a page's bytes from a file of the folder, or of one below it.

    Raises:
        PageError: it cannot be read, or the name leads out of the folder.
    """
    try:
        file = (folder / name).resolve()
        if not file.is_relative_to(folder.resolve()):
            raise PageError("leads out of the folder")
        return file.read_bytes()
    except OSError as error:
        raise PageError(f"cannot be read ({error.strerror or error})") from None
    except ValueError as error:  # a zero byte in the name
        raise PageError(f"cannot be read ({error})") from None

"""Sessions from elsewhere: other people's records turned into ours."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from shop_r1.actions import click
from shop_r1.config import describe_validation
from shop_r1.errors import DataError, PageError
from shop_r1.jsonl import read_json
from shop_r1.pages.elements import Element, SimplifiedPage
from shop_r1.pages.simplify import simplify_page
from shop_r1.sessions import Page, Session, Step


class PageMove(BaseModel):
    """One entry of `links.json`: a saved page, and a link on it that leads to another saved page."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    site: str = ""
    from_file: str = Field(min_length=1)
    """The page with the link, relative to the folder."""
    to_file: str = ""
    """Where the link leads, relative to the folder."""
    href: str = Field(min_length=1)
    """The link's address, as the page writes it."""
    text: str = ""
    """The link's text; tells several links of one address apart."""


@dataclass(frozen=True)
class PageImport:
    """What `import_pages` made of a folder.

    Attributes:
        sessions: one for each move that could be resolved.
        chosen_by: how many moves each way of choosing the link settled.
        unresolved: for each move that could not be, where it stands and why.
    """

    sessions: list[Session] = field(default_factory=list)
    chosen_by: Counter[str] = field(default_factory=Counter)
    unresolved: list[str] = field(default_factory=list)


def import_pages(folder: Path) -> PageImport:
    """Return the moves of the folder's `links.json` as sessions of one step: a page, and the link clicked.

    Nothing is known of what came before or after a move, so its click is the session's first step; predict it
    with `list_examples(sessions, first_step=0)`. There is no rationale and nothing was bought.

    Raises:
        DataError: `links.json` cannot be read, is not a list of moves, or no move can be resolved.
    """
    moves = _read_moves(folder / "links.json")
    pages: dict[str, SimplifiedPage | str] = {}
    result = PageImport()
    for number, move in enumerate(moves):
        if move.from_file not in pages:
            pages[move.from_file] = _read_page(folder, move.from_file)
        page = pages[move.from_file]
        found = page if isinstance(page, str) else find_link(page, move)
        if isinstance(page, str) or isinstance(found, str):
            result.unresolved.append(f"links.json, entry {number} ({move.from_file}): {found}")
            continue
        element, why = found
        result.chosen_by[why] += 1
        step = Step(page=Page(url=move.from_file, html=page.html), action=click(element.name))
        result.sessions.append(
            Session(session_id=f"pages-{number:03d}-{move.site}", source="pages", steps=(step,))
        )
    if not result.sessions:
        raise DataError.at(
            folder / "links.json",
            None,
            f"none of its {len(moves)} moves could be resolved; first: {result.unresolved[0]}",
        )
    return result


def find_link(page: SimplifiedPage, move: PageMove) -> tuple[Element, str] | str:
    """Return the element that the move clicks and how it was chosen, or why there is none.

    Of several links to one address the one whose label is the move's text is taken, then one whose label
    holds it, then the first on the page.
    """
    links = [element for element in page.elements if element.href == move.href.strip()]
    if not links:
        return f"no named element leads to {move.href[:80]!r}"
    if len(links) == 1:
        return links[0], "address"
    text = _plain(move.text)
    same = [link for link in links if _plain(link.label) == text]
    if text and same:
        return same[0], "address and text"
    holding = [link for link in links if text in _plain(link.label)]
    if text and holding:
        return holding[0], "address and part of the text"
    return links[0], "first of several"


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _read_moves(path: Path) -> Sequence[PageMove]:
    try:
        moves = TypeAdapter(list[PageMove]).validate_python(read_json(path))
    except ValidationError as error:
        raise DataError.at(path, None, describe_validation(error)) from None
    if not moves:
        raise DataError.at(path, None, "holds no moves; expected a list of {from_file, href, text, …}")
    return moves


def _read_page(folder: Path, name: str) -> SimplifiedPage | str:
    """Return the simplified page, or why there is none."""
    file = folder / name
    if not file.resolve().is_relative_to(folder.resolve()):
        return "from_file leads out of the folder"
    try:
        return simplify_page(file.read_bytes())
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    except PageError as error:
        return str(error)

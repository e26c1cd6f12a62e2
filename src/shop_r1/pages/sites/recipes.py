"""Recipes: what is known of one kind of page of one shop beyond the rules for all, as TOML files."""

from pathlib import Path
from typing import Annotated, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator
from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from shop_r1.config import Config, load_config
from shop_r1.errors import ConfigError, PageError
from shop_r1.pages import rules
from shop_r1.pages.naming.names import to_words
from shop_r1.pages.parse.tree import Marks

PACKAGED = Path(__file__).parent
"""The folder of the recipes that come with this package."""

_BLANK = LexborHTMLParser("<p>")


def _checked_selector(selector: str) -> str:
    try:
        _BLANK.css(selector)
    except SelectolaxError:
        raise ValueError("not a CSS selector that can be read; see docs/pages.md, Recipes") from None
    return selector


def _checked_name(name: str) -> str:
    if len(name) > rules.SECTION_MAX or not name or "_".join(to_words(name)) != name:
        raise ValueError(
            f"expected lower-case words joined by _, at most {rules.SECTION_MAX} characters, such as buy_box"
        )
    return name


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("expected some words; it is empty")
    return text


Selector = Annotated[str, AfterValidator(_checked_selector)]
Words = Annotated[str, AfterValidator(_said)]


class Section(Config):
    """A part of the page and the word for it in names."""

    selector: Selector
    """CSS; each element that matches is such a part."""
    name: Annotated[str, AfterValidator(_checked_name)]
    """Lower-case words joined by `_`, at most 24 characters. What is around the part is in no name, but for
    other sections of the recipe."""


class Item(Config):
    """One of several alike, such as a product among search results."""

    selector: Selector
    """CSS; each element that matches is such an item."""
    title: Selector
    """CSS; the first element at or within the item that matches holds its title, which goes before the names
    of all else in it. Other headings in the item are mere text."""


class LeaveOut(Config):
    """A part of the page that the model shall not see."""

    selector: Selector
    """CSS; each element that matches is left out with all it holds."""
    why: Words
    """The reason, for whoever reads the recipe."""


class Recipe(Config):
    """What is known of one kind of page. Where two entries fit one element, the first in the file holds."""

    site: tuple[Words, ...] = Field(min_length=1)
    """The hosts it was written for, such as `amazon.*`; for readers and messages, pages carry no address."""
    page: Words
    """The kind of page, in words, such as `search results`."""
    has: tuple[Selector, ...] = Field(min_length=1)
    """CSS; a page on which one of these matches nothing is of another kind, and the recipe is refused."""
    sections: tuple[Section, ...] = ()
    items: tuple[Item, ...] = ()
    leave_out: tuple[LeaveOut, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        selectors = [section.selector for section in self.sections]
        selectors += [item.selector for item in self.items]
        selectors += [part.selector for part in self.leave_out]
        if not selectors:
            raise ValueError("the recipe changes nothing; add [[sections]], [[items]] or [[leave_out]]")
        _refuse_repeated("selector", selectors)
        _refuse_repeated("name", [section.name for section in self.sections])
        return self


def _refuse_repeated(what: str, texts: list[str]) -> None:
    for text in texts:
        if texts.count(text) > 1:
            raise ValueError(
                f"the {what} {text!r} is there twice; keep one entry (selectors are joined by commas)"
            )


def packaged_recipes() -> list[str]:
    """Return the names of the recipes that come with this package."""
    return sorted(file.stem for file in PACKAGED.glob("*.toml"))


def load_recipe(name: str | Path) -> Recipe:
    """Return a recipe, checked: its selectors can be read, its names are well formed and different.

    Args:
        name: a packaged recipe's name, or the path of a TOML file.

    Raises:
        ConfigError: there is no such recipe, or it is invalid; the message says where, and what to do.
    """
    if isinstance(name, Path) or name.endswith(".toml"):
        return load_config(Recipe, Path(name))
    known = packaged_recipes()
    if name not in known:
        raise ConfigError(f"recipe {name!r}: unknown; use {', '.join(known)} or the path of a .toml file")
    return load_config(Recipe, PACKAGED / f"{name}.toml")


class RecipeUse(NamedTuple):
    """How often one selector of a recipe matched."""

    entry: str
    """Where it stands: `has.0`, `sections.results`, `items.0`, `items.0.title`, `leave_out.3`."""
    selector: str
    matches: int
    """How many elements; of a title, how many items have one."""


def check_recipe(recipe: Recipe, document: LexborHTMLParser) -> tuple[RecipeUse, ...]:
    """Return how many elements of a page each of the recipe's selectors matched, in the recipe's order.

    A selector that matches on none of a shop's current pages has rotten: the shop has changed its pages.
    """
    selectors = [(f"has.{index}", selector) for index, selector in enumerate(recipe.has)]
    selectors += [(f"sections.{section.name}", section.selector) for section in recipe.sections]
    uses = [RecipeUse(entry, selector, len(_found(document, selector))) for entry, selector in selectors]
    for index, item in enumerate(recipe.items):
        found = _found(document, item.selector)
        titles = sum(node.css_first(item.title) is not None for node in found.values())
        uses.append(RecipeUse(f"items.{index}", item.selector, len(found)))
        uses.append(RecipeUse(f"items.{index}.title", item.title, titles))
    for index, part in enumerate(recipe.leave_out):
        uses.append(RecipeUse(f"leave_out.{index}", part.selector, len(_found(document, part.selector))))
    return tuple(uses)


def _found(document: LexborHTMLParser, selector: str) -> dict[int, LexborNode]:
    """Return the elements that match, in page order; Lexbor gives one that fits two of `a, b` twice."""
    return {node.mem_id: node for node in document.css(selector)}


def fits(recipe: Recipe, document: LexborHTMLParser) -> bool:
    """Return whether a page is of the kind that the recipe is for."""
    return all(document.css_matches(selector) for selector in recipe.has)


def marks_of(recipe: Recipe, document: LexborHTMLParser) -> Marks:
    """Return what the recipe says of a page's elements.

    Raises:
        PageError: the page is of another kind than the recipe is for.
    """
    for selector in recipe.has:
        if not document.css_matches(selector):
            raise PageError(
                f"the recipe for {recipe.page} of {', '.join(recipe.site)} does not fit this page: "
                f"nothing on it matches {selector}; use the recipe of its kind, or none"
            )
    sections: dict[int, str] = {}
    for section in recipe.sections:
        for key in _found(document, section.selector):
            sections.setdefault(key, section.name)
    items: set[int] = set()
    titles: dict[int, int] = {}
    for item in recipe.items:
        found = {key: node for key, node in _found(document, item.selector).items() if key not in items}
        items.update(found)
        for key, node in found.items():
            if (title := node.css_first(item.title)) is not None:
                titles.setdefault(title.mem_id, key)
    left_out = {key for part in recipe.leave_out for key in _found(document, part.selector)}
    return Marks(left_out, sections, items, titles)

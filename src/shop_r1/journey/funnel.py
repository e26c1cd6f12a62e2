"""The funnel: found from the kinds of pages, or given in TOML as addresses, selectors and texts."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import unescape
from itertools import zip_longest
from pathlib import Path

from pydantic import Field, model_validator
from selectolax.lexbor import LexborHTMLParser

from shop_r1.config import Config, load_config
from shop_r1.journey.visits import RecordedVisit
from shop_r1.patterns import Pattern, Selector, matches
from shop_r1.records.page_kinds import PageKind, adds_to_cart, page_kind
from shop_r1.records.sessions import Page, Step

FOUND = "pages"
"""What a funnel is called that was found from the pages."""
_TAG = re.compile(r"<[^<>]*>")


@dataclass(frozen=True)
class Stage:
    """One stage."""

    name: str
    words: str
    holds: Callable[[Step, Step | None], bool]
    """Whether a step's page, or what was done there, is of the stage; the second is the step after it."""
    is_bought: bool = False
    """Whether a visit reaches it by a purchase, and by nothing else."""


@dataclass(frozen=True)
class Funnel:
    """Stages in order; a visit counts at every stage up to its furthest."""

    stages: tuple[Stage, ...]
    """The first is every visit's."""
    rules: str
    """`FOUND`, or the rules as they were given."""
    empty_search: tuple[str, ...] = ()
    """Further texts of a page that found nothing."""

    def furthest(self, visit: RecordedVisit) -> list[int]:
        """Return the furthest stage after each step, from 0; a purchase is of the last step."""
        found, reached = [], 0
        for step, after in zip_longest(visit.steps, visit.steps[1:]):
            here = (at for at, stage in enumerate(self.stages) if stage.holds(step, after))
            reached = max([reached, *here])
            found.append(reached)
        if visit.is_purchase and found:
            found[-1] = max([reached, *(at for at, stage in enumerate(self.stages) if stage.is_bought)])
        return found

    def index(self, name: str) -> int | None:
        """Return a stage's place, from 0; None where no stage is called so."""
        return next((at for at, stage in enumerate(self.stages) if stage.name == name), None)


def _of_kinds(*kinds: PageKind) -> Callable[[Step, Step | None], bool]:
    return lambda step, after: _kind(step.page) in kinds


def _reaches_cart(step: Step, after: Step | None) -> bool:
    is_vain = after is not None and step.page == after.page
    has_added = step.error is None and adds_to_cart(step.action) and not is_vain
    return has_added or _kind(step.page) in ("cart", "order")


_BEGIN = Stage("visit", "came in", lambda step, after: True)
FOUND_FUNNEL = Funnel(
    (
        _BEGIN,
        Stage("list", "saw a list of products", _of_kinds("search")),
        Stage("product", "opened a product", _of_kinds("product")),
        Stage("cart", "used the cart", _reaches_cart),
        Stage("checkout", "reached the checkout", _of_kinds("checkout")),
        Stage("purchase", "bought", lambda step, after: False, is_bought=True),
    ),
    FOUND,
)
"""By the kinds of pages (`records.page_kinds`). An order's page counts as the cart: it may be an old one's.
Something that was put into the cart counts as the cart, too, for shops whose cart is a drawer; a click after
which the page is the same put nothing into it."""


class StageRule(Config):
    """One `[[stage]]` of a funnel's file. Of several conditions all must hold, of several values any."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")
    """What `--fail-under` and `--goal` call it."""
    words: str | None = None
    """What visits did that reached it; default: the name."""
    address: tuple[Pattern, ...] = ()
    """Of the page, with `*` for anything; one that begins with a slash is of what follows the host."""
    selector: tuple[Selector, ...] = ()
    """CSS selectors of the simplified page."""
    text: tuple[str, ...] = ()
    """Texts on the simplified page, in any letter case."""
    bought: bool = False
    """Whether it is reached by a purchase; then no other condition."""

    @model_validator(mode="after")
    def _has_a_condition(self) -> "StageRule":
        has_page = bool(self.address or self.selector or self.text)
        if has_page == self.bought:
            raise ValueError("needs address, selector or text, or else bought = true alone")
        if self.name == _BEGIN.name:
            raise ValueError(f"{_BEGIN.name} is the name of the first stage, which every visit reaches")
        return self


class FunnelConfig(Config):
    """A funnel's file."""

    stage: tuple[StageRule, ...] = Field(min_length=1)
    """Stages in order, after the first one, which every visit reaches."""
    empty_search: tuple[str, ...] = ()
    """Texts of a page that found nothing, beside those that are known."""

    @model_validator(mode="after")
    def _names_differ(self) -> "FunnelConfig":
        names = [each.name for each in self.stage]
        if len(set(names)) < len(names):
            raise ValueError(f"stages are called alike: {', '.join(names)}")
        return self


def read_funnel(path: Path) -> Funnel:
    """Return the funnel that a TOML file describes.

    Raises:
        ConfigError: the file cannot be read, or a rule is none.
    """
    given = load_config(FunnelConfig, path)
    stages = (
        Stage(rule.name, rule.words or rule.name.replace("_", " "), _holds(rule), rule.bought)
        for rule in given.stage
    )
    rules = given.model_dump_json(exclude_defaults=True)
    return Funnel((_BEGIN, *stages), rules, given.empty_search)


def _holds(rule: StageRule) -> Callable[[Step, Step | None], bool]:
    def holds(step: Step, after: Step | None) -> bool:
        page = step.page
        if rule.bought or (page.status is not None and page.status >= 400):
            return False
        return (
            (not rule.address or any(matches(each, page.url) for each in rule.address))
            and (not rule.selector or _has_element(page.html, rule.selector))
            and (not rule.text or contains(page.html, rule.text))
        )

    return holds


def contains(html: str, texts: Sequence[str]) -> bool:
    """Return whether a simplified page has one of these texts, in any letter case."""
    shown = page_text(html)
    return any(" ".join(each.split()).casefold() in shown for each in texts)


@lru_cache(maxsize=256)
def page_text(html: str) -> str:
    """Return a simplified page's text without tags, in one line and folded to one letter case."""
    return " ".join(unescape(_TAG.sub(" ", html)).split()).casefold()


@lru_cache(maxsize=1024)
def _has_element(html: str, selectors: tuple[str, ...]) -> bool:
    document = LexborHTMLParser(html)
    return any(document.css_matches(each) for each in selectors)


@lru_cache(maxsize=4096)
def _kind_of(url: str, html: str, status: int | None) -> PageKind:
    return page_kind(Page(url=url, html=html, status=status))


def _kind(page: Page) -> PageKind:
    return _kind_of(page.url, page.html, page.status)

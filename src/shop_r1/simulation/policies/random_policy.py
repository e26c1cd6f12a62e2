"""A random shopper: what a person might do on a page of any shop, drawn by weights that are ours."""

import math
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache

from shop_r1.drivers.protocol import takes_text
from shop_r1.errors import PageError
from shop_r1.pages.elements import Element, SimplifiedPage
from shop_r1.pages.simplify import simplify_page
from shop_r1.records.actions import (
    BACK,
    HOVER,
    INPUT,
    SCROLL,
    SELECT,
    Action,
    ActionSpace,
    click,
    terminate,
    type_and_submit,
)
from shop_r1.records.sessions import Alternative, Page, Step

Options = list[tuple[Action, float]]
"""What can be done, each with its weight."""

ALTERNATIVES_MAX = 10
"""Of what might have been done, how many are recorded."""
_LEAVE_FROM, _LEAVE_PER_STEP, _LEAVE_MAX = 3, 0.03, 0.4
"""The share of leaving is 0 before so many steps, then grows by so much with each, up to so much."""
_THINGS = r"result|product|item|popular|featured|related|recommend|best|new_|grid|deal|offer|also"
_WAYS = r"nav|menu|categor|department|collection|header|breadcrumb"
# Weights of a region of the page, by its name, and of a control, by its label; the first that fits counts.
_REGIONS = (
    (r"^search\.|footer|privacy|legal|social|newsletter|subscribe|language|currency|share|wish", 0.2),
    (r"account|log_?in|sign_?in|register|log_?out|sign_?out|help|contact|order_status", 0.1),
    (_THINGS, 4.0),
    (r"buy|cart|bag|basket|checkout|payment|shipping|delivery", 2.5),
    (_WAYS, 1.5),
    (r"refine|filter|facet|sort|price|brand|colou?r|size", 1.2),
    (r"page|pagination|next|previous", 0.8),
)
_LABELS = (
    (r"add to (?:cart|bag|basket)|buy now|check ?out|continue|proceed|place order", 3.0),
    (r"accept|agree|allow|got it|^ok$|close|dismiss|no,? thanks", 2.5),
    (r"log ?out|sign ?out|delete|unsubscribe|cancel|clear", 0.05),
)
_PLAIN = 1.0
_SEARCH_FIRST, _SEARCH_LATER = 4.0, 0.7
_FIELD, _SELECT, _TOGGLE, _SCROLL, _BACK, _HOVER = 1.5, 0.6, 0.3, 0.4, 0.6, 0.1
_NAVIGATION = re.compile(r"nav|menu")
_WORD = re.compile(r"[^\W\d_]{3,}")
_TEXTS = (
    (r"e-?mail", "{{email}}", "sam.shopper@example.com"),
    (r"pass", "{{password}}", None),
    (r"card.?number|card$|credit", "{{card_number}}", None),
    (r"cvc|cvv|security", "{{card_code}}", None),
    (r"expir", "{{card_expiry}}", None),
    (r"first", "{{first_name}}", "Sam"),
    (r"last|sur", "{{last_name}}", "Shopper"),
    (r"phone|mobile|tel", "{{phone}}", "+1 555 0100"),
    (r"zip|post", "{{postcode}}", "10001"),
    (r"city|town", "{{city}}", "Springfield"),
    (r"address|street", "{{address}}", "1 Test Street"),
    (r"quantity|qty|amount", "2", "2"),
    (r"(?<![a-z])(?:min|from|low)", "10", "10"),
    (r"(?<![a-z])(?:max|to(?![a-z])|high)", "50", "50"),
    (r"name", "{{name}}", "Sam Shopper"),
)
"""For a field whose name fits: what is typed where the test profile has it, and where it does not."""


class RandomPolicy:
    """A policy that searches, follows links, fills in fields, goes back and leaves, by chance.

    It knows no shop: it goes by the names of elements, which say where on the page they stand. Its weights
    stand in each step's alternatives.
    """

    def __init__(self, space: ActionSpace, query: str | None = None, typed: Sequence[str] = ()) -> None:
        """Act within this space; search for `query` first, where there is one.

        `typed` are the names that the test profile has.
        """
        self._space, self._query = space, query
        self._typed = frozenset(typed)

    async def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Step:
        """Return a step drawn from the weights."""
        shares = self.choices(history, page, rng)
        actions, weights = [action for action, _ in shares], [share for _, share in shares]
        (action,) = rng.choices(actions, weights)
        likeliest = sorted(shares, key=lambda each: -each[1])[:ALTERNATIVES_MAX]
        alternatives = tuple(
            Alternative(action=each, probability=round(share, 4)) for each, share in likeliest
        )
        return Step(page=page, action=action, alternatives=alternatives)

    def choices(self, history: Sequence[Step], page: Page, rng: random.Random) -> Options:
        """Return what can be done with its probability; `rng` draws the words to search for and to type."""
        try:
            elements = [each for each in _read(page.html).elements if "disabled" not in each.states]
        except PageError:  # nothing on it can be named
            elements = []
        search = _search_box(elements)
        was_searched = any(step.action.text == self._query for step in history)
        if self._query and not was_searched and search is not None:
            return [(type_and_submit(search.name, self._query), 1.0)]
        options = [*self._on_elements(elements, search, history, rng), *self._elsewhere(history, elements)]
        failed = {step.action for step in history if step.error is not None and step.page.url == page.url}
        options = [(action, weight) for action, weight in options if action not in failed]
        leaves = min(_LEAVE_MAX, _LEAVE_PER_STEP * max(0, len(history) - _LEAVE_FROM + 1))
        if not options:
            return [(terminate(), 1.0)]
        total = sum(weight for _, weight in options)
        shares = [(action, (1 - leaves) * weight / total) for action, weight in options]
        return [*shares, (terminate(), leaves)] if leaves else shares

    def _on_elements(
        self, elements: Sequence[Element], search: Element | None, history: Sequence[Step], rng: random.Random
    ) -> Iterator[tuple[Action, float]]:
        """Yield what can be done with the page's elements."""
        seen: Counter[str] = Counter()
        sizes = Counter(_region(each) for each in elements)
        chosen = {each for element in elements for each in element.options}
        done = {step.action.name for step in history if step.action.type in (INPUT.name, SELECT.name)}
        for each in elements:
            region = _region(each)
            place = seen[region]
            seen[region] += 1
            if each.name in chosen:
                continue
            if each is search:
                weight = _SEARCH_FIRST if not history else _SEARCH_LATER
                yield type_and_submit(each.name, _words(elements, rng)), weight
            elif takes_text(each):
                text = self._text(each)
                if self._has(INPUT.name) and each.name not in done and not each.value and text:
                    yield Action(type=INPUT.name, name=each.name, text=text), _FIELD
            elif each.options:
                if self._has(SELECT.name) and each.name not in done:
                    yield self._select(each, elements, rng), _SELECT
            else:
                yield click(each.name), _weight(each, place, sizes[region])
                if self._has(HOVER.name) and _NAVIGATION.search(region):
                    yield Action(type=HOVER.name, name=each.name), _HOVER / sizes[region]

    def _elsewhere(
        self, history: Sequence[Step], elements: Sequence[Element]
    ) -> Iterator[tuple[Action, float]]:
        """Yield what needs no element."""
        if self._has(SCROLL.name) and elements:
            yield Action(type=SCROLL.name), _SCROLL
        if self._has(BACK.name) and len({step.page.url for step in history}) > 1:
            yield Action(type=BACK.name), _BACK

    def _has(self, name: str) -> bool:
        return self._space.kind(name) is not None

    def _select(self, element: Element, elements: Sequence[Element], rng: random.Random) -> Action:
        labels = [each.label for each in elements if each.name in element.options and each.label.strip()]
        text = rng.choice(labels) if labels else ""
        return Action(type=SELECT.name, name=element.name, text=text)

    def _text(self, element: Element) -> str | None:
        """Return what is typed into a field: the test profile's where it has it, else something harmless.

        None where only the profile's would do.
        """
        about = f"{element.name} {element.label}".lower()
        for pattern, mark, text in _TEXTS:
            if re.search(pattern, about):
                return mark if mark.strip("{}") in self._typed else text
        return "test"


def _region(element: Element) -> str:
    """Return where on the page it stands: its name without its own part."""
    return element.name.rpartition(".")[0]


def _weight(element: Element, place: int, size: int) -> float:
    """Return how much a click on it draws: a share of its region's weight, the first ones' being larger."""
    if element.role in ("checkbox", "radio", "option"):
        return _TOGGLE
    label = element.label.lower()
    if (weight := _first_fit(_LABELS, label)) is not None:
        return weight
    weight = _first_fit(_REGIONS, element.name.lower()) or _PLAIN
    return 2 * weight / math.sqrt(size) / (1 + place / 4)


def _first_fit(table: Sequence[tuple[str, float]], text: str) -> float | None:
    return next((weight for pattern, weight in table if re.search(pattern, text)), None)


def _search_box(elements: Sequence[Element]) -> Element | None:
    """Return the box that searches the shop, as far as names tell."""
    boxes = [each for each in elements if takes_text(each)]
    own = [each for each in boxes if each.role == "searchbox"]
    named = [each for each in boxes if re.search(r"search|query|keyword", each.name)]
    return next(iter([*own, *named]), None)


def _words(elements: Sequence[Element], rng: random.Random) -> str:
    """Return one or two words of a link on the page, which a shop has things for."""
    links = [each for each in elements if each.role == "link" and _WORD.search(each.label)]
    named = ([each for each in links if re.search(kind, each.name.lower())] for kind in (_THINGS, _WAYS))
    labels = [each.label for each in next((found for found in named if found), links)[:20]]
    words = _WORD.findall(rng.choice(labels)) if labels else ["gift"]
    return " ".join(words[-rng.choice((1, 2)) :]).lower()


@lru_cache(maxsize=64)
def _read(html: str) -> SimplifiedPage:
    return simplify_page(html)

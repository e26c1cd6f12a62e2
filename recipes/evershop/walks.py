"""Ways through the shop, told by the labels that shoppers read: names change when the simplifier does."""

import random
import re
from collections.abc import Sequence

from shop_r1.pages.elements import Element, SimplifiedPage
from shop_r1.pages.simplify import simplify_page
from shop_r1.records.actions import Action, terminate
from shop_r1.records.sessions import Page, Step
from shop_r1.simulation.loop import EndVisit

WAIT = Action(type="scroll")
WAITS_MAX = 3
"""In a row."""
_APART = re.compile(r"[^a-z0-9]+")

Deed = tuple[str, str, str]
"""An action's type, the label of its element, and its text, each empty where there is none."""
_SEARCH: tuple[Deed, ...] = (
    ("click", "Search", ""),
    ("type_and_submit", "Search", "lamp"),
    ("click", "Desk Lamp - Green", ""),
)
_CHECKOUT: tuple[Deed, ...] = (
    ("click", "Navy", ""),
    ("click", "Add to cart", ""),
    ("click", "View Cart", ""),
    ("click", "Proceed to checkout", ""),
    ("input", "Email", "jo@shop.example"),
    ("input", "Full name", "Jo Example"),
    ("input", "Telephone", "5550100"),
    ("input", "Address", "1 Example Street"),
    ("input", "City", "Springfield"),
    ("click", "Country", ""),
    ("click", "United States", ""),
    ("click", "Province", ""),
    ("click", "Wyoming", ""),
    ("input", "Postcode", "82001"),
    ("click", "Cash on Delivery", ""),
    ("click", "Place Order", ""),
)
_PAGES = (
    *("kitchen", "clothing", "garden", "lighting", "bags?ob=price&od=asc", "search?keyword=red"),
    *("search?keyword=zzz", "bags/city-backpack-blue", "kitchen/stoneware-bowl-white", "account/login"),
    *("account/register", "page/about-us", "no-such-page", "cart"),
)
WALKS: dict[str, tuple[Deed, ...]] = {
    "": _SEARCH,
    **dict.fromkeys(_PAGES, ()),
    "desk": (("click", "Black", ""),),
    "desk/desk-lamp-green": _CHECKOUT,
}
"""What is done, by where it begins."""


class Walk:
    """A policy that takes one of the ways, then leaves; what is not there yet is waited for by scrolling."""

    def __init__(self, deeds: Sequence[Deed]) -> None:
        self._deeds = deeds

    async def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Step:
        """Return the next step.

        Raises:
            EndVisit: nothing on the page has the label.
        """
        done = sum(step.action.type != WAIT.type for step in history)
        if done >= len(self._deeds):
            return Step(page=page, action=terminate())
        kind, label, text = self._deeds[done]
        element = labelled(simplify_page(page.html), label)
        if element is not None:
            return Step(page=page, action=Action(type=kind, name=element.name, text=text or None))
        if all(step.action == WAIT for step in history[-WAITS_MAX:]) and len(history) >= WAITS_MAX:
            raise EndVisit("error", f"{page.url}: nothing is labelled {label!r}")
        return Step(page=page, action=WAIT)


def labelled(page: SimplifiedPage, label: str) -> Element | None:
    """Return the element with this label, or a name made of it, else the first that begins so."""
    slug = _APART.sub("_", label.lower()).strip("_")

    def is_so(element: Element) -> bool:
        return label == element.label or slug == element.name.rpartition(".")[2]

    def begins_so(element: Element) -> bool:
        return element.label.startswith(label) or element.name.rpartition(".")[2].startswith(slug)

    found = [*filter(is_so, page.elements), *filter(begins_so, page.elements)]
    return found[0] if found else None

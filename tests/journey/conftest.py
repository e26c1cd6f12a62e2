"""Visits made by hand: pages by address, what was done on them, what was said."""

from collections.abc import Callable
from typing import Any

import pytest

from shop_r1.journey.visits import RecordedVisit
from shop_r1.records.actions import Action, click, terminate, type_and_submit
from shop_r1.records.sessions import Page, Step

MakeStep = Callable[..., Step]
MakeVisit = Callable[..., RecordedVisit]
HTML = {
    "/": '<page>\n<h1>Shop</h1>\n<input name="search_input" type="search">\n<a name="cart">Cart</a>',
    "/search?q=mug": '<page>\n<h1>mug</h1>\n<a name="results.red_mug">Red mug</a>\n$4.00',
    "/search?q=zzz": "<page>\n<h1>Nothing found for zzz</h1>",
    "/product/red-mug": '<page>\n<h1>Red mug</h1>\n<button name="buy_box.buy_now">Buy now</button>',
    "/product/blue-mug": '<page>\n<h1>Blue mug</h1>\n<button name="buy_box.buy_now">Buy now</button>',
    "/cart": '<page>\n<h1>Cart</h1>\n<a name="cart.red_mug">Red mug</a>\n<a name="cart.go">Go on</a>',
    "/checkout": '<page>\n<h1>Checkout</h1>\n<button name="checkout.place_order">Place order</button>',
}
ACTIONS: dict[str, Action] = {
    "leave": terminate(),
    "buy": click("buy_box.buy_now"),
    "open": click("results.red_mug"),
}


@pytest.fixture
def step() -> MakeStep:
    """Return what makes a step: `step("/cart", "click:cart.go", "why")`, `search:mug`, `leave`, `buy`."""

    def make(url: str, did: str = "click:cart", said: str | None = None, **values: Any) -> Step:
        kind, _, what = did.partition(":")
        if kind == "search":
            action = type_and_submit("search_input", what)
        else:
            action = click(what) if kind == "click" else ACTIONS[kind]
        html = values.pop("html", HTML.get(url, f"<page>\n<h1>{url}</h1>"))
        page = Page(url=f"https://shop.example{url}", html=html, status=values.pop("status", None))
        return Step(page=page, action=action, rationale=said, **values)

    return make


@pytest.fixture
def visit() -> MakeVisit:
    """Return what makes a visit of steps."""

    def make(name: str, *steps: Step, outcome: str = "terminate", user: str | None = None) -> RecordedVisit:
        places = [each.page.url.removeprefix("https://shop.example").partition("?")[0] for each in steps]
        return RecordedVisit(name, user or name, outcome, steps, places, f"report/sessions/{name}.html")

    return make

"""A click's subtype: what the data says it is, else what the element's name says.

OPeRA records a subtype with each click; a model is never asked for one and other data have none, so it is
read from the name by the rules below. The names of the subtypes are OPeRA's; the rules are ours.
"""

import re

from shop_r1.records.actions import CLICK, Action

PURCHASE = "purchase"
OTHER = "other"

_RULES: tuple[tuple[str, str], ...] = (
    ("filter", r"^(refine|refinements|filters?)\."),
    ("suggested_term", r"(^|\.)(suggested_terms|suggestions)\."),
    ("search", r"(^|\.)search(_input|_button|_box)?$"),
    (
        PURCHASE,
        r"(^|\.)(add_to_(cart|basket|bag)|buy_now|subscribe\w*|set_up_now|(proceed_to_)?check_?out"
        r"|place_(your_)?order)(_\d+)?$",
    ),
    ("cart_side_bar", r"^cart_side_bar\."),
    ("review", r"(^|\.)(\w+_)?reviews?(\.|$)"),
    ("quantity", r"(^|\.)(quantity|delete|increase|decrease)(_\d+)?($|\.)"),
    ("cart_page_select", r"^(active_item_list|cart)\.(.*\.)?(checkbox|select\w*|deselect\w*)$"),
    ("product_option", r"(^|\.)(product_options|options|size|colou?r|style|pack)\."),
    ("page_related", r"^(pagination|pages)(\.|$)|(^|\.)(next|previous)_page$"),
    ("product_link", r"^(search_)?results\.|(^|\.)(product_(detail|name|title|image)|view_product)$"),
    ("nav_bar", r"^nav(_bar)?(\.|$)"),
)
"""Subtype, and what its elements' names match; the first that matches counts."""

CLICK_TYPES = (*(name for name, _ in _RULES), OTHER)
"""The subtypes, in the order of the rules."""


def derive_click_type(name: str) -> str:
    """Return the subtype that an element's name says, one of `CLICK_TYPES`.

    >>> derive_click_type("nav_bar.search_input"), derive_click_type("results.red_mug")
    ('search', 'product_link')
    >>> derive_click_type("buy_box.buy_now"), derive_click_type("visit_the_shop")
    ('purchase', 'other')
    """
    return next((kind for kind, pattern in _RULES if re.search(pattern, name)), OTHER)


def click_type(action: Action, target: Action | None = None) -> str | None:
    """Return a click's subtype, None for any other action.

    Where `action` is a prediction, a click on the element of the shopper's `target` has the target's subtype.
    """
    if action.type != CLICK.name:
        return None
    if target is not None and target.type == CLICK.name and target.value("name") == action.value("name"):
        action = target
    return action.click_type or derive_click_type(action.value("name"))

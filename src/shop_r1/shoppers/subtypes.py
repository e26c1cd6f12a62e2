"""What kind of action each is, in the terms of OPeRA's click types where it has one."""

from shop_r1.records.sessions import Step
from shop_r1.shoppers.facts import PageFacts, read_page

END = "<end>"
SUBTYPES = (
    "search",
    "suggested_term",
    "nav_bar",
    "page_related",
    "product_link",
    "filter",
    "review",
    "product_option",
    "quantity",
    "cart_side_bar",
    "purchase",
    "back",
    END,
)
"""`suggested_term` is a kind's tile or the like, `filter` is a sort too, `quantity` also takes a line out of
the cart, `cart_side_bar` opens the cart, `back` leads to the results or from the reviews to the product: what
people do by the browser's own button."""

_BY_FIRST_PART = {
    "results": "product_link",
    "popular": "product_link",
    "related_items": "product_link",
    "refine": "filter",
    "sort": "filter",
    "size": "product_option",
    "pack": "product_option",
    "colour": "product_option",
    "kinds": "suggested_term",
    "departments": "nav_bar",
    "breadcrumb": "nav_bar",
}
_BY_LABEL = {
    "buy now": "purchase",
    "add to cart": "purchase",
    "checkout": "purchase",
    "place order": "purchase",
    "reviews": "review",
    "cart": "cart_side_bar",
    "change cart": "cart_side_bar",
    "update": "quantity",
    "remove": "quantity",
    "back to results": "back",
}


def subtype(step: Step) -> str:
    """Return what kind of action it is, one of `SUBTYPES`; terminating is `END`."""
    action, page = step.action, read_page(step.page.url, step.page.html)
    if action.type == "terminate":
        return END
    name = action.value("name")
    if action.type == "type_and_submit":
        return "quantity" if name.endswith("quantity") else "search"
    first, label = name.split(".")[0], _label(page, name)
    if label in ("next", "previous"):
        return "review" if page.kind == "reviews" else "page_related"
    if label in _BY_LABEL:
        return _BY_LABEL[label]
    if page.kind == "reviews":
        return "back"
    if first in _BY_FIRST_PART:
        return _BY_FIRST_PART[first]
    return "product_link" if any(item.name == name for item in page.items) else "nav_bar"


def _label(page: PageFacts, name: str) -> str:
    return next((element.label for element in page.elements if element.name == name), "")

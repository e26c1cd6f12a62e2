"""Raw shop pages to short pages with a name on all that can be acted on, and from a name to its element."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shop_r1.pages.elements import Element, SimplifiedPage, find_element
    from shop_r1.pages.serialize.truncate import fit_html, fit_page
    from shop_r1.pages.simplify import simplify_page
    from shop_r1.pages.sites.recipes import Recipe, load_recipe
    from shop_r1.pages.tokens import CountTokens, estimate_tokens

_MODULES = {
    "Element": "elements",
    "SimplifiedPage": "elements",
    "find_element": "elements",
    "fit_html": "serialize.truncate",
    "fit_page": "serialize.truncate",
    "simplify_page": "simplify",
    "Recipe": "sites.recipes",
    "load_recipe": "sites.recipes",
    "CountTokens": "tokens",
    "estimate_tokens": "tokens",
}
__all__ = [
    "CountTokens", "Element", "Recipe", "SimplifiedPage", "estimate_tokens", "find_element", "fit_html",
    "fit_page", "load_recipe", "simplify_page",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: the parser is not needed by all who count tokens."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)

"""Shop-R1: learn from recorded shopping sessions to simulate a human shopper.

The names in `__all__` are the public API. They and the records on disk follow semantic versioning; all else
may change in any version. Each is imported when it is first used, so `import shop_r1` loads no library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shop_r1.datasets.session_files import read_sessions as read_sessions
    from shop_r1.datasets.session_files import write_sessions as write_sessions
    from shop_r1.errors import ShopR1Error as ShopR1Error
    from shop_r1.evaluation.metrics import evaluate_predictions as evaluate_predictions
    from shop_r1.pages.elements import find_element as find_element
    from shop_r1.pages.simplify import simplify_page as simplify_page
    from shop_r1.pages.tokens import estimate_tokens as estimate_tokens
    from shop_r1.prompts.parse import ParseFailure as ParseFailure
    from shop_r1.prompts.parse import Response as Response
    from shop_r1.prompts.parse import parse_response as parse_response
    from shop_r1.prompts.render import PromptConfig as PromptConfig
    from shop_r1.prompts.render import render_prompt as render_prompt
    from shop_r1.records.actions import LIVE as LIVE
    from shop_r1.records.actions import OPERA as OPERA
    from shop_r1.records.actions import SHOP as SHOP
    from shop_r1.records.actions import Action as Action
    from shop_r1.records.results import Prediction as Prediction
    from shop_r1.records.sessions import Page as Page
    from shop_r1.records.sessions import Session as Session
    from shop_r1.records.sessions import Step as Step
    from shop_r1.rewards.total import RewardConfig as RewardConfig
    from shop_r1.rewards.total import score_response as score_response

__version__ = "0.2.0"

_MODULES = {
    "datasets.session_files": ("read_sessions", "write_sessions"),
    "errors": ("ShopR1Error",),
    "evaluation.metrics": ("evaluate_predictions",),
    "pages.elements": ("find_element",),
    "pages.simplify": ("simplify_page",),
    "pages.tokens": ("estimate_tokens",),
    "prompts.parse": ("ParseFailure", "Response", "parse_response"),
    "prompts.render": ("PromptConfig", "render_prompt"),
    "records.actions": ("Action", "LIVE", "OPERA", "SHOP"),
    "records.results": ("Prediction",),
    "records.sessions": ("Page", "Session", "Step"),
    "rewards.total": ("RewardConfig", "score_response"),
}
"""The module of each public name. Type checkers read the imports above; a test compares the two."""
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    """Return a public name from its module; later uses find it here without this call."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'shop_r1' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(f"shop_r1.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names beside those already loaded."""
    return sorted({*globals(), *__all__})

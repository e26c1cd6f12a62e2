"""What a shopper can do: one record for every action, and the action spaces as data.

A new action is one `ActionType` and a place in an `ActionSpace`; prompts, parser, reward, metrics and
the page drivers read what they need from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import model_validator

from shop_r1.config import suggest
from shop_r1.errors import ConfigError
from shop_r1.jsonl import Record

Effect = Literal["click", "type", "submit", "select", "hover", "scroll", "back", "leave"]
"""What an action does to a page; `submit` is typing followed by Enter. The browser's driver knows all, the
in-process one those of the shop space."""


@dataclass(frozen=True)
class ActionType:
    """One kind of action."""

    name: str
    """The value of the action's `type`."""
    fields: tuple[str, ...]
    """In order. The last is the hardest to predict: the reward scales it by DARS."""
    effect: Effect
    meaning: str
    """One sentence for the prompt."""
    example: Mapping[str, str]
    """Field values for the prompt's example."""


@dataclass(frozen=True)
class ActionSpace:
    """The kinds of action that a data set knows, in the order of the tables."""

    name: str
    """What `--space` calls it."""
    types: tuple[ActionType, ...]

    @property
    def type_names(self) -> tuple[str, ...]:
        """The names of its kinds of action, in order."""
        return tuple(kind.name for kind in self.types)

    def kind(self, name: str) -> ActionType | None:
        """Return the kind of action with this name, or None."""
        return next((kind for kind in self.types if kind.name == name), None)


CLICK = ActionType(
    "click", ("name",), "click", "Click the element with this name.", {"name": "results.red_mug"}
)
TYPE_AND_SUBMIT = ActionType(
    "type_and_submit",
    ("name", "text"),
    "submit",
    "Type the text into the input with this name and press Enter.",
    {"name": "search_input", "text": "red mug"},
)
INPUT = ActionType(
    "input",
    ("name", "text"),
    "type",
    "Type the text into the input with this name.",
    {"name": "search_input", "text": "red mug"},
)
SELECT = ActionType(
    "select",
    ("name", "text"),
    "select",
    "Choose the option with this text in the drop-down list with this name.",
    {"name": "buy_box.size", "text": "large"},
)
HOVER = ActionType(
    "hover", ("name",), "hover", "Move the mouse over the element with this name.", {"name": "menu.kitchen"}
)
SCROLL = ActionType("scroll", (), "scroll", "Scroll the page.", {})
BACK = ActionType("back", (), "back", "Go back to the page before this one.", {})
TERMINATE = ActionType(
    "terminate", (), "leave", "Close the browser window without buying anything, unsatisfied.", {}
)

SHOP = ActionSpace("shop", (CLICK, TYPE_AND_SUBMIT, TERMINATE))
"""The paper's space (Appendix B)."""
OPERA = ActionSpace("opera", (CLICK, INPUT, TERMINATE, SCROLL))
"""OPeRA's: click, input and terminate in its filtered set, scroll in the paper's Appendix E."""
LIVE = ActionSpace("live", (CLICK, TYPE_AND_SUBMIT, INPUT, SELECT, HOVER, SCROLL, BACK, TERMINATE))
"""For shops in a browser: the paper's space and what checkout forms and menus need besides. Ours."""

SPACES: Mapping[str, ActionSpace] = {space.name: space for space in (SHOP, OPERA, LIVE)}


def find_space(name: str) -> ActionSpace:
    """Return the action space with this name.

    Raises:
        ConfigError: there is none; the message lists those that exist.
    """
    if name not in SPACES:
        raise ConfigError(f"action space {name!r} is unknown; {suggest(name, list(SPACES))}")
    return SPACES[name]


_KNOWN = {kind.name: kind for space in SPACES.values() for kind in space.types}


class Action(Record):
    """One action: its type, that type's fields, and what a data set says besides."""

    type: str
    """`click`, `type_and_submit`, `terminate`, `input`, `scroll`, `select`, `hover` or `back`."""
    name: str | None = None
    """The element's hierarchical name on the page, for instance `results.red_mug`."""
    text: str | None = None
    """What is typed, or the text of the option that is chosen."""
    click_type: str | None = None
    """The click's subtype where the data has one (OPeRA). Metadata: metrics use it, models are not asked."""

    @model_validator(mode="after")
    def _fields_fit_the_type(self) -> "Action":
        kind = _KNOWN.get(self.type)
        if kind is None:
            raise ValueError(f"action type {self.type!r} is unknown; expected one of {', '.join(_KNOWN)}")
        for field in ("name", "text"):
            if getattr(self, field) is not None and field not in kind.fields:
                raise ValueError(f"{self.type} takes no {field}")
        return self

    def value(self, field: str) -> str:
        """Return the field's value, empty where the action has none."""
        return getattr(self, field) or ""

    def to_completion(self) -> dict[str, str]:
        """Return what a model has to write: the type and that type's fields, metadata left out."""
        return {"type": self.type} | {field: self.value(field) for field in _KNOWN[self.type].fields}


def click(name: str) -> Action:
    """Return a click on the element with this name."""
    return Action(type=CLICK.name, name=name)


def type_and_submit(name: str, text: str) -> Action:
    """Return typing the text into the input with this name, then Enter."""
    return Action(type=TYPE_AND_SUBMIT.name, name=name, text=text)


def terminate() -> Action:
    """Return leaving the shop."""
    return Action(type=TERMINATE.name)


def exact_match(predicted: Action | None, target: Action) -> bool:
    """Return whether the type and all of the type's fields are equal, to the letter.

    A missing field equals an empty one. Where both are clicks with a subtype, these must be equal too (paper,
    4.1); a prediction without one clicks its target, which has one subtype. None never matches.
    """
    if predicted is None or predicted.to_completion() != target.to_completion():
        return False
    return None in (predicted.click_type, target.click_type) or predicted.click_type == target.click_type

"""What a driver is: where a policy acts, one visit at a time."""

from dataclasses import dataclass
from typing import Protocol

from shop_r1.pages.elements import Element, SimplifiedPage
from shop_r1.records.actions import SPACES, Action, Effect
from shop_r1.records.sessions import Page, StepEvent, Timing

EFFECTS: dict[str, Effect] = {kind.name: kind.effect for space in SPACES.values() for kind in space.types}
"""What each type of action does."""
TEXT_ROLES = frozenset({"searchbox", "textbox", "combobox", "spinbutton"})
"""Roles of elements that text can be typed into."""


def takes_text(element: Element) -> bool:
    """Return whether text can be typed into an element, as far as its page says.

    Lists have the role of a combobox like fields with suggestions; they are opened by a click.
    """
    return element.role in TEXT_ROLES and element.tag not in ("button", "a", "select") and not element.options


@dataclass(frozen=True, slots=True)
class Observation:
    """What is seen after an action."""

    page: Page
    """As sessions record it."""
    simplified: SimplifiedPage
    """The same page with its elements."""


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What came of an action."""

    seen: Observation
    """What is seen now."""
    error: str | None = None
    """Why the action was not carried out; the page is then as it was, or as it has become by itself."""
    events: tuple[StepEvent, ...] = ()
    timing: Timing | None = None
    is_purchase: bool = False
    """Whether something was bought, or would have been, had the driver not held it back: by this action,
    or by the page since the one before."""
    has_ended: bool = False
    """Whether the visit cannot go on: the browser is gone, or a limit of the visit is reached."""


class PageDriver(Protocol):
    """One shopper's window; `open` begins a new visit, and `close` ends the last one."""

    async def open(self, url: str) -> Observation:
        """Begin a visit at this address, with nothing left of an earlier one.

        Raises:
            PageError: the address is out of bounds, or no page came of it.
        """
        ...

    async def act(self, action: Action) -> ActionResult:
        """Carry out the action and return what came of it; what the page does not allow is its `error`.

        Raises:
            PageError: no page is open.
        """
        ...

    async def close(self) -> None:
        """End the visit and let go of all that it holds."""
        ...

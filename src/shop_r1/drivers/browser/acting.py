"""Actions on live elements, each within a time of its own; what cannot be done is a `PageError`.

A timeout never proves that nothing happened: on a busy machine a click that worked may be reported late. So
nothing is done twice that may have been done: a click is aimed first, and what it met is asked afterwards.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import Error, Page
from playwright.async_api import TimeoutError as PlaywrightTimeout

from shop_r1.drivers.bounds.test_profile import TestProfile
from shop_r1.drivers.browser.live_page import LivePage, LiveTarget
from shop_r1.drivers.browser.page_events import StepEvents
from shop_r1.drivers.browser.pool import first_line
from shop_r1.drivers.browser.traffic import Traffic, now
from shop_r1.drivers.protocol import takes_text
from shop_r1.errors import PageError
from shop_r1.pages.elements import Element, find_element

_READY_S = 2.0
"""How long an element is waited for that is covered, disabled, not shown or drawn anew. Ours."""
_LOOK_S = 0.05
_DO_S = 8.0
"""For what Playwright does; a busy machine takes seconds."""
_ANSWER_S = 2.0
_MISSES_MAX = 3  # clicks that met something else, since the page moved
_SCROLL_PIXELS = 600
_ENTER_S = 0.4
"""Within which an Enter that submits something has begun to."""
_PICKED = frozenset({"date", "time", "datetime-local", "month", "week", "color"})
"""Fields that stay empty where the text is none of their kind."""
_BESIDE = "xpath=ancestor::*[.//button or .//input[@type='submit' or @type='image']][1]"
_BUTTONS = "button:visible, input[type=submit]:visible, input[type=image]:visible"

Reread = Callable[[], Awaitable[LivePage]]
BoxOf = Callable[[str], Awaitable[tuple[float, float, float, float] | None]]
Note = Callable[[BoxOf], Awaitable[None]]
"""Told of the live element (`LiveTarget.announce`) before something is done with it."""
Holds = Callable[[dict[str, Any]], bool]
"""Whether sending a form, as `observe.js` describes it, is a purchase that is held back."""


class HeldBackError(PageError):
    """Nothing was done, since it would have bought something."""


class Hands:
    """Acts on one page as it was last read."""

    def __init__(
        self,
        page: Page,
        seen: LivePage,
        traffic: Traffic,
        events: StepEvents,
        reread: Reread,
        holds: Holds,
        note: Note | None = None,
    ) -> None:
        self._page, self._seen, self._traffic, self._events = page, seen, traffic, events
        self._reread, self._holds, self._note = reread, holds, note

    async def click(self, name: str) -> None:
        """Click the element; an option is chosen in its list."""
        await self._with_element(name, self._click)

    async def type(self, name: str, text: str, profile: TestProfile, *, submit: bool) -> None:
        """Type the text into a field, in place of what it holds; `submit` presses Enter after it.

        What the text takes from the profile is filled in here, and stands in no record.
        """

        async def type_into(element: Element, targets: list[LiveTarget]) -> None:
            if not takes_text(element):
                raise PageError(
                    f"{element.name!r} is a {element.role}; expected a field that text can be typed into"
                )
            target, _ = await self._ready(element, targets, is_click=False)
            field = await target.ask("field")
            if field.get("isFixed"):
                raise PageError(
                    f"{element.name!r} takes no text: it is disabled, can only be read, or is a list"
                )
            if submit:
                self._check(field)
            await self._fill(element.name, target, profile.fill(text, is_secret=bool(field.get("isSecret"))))
            if text and field.get("kind") in _PICKED and (await target.ask("field")).get("isEmpty"):
                raise PageError(f"{element.name!r} does not take such text: it is a {field['kind']}")
            if submit:
                await self._enter(target, element.role == "searchbox" or "search" in element.name)

        await self._with_element(name, type_into)

    async def select(self, name: str, text: str) -> None:
        """Choose the option with this text, or this value, in a drop-down list."""

        async def choose(element: Element, targets: list[LiveTarget]) -> None:
            if element.tag != "select":
                raise PageError(f"{element.name!r} is a {element.role}; expected a drop-down list")
            target, _ = await self._ready(element, targets, is_click=False)
            options = (await target.ask("options")).get("options", [])
            index = _index_of(text, options)
            if index is None:
                offered = ", ".join(label for label, _, is_disabled in options if not is_disabled)[:200]
                raise PageError(f"{element.name!r} has no option {text[:80]!r}; it has {offered}")
            await target.element.select_option(index=index, timeout=_DO_S * 1000, no_wait_after=True)

        await self._with_element(name, choose)

    async def hover(self, name: str) -> None:
        """Move the mouse over the element."""

        async def hover_over(element: Element, targets: list[LiveTarget]) -> None:
            _, spot = await self._ready(element, targets, is_click=False)
            await self._page.mouse.move(spot["x"], spot["y"])

        await self._with_element(name, hover_over)

    async def scroll(self) -> None:
        """Scroll down by most of a window."""
        await self._page.mouse.wheel(0, _SCROLL_PIXELS)

    async def back(self) -> bool:
        """Begin to go back one page; False where this is the tab's first one."""
        index, entries = await self._traffic.history()
        if index == 0 or not entries[index - 1]["url"].startswith(("http:", "https:")):
            return False
        await self._traffic.go_to_entry(entries[index - 1])
        return True

    async def _with_element(
        self, name: str, act: Callable[[Element, list[LiveTarget]], Awaitable[None]]
    ) -> None:
        """Do something with the live elements that a name leads to.

        Where none is there any more, since the page was drawn anew, the name is looked up on the page as it
        is now; on a page that is always being drawn, as one with a clock, until one is caught in time.
        """
        ends_at, looks = now() + _READY_S, 0
        while True:
            element = find_element(self._seen.observation.simplified, name)
            try:
                return await act(element, self._seen.targets(element))
            except _GoneError:
                looks += 1
                if now() > ends_at and looks > 1:
                    raise
            self._events.add("named_again", name)
            self._seen = await self._reread()

    async def _ready(
        self, element: Element, targets: list[LiveTarget], *, is_click: bool
    ) -> tuple[LiveTarget, dict[str, Any]]:
        """Return the first target that the mouse reaches, and where; one is waited for.

        Raises:
            PageError: it reaches none.
        """
        ends_at, looks, was_covered = now() + _READY_S, 0, False
        while True:
            reasons = []
            for target in targets:
                if target.hovered is not None:
                    await self._hover(target.hovered)
                spot = await target.aim(is_click=is_click)
                if "why" not in spot:
                    if self._note is not None:
                        await self._note(target.announce)
                    return target, spot
                reasons.append(spot)
            if all(spot["why"] == "gone" for spot in reasons):
                raise _GoneError(f"{element.name!r} has gone from the page since it was read")
            why = next(spot for spot in reasons if spot["why"] != "gone")
            if why["why"] == "covered" and not was_covered:
                was_covered = True
                self._events.add("covered", element.name)
                await self._page.mouse.move(1, 1)  # a menu that the mouse holds open may be in the way
            looks += 1
            if now() > ends_at and looks > 1:
                if self._note is not None:  # a recording shows what was meant, too
                    await self._note(targets[0].announce)
                over = f" by {why['by']}" if "by" in why else ""
                raise PageError(f"{element.name!r} is on the page, but it is {why['why']}{over}")
            await asyncio.sleep(_LOOK_S)

    async def _hover(self, target: LiveTarget) -> None:
        spot = await target.aim()
        if "why" not in spot:
            await self._page.mouse.move(spot["x"], spot["y"])

    async def _click(self, element: Element, targets: list[LiveTarget]) -> None:
        if element.tag == "option" and targets:
            if self._note is not None:
                await self._note(targets[0].announce)
            await _choose_option(targets[0], element)
            return
        for _ in range(_MISSES_MAX):
            target, spot = await self._ready(element, targets, is_click=True)
            if element.role == "submit":
                self._check(await target.ask("field"))
            await self._page.mouse.click(spot["x"], spot["y"])
            met = await self._met(target)
            if met is None:
                return
            self._events.add("covered", element.name)
        raise PageError(f"{element.name!r} was missed: the click met {met}, since the page moves")

    async def _met(self, target: LiveTarget) -> str | None:
        """Return what a click met in place of its target; None where it met that, or has led away already."""
        asking = asyncio.ensure_future(target.outcome())
        ends_at = now() + _ANSWER_S
        while not asking.done() and now() < ends_at and not self._traffic.is_leaving:
            await asyncio.wait({asking}, timeout=_LOOK_S / 5)
        if not asking.done():  # the page is being replaced, or is busy with the click
            asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        if asking.cancelled() or asking.exception() is not None:
            return None
        outcome = asking.result()
        return None if outcome["hit"] is not False else str(outcome.get("by"))

    def _check(self, field: dict[str, Any]) -> None:
        form = field.get("form")
        if form is not None and self._holds(form):
            raise HeldBackError("it would have bought something")

    async def _fill(self, name: str, target: LiveTarget, text: str) -> None:
        try:
            await target.element.fill(text, timeout=_DO_S * 1000)
        except PlaywrightTimeout:
            raise PageError(f"text could not be typed within {_DO_S:g} s") from None
        except Error as error:  # a date or a number that is none
            raise PageError(f"{name!r} does not take such text: {first_line(error)}") from None

    async def _enter(self, target: LiveTarget, is_search: bool) -> None:
        """Press Enter; where a search box takes no notice, press the one button beside it."""
        began, url = now(), self._page.url
        await self._page.keyboard.press("Enter")
        if not is_search:
            return
        while now() < began + _ENTER_S:
            if self._has_noticed(began, url):
                return
            await asyncio.sleep(0.02)
        try:
            async with asyncio.timeout(_ANSWER_S):
                quiet = await self._traffic.quiet(is_first=True)
        except (Error, TimeoutError):  # the page is being replaced
            return
        if self._has_noticed(began, url) or quiet.quiet_s < now() - began:
            return
        self._events.add("enter_ignored")
        buttons = target.element.locator(_BESIDE).locator(_BUTTONS)
        if await buttons.count() == 1:  # of several, one may log in, pay or show a password
            await buttons.click(timeout=_READY_S * 1000, no_wait_after=True)

    def _has_noticed(self, began: float, url: str) -> bool:
        return self._traffic.changed_at > began or self._traffic.is_busy() or self._page.url != url


class _GoneError(PageError):
    """The element is no longer connected."""


async def _choose_option(target: LiveTarget, element: Element) -> None:
    """Choose an option in its list, as a shopper does by a click on it."""
    found = await target.ask("options")
    if found.get("why") == "gone":
        raise _GoneError(f"{element.name!r} has gone from the page since it was read")
    if found["index"] < 0 or found["options"][found["index"]][2]:
        raise PageError(f"{element.name!r} cannot be chosen")
    await target.element.locator("xpath=ancestor::select[1]").select_option(
        index=found["index"], timeout=_DO_S * 1000, no_wait_after=True
    )


def _index_of(text: str, options: list[tuple[str, str, bool]]) -> int | None:
    """Return the place of the option with this text, else of the one with this value."""
    wanted = " ".join(text.split()).lower()
    for part in (0, 1):
        for index, option in enumerate(options):
            if not option[2] and " ".join(str(option[part]).split()).lower() == wanted:
                return index
    return None

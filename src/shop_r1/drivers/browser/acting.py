"""Actions on live elements, each within a time of its own; what cannot be done is a `PageError`.

A timeout never proves that nothing happened: on a busy machine a click that worked may be reported late. So
the page is looked at before anything is done again.
"""

import asyncio
from collections.abc import Awaitable, Callable

from playwright.async_api import Error, Locator, Page
from playwright.async_api import TimeoutError as PlaywrightTimeout

from shop_r1.drivers.bounds.test_profile import TestProfile
from shop_r1.drivers.browser.live_page import LivePage, LiveTarget
from shop_r1.drivers.browser.page_events import StepEvents
from shop_r1.drivers.browser.settle import Activity, quiet_state
from shop_r1.drivers.protocol import TEXT_ROLES
from shop_r1.errors import PageError
from shop_r1.pages.elements import Element, find_element

_FIRST_S, _SECOND_S = 1.0, 3.0
"""For one click, when it is tried first and when it is tried once more."""
_SCROLL_PIXELS = 600
_ENTER_S = 0.4
"""Within which an Enter that submits something has begun to."""

_IS_SECRET = (
    "field => field.type === 'password' || /^(cc-(number|csc)|(current|new)-password|one-time-code)$/"
    ".test((field.autocomplete || '').split(' ').pop())"
)
"""The field's purposes are those of the HTML standard, section 4.10.18.7."""

Reread = Callable[[], Awaitable[LivePage]]
Note = Callable[[Locator], Awaitable[None]]
"""Told of the live element before something is done with it."""


class Hands:
    """Acts on one page as it was last read."""

    def __init__(
        self,
        page: Page,
        seen: LivePage,
        activity: Activity,
        events: StepEvents,
        reread: Reread,
        note: Note | None = None,
    ):
        self._page, self._seen, self._activity, self._events = page, seen, activity, events
        self._reread, self._note = reread, note

    async def click(self, name: str) -> None:
        """Click the element; an option is chosen in its list."""
        await self._with_element(name, self._click)

    async def type(self, name: str, text: str, profile: TestProfile, *, submit: bool) -> None:
        """Type the text into a field, in place of what it holds; `submit` presses Enter after it.

        What the text takes from the profile is filled in here, and stands in no record.
        """

        async def type_into(element: Element, target: LiveTarget) -> bool:
            if element.role not in TEXT_ROLES:
                raise PageError(
                    f"{element.name!r} is a {element.role}; expected a field that text can be typed into"
                )
            await self._reveal(target)
            is_secret = await target.element.evaluate(_IS_SECRET)
            await self._fill(target.element, profile.fill(text, is_secret=bool(is_secret)))
            if submit:
                is_search = element.role == "searchbox" or "search" in element.name
                await self._enter(target.element, is_search)
            return True

        await self._with_element(name, type_into)

    async def select(self, name: str, text: str) -> None:
        """Choose the option with this text, or this value, in a drop-down list."""

        async def choose(element: Element, target: LiveTarget) -> bool:
            if element.tag != "select":
                raise PageError(f"{element.name!r} is a {element.role}; expected a drop-down list")
            try:
                await target.element.select_option(text, timeout=_SECOND_S * 1000, no_wait_after=True)
            except PlaywrightTimeout:
                names = self._seen.observation.simplified.by_name
                offered = ", ".join(names[option].label for option in element.options[:10] if option in names)
                raise PageError(f"{element.name!r} has no option {text[:80]!r}; it has {offered}") from None
            return True

        await self._with_element(name, choose)

    async def hover(self, name: str) -> None:
        """Move the mouse over the element."""

        async def hover_over(element: Element, target: LiveTarget) -> bool:
            await self._reveal(target)
            await target.element.hover(timeout=_SECOND_S * 1000)
            return True

        await self._with_element(name, hover_over)

    async def scroll(self) -> None:
        """Scroll down by most of a window."""
        await self._page.mouse.wheel(0, _SCROLL_PIXELS)

    async def back(self) -> None:
        """Go back one page; nothing happens on the first."""
        await self._page.go_back(wait_until="commit", timeout=_SECOND_S * 1000)

    async def _with_element(
        self, name: str, act: Callable[[Element, LiveTarget], Awaitable[bool]], again: bool = True
    ) -> None:
        """Do something with the first live element that a name leads to and that takes it.

        Where none is there any more, since the page was drawn anew, the name is looked up once more on the
        page as it is now.
        """
        element = find_element(self._seen.observation.simplified, name)
        was_there = False
        for target in self._seen.targets(element):
            if not await target.element.count():
                continue
            was_there = True
            if self._note is not None:
                await self._note(target.element)
            if await act(element, target):
                return
        if was_there:
            raise PageError(
                f"{name!r} is on the page, but nothing could be done with it: it is covered or moves"
            )
        if not again:
            raise PageError(f"{name!r} has gone from the page since it was read")
        self._events.add("named_again", name)
        self._seen = await self._reread()
        await self._with_element(name, act, again=False)

    async def _reveal(self, target: LiveTarget) -> None:
        if target.hovered is not None:
            await target.hovered.hover(timeout=_SECOND_S * 1000)

    async def _click(self, element: Element, target: LiveTarget) -> bool:
        if element.tag == "option":
            return await _choose_option(target.element)
        url = self._page.url
        for limit_s in (_FIRST_S, _SECOND_S):
            try:
                await self._reveal(target)
                await target.element.click(timeout=limit_s * 1000, no_wait_after=True)
                return True
            except PlaywrightTimeout as error:
                if self._activity.is_loading or self._page.url != url:  # it was done after all
                    return True
                if "intercepts pointer events" in str(error):
                    self._events.add("covered", element.name)
                if not await target.element.count():
                    return False
                await self._page.mouse.move(1, 1)  # a menu that the mouse holds open may be in the way
        return False

    async def _fill(self, field: Locator, text: str) -> None:
        try:
            await field.fill(text, timeout=_SECOND_S * 1000)
        except PlaywrightTimeout as error:
            raise PageError(f"text could not be typed ({_first_line(error)})") from None

    async def _enter(self, field: Locator, is_search: bool) -> None:
        """Press Enter; where a search box takes no notice, press the one button beside it."""
        began, url = asyncio.get_running_loop().time(), self._page.url
        await field.press("Enter", timeout=_SECOND_S * 1000, no_wait_after=True)
        while is_search and asyncio.get_running_loop().time() < began + _ENTER_S:
            if self._activity.changed_at > began or self._activity.is_loading or self._page.url != url:
                return
            await asyncio.sleep(0.02)
        if not is_search or await self._has_changed_since(began):
            return
        self._events.add("enter_ignored")
        beside = "xpath=ancestor::*[.//button or .//input[@type='submit' or @type='image']][1]"
        buttons = field.locator(beside).locator(
            "button:visible, input[type=submit]:visible, input[type=image]:visible"
        )
        if await buttons.count() == 1:  # of several, one may log in, pay or show a password
            await buttons.click(timeout=_SECOND_S * 1000, no_wait_after=True)

    async def _has_changed_since(self, began: float) -> bool:
        try:
            quiet = await quiet_state(self._page)
        except Error:  # the page is being replaced
            return True
        return quiet.quiet_s < asyncio.get_running_loop().time() - began


async def _choose_option(option: Locator) -> bool:
    """Choose an option in its list, as a shopper does by a click on it."""
    index = await option.evaluate("option => [...option.closest('select').options].indexOf(option)")
    await option.locator("xpath=ancestor::select[1]").select_option(
        index=index, timeout=_SECOND_S * 1000, no_wait_after=True
    )
    return True


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]

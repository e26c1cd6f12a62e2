"""Where the names on live pages lead: whether elements are found, right, visible and can be clicked."""

from collections import Counter
from collections.abc import Sequence
from urllib.parse import urljoin

from playwright.async_api import Error
from recipes.evershop.walks import WAIT, WAITS_MAX, WALKS, Deed, labelled

from shop_r1.drivers.bounds.hosts import Hosts
from shop_r1.drivers.browser.driver import Bounds, BrowserDriver
from shop_r1.drivers.browser.live_page import LivePage, LiveTarget
from shop_r1.drivers.browser.pool import BrowserPool
from shop_r1.errors import PageError
from shop_r1.pages.elements import Element
from shop_r1.records.actions import Action

_TRIAL_MS = 2000.0


class Audit:
    """What was found of all pages.

    Attributes:
        counts: names by what is true of them: `names`, `found`, `right`, `visible`, `clickable`, `disabled`;
            `gone` are those that the shop itself took away before they were looked at.
        problems: what is not as it should be, a line for each name.
        lost: steps of a walk that could not be done.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self.lost: list[str] = []
        self.pages = 0

    async def look(self, address: str) -> None:
        """Walk through the shop at this address."""
        async with BrowserPool() as pool:
            driver = BrowserDriver(pool, Bounds(Hosts.of(address)))
            for start, deeds in WALKS.items():
                await driver.open(urljoin(address, start))
                await self._look_at(driver)
                await self._walk(driver, deeds)
            await driver.close()

    async def _walk(self, driver: BrowserDriver, deeds: Sequence[Deed]) -> None:
        for kind, label, text in deeds:
            for _ in range(WAITS_MAX):
                live = _live(driver)
                element = labelled(live.observation.simplified, label)
                if element is not None:
                    break
                await driver.act(WAIT)
            else:
                self.lost.append(f"{live.observation.page.url}: nothing is labelled {label!r}")
                return
            result = await driver.act(Action(type=kind, name=element.name, text=text or None))
            if result.error is not None:
                self.lost.append(f"{live.observation.page.url}: {kind} {element.name}: {result.error}")
            await self._look_at(driver)

    async def _look_at(self, driver: BrowserDriver) -> None:
        live = _live(driver)
        self.pages += 1
        moved = []
        for element in live.observation.simplified.elements:
            if element.tag == "option":  # chosen in its list
                continue
            facts = await _facts(live, element)
            if facts["found"]:
                self._count(live, element, facts)
            else:
                moved.append(element.name)
        if moved:
            await self._look_again(moved, await driver._read())

    async def _look_again(self, names: Sequence[str], live: LivePage) -> None:
        """Look for names on the page as it is now: the shop may have drawn it anew, as shoppers find out."""
        for name in names:
            element = live.observation.simplified.by_name.get(name)
            if element is None:
                self.counts["gone"] += 1
            else:
                self._count(live, element, await _facts(live, element))

    def _count(self, live: LivePage, element: Element, facts: dict[str, bool]) -> None:
        self.counts["names"] += 1
        for fact, holds in facts.items():
            self.counts[fact] += holds
            if not holds:
                self.problems.append(f"{live.observation.page.url}: {element.name} is not {fact}")


async def _facts(live: LivePage, element: Element) -> dict[str, bool]:
    targets = live.targets(element)
    if not targets or not await targets[0].element.count():
        return {"found": False}
    target = targets[0]
    facts = {"found": True, "right": await _is_right(target, element)}
    if target.hovered is not None:
        await target.hovered.element.hover(timeout=_TRIAL_MS)
    facts["visible"] = await _is_shown(target)
    if "disabled" in element.states:
        return facts | {"disabled": True}
    return facts | {"clickable": any([await _can_be_clicked(each) for each in targets])}


async def _is_right(target: LiveTarget, element: Element) -> bool:
    """Return whether the live element has the tag and the address that the name's has."""
    tag, href = await target.element.evaluate("it => [it.localName, it.getAttribute('href')]")
    return bool(tag == element.tag and (element.href is None or href == element.href))


async def _is_shown(target: LiveTarget) -> bool:
    """Return whether it is visible, soon after the mouse has come where it shows it."""
    try:
        await target.element.wait_for(state="visible", timeout=_TRIAL_MS)
    except Error:
        return False
    return True


async def _can_be_clicked(target: LiveTarget) -> bool:
    """Return whether Playwright would click it; it is not clicked.

    A menu that the mouse holds open from the last name may lie over it, and closes when the mouse goes.
    """
    for _ in range(2):
        try:
            await target.element.click(trial=True, timeout=_TRIAL_MS)
        except Error:
            await target.element.page.mouse.move(1, 1)
        else:
            return True
    return False


def _live(driver: BrowserDriver) -> LivePage:
    live = driver._live
    if live is None:
        raise PageError("no page is open")
    return live

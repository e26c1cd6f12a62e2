"""Where names lead on live pages: found, right, visible, clickable, and the same as on the saved page.

`python -m benchmarks.live_names` opens the pages of the built-in store and the saved ones of EverShop in
Chromium and prints a table. `tests/pages/test_live_names.py` is the gate.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Error
from starlette.applications import Starlette
from tests.evershop import saved_pages, saved_shop

from shop_r1.drivers.bounds.hosts import Hosts
from shop_r1.drivers.browser.driver import Bounds, BrowserDriver
from shop_r1.drivers.browser.live_page import LivePage, LiveTarget
from shop_r1.drivers.browser.pool import BrowserPool
from shop_r1.pages.elements import Element
from shop_r1.pages.naming.names import to_words
from shop_r1.pages.simplify import simplify_page
from shop_r1.store.app import create_app
from shop_r1.store.catalogue import generate_catalogue, slugify
from shop_r1.store.serve import served

SHOP = "http://shop.test/"
FACTS = ("found", "right", "visible", "clickable", "agree")
"""What is asked of each name, in this order; `agree` is of the names that the live or the saved page has."""
WINDOWS = 3  # at once
TRIAL_MS, TRIALS = 1500.0, 4
_QUERIES = ("mug", "lamp", "zzz")
_STORE = (
    "departments", "search?q=lamp&page=2", "search?q=mug&max=20", "cart", "checkout", "help", "returns",
    "privacy", "account", "no-such-page",
)  # fmt: skip
# All that an element is called by, in the page itself: each attribute, text and label, without our code.
_SAYS = """element => {
  const CALLED = ['aria-label', 'title', 'alt', 'placeholder', 'value', 'name', 'id'];
  const said = CALLED.map((each) => element.getAttribute(each));
  for (const id of (element.getAttribute('aria-labelledby') || '').split(' ')) {
    said.push(document.getElementById(id)?.textContent);
  }
  for (const label of [...(element.labels || []), element.closest('label')]) said.push(label?.textContent);
  for (const inner of element.querySelectorAll('[alt],[title],[aria-label],title')) {
    said.push(...CALLED.map((each) => inner.getAttribute(each)), inner.textContent);
  }
  said.push(element.textContent, element.innerText, element.nextElementSibling?.textContent);
  return [element.localName, element.getAttribute('href'), said.filter(Boolean).join(' ')];
}"""


@dataclass
class Measured:
    """What was found on the pages of one shop.

    Attributes:
        pages: how many.
        names: how many they have, without options, which are chosen in their list.
        counts: names of which each of `FACTS` holds.
        compared: names that the live or the saved pages have.
        covered: names of saved pages that a modal lies over live; they are not compared.
        problems: what does not hold, a line each.
    """

    pages: int = 0
    names: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    compared: int = 0
    covered: int = 0
    problems: list[str] = field(default_factory=list)

    def share(self, fact: str) -> float:
        """Return of how many names a fact holds, 0 to 1; disabled ones count as clickable."""
        return self.counts[fact] / max(1, self.compared if fact == "agree" else self.names)


async def measure_shop(pool: BrowserPool, app: Starlette, paths: Sequence[str]) -> Measured:
    """Return what is found on an app's pages, in `WINDOWS` windows at once."""
    measured, left = Measured(), list(paths)
    with served(app) as port:
        bounds = Bounds(Hosts.of(SHOP), routes={"shop.test": ("127.0.0.1", port)})

        async def look() -> None:
            driver = BrowserDriver(pool, bounds)
            while left:
                path = left.pop(0)
                await driver.open(SHOP + path)
                await _measure_page(driver, path, measured)
            await driver.close()

        await asyncio.gather(*(look() for _ in range(WINDOWS)))
    return measured


async def _measure_page(driver: BrowserDriver, path: str, measured: Measured) -> None:
    live, window = driver._live, driver._window
    assert live is not None and window is not None
    saved = simplify_page(await window.page.content())
    names = {element.name for element in live.observation.simplified.elements}
    measured.pages += 1
    # What lies under a modal is named on the saved page, which has no boxes; live no hand reaches it.
    covered = len(saved.by_name.keys() - names) if live.left_out.get("covered") else 0
    measured.covered += covered
    measured.compared += len(names.union(saved.by_name)) - covered
    measured.counts["agree"] += len(names.intersection(saved.by_name))
    measured.problems += [f"{path}: {name} is only live" for name in sorted(names - saved.by_name.keys())]
    if not covered:
        measured.problems += [
            f"{path}: {name} is only saved" for name in sorted(saved.by_name.keys() - names)
        ]
    for element in live.observation.simplified.elements:
        if element.tag == "option":
            continue
        measured.names += 1
        facts = await _facts(live, element)
        measured.counts.update(fact for fact in FACTS if facts.get(fact))
        measured.problems += [f"{path}: {element.name} is not {fact}" for fact in facts if not facts[fact]]


async def _facts(live: LivePage, element: Element) -> dict[str, bool]:
    targets = live.targets(element)
    if not targets or not await targets[0].element.count():
        return {"found": False}
    target = targets[0]
    facts = {"found": True, "right": await _is_right(target, element)}
    if target.hovered is not None:
        await target.hovered.element.hover(timeout=TRIAL_MS)
    facts["visible"] = any([await each.element.is_visible() for each in targets])
    if "disabled" in element.states:
        return facts | {"clickable": True}
    for each in targets:
        if await _can_be_clicked(each):
            return facts | {"clickable": True}
    return facts | {"clickable": False}


async def _is_right(target: LiveTarget, element: Element) -> bool:
    """Return whether the live element has the name's tag and address, and says the words of its label."""
    found: list[Any] = await target.element.evaluate(_SAYS)
    tag, href, said = found
    words = set(to_words_of(said))
    is_same = tag == element.tag and (element.href is None or (href or "").strip() == element.href)
    return is_same and words.issuperset(to_words(element.label))


def to_words_of(text: str) -> list[str]:
    """Return the words of a text of any length."""
    return [word for part in text.split() for word in to_words(part)]


async def _can_be_clicked(target: LiveTarget) -> bool:
    """Return whether Playwright would click it; it is not clicked.

    What lies over it is tried once more with the mouse out of the way, since a menu may be held open by it;
    what only was not ready in time, on a busy machine, is tried again.
    """
    covered = 0
    for _ in range(TRIALS):
        try:
            await target.element.click(trial=True, timeout=TRIAL_MS)
        except Error as error:
            covered += "intercepts pointer events" in str(error)
            if covered > 1:
                return False
            await target.element.page.mouse.move(1, 1)
        else:
            return True
    return False


def store_shop() -> tuple[Starlette, list[str]]:
    """Return the built-in store, and the addresses of its kinds of pages."""
    catalogue = generate_catalogue(seed=5, size=1200)
    kinds = [f"department/{slugify(product.department)}" for product in catalogue.products[:200:100]]
    goods = [f"product/{product.id}" for product in catalogue.products[:900:300]]
    searches = [f"search?q={query}" for query in _QUERIES]
    return create_app(catalogue), ["", *kinds, *goods, f"{goods[0]}/reviews", *searches, *_STORE]


def evershop() -> tuple[Starlette, list[str]]:
    """Return EverShop's saved pages and their addresses."""
    return saved_shop(), [page.name for page in saved_pages()]


def table(shops: dict[str, Measured]) -> list[str]:
    """Return a line for each shop: pages, names, and the shares in percent."""
    lines = [f"{'':16}{'pages':>6}{'names':>7}" + "".join(f"{fact:>11}" for fact in (*FACTS, "covered"))]
    for name, found in shops.items():
        shares = "".join(f"{100 * found.share(fact):10.1f}%" for fact in FACTS)
        lines.append(f"{name:16}{found.pages:6}{found.names:7}{shares}{found.covered:11}")
    return lines


async def main() -> None:
    """Print the table, and what does not hold."""
    async with BrowserPool() as pool:
        shops = {
            "built-in store": await measure_shop(pool, *store_shop()),
            "EverShop": await measure_shop(pool, *evershop()),
        }
    print("\n".join(table(shops)))
    for found in shops.values():
        print("\n".join(found.problems))


if __name__ == "__main__":
    asyncio.run(main())

"""Tasks of BrowserGym on the built-in store, for AgentLab's agents; importing this module registers them.

`browsergym/shop_r1.buy` draws its task from the seed of `reset`; `browsergym/shop_r1.buy.0` and so on are
`NUMBERED` tasks that stay the same.
"""

from contextlib import ExitStack
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import gymnasium
import playwright.sync_api
from browsergym import core
from browsergym.core.registration import register_task
from browsergym.core.task import AbstractBrowserTask

from shop_r1.drivers.browser.chromium import find_chromium
from shop_r1.environments.stores import Variant, open_store, read_version
from shop_r1.environments.tasks import FITTING, bought_by, draw_task
from shop_r1.pages.simplify import simplify_page
from shop_r1.records.sessions import Page
from shop_r1.store.frame import COOKIE
from shop_r1.store.serve import served

TASK_ID = "shop_r1.buy"
NUMBERED = 20
TASK_IDS = (TASK_ID, *(f"{TASK_ID}.{number}" for number in range(NUMBERED)))
"""Without BrowserGym's own `browsergym/` before them."""
_TASKS = 2**31


class BuyTask(AbstractBrowserTask):
    """A shopper of the focused crowd, and what it came for; the store runs on a port of this machine.

    The reward is 1 once the goal is reached, which ends the episode; so does an order of anything else.
    """

    @classmethod
    def get_task_id(cls) -> str:
        """Return the id of the task that the seed draws."""
        return TASK_ID

    def __init__(
        self,
        seed: int,
        number: int | None = None,
        goal: str = FITTING,
        variant: Variant = None,
        catalogue_seed: int = 0,
        page_size: int = 6,
    ) -> None:
        """Draw the task; the arguments are those of `gym.StoreEnv`, and `number` that of its tasks.

        Raises:
            ConfigError: the goal or the version of the store is unknown.
        """
        super().__init__(seed)
        self.slow_mo = 0  # the store needs no time
        version = read_version(variant)
        self._app = open_store(version, catalogue_seed, page_size)
        drawn = int(self.random.randint(_TASKS)) if number is None else number
        self.task = draw_task(drawn, self._app.state.catalogue, goal)
        self._version = version.name
        self._open = ExitStack()
        self._home = ""
        self._is_over = False

    def setup(self, page: playwright.sync_api.Page) -> tuple[str, dict[str, Any]]:
        """Start the store and open its home page; return what the agent is told, and the task's number."""
        self._home = f"http://127.0.0.1:{self._open.enter_context(served(self._app))}/"
        page.goto(self._home)
        return self.task.text, {"number": self.task.number, "goal": self.task.goal, "variant": self._version}

    def validate(
        self, page: playwright.sync_api.Page, chat_messages: list[str]
    ) -> tuple[float, bool, str, dict[str, Any]]:
        """Return the reward, whether the task is over, no message, and how it stands."""
        cookies = page.context.cookies(self._home)
        known = next((each["value"] for each in cookies if each["name"] == COOKIE), None)
        visitor = self._app.state.visitors.recall(known)
        has_ordered = visitor is not None and bool(visitor.orders)
        outcome = "purchase" if has_ordered else ""
        bill = bought_by(visitor) if has_ordered else None
        reached = self.task.is_reached((), self._seen(page), outcome, bill)
        info = {"is_reached": reached, "outcome": outcome, "url": page.url}
        return float(reached), reached or has_ordered, "", info

    def cheat(self, page: playwright.sync_api.Page, chat_messages: list[str]) -> None:
        """Buy the cheapest product that fits."""
        wanted = self.task.wanted
        assert wanted is not None
        product = wanted.found_in(self._app.state.catalogue)[0]
        page.goto(f"{self._home}product/{product.id}")
        if wanted.option:
            page.get_by_role("link", name=wanted.option.capitalize(), exact=True).click()
        page.get_by_role("button", name="Buy now").click()
        page.get_by_role("button", name="Place order").click()

    def teardown(self) -> None:
        """Stop the store."""
        self._open.close()

    def _seen(self, page: playwright.sync_api.Page) -> Page:
        """Return the page as metrics read it, its address as in the store of this process."""
        parts = urlsplit(page.url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return Page(url=f"http://store.local{path}", html=simplify_page(page.content()).html)


def use_installed_chromium() -> None:
    """Let BrowserGym use the Chromium that `shop-r1 doctor` finds, where Playwright's own is not installed.

    BrowserGym starts two browsers and hands its settings to one of them only, so the program is set for all
    that its Playwright starts.

    Raises:
        ConfigError: there is no Chromium.
    """
    driver = core._get_global_playwright()
    path = find_chromium(driver.chromium.executable_path)
    driver.chromium.launch = partial(driver.chromium.launch, executable_path=path)


def register_tasks() -> None:
    """Register the tasks that are not registered yet."""
    for task_id in TASK_IDS:
        if f"browsergym/{task_id}" not in gymnasium.registry:
            number = task_id.removeprefix(TASK_ID).removeprefix(".")
            register_task(task_id, BuyTask, task_kwargs={"number": int(number)} if number else {})


register_tasks()

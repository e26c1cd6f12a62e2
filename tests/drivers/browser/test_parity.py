"""The same scripted shoppers in-process and in Chromium give the same records."""

import asyncio

from starlette.applications import Starlette
from tests.window import Chromium

from shop_r1.drivers.bounds.hosts import Hosts
from shop_r1.drivers.browser.driver import Bounds, BrowserDriver
from shop_r1.drivers.in_process import HOME, HOST, PURCHASES
from shop_r1.records.sessions import Session
from shop_r1.shoppers.persona import Market
from shop_r1.shoppers.scripted import generate_sessions, scripted_policies
from shop_r1.simulation.loop import Visit, run_session
from shop_r1.store.app import create_app
from shop_r1.store.catalogue import generate_catalogue
from shop_r1.store.kinds import KINDS
from shop_r1.store.serve import served


def test_scripted_shoppers_do_the_same_in_chromium(chromium: Chromium) -> None:
    """Two of them at once, in one Chromium."""
    count, seed, market = 12, 7, Market(KINDS)
    expected = list(generate_sessions(_store(), market, count, seed))
    with served(_store()) as port:
        bounds = Bounds(Hosts.of(HOME), {HOST: ("127.0.0.1", port)}, purchase_labels=PURCHASES)
        found = chromium.run(
            _shop(chromium, bounds, market, [f"{seed}-{index:05d}" for index in range(count)])
        )
    for session in expected:
        assert _bare(found[session.session_id]) == _bare(session)


async def _shop(chromium: Chromium, bounds: Bounds, market: Market, keys: list[str]) -> dict[str, Session]:
    found: dict[str, Session] = {}

    async def shop() -> None:
        while keys:
            key = keys.pop(0)
            driver = BrowserDriver(chromium.pool, bounds)
            try:
                visit = Visit(key, f"store-{key}", f"shopper-{key}")
                found[visit.session_id] = await run_session(scripted_policies(market)(key), driver, visit)
            finally:
                await driver.close()

    await asyncio.gather(shop(), shop())
    return found


def _bare(session: Session) -> Session:
    """Return it without what a browser says besides."""
    steps = [step.model_copy(update={"events": None, "timing": None}) for step in session.steps]
    return session.model_copy(update={"steps": tuple(steps)})


def _store() -> Starlette:
    return create_app(generate_catalogue(seed=5, size=1200))

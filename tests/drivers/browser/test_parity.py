"""The same scripted shoppers in-process and in Chromium give the same records."""

import asyncio

import pytest
from tests.window import Chromium

from shop_r1.cli.pipeline.stores import create_store
from shop_r1.drivers.bounds.hosts import Hosts
from shop_r1.drivers.browser.driver import Bounds, BrowserDriver
from shop_r1.drivers.in_process import HOME, HOST, PURCHASES
from shop_r1.records.sessions import Session
from shop_r1.shoppers.crowd_kinds import CROWDS, CrowdName
from shop_r1.shoppers.persona import Market
from shop_r1.shoppers.scripted import generate_sessions, scripted_policies
from shop_r1.simulation.loop import Limits, Visit, run_session
from shop_r1.store.kinds import KINDS
from shop_r1.store.serve import served


@pytest.mark.parametrize(("crowd", "count", "seed"), [("focused", 12, 7), ("wandering", 5, 25)])
def test_scripted_shoppers_do_the_same_in_chromium(
    chromium: Chromium, crowd: CrowdName, count: int, seed: int
) -> None:
    """Two of them at once, in one Chromium."""
    expected = list(generate_sessions(create_store(crowd, 5), Market(KINDS), count, seed, crowd=crowd))
    with served(create_store(crowd, 5)) as port:
        bounds = Bounds(Hosts.of(HOME), {HOST: ("127.0.0.1", port)}, purchase_labels=PURCHASES)
        keys = [f"{seed}-{index:05d}" for index in range(count)]
        found = chromium.run(_shop(chromium, bounds, crowd, keys))
    for session in expected:
        assert _bare(found[session.session_id]) == _bare(session)


async def _shop(chromium: Chromium, bounds: Bounds, crowd: CrowdName, keys: list[str]) -> dict[str, Session]:
    found: dict[str, Session] = {}
    policy_of = scripted_policies(Market(KINDS), crowd)
    limits = Limits(max_steps=CROWDS[crowd].max_steps)

    async def shop() -> None:
        while keys:
            key = keys.pop(0)
            driver = BrowserDriver(chromium.pool, bounds)
            try:
                visit = Visit(key, f"store-{key}", f"shopper-{key}")
                found[visit.session_id] = await run_session(policy_of(key), driver, visit, limits)
            finally:
                await driver.close()

    await asyncio.gather(shop(), shop())
    return found


def _bare(session: Session) -> Session:
    """Return it without what a browser says besides."""
    steps = [step.model_copy(update={"events": None, "timing": None}) for step in session.steps]
    return session.model_copy(update={"steps": tuple(steps)})

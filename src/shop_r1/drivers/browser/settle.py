"""When a page has settled: by its navigations, requests and changes, never after a fixed time."""

import asyncio
from enum import Enum

from playwright.async_api import Error

from shop_r1.drivers.browser.traffic import STEP_S, Quiet, Traffic, now

QUIET_S = 0.1
"""Without a change and a request, after which a page counts as settled. What a shop delays for longer,
such as filters that wait for more typing, is seen at the next step. Ours."""
CEILING_S = 5.0
"""After which a page that keeps changing is taken as it is. Ours."""
LOAD_CEILING_S = 15.0
"""After which a page that was asked for and has not come is given up. Ours."""
ANSWER_S = 2.0
"""Within which a page says how quiet it is, if it is to say so at all. Ours."""


class Settled(Enum):
    """How the wait ended."""

    YES = "it has settled"
    CHANGING = "it was still changing"
    LOADING = "a page that was asked for has not come, or not to its end"
    SILENT = "it did not answer"


async def settle(traffic: Traffic) -> Settled:
    """Wait until the page has settled, or until a ceiling."""
    begun = stays_from = now()
    is_first = answers = True
    loads = traffic.loads
    while True:
        at = now()
        if traffic.is_leaving:
            stays_from = at
        if at - begun > LOAD_CEILING_S:
            is_loading = traffic.is_leaving or traffic.is_loading or traffic.loads > loads + 1
            return Settled.LOADING if is_loading else Settled.CHANGING
        if at - stays_from > CEILING_S:
            return Settled.CHANGING if answers else Settled.SILENT
        if traffic.is_leaving or (traffic.is_busy() and not is_first):
            is_first = False
            await asyncio.sleep(STEP_S)
            continue
        state = await _ask(traffic, is_first)
        is_first, answers = False, state is not None
        if state is None:
            await asyncio.sleep(2 * STEP_S)
            continue
        # From the action on, too: a navigation or a request of its may begin only after it has returned.
        since = now() - max(traffic.changed_at, traffic.acted_at)
        left = QUIET_S - min(state.quiet_s, since)
        if left <= 0 and state.is_complete and not traffic.is_busy():
            return Settled.YES
        await asyncio.sleep(max(left, STEP_S))


async def _ask(traffic: Traffic, is_first: bool) -> Quiet | None:
    """Return how quiet the page is; None where it is being replaced, or does not answer."""
    try:
        async with asyncio.timeout(ANSWER_S):
            return await traffic.quiet(is_first=is_first)
    except (Error, TimeoutError, KeyError, TypeError):  # also: the document is too new for our script
        return None

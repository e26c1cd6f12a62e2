"""`simulate --watch`: the page on which a person watches, opened where there is a display."""

import os
import shlex
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from shop_r1.cli.simulation.options import Options
from shop_r1.cli.simulation.policies import Deciders
from shop_r1.cli.simulation.shops import Shop
from shop_r1.cli.terminal import console
from shop_r1.simulation.loop import Observer, Policy, Visit


class Watch:
    """Who watches the visits, if anybody does."""

    def __init__(self, visits: Sequence[Visit], policy_of: Callable[[Visit], Policy]) -> None:
        self.visits: Iterator[Visit] = iter(visits)
        """Those to run: a person may stop some before they begin."""
        self.policy_of = policy_of
        """Their policies, which a person may stop too."""
        self.observers: tuple[Observer, ...] = ()


@asynccontextmanager
async def watch_page(
    options: Options, shop: Shop, deciders: Deciders, visits: Sequence[Visit], out: Path
) -> AsyncIterator[Watch]:
    """Serve the page, with `--watch`, for as long as the visits run, and say where it is.

    Raises:
        ConfigError: its port cannot be had.
    """
    watch = Watch(visits, deciders.policy_of)
    if not options.watch or not visits:
        yield watch
        return
    from shop_r1.simulation.watch.board import Board
    from shop_r1.simulation.watch.serve import open_in_browser, watched

    board = Board(visits, cost_of=deciders.total_cost, budget_usd=options.max_cost)
    watch.visits, watch.observers = board.not_stopped(visits), (board,)
    watch.policy_of = lambda visit: board.obeyed(deciders.policy_of(visit), visit)
    async with watched(
        board,
        shop.windows.picture_of if shop.windows is not None else None,
        port=options.watch_port,
        command=f"shop-r1 report {shlex.quote(str(out))}",
    ) as page:
        page.is_awaited = open_in_browser(page.address)
        _print_address(page.address)
        yield watch
    if left := sum(view.outcome in (None, "stopped") for view in board.changes().shoppers):
        how = "to go on with them, give the same command with --resume"
        console.note(f"{left} of {len(visits)} visits were stopped; {how}")


def _print_address(address: str) -> None:
    console.echo(f"watch at {address}")
    if "SSH_CONNECTION" in os.environ:
        port = urlsplit(address).port
        console.note(f"from the machine you sit at: ssh -L {port}:127.0.0.1:{port} THIS_MACHINE")

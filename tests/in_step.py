"""A driver whose coroutines are run to their end at once, for tests that are written line by line."""

import asyncio
from types import TracebackType
from typing import Self

from starlette.types import ASGIApp

from shop_r1.drivers.in_process import HOME, InProcessDriver
from shop_r1.drivers.protocol import Observation
from shop_r1.errors import PageError
from shop_r1.records.actions import Action
from shop_r1.records.sessions import Session
from shop_r1.simulation.loop import Limits, Policy, Tally, Visit, run_session


class InStep:
    """The in-process driver, a call at a time."""

    def __init__(self, app: ASGIApp) -> None:
        self._runner = asyncio.Runner()
        self.driver = InProcessDriver(app)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._runner.run(self.driver.close())
        self._runner.close()

    def open(self, url: str = HOME) -> Observation:
        return self._runner.run(self.driver.open(url))

    def act(self, action: Action) -> Observation:
        """Return what is then seen.

        Raises:
            PageError: the action was not carried out.
        """
        result = self._runner.run(self.driver.act(action))
        if result.error is not None:
            raise PageError(result.error)
        return result.seen

    def visit(
        self, policy: Policy, key: int = 1, limits: Limits | None = None, tally: Tally | None = None
    ) -> Session:
        visit = Visit(str(key), f"store-{key}", f"shopper-{key}")
        return self._runner.run(run_session(policy, self.driver, visit, limits, tally=tally))

"""Work whose items raise, end their process or hang, by a mark in their content.

Processes that unpickle it import `poisoned_jobs` from this folder: verl installs a package named `tests`.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop_r1.errors import PageError
from shop_r1.jobs.blocks import Item
from shop_r1.jobs.pages import SimplifyWork
from shop_r1.jobs.sessions import CheckWork
from shop_r1.jobs.work import Limits

LIMITS = Limits(seconds=2.0, memory_gib=1.0)
RAISES, INVALID, CRASHES, EXITS, HANGS, GROWS = (
    f"poison:{name}" for name in ("raises", "invalid", "crashes", "exits", "hangs", "grows")
)
FAILURES = {
    RAISES: "error: ValueError: poison:raises",
    INVALID: "invalid: poison:invalid",
    CRASHES: "crash: its process was ended by SIGSEGV, in 2 attempts",
    EXITS: "crash: its process ended with exit code 3, in 2 attempts",
    HANGS: "timeout: no result within 2 s, in 2 attempts",
    GROWS: "error: MemoryError:",
}
"""What each is to be in the result."""
ONCE = "poison:once:"
"""Followed by a path: ends the process unless a file is there, and makes it."""


def act(text: str) -> None:
    """Do what the mark in the text says; nothing without one."""
    if RAISES in text:
        raise ValueError(RAISES)
    if INVALID in text:
        raise PageError(INVALID)
    if CRASHES in text:
        os.kill(os.getpid(), signal.SIGSEGV)
    if EXITS in text:
        os._exit(3)
    if HANGS in text:
        time.sleep(600)
    if GROWS in text:
        bytearray(2 << 30)
    if ONCE in text and not (path := Path(text.partition(ONCE)[2].split()[0])).exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class PoisonedPages(SimplifyWork):
    pause_s: float = 0.0
    """Before each page, so that a run lasts long enough to be killed."""

    def prepare(self) -> Callable[[Item], dict[str, Any]]:
        simplify = super().prepare()

        def run(item: Item) -> dict[str, Any]:
            time.sleep(self.pause_s)
            content = item.content
            content = content.read_bytes() if isinstance(content, Path) else content
            act(content if isinstance(content, str) else bytes(content).decode())
            return simplify(item)

        return run


@dataclass(frozen=True)
class PoisonedCheck(CheckWork):
    def prepare(self) -> Callable[[Item], Any]:
        check = super().prepare()

        def run(item: Item) -> Any:
            act(item.content)
            return check(item)

        return run


_ALONE = "poisoned_jobs"
if __name__ != _ALONE:
    sys.modules[_ALONE] = sys.modules[__name__]
    sys.path.append(str(Path(__file__).parent))
    PoisonedPages.__module__ = PoisonedCheck.__module__ = _ALONE

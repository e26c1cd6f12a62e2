"""SIGTERM and Ctrl-C: a command ends with 143 or 130; training saves a checkpoint before that."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from shop_r1.errors import Terminated

PASSED_ON_S = 5.0
"""Under a launcher, how long after a signal the next one is taken for the same: `torchrun` passes on what a
batch system may already have sent to each process. Ours."""


@contextmanager
def raise_on_sigterm() -> Iterator[None]:
    """Let SIGTERM raise `Terminated` as long as the context lasts; a second one ends the process at once.

    Where SIGTERM is ignored or already handled, and outside the main thread, all stays as it is.
    """

    def take(number: int, frame: FrameType | None) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Terminated

    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, take)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@dataclass
class StopRequest:
    """Which signal has asked training to stop, if any, and when, by `time.monotonic`."""

    signal: int | None = None
    since: float = 0.0

    def take(self, number: int, frame: FrameType | None) -> None:
        """Note the signal; a second one, SIGTERM or Ctrl-C, ends the process at once."""
        if self.signal is None:
            self.signal, self.since = number, time.monotonic()
            name = signal.Signals(number).name
            text = f"\n{name}: stopping after this micro-batch and saving; a second one ends at once\n"
            os.write(2, text.encode())  # safe in a handler
            if "LOCAL_RANK" not in os.environ:  # torchrun or accelerate started no group of processes
                _end_at_next_signal()
        elif time.monotonic() - self.since > PASSED_ON_S:
            _end_at_next_signal()
            signal.raise_signal(number)


@contextmanager
def stop_signals() -> Iterator[StopRequest]:
    """Turn SIGTERM and Ctrl-C into a request for as long as the context lasts.

    Only the main thread can do so; in another, and for signals that are ignored, all stays as it is.
    """
    request = StopRequest()
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, request.take)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_at_next_signal() -> None:
    """Leave signals to the system, which ends the process even inside a long computation."""
    if os.isatty(2):
        os.write(2, b"\x1b[?25h")  # A panel hides the cursor, and nobody will be there to show it again.
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)

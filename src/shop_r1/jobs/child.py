"""The process in which items are worked on: when one of them ends it or holds it up, its parent goes on."""

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from shop_r1.errors import ShopR1Error
from shop_r1.jobs.blocks import Item
from shop_r1.jobs.work import ItemFailure, Limits, Work

_PARENT_CHECK_S = 1.0


def main(handle: int) -> None:
    """Work on blocks until the parent closes the connection, whose file descriptor is given.

    The parent sends `(Work, Limits)`, then for each block `(Block, how many of its items to pass over)`.
    Messages to it: `("ready",)`; for each item `("begin", item)` and `("done", result)`; `("end",)` after a
    block; `("raise", error)` in place of any of them, where the block or the whole work cannot be done.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which then ends this process.
    threading.Thread(target=_end_with, args=[os.getppid()], daemon=True).start()
    connection = Connection(handle)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        work, limits = connection.recv()
        _serve(connection, work, limits)


def _end_with(parent: int) -> None:
    """End this process when its parent has ended, also in the middle of an item."""
    while os.getppid() == parent:
        time.sleep(_PARENT_CHECK_S)
    os._exit(1)


def _serve(connection: Connection, work: Work, limits: Limits) -> None:
    try:
        run = work.prepare()
    except Exception as error:  # noqa: BLE001 - the parent raises it
        connection.send(("raise", _as_sent(error)))
        return
    _limit_memory(limits.memory_gib)
    connection.send(("ready",))
    while True:
        block, passed = connection.recv()
        try:
            for place, item in enumerate(block.read()):
                if place >= passed:
                    connection.send(("begin", item._replace(content=None)))
                    connection.send(("done", _run_item(work, run, item)))
            connection.send(("end",))
        except ShopR1Error as error:
            connection.send(("raise", error))


def _run_item(work: Work, run: Callable[[Item], Any], item: Item) -> Any:
    try:
        return run(item)
    except ShopR1Error as error:
        failure = ItemFailure("invalid", str(error))
    except Exception as error:  # noqa: BLE001 - one item's error is that item's result
        failure = ItemFailure("error", " ".join(f"{type(error).__name__}: {error}".split())[:300])
    return work.failed(item._replace(content=None), failure)


def _as_sent(error: Exception) -> Exception:
    """Return the error as it can be pickled; an internal one with its traceback as text."""
    if isinstance(error, ShopR1Error | ModuleNotFoundError):
        return error
    return RuntimeError("".join(traceback.format_exception(error)))


def _limit_memory(gib: float) -> None:
    if sys.platform == "linux":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        size = int(gib * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (size if hard < 0 else min(size, hard), hard))

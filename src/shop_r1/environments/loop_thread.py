"""An event loop in a thread of its own: for callers without one, and for notebooks, which have one."""

import asyncio
import weakref
from collections.abc import Coroutine
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


class LoopThread:
    """Runs coroutines one at a time; unless it is closed before, it ends with the program."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        thread = Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        self.close = weakref.finalize(self, _end, self._loop, thread)
        """Cancels what still runs, and ends the thread and the loop; a second time does nothing."""

    def run(self, doing: Coroutine[object, object, T]) -> T:
        """Return what the coroutine returns, or raise what it raises."""
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result()


def _end(loop: asyncio.AbstractEventLoop, thread: Thread) -> None:
    asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

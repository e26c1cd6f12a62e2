"""What is done while nobody waits for it, such as answering a dialog."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

from playwright.async_api import Error

_tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps no task alive


def in_background(doing: Awaitable[Any]) -> asyncio.Task[None]:
    """Do something that fails only where its page has gone."""

    async def do() -> None:
        with suppress(Error):
            await doing

    task = asyncio.get_running_loop().create_task(do())
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return task


def running() -> int:
    """Return how many are under way."""
    return len(_tasks)

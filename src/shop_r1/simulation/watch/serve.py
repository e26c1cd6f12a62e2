"""Serves the page for as long as the shoppers are under way, from a thread of its own."""

import asyncio
import os
import socket
import sys
import webbrowser
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from secrets import token_urlsafe
from threading import Thread

import uvicorn
from starlette.types import ASGIApp

from shop_r1.errors import ConfigError
from shop_r1.simulation.watch.app import EVERY_S, Viewers, create_app
from shop_r1.simulation.watch.board import Board
from shop_r1.simulation.watch.pictures import PictureOf, Pictures

_HOST = "127.0.0.1"
_OPENING_S = 10.0  # for a browser to open the page
_LAST_S, _PICTURES_S = 2.0, 0.4  # for viewers to take the last change, and then the last pictures
_CONNECTIONS_MAX = 64


@dataclass
class WatchPage:
    """The page as it is served."""

    address: str
    """It holds the page's key."""
    is_awaited: bool = False
    """Whether a browser was told to open it: visits that are over at once then wait for it a while."""


@asynccontextmanager
async def watched(
    board: Board, picture_of: PictureOf | None = None, *, port: int = 0, command: str | None = None
) -> AsyncIterator[WatchPage]:
    """Serve the board as a page, on this machine alone.

    At the end the browsers that show it are told that all is over.

    Args:
        board: of the visits that run meanwhile on this event loop.
        picture_of: takes a picture of a shopper's window, on this event loop.
        port: 0 picks a free one.
        command: what the page says to run next.

    Raises:
        ConfigError: the port cannot be had.
    """
    viewers, token = Viewers(), token_urlsafe(16)
    board.has_pictures = picture_of is not None
    taken = Pictures(board, picture_of or _no_picture, lambda: viewers.count > 0)
    with _served(create_app(board, token, viewers, taken.of), port) as found:
        page = WatchPage(f"http://{_HOST}:{found}/{token}/")
        taking = asyncio.create_task(taken.take())
        try:
            yield page
        finally:
            taking.cancel()
            board.finish(command)
            await _let_see_the_end(page, viewers)
            with suppress(asyncio.CancelledError):
                await taking


def open_in_browser(address: str) -> bool:
    """Open the page in the user's browser, and return whether that could be tried.

    Where there is no display, or the user came by SSH, nothing is opened: a browser in the terminal would
    take it over.
    """
    is_remote = "SSH_CONNECTION" in os.environ
    has_display = sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    return has_display and not is_remote and webbrowser.open(address)


async def _no_picture(session_id: str) -> None:
    return None


async def _let_see_the_end(page: WatchPage, viewers: Viewers) -> None:
    """Wait, but not for long, until who watches has seen the end."""
    if page.is_awaited:
        await _wait(_OPENING_S, lambda: viewers.ever > 0)
    await _wait(_LAST_S, lambda: viewers.count == 0)
    if viewers.ever:
        await asyncio.sleep(_PICTURES_S)


async def _wait(longest_s: float, holds: Callable[[], bool]) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + longest_s
    while loop.time() < end and not holds():
        await asyncio.sleep(EVERY_S / 5)


@contextmanager
def _served(app: ASGIApp, port: int) -> Iterator[int]:
    with _bound(port) as listener:
        config = uvicorn.Config(
            app,
            log_config=None,  # its own would close the handlers of the process that it is a guest in
            log_level="error",
            server_header=False,
            lifespan="off",
            ws="none",
            limit_concurrency=_CONNECTIONS_MAX,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def _bound(port: int) -> socket.socket:
    if not 0 <= port <= 65_535:
        raise ConfigError(f"--watch-port {port}: expected 0 to 65535")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        listener.listen(_CONNECTIONS_MAX)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"--watch-port {port} cannot be used ({error.strerror}); "
            "choose another, or leave it out for a free one"
        ) from None
    return listener

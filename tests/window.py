"""A shopper's window in real Chromium, a call at a time, for tests written line by line."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from playwright.async_api import Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from shop_r1.drivers.bounds.hosts import Hosts
from shop_r1.drivers.browser.driver import Bounds, BrowserDriver
from shop_r1.drivers.browser.pool import BrowserPool
from shop_r1.drivers.protocol import ActionResult, Observation
from shop_r1.records.actions import Action
from shop_r1.store.serve import served

T = TypeVar("T")
Content = str | Response | Callable[[Request], Awaitable[Response]]
"""A page's HTML, a response, or what makes one."""
SHOP = "http://shop.test/"


class Chromium:
    """One Chromium and the event loop that it is driven from; started once for a file of tests."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self.pool = BrowserPool()

    def __enter__(self) -> Self:
        self.run(self.pool.__aenter__())
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.run(self.pool.__aexit__())
        self._runner.close()

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(doing)


class Window:
    """One window at `SHOP`, whose pages are given by their paths, or answered by an app.

    `more_hosts` may be visited too, and have the same pages.
    """

    def __init__(self, chromium: Chromium, pages: Mapping[str, Content] | Starlette, **bounds: Any) -> None:
        self._chromium, self._app = chromium, as_app(pages)
        self._bounds = bounds

    def __enter__(self) -> Self:
        self._served = served(self._app)
        port = self._served.__enter__()
        names = ["shop.test", *(more := self._bounds.pop("more_hosts", ()))]
        routes = {**dict.fromkeys(names, ("127.0.0.1", port)), **self._bounds.pop("routes", {})}
        hosts = self._bounds.pop("hosts", Hosts.of(SHOP, more))
        recorder = self._bounds.pop("recorder", None)
        edits = self._bounds.pop("edits", None)
        self.driver = BrowserDriver(
            self._chromium.pool, Bounds(hosts, routes=routes, **self._bounds), recorder, edits=edits
        )
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._chromium.run(self.driver.close())
        self._served.__exit__(kind, error, trace)

    def open(self, path: str = "/") -> Observation:
        return self._chromium.run(self.driver.open(SHOP + path.removeprefix("/")))

    def act(self, action: Action) -> ActionResult:
        return self._chromium.run(self.driver.act(action))

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self._chromium.run(doing)

    @property
    def page(self) -> Page:
        """The tab in front, for what no shopper does."""
        window = self.driver._window
        assert window is not None
        return window.page

    def evaluate(self, script: str) -> Any:
        """Return what a script finds in the page's own world."""
        return self.run(self.page.evaluate(script))


def as_app(pages: Mapping[str, Content] | Starlette) -> Starlette:
    if isinstance(pages, Starlette):
        return pages

    async def show(request: Request) -> Response:
        content = pages.get(request.url.path)
        if content is None:
            return HTMLResponse("<h1>No such page</h1>", 404)
        if isinstance(content, str):
            return HTMLResponse(content)
        return content if isinstance(content, Response) else await content(request)

    app = Starlette()
    app.add_route("/{path:path}", show, methods=["GET", "POST", "PUT", "OPTIONS"])
    return app

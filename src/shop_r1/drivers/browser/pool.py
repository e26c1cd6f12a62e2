"""Chromium, shared by all shoppers: started once, started again when it dies, closed at the end."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from playwright.async_api import Browser, BrowserContext, Error, ProxySettings, async_playwright

from shop_r1.drivers.browser.chromium import FLAGS, find_chromium, needs_no_sandbox
from shop_r1.drivers.browser.live_page import ENGINE
from shop_r1.errors import PageError

RESTARTS_MAX = 10
"""After which a Chromium that keeps dying is given up. Ours."""
_REDIRECTS_MAX = 5  # which a robots.txt is followed through: RFC 9309, section 2.3.1.2
_START_S, _CLOSE_S = 60.0, 10.0
_AGENT = "(+https://github.com/shop-r1/shop-r1; simulated shopper)"


class BrowserPool:
    """An async context manager round one Chromium.

    Attributes:
        agent: how shoppers call themselves to shops.
        name: the browser's name and version.
        restarts: how often Chromium had to be started again.
    """

    def __init__(self, executable: Path | None = None, *, version: str = "", headed: bool = False) -> None:
        """Use this program, else the one that `find_chromium` finds."""
        self._executable, self._version, self._headed = executable, version, headed
        self._lock = asyncio.Lock()
        self.agent = self.name = ""
        self.restarts = -1

    async def __aenter__(self) -> Self:
        self._playwright = await async_playwright().start()
        try:
            await self._playwright.selectors.register(ENGINE, engine_script(), content_script=True)
            self._browser = await self._launch()
        except BaseException:
            await self._playwright.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._browser.close()
        except (Error, TimeoutError):
            pass  # it is gone already
        await self._playwright.stop()

    @property
    def browser(self) -> Browser:
        """Chromium as it runs now."""
        return self._browser

    @property
    def is_alive(self) -> bool:
        """Whether Chromium is there."""
        return self._browser.is_connected()

    async def new_context(self, **options: Any) -> BrowserContext:
        """Return a new window's context, started in a new Chromium where the last one has died.

        Raises:
            PageError: Chromium cannot be started, or has died too often.
        """
        async with self._lock:
            if not self.is_alive:
                self._browser = await self._launch()
        try:
            async with asyncio.timeout(_START_S):
                return await self._browser.new_context(user_agent=self.agent, **options)
        except (Error, TimeoutError) as error:
            raise PageError(f"Chromium opened no window ({first_line(error)})") from None

    async def fetch(self, url: str, proxy: str, timeout_s: float) -> tuple[int | None, str]:
        """Return status and text of an address, asked for apart from any visit; None where none came."""
        server: ProxySettings = {"server": proxy, "bypass": "<-loopback>"}
        asking = await self._playwright.request.new_context(proxy=server, user_agent=self.agent)
        try:
            response = await asking.get(url, timeout=timeout_s * 1000, max_redirects=_REDIRECTS_MAX)
            return response.status, await response.text()
        except (Error, UnicodeDecodeError):
            return None, ""
        finally:
            await asking.dispose()

    async def _launch(self) -> Browser:
        if self.restarts >= RESTARTS_MAX:
            raise PageError(f"Chromium has died {RESTARTS_MAX} times; it is not started again")
        self.restarts += 1
        chromium = self._playwright.chromium
        path = self._executable or find_chromium(chromium.executable_path)
        flags: Sequence[str] = [*FLAGS, "--no-sandbox"] if needs_no_sandbox() else FLAGS
        try:
            browser = await chromium.launch(
                executable_path=path,
                args=list(flags),
                headless=not self._headed,
                timeout=_START_S * 1000,
                handle_sigint=False,  # a terminal's Ctrl-C comes to Playwright's process too: we close it
            )
            async with asyncio.timeout(_START_S):
                session = await browser.new_browser_cdp_session()
                found = await session.send("Browser.getVersion")
                await session.detach()
        except (Error, TimeoutError) as error:  # one that dies at once has started, but says no version
            raise PageError(f"{path} could not be started ({first_line(error)})") from None
        self.name = f"Chromium {found['product'].rpartition('/')[2]}"
        self.agent = f"{found['userAgent']} shop-r1/{self._version} {_AGENT}"
        return browser


def engine_script() -> str:
    """Return the selector engine with what it is read after, as one expression."""
    parts = [Path(__file__).with_name(f"{name}.js").read_text("utf-8") for name in ("dom", "aim", "observe")]
    return "(() => {{\n{}\n{}\nreturn (\n{}\n);\n}})()".format(*parts)


def first_line(error: Exception) -> str:
    """Return what an error of Playwright's says, without its log of calls."""
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__

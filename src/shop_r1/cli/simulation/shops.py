"""The shop that `simulate` visits: the built-in store in this process or in Chromium, or any other there."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shop_r1.cli.simulation.options import Options
from shop_r1.drivers.in_process import HOME, HOST, PURCHASES, InProcessDriver
from shop_r1.drivers.protocol import PageDriver
from shop_r1.simulation.loop import Visit

if TYPE_CHECKING:
    from shop_r1.cli.simulation.kept import Windows
    from shop_r1.drivers.bounds.rules import Bounds

RATE = 2.0
"""Page loads a second and host at most, of all shoppers together, unless `--rate` says another. Ours."""
AGENT = "shop-r1"
"""As robots.txt files may name it."""


@dataclass(frozen=True)
class Shop:
    """A shop that is open."""

    start: str
    source: str
    """As `Session.source` has it."""
    driver_of: Callable[[Visit], PageDriver]
    facts: tuple[tuple[str, str], ...]
    """What is done there, in words, by title."""
    browser: str | None = None
    """Which browser shoppers go by; None for none."""
    typed: tuple[str, ...] = ()
    """Names that the test profile has."""
    windows: "Windows | None" = None
    """The windows of visits under way; None without a browser."""


@asynccontextmanager
async def open_shop(options: Options, folder: Path) -> AsyncIterator[Shop]:
    """Open the shop that the options name, and close all of it at the end.

    What browsers leave beside sessions is written into the folder.

    Raises:
        ConfigError: there is no Chromium, or the address or a host is none.
        PageError: Chromium cannot be started.
    """
    from shop_r1.cli.pipeline.stores import create_store

    app = None
    if options.url is None:
        app = create_store(options.crowd, options.catalogue_seed, options.page_size)
    if not options.in_browser:
        assert app is not None
        facts = (("shop", "the built-in store, in this process"),)
        yield Shop(HOME, "store", lambda _: InProcessDriver(app), facts)
        return
    from shop_r1.cli.simulation.kept import Windows
    from shop_r1.drivers.browser.pool import BrowserPool
    from shop_r1.store.serve import served

    async with AsyncExitStack() as stack:
        port = stack.enter_context(served(app)) if app is not None else None
        bounds = _bounds(options, port)
        pool = await stack.enter_async_context(BrowserPool(version=version("shop-r1")))
        windows = Windows(pool, bounds, options, folder)
        yield Shop(
            options.url or HOME,
            "live" if options.url else "store",
            windows.driver_of,
            (*_facts(options, bounds),),
            browser=pool.name,
            typed=bounds.profile.names,
            windows=windows,
        )


def _bounds(options: Options, port: int | None) -> "Bounds":
    """Return the bounds; `port` is the built-in store's, None for another shop.

    Raises:
        ConfigError: the address or a host is none.
        DataError: the test profile cannot be read.
    """
    from shop_r1.drivers.bounds.hosts import Hosts
    from shop_r1.drivers.bounds.rate import Rate
    from shop_r1.drivers.bounds.robots import Robots
    from shop_r1.drivers.bounds.rules import Bounds
    from shop_r1.drivers.bounds.test_profile import TestProfile

    profile = TestProfile.load(options.test_profile) if options.test_profile else TestProfile()
    rate = options.rate if options.rate is not None else RATE if options.url else 0.0
    return Bounds(
        Hosts.of(options.url or HOME, list(options.allow_host)),
        routes={HOST: ("127.0.0.1", port)} if port is not None else {},
        robots=Robots(AGENT) if options.url and not options.ignore_robots else None,
        rate=Rate(rate or None),
        profile=profile,
        purchase_labels=None if options.url else PURCHASES,
        allow_purchase=options.allow_purchase,
        max_bytes=round(options.max_bytes * 1e6) if options.max_bytes else None,
    )


def _facts(options: Options, bounds: "Bounds") -> list[tuple[str, str]]:
    """Return what shoppers in a browser may do, in words."""
    if options.url is None:
        shop, hosts = "the built-in store", "the store alone"
    else:
        shop, hosts = options.url, ", ".join([urlsplit(options.url).netloc, *options.allow_host])
    robots = "not asked for: --ignore-robots" if options.ignore_robots else "honoured"
    rate = options.rate if options.rate is not None else RATE
    pace = f"at most {rate:g} page loads a second and host" if rate else "pages as fast as they load"
    held = "held back and recorded as intended; --allow-purchase lets them through"
    facts = [("shop", shop), ("hosts", f"{hosts}; all else is refused")]
    if options.url is not None:
        bought = "let through: --allow-purchase. Orders are real" if options.allow_purchase else held
        facts += [("robots.txt", f"{robots}; {pace}"), ("purchases", bought)]
    if bounds.profile.names:
        facts.append(("test profile", f"may be typed: {', '.join(bounds.profile.names)}; never in a record"))
    return facts

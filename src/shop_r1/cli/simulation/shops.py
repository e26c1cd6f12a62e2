"""The shop that `simulate` visits: the built-in store in this process or in Chromium, or any other there."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from shop_r1.cli.simulation.options import Options
from shop_r1.drivers.in_process import HOME, HOST, PURCHASES, InProcessDriver
from shop_r1.drivers.protocol import PageDriver
from shop_r1.simulation.loop import Observer, Visit

if TYPE_CHECKING:
    from shop_r1.drivers.bounds.rate import HostRate
    from shop_r1.drivers.bounds.robots import Robots
    from shop_r1.drivers.bounds.rules import Bounds

RATE = 2.0
"""Page loads a second and host at most, of all shoppers together, unless `--rate` says another. Ours."""
AGENT = "shop-r1"
"""As robots.txt files may name it."""


class WindowKeeper(Observer, Protocol):
    """Holds the windows of visits under way, and keeps what was asked for of each."""

    dropped: Counter[str]
    """What is in no recording, in words."""

    async def picture_of(self, session_id: str) -> bytes | None:
        """Return a small JPEG of a shopper's window; None where there is none."""
        ...


@dataclass(frozen=True, kw_only=True)
class ShopFacts:
    """A shop, be it open here or in other processes."""

    start: str
    source: str
    """As `Session.source` has it."""
    facts: tuple[tuple[str, str], ...]
    """What is done there, in words, by title."""
    browser: str | None = None
    """Which browser shoppers go by; None for none."""
    typed: tuple[str, ...] = ()
    """Names that the test profile has."""


@dataclass(frozen=True, kw_only=True)
class Shop(ShopFacts):
    """A shop that is open."""

    driver_of: Callable[[Visit], PageDriver]
    windows: "WindowKeeper | None" = None
    """The windows of visits under way; None without a browser."""


@dataclass(frozen=True)
class Shared:
    """What several processes have in common that visit one shop, or several versions of one."""

    rate: "HostRate"
    robots: "Robots"


def shop_facts(options: Options, browser: str | None = None) -> ShopFacts:
    """Return what is known of the shop that the options name without opening it.

    Raises:
        ConfigError: the address or a host is none.
        DataError: the test profile cannot be read.
    """
    if not options.in_browser:
        facts = (("shop", f"the built-in store, in {'each' if options.ray else 'this'} process"),)
        return ShopFacts(start=HOME, source="store", facts=facts)
    bounds = _bounds(options, None)
    return ShopFacts(
        start=options.url or HOME,
        source="live" if options.url else "store",
        facts=tuple(_facts(options, bounds)),
        browser=browser,
        typed=bounds.profile.names,
    )


@asynccontextmanager
async def open_shop(options: Options, folder: Path, shared: Shared | None = None) -> AsyncIterator[Shop]:
    """Open the shop that the options name, and close all of it at the end.

    What browsers leave beside sessions is written into the folder. `shared` is what this process has in
    common with others that visit the shop at the same time; None where there are none.

    Raises:
        ConfigError: there is no Chromium, or the address or a host is none.
        PageError: Chromium cannot be started.
    """
    async with open_shops([options], folder, shared) as (shop,):
        yield shop


@asynccontextmanager
async def open_shops(
    versions: Sequence[Options], folder: Path, shared: Shared | None = None
) -> AsyncIterator[list[Shop]]:
    """Open the shops that several options name, which differ in the shop alone.

    They share a browser, and at an address the rate of page loads and what robots.txt files say.

    Raises:
        ConfigError: there is no Chromium, or the address or a host is none.
        PageError: Chromium cannot be started.
    """
    from shop_r1.cli.pipeline.stores import create_store

    def driven(options: Options) -> Shop:
        app = app_of(options)
        return Shop(**vars(shop_facts(options)), driver_of=lambda _: InProcessDriver(app))

    def app_of(options: Options) -> ASGIApp:
        crowd, seed, size = options.crowd, options.catalogue_seed, options.page_size
        return create_store(crowd, seed, size, variant=options.store_variant)

    if not versions[0].in_browser:
        yield [driven(options) for options in versions]
        return
    from shop_r1.cli.simulation.kept import Windows
    from shop_r1.drivers.browser.pool import BrowserPool
    from shop_r1.store.serve import served

    async with AsyncExitStack() as stack:
        ports = [None if each.url else stack.enter_context(served(app_of(each))) for each in versions]
        together = shared or _share(versions)
        bounds = [_bounds(each, port, together) for each, port in zip(versions, ports, strict=True)]
        pool = await stack.enter_async_context(BrowserPool(version=version("shop-r1")))
        shops = []
        for options, own in zip(versions, bounds, strict=True):
            windows = Windows(pool, own, options, folder)
            known = shop_facts(options, pool.name)
            shops.append(Shop(**vars(known), driver_of=windows.driver_of, windows=windows))
        yield shops


def _share(versions: Sequence[Options]) -> Shared | None:
    """Return what several versions at addresses have in common; None where there is one only."""
    from shop_r1.drivers.bounds.rate import Rate
    from shop_r1.drivers.bounds.robots import Robots

    if len(versions) == 1:
        return None
    return Shared(Rate(page_loads_per_second(versions[0])), Robots(AGENT))


def _bounds(options: Options, port: int | None, shared: Shared | None = None) -> "Bounds":
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
    robots = shared.robots if shared is not None else Robots(AGENT)
    return Bounds(
        Hosts.of(options.url or HOME, list(options.allow_host)),
        routes={HOST: ("127.0.0.1", port)} if port is not None else {},
        robots=robots if options.url and not options.ignore_robots else None,
        rate=shared.rate if shared is not None else Rate(page_loads_per_second(options)),
        profile=profile,
        purchase_labels=None if options.url else PURCHASES,
        allow_purchase=options.allow_purchase,
        max_bytes=round(options.max_bytes * 1e6) if options.max_bytes else None,
    )


def page_loads_per_second(options: Options) -> float | None:
    """Return how many pages of a host may be loaded in a second; None for as many as there are."""
    return (options.rate if options.rate is not None else RATE if options.url else 0.0) or None


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
    if options.page_variant is not None:
        facts.insert(1, ("version", f"{options.page_variant.name}: {options.page_variant.words}"))
    if bounds.profile.names:
        facts.append(("test profile", f"may be typed: {', '.join(bounds.profile.names)}; never in a record"))
    return facts

"""`compare --check`: what the edits of versions find on the shop's pages, before any shopper comes."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urljoin, urlsplit

from typer import Exit

from shop_r1.cli.comparison.options import CompareOptions
from shop_r1.cli.comparison.shops import open_versions
from shop_r1.cli.simulation.shops import Shop
from shop_r1.cli.terminal import console
from shop_r1.drivers.browser.driver import BrowserDriver
from shop_r1.drivers.edits.in_window import Held
from shop_r1.drivers.edits.page_variant import OF_REQUESTS, AnyEdit, Image, PageVariant
from shop_r1.drivers.protocol import Observation
from shop_r1.errors import ConfigError, PageError
from shop_r1.patterns import matches
from shop_r1.simulation.loop import Visit
from shop_r1.validation_messages import harmless

PAGES_MAX = 20
"""Visited of one version. Ours."""
_PATH_CHARS = 34


@dataclass
class Checked:
    """What was found of one version."""

    variant: PageVariant
    held: dict[str, list[Held | None]] = field(default_factory=dict)
    """By address, of each edit; None where the edit is of other pages."""
    problems: dict[str, str] = field(default_factory=dict)
    """Addresses of pages that could not be read, and why."""

    def missing(self) -> Iterator[str]:
        """Yield the edits that hold on no page, each with why."""
        for index, label in enumerate(self.variant.labels):
            found = [each for held in self.held.values() if (each := held[index]) is not None]
            if not found:
                wanted = " or ".join(self.variant.edits[index].pages)
                yield f"{label}: no page that was visited is {wanted}; give one with --check-page"
            elif not any(each.held for each in found):
                yield f"{label}: {say_found(self.variant.edits[index], max(found, key=lambda it: it.found))}"


def check_edits(options: CompareOptions, more: Sequence[str]) -> None:
    """Visit pages of each version that is made of edits, and print what each edit finds there.

    Pages are the start page, those that edits name without `*`, `more`, and one linked page for each pattern.

    Raises:
        ConfigError: no version is made of edits.
        PageError: Chromium cannot be started.
        Exit: an edit holds on no page; with code 1.
    """
    if not any(each.page_variant for each in options.versions.values()):
        raise ConfigError("--check is for versions that are made of page edits; there is none")
    bare = replace(options.base, no_recording=True, screenshots=False, trace=False, watch=False)
    with TemporaryDirectory() as folder:
        found = asyncio.run(_check_all(replace(options, base=bare), Path(folder), more))
    missing = [f"{name}: {text}" for name, each in found.items() for text in each.missing()]
    for name, each in found.items():
        _print(name, each)
    console.echo("")
    if not missing:
        console.echo_wrapped("Every edit holds on a page at least.")
        return
    console.echo_wrapped(f"{console.count_of(len(missing), 'edit')} on no page:")
    for text in missing:
        console.echo_wrapped(harmless(text))
    raise Exit(1)


async def _check_all(options: CompareOptions, folder: Path, more: Sequence[str]) -> dict[str, Checked]:
    found = {}
    async with open_versions(options, folder) as (_, shops):
        for name, each in options.versions.items():
            if each.page_variant is not None:
                found[name] = await _check_version(shops[name], each.page_variant, more)
    return found


async def _check_version(shop: Shop, variant: PageVariant, more: Sequence[str]) -> Checked:
    """Visit one version's pages, each in a window of its own."""
    found = Checked(variant)
    named = [each for edit in variant.edits for each in edit.pages if "*" not in each]
    waiting = list(dict.fromkeys([shop.start, *(urljoin(shop.start, each) for each in (*named, *more))]))
    linked: dict[str, None] = {}
    while waiting and len(found.held) + len(found.problems) < PAGES_MAX:
        linked |= dict.fromkeys(await _check_page(shop, waiting.pop(0), found))
        waiting = waiting or _next_pages(variant, found, linked)
    return found


async def _check_page(shop: Shop, url: str, found: Checked) -> list[str]:
    """Visit one page, add what edits find there, and return the addresses that it links to."""
    console.note(f"{found.variant.name}: {_path(url)}")
    driver = shop.driver_of(Visit("check", f"check-{found.variant.name}", start=url))
    assert isinstance(driver, BrowserDriver)
    try:
        seen = await driver.open(url)
    except PageError as error:
        found.problems[url] = str(error)
        return []
    finally:
        await driver.close()
    found.held[seen.page.url] = list(driver.held)
    return list(_links(seen))


def _links(seen: Observation) -> Iterator[str]:
    for element in seen.simplified.elements:
        if element.href:
            yield urljoin(seen.page.url, element.href).partition("#")[0]


def _next_pages(variant: PageVariant, found: Checked, linked: dict[str, None]) -> list[str]:
    """Return one linked page for each pattern of which no page was visited."""
    patterns = {each for edit in variant.edits for each in edit.pages}
    met = {each for each in patterns if any(matches(each, url) for url in found.held)}
    tried = found.problems.keys() | found.held.keys()
    chosen = [
        next((url for url in linked if url not in tried and matches(pattern, url)), None)
        for pattern in sorted(patterns - met)
    ]
    return list(dict.fromkeys(url for url in chosen if url is not None))


def say_found(edit: AnyEdit, held: Held) -> str:
    """Return what an edit found on a page, in words.

    >>> from shop_r1.drivers.edits.page_variant import Hide
    >>> hide = Hide(do="hide", selector=".ad")
    >>> say_found(hide, Held(2, 2, 0)), say_found(hide, Held(0, 0, 0))
    ('2 elements', 'nothing')
    """
    is_of_requests = isinstance(edit, OF_REQUESTS) or (isinstance(edit, Image) and edit.requests is not None)
    if held.given_up:
        return "the page takes it back"
    if held.held:
        return console.count_of(held.held, "request" if is_of_requests else "element")
    if is_of_requests:
        return "nothing was asked for there"
    if not held.found:
        return "nothing"
    return f"{console.count_of(held.found, 'element')}, but no place to move to"


def _print(name: str, found: Checked) -> None:
    console.echo("")
    console.echo_wrapped(f"{name}, on {console.count_of(len(found.held), 'page')}")
    rows = [("edit", "page", "finds")]
    for index, label in enumerate(found.variant.labels):
        for url, held in found.held.items():
            if (each := held[index]) is not None:
                rows.append(
                    (
                        label if len(label) <= 30 else f"{label[:29]}…",
                        _path(url),
                        say_found(found.variant.edits[index], each),
                    )
                )
    console.print_table(rows)
    for url, problem in found.problems.items():
        console.note(harmless(f"{url}: {problem}"))


def _path(url: str) -> str:
    parts = urlsplit(url)
    text = harmless(parts.path + (f"?{parts.query}" if parts.query else "") or "/")
    return text if len(text) <= _PATH_CHARS else f"{text[: _PATH_CHARS - 1]}…"

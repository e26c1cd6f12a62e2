"""Save pages of a running EverShop for the tests: `python -m recipes.evershop.save_pages [ADDRESS]`.

A page is saved as the shop served it and as it stood in Chromium, with what was typed and opened; scripts are
taken out of both, and style sheets are kept once. tests/pages/evershop/README.md says what is where.
"""

import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import zstandard
from playwright.sync_api import BrowserContext, Page, sync_playwright

from shop_r1.drivers.browser.chromium import FLAGS, find_chromium, needs_no_sandbox

OUT = Path(__file__).resolve().parents[2] / "tests" / "pages" / "evershop" / "pages.json.zst"
_LEVEL = 19
_SCRIPT = re.compile(r"<script\b.*?</script\s*>|<link\b[^>]*\brel=\"(?:preload|modulepreload)\"[^>]*>", re.S)
_STYLE = re.compile(r"(<style[^>]*>)(.*?)(</style>)", re.S)
_SOURCES = re.compile(r' (?:srcset|imagesrcset|sizes)="[^"]*"', re.I)
_SRC = re.compile(r' src="/images\?src=[^"]*?([\w.-]+\.(?:png|svg|webp))[^"]*"')
_STYLE_MIN = 1000  # characters, from which a style sheet is kept apart
# What a shopper has done to a page stands in properties, which are no part of its HTML.
_RENDERED = """() => {
  const copy = document.documentElement.cloneNode(true);
  const [live, copied] = [document, copy].map((root) => [...root.querySelectorAll('input,textarea,option')]);
  live.forEach((field, index) => {
    const twin = copied[index];
    if (field.localName === 'textarea') twin.textContent = field.value;
    else if (field.localName === 'option') twin.toggleAttribute('selected', field.selected);
    else if (/^(?:checkbox|radio)$/.test(field.type)) twin.toggleAttribute('checked', field.checked);
    else if (field.value || field.hasAttribute('value')) twin.setAttribute('value', field.value);
  });
  return '<!DOCTYPE html>' + copy.outerHTML;
}"""

Step = Callable[[Page], None]


@dataclass(frozen=True)
class Stop:
    """A page to save: where it is, and what is done there first."""

    name: str
    path: str
    steps: tuple[Step, ...] = ()
    is_served: bool = True
    """Whether the page as served shows the same; not where something was done to it."""


def _press(role: str, name: str, exact: bool = True) -> Step:
    def press(page: Page) -> None:
        page.get_by_role(role, name=name, exact=exact).first.click()  # type: ignore[arg-type]
        _wait(page)

    return press


def _open_list(shown: str) -> Step:
    def open_list(page: Page) -> None:
        page.locator("[role=combobox]", has_text=shown).first.click()
        _wait(page)

    return open_list


def _hover(name: str) -> Step:
    def hover(page: Page) -> None:
        page.locator("header").get_by_text(name, exact=True).first.hover()
        _wait(page)

    return hover


def _fill(label: str, text: str) -> Step:
    return lambda page: page.get_by_placeholder(label, exact=True).first.fill(text)


def _see(text: str) -> Step:
    def see(page: Page) -> None:
        page.get_by_text(text).first.wait_for()
        _wait(page)

    return see


def _wait(page: Page) -> None:
    page.wait_for_load_state("networkidle")
    page.wait_for_function("document.getAnimations().every((each) => each.playState !== 'running')")


_ADDRESS = (
    _fill("Enter your email", "jo@shop.example"),
    _fill("Full name", "Jo Example"),
    _fill("Telephone", "5550100"),
    _fill("Address", "1 Example Street"),
    _fill("City", "Springfield"),
)
_COUNTRY = (_open_list("Country"), _press("option", "United States"))
_PROVINCE = (_open_list("Province"), _press("option", "Alaska"))
_SHIPPING = (
    *_ADDRESS,
    *_COUNTRY,
    *_PROVINCE,
    _fill("Postcode", "99501"),
    _see("Standard Delivery"),  # the shop asks for it 0.8 s after the last key
)
_PAYMENT = (_press("radio", "Standard Delivery", exact=False), _press("radio", "Cash on", exact=False))
STOPS = (
    Stop("home", ""),
    Stop("home_menu", "", (_hover("Home & Kitchen"),), is_served=False),
    Stop("home_search", "", (_press("link", "Search"),), is_served=False),
    Stop("home_cart_empty", "", (_press("button", "Shopping cart", exact=False),), is_served=False),
    *(Stop(name, name) for name in ("kitchen", "desk", "clothing", "bags", "garden", "lighting")),
    Stop("desk_filtered", "desk", (_press("checkbox", "Black", exact=False),), is_served=False),
    Stop("bags_sorting", "bags", (_open_list("Default"),), is_served=False),
    Stop("bags_by_price", "bags?ob=price&od=asc"),
    Stop("search_lamp", "search?keyword=lamp"),
    Stop("search_red", "search?keyword=red"),
    Stop("search_nothing", "search?keyword=zzz"),
    Stop("product_lamp", "desk/desk-lamp-green"),
    Stop("product_shirt", "clothing/cotton-t-shirt-black"),
    Stop("product_bag", "bags/city-backpack-blue"),
    Stop("product_bowl", "kitchen/stoneware-bowl-white"),
    Stop("product_feeder", "garden/bird-feeder-blue"),
    Stop("login", "account/login"),
    Stop("login_filled", "account/login", (_fill("Email", "jo@shop.example"),), is_served=False),
    Stop("register", "account/register"),
    Stop("reset_password", "account/reset-password"),
    Stop("about_us", "page/about-us"),
    Stop("not_found", "no-such-page"),
    Stop("cart_empty", "cart"),
    Stop("product_variant", "desk/desk-lamp-green", (_press("button", "Navy"),), is_served=False),
    Stop(
        "cart_drawer",
        "desk/desk-lamp-green",
        (_press("button", "Navy"), _press("button", "Add to cart")),
        is_served=False,
    ),
    Stop("home_with_cart", ""),
    Stop("cart", "cart"),
    Stop("checkout", "checkout"),
    Stop("checkout_countries", "checkout", _COUNTRY[:1], is_served=False),
    Stop("checkout_address", "checkout", (*_ADDRESS, *_COUNTRY, *_PROVINCE), is_served=False),
    Stop("checkout_shipping", "checkout", _SHIPPING, is_served=False),
    Stop("checkout_payment", "checkout", (*_SHIPPING, *_PAYMENT), is_served=False),
)
"""In order: what is put into the cart stays there."""


def save(context: BrowserContext, address: str) -> Iterator[tuple[Stop, str | None, str]]:
    """Yield each stop with its page as served, where that shows the same, and as it stands."""
    for stop in STOPS:
        page = context.new_page()
        response = page.goto(address + stop.path)
        assert response is not None
        served = response.text()
        _wait(page)
        for step in stop.steps:
            step(page)
        yield stop, served if stop.is_served else None, page.evaluate(_RENDERED)
        page.close()


def pack(html: str, styles: dict[str, str]) -> str:
    """Return the page without scripts and its large style sheets, which go to `styles` by their digest."""

    def take_out(found: re.Match[str]) -> str:
        if len(found[2]) < _STYLE_MIN:
            return found[0]
        digest = hashlib.sha256(found[2].encode()).hexdigest()[:16]
        styles[digest] = found[2]
        return f"{found[1]}{{{{{digest}}}}}{found[3]}"

    text = _STYLE.sub(take_out, _SCRIPT.sub("", html))
    return _SRC.sub(r' src="/images/\1"', _SOURCES.sub("", text))


def main(address: str = "http://127.0.0.1:8300/") -> None:
    """Save all pages."""
    styles: dict[str, str] = {}
    pages: list[dict[str, str | None]] = []
    with sync_playwright() as playwright:
        flags = [*FLAGS, "--no-sandbox"] if needs_no_sandbox() else list(FLAGS)
        chromium = playwright.chromium
        browser = chromium.launch(executable_path=find_chromium(chromium.executable_path), args=flags)
        context = browser.new_context(
            viewport={"width": 1280, "height": 800},
            locale="en-US",
            timezone_id="UTC",
            reduced_motion="reduce",
        )
        context.set_default_timeout(15000)
        for stop, served, rendered in save(context, address):
            packed = {"served": served and pack(served, styles), "rendered": pack(rendered, styles)}
            pages.append({"name": stop.name, "path": f"/{stop.path}", **packed})
            print(stop.name, *(len(text or "") for text in packed.values()))
        browser.close()
    text = json.dumps({"styles": styles, "pages": pages}, indent=0, ensure_ascii=False)
    OUT.write_bytes(zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(text.encode()))
    print(len(pages), "pages,", OUT.stat().st_size, "bytes in", OUT)


if __name__ == "__main__":
    main(*sys.argv[1:])

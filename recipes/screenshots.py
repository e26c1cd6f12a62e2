"""Take the pictures of the documents: a page in Chromium, light and dark.

Usage: python recipes/screenshots.py PAGE docs/images/NAME.png [--size 1280x1000] [--at "#session/2"]

PAGE is a file or an address. `NAME.png` is the light picture, `NAME_dark.png` the dark one.
"""

import argparse
from pathlib import Path
from typing import Literal

from playwright.sync_api import sync_playwright

from shop_r1.drivers.browser.chromium import FLAGS, find_chromium, needs_no_sandbox

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def take(address: str, out: Path, width: int, height: int) -> list[Path]:
    """Write the pictures and return their paths."""
    flags = [*FLAGS, *(["--no-sandbox"] if needs_no_sandbox() else [])]
    paths = [out, out.with_stem(f"{out.stem}_dark")]
    with sync_playwright() as playwright:
        program = find_chromium(playwright.chromium.executable_path)
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        for scheme, path in zip(SCHEMES, paths, strict=True):
            page = browser.new_page(
                viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
            )
            page.goto(address)
            # Until a recording is unpacked, the player of a session says so.
            page.locator("#message").wait_for(state="hidden")
            page.wait_for_timeout(500)
            page.screenshot(path=path)
        browser.close()
    return paths


def main() -> None:
    """Read the arguments, take the pictures and print where they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("page")
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", default="1280x1000")
    parser.add_argument("--at", default="", help="what follows the address, such as #session/2")
    asked = parser.parse_args()
    width, height = map(int, asked.size.split("x"))
    address = asked.page if "://" in asked.page else Path(asked.page).resolve().as_uri()
    for path in take(address + asked.at, asked.out, width, height):
        print(path)


if __name__ == "__main__":
    main()

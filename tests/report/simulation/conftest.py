from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from shop_r1.drivers.browser.chromium import FLAGS, find_chromium, needs_no_sandbox


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One Chromium for a file of tests."""
    with sync_playwright() as playwright:
        path = find_chromium(playwright.chromium.executable_path)
        flags = [*FLAGS, *(["--no-sandbox"] if needs_no_sandbox() else [])]
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()

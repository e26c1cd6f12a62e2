"""Get a Chromium for the tests, where there is none: Debian's package, else Playwright's own download.

Usage: python recipes/chromium.py
"""

import os
import shutil
import subprocess
import sys

from playwright.sync_api import sync_playwright

from shop_r1.drivers.browser.chromium import find_chromium
from shop_r1.errors import ConfigError


def ways() -> list[list[list[str]]]:
    """Return the ways to try, each as its commands in order."""
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    debian = [[*root, "apt-get", "-qq", "update"], [*root, "apt-get", "-qq", "-y", "install", "chromium"]]
    playwrights = [[sys.executable, "-m", "playwright", "install", "--with-deps", "chromium"]]
    return [debian, playwrights] if shutil.which("apt-get") else [playwrights]


def playwrights_own() -> str:
    """Return where Playwright's own Chromium is, or would be."""
    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def main() -> None:
    """Install one where none is found, and print which one the tests use; exit with 1 where none came."""
    for commands in [[], *ways()]:
        for command in commands:
            print(" ".join(command), file=sys.stderr)
            if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:
                break
        try:
            print(find_chromium(playwrights_own()))
        except ConfigError as error:
            problem = error
        else:
            return
    sys.exit(str(problem))


if __name__ == "__main__":
    main()

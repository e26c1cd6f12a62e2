"""What `make chromium` does where a browser is there already."""

import subprocess
from pathlib import Path
from typing import NoReturn

import pytest
from recipes import chromium as recipe

from shop_r1.drivers.browser import chromium as browser


def test_playwrights_own_chromium_is_found_and_nothing_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def install(*_: object, **__: object) -> NoReturn:
        raise AssertionError("something was installed")

    monkeypatch.delenv(browser.VARIABLE, raising=False)
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    monkeypatch.setattr(browser, "_NAMES", ())
    monkeypatch.setattr(browser, "_MAC", "")
    program = Path(recipe.playwrights_own())
    program.parent.mkdir(parents=True)
    program.touch()
    monkeypatch.setattr(subprocess, "run", install)
    recipe.main()
    assert program.is_relative_to(tmp_path) and capsys.readouterr().out == f"{program}\n"

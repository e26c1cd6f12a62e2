"""All commands: help, exit codes, what is printed when something goes wrong."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.text import Text
from tests.shell import Shell

from shop_r1.cli import main as cli
from shop_r1.cli import simplify as pages
from shop_r1.errors import Terminated


def all_commands() -> Iterator[tuple[str, Any]]:
    def walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield path, command
        for name, each in (inner or {}).items():
            yield from walk(f"{path} {name}".strip(), each)

    yield from walk("", typer.main.get_command(cli.app))


COMMANDS = dict(all_commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_no_brackets_that_the_terminal_takes_for_a_style(name: str) -> None:
    command = COMMANDS[name]
    texts = [command.help, *(getattr(each, "help", None) for each in command.params)]
    assert [text for text in texts if text and Text.from_markup(text).plain != text] == []


def test_the_commands_are_those_of_the_design() -> None:
    assert set(COMMANDS) == {
        *("demo", "store", "simplify", "simulate", "sft", "grpo", "evaluate", "card", "score", "report"),
        *("backtest", "compare", "doctor", "fidelity", "journey", "personas", "rationales", "reproduce"),
        *("model fetch", "model list", "model convert"),
        *("data import pages", "data import opera", "data import log", "data import rrweb"),
        *("data validate", "data stats", "data split", "data balance", "data convert"),
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_with_an_example(name: str, shell: Shell) -> None:
    code, out, _ = shell(*name.split(), "--help")
    assert code == 0
    assert f"Example: shop-r1 {name}" in " ".join(out.split())
    for parameter in COMMANDS[name].params:
        assert parameter.help or parameter.name == "help", f"{name}: {parameter.name} has no help"
        shown = Text.from_markup(parameter.help or "").plain
        assert shown == (parameter.help or ""), f"{name}: {parameter.name}: brackets are taken for markup"


def test_help_needs_no_heavy_library() -> None:
    heavy = ("torch", "transformers", "trl", "sklearn", "scipy", "matplotlib", "numpy", "lxml", "starlette")
    code = (
        "import sys; from shop_r1.cli import main as cli; cli.run(['--help']); cli.run(['sft', '--help']);"
        f"sys.exit(str([name for name in {heavy!r} if name in sys.modules] or '') or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("fault", "code", "told"),
    [
        (KeyboardInterrupt(), 130, "shop-r1: interrupted\n"),
        (Terminated(), 143, "shop-r1: ended by SIGTERM\n"),
        (OSError(28, "No space left on device"), 2, "shop-r1: No space left on device\n"),
        (
            RuntimeError("two\nlines"),
            1,
            "shop-r1: unexpected RuntimeError: two lines (set SHOP_R1_TRACEBACK=1 to see where)\n",
        ),
    ],
)
def test_other_faults_have_their_own_codes(
    fault: BaseException, code: int, told: str, shell: Shell, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(pages, "_show", fail)
    monkeypatch.delenv(cli.TRACEBACK, raising=False)
    assert shell("simplify", page) == (code, "", told)
    if code == 1:
        monkeypatch.setenv(cli.TRACEBACK, "1")
        assert "Traceback (most recent call last)" in shell("simplify", page)[2]


def run_outside(*words: str, **options: Any) -> "subprocess.Popen[bytes]":
    program = "import sys; from shop_r1.cli.main import main; main()"
    return subprocess.Popen([sys.executable, "-c", program, *words], stderr=subprocess.PIPE, **options)


def test_nobody_reading_on_is_no_fault(page: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = run_outside("simplify", str(page), "--json", stdout=writer)
    os.close(writer)
    assert done.communicate(timeout=60)[1] == b""
    assert done.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout_is_one_sentence(page: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run_outside("simplify", str(page), "--json", stdout=full)
        err = done.communicate(timeout=60)[1]
    assert (done.returncode, err) == (2, b"shop-r1: No space left on device\n")


@pytest.mark.parametrize(
    ("package", "code", "message"),
    [
        ("torch", 2, "this needs the package torch, which is not installed: pip install 'shop-r1[train]'"),
        ("openai", 2, "pip install 'shop-r1[api]'"),
        ("genai_prices", 2, "pip install 'shop-r1[api]'"),
        ("shop_r1.gone", 1, "unexpected ModuleNotFoundError"),
    ],
)
def test_a_package_that_is_not_installed_is_named_with_the_extra_that_brings_it(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, package: str, code: int, message: str
) -> None:
    def halt(_: object) -> int:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    monkeypatch.setattr(cli, "_invoke", halt)
    found, out, err = shell("sft")
    assert (found, out) == (code, "") and message in err


def test_no_key_is_in_what_is_told_of_an_internal_error_or_its_traceback(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "sk-proj-aB3xYZq9wE7rT5yU1iO"

    def fail(*_: object) -> None:
        raise RuntimeError(f"header {secret!r}") from ValueError(f"b'Bearer {secret}\\n'")

    monkeypatch.setenv("OPENAI_API_KEY", f"{secret}\n")
    monkeypatch.setattr(cli, "_invoke", fail)
    for trace in ("", "1"):
        monkeypatch.setenv("SHOP_R1_TRACEBACK", trace)
        code, out, err = shell("doctor")
        assert code == 1 and "unexpected RuntimeError: header '[key]'" in err
        assert ("Traceback" in err) == bool(trace)
        assert "aB3xYZq9" not in out + err


def test_sigterm_ends_any_command_with_143(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = list[str]()

    def work(_: object) -> int:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            closed.append("closed")
        return 0

    monkeypatch.setattr(cli, "_invoke", work)
    assert shell("evaluate") == (143, "", "shop-r1: ended by SIGTERM\n")
    assert closed == ["closed"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

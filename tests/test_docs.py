"""The documentation site: it builds strictly, needs no network, and names the whole public API."""

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from docs.hooks.command_line import describe_commands
from docs.hooks.doctests import fence_doctests
from docs.hooks.repository_links import link_to_repository

import shop_r1
from shop_r1 import Action, Page, Prediction, Session, Step, write_sessions
from shop_r1.jsonl import write_records

ROOT = Path(__file__).parents[1]
LOADED = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"?(https?://[^\"\s>]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the built site; building stops at the first link that leads nowhere."""
    folder = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_no_page_loads_anything_from_a_network(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    assert {address for page in pages for address in LOADED.findall(page.read_text("utf-8"))} == set()
    styles = "".join(file.read_text("utf-8") for file in site.rglob("*.css"))
    assert re.findall(r"url\(['\"]?https?:", styles) == []


def test_the_reference_has_every_public_name_and_every_command(site: Path) -> None:
    api = (site / "reference" / "api.html").read_text("utf-8")
    assert [name for name in shop_r1.__all__ if f'id="shop_r1.{name}"' not in api] == []
    assert "shop-r1 data import rrweb" in (site / "reference" / "command_line.html").read_text("utf-8")


def test_the_command_line_is_described_with_options_and_defaults() -> None:
    text = describe_commands()
    assert "### shop-r1 simulate\n" in text
    assert "| `--shoppers SHOPPERS` | How many visits. Default: `20`. |" in text


def test_links_out_of_the_documentation_lead_to_the_repository() -> None:
    text = "[a](../../src/shop_r1/jsonl.py#L3) [b](../data.md) [c](../../configs)"
    address = "https://github.com/shop-r1/shop-r1"
    assert link_to_repository(text, "how_to/x.md") == (
        f"[a]({address}/blob/main/src/shop_r1/jsonl.py#L3) [b](../data.md) [c]({address}/tree/main/configs)"
    )
    with pytest.raises(FileNotFoundError, match=r"docs/how_to/x\.md: links to \.\./\.\./none\.py"):
        link_to_repository("[a](../../none.py)", "how_to/x.md")


def test_a_doctest_within_a_docstring_is_shown_as_code() -> None:
    text = "Return it.\n\n>>> f(1)\n2\n\nArgs:\n    x: a number."
    assert fence_doctests(text) == "Return it.\n\n```pycon\n>>> f(1)\n2\n```\n\nArgs:\n    x: a number."


def run_python_of(page: str) -> None:
    """Run the Python that a page shows, in the current folder."""
    for block in re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text("utf-8"), re.DOTALL):
        exec(compile(dedent(block), page, "exec"), {})


def test_the_tutorials_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = Step(page=Page(html="<page>"), action=Action(type="terminate"))
    (tmp_path / "work" / "data").mkdir(parents=True)
    write_sessions(tmp_path / "work" / "data" / "test.jsonl", [Session(session_id="visit-1", steps=(step,))])
    monkeypatch.chdir(tmp_path)
    run_python_of("tutorial.md")
    shown = capsys.readouterr().out
    assert '<button name="add_to_cart">Add to cart</button>' in shown
    assert "visit-1" in shown and "['terminate']" in shown


def test_two_checkpoints_are_compared_step_by_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    leave = Action(type="terminate")
    predicted: dict[str, dict[str, list[Action | None]]] = {
        "runs/eval_sft": {"1": [leave, leave, None], "2": [leave, None, None]},
        "runs/eval_grpo": {"1": [leave, leave, leave], "2": [leave, leave, leave]},
    }
    for folder, sessions in predicted.items():
        (tmp_path / folder).mkdir(parents=True)
        lines = [
            Prediction(session_id=session, step=step, target=leave, action=action)
            for session, actions in sessions.items()
            for step, action in enumerate(actions)
        ]
        write_records(tmp_path / folder / "predictions.jsonl", lines)
    monkeypatch.chdir(tmp_path)
    run_python_of("how_to/compare_checkpoints.md")
    # Resamples hold session 1 twice (SFT has 4 of 6 right), both (3 of 6) or session 2 twice (2 of 6); its F1
    # of leaving is then 8/10, 6/9 or 4/8. GRPO has all right. No resample of 1,000 is at 0: p is 2/1001.
    shown = capsys.readouterr().out.splitlines()
    assert shown == [
        "exact: +50.0 points [+33.3, +66.7], p 0.002",
        "type_f1_macro: +33.3 points [+20.0, +50.0], p 0.002",
    ]


def test_the_imports_that_are_shown_work() -> None:
    for page in ("reference/api.md", "../README.md"):
        run_python_of(page)

"""README.md: its tree is the tree, its commands are the commands, its links lead somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from shop_r1.cli.main import app

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


def tree_paths() -> Iterator[str]:
    """Yield each line of the captioned tree as a path."""
    block = TEXT.split("```text\n")[1].split("```")[0]
    parents: list[str] = []
    for line in block.splitlines():
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        parents = [*parents[:depth], name]
        yield "".join(parents)


def commands(group: Any, before: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before} {name}")
        else:
            yield f"{before} {name}"


def test_every_path_of_the_tree_exists() -> None:
    assert [path for path in tree_paths() if not (ROOT / path).exists()] == []


def test_everything_at_the_top_of_the_package_is_in_the_tree() -> None:
    package = ROOT / "src" / "shop_r1"
    there = {
        f"src/shop_r1/{path.name}{'/' if path.is_dir() else ''}"
        for path in package.iterdir()
        if not path.name.startswith(("_", ".")) and path.name != "py.typed"
    }
    assert there - set(tree_paths()) == set()


def test_the_table_of_commands_is_that_of_the_command_line() -> None:
    shown = re.findall(r"^\| `(shop-r1 [^`]+)` \|", TEXT, re.MULTILINE)
    assert sorted(shown) == sorted(commands(typer.main.get_command(app), "shop-r1"))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_and_named_files_exist(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    named = re.findall(r"`((?:docs|tests|configs|recipes|benchmarks|src)/[\w./-]+\.\w+)", text)
    missing = [each for each in named if not (ROOT / each).exists()]
    missing += [each for each in links if not (ROOT / name).parent.joinpath(each).exists()]
    assert missing == []


def test_the_score_that_the_readme_shows_is_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    from shop_r1.cli.main import run

    shown = TEXT.split("results.red_mug_set\"}}'\n")[1].split("```")[0]
    completion = '{"rationale": "I like it.", "action": {"type": "click", "name": "results.red_mug_set"}}'
    target = '{"type":"click","name":"results.red_mug"}'
    assert run(["score", "--target", target, "--certainty", "26", "--response", completion]) == 0
    assert capsys.readouterr().out == shown

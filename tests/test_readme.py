"""README.md, CONTRIBUTING.md and docs/: trees, commands, links and shown output are what is there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from shop_r1.cli.main import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
TREE = (ROOT / "docs" / "source_tree.md").read_text("utf-8")
COMMANDS = (ROOT / "docs" / "reference" / "command_line.md").read_text("utf-8")
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CODE_OF_CONDUCT.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
]
REPOSITORY = "https://github.com/shop-r1/shop-r1"
PICTURES = "https://raw.githubusercontent.com/shop-r1/shop-r1/main/"


def tree_paths() -> Iterator[str]:
    """Yield each line of the captioned tree as a path."""
    block = TREE.split("```text\n")[1].split("```")[0]
    parents: list[str] = []
    for line in block.splitlines():
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        parents = [*parents[:depth], name]
        yield "".join(parents)


def commands(group: Any, before: str) -> Iterator[tuple[str, Any]]:
    """Yield each command's full name and its object."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before} {name}")
        else:
            yield f"{before} {name}", command


BY_NAME = dict(commands(typer.main.get_command(app), "shop-r1"))


def shown_commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each `$ shop-r1 …` line, continued lines joined."""
    for line in re.findall(r"^ *\$ (shop-r1 (?:[^\n\\]|\\\n|\\.)*)", text, re.MULTILINE):
        yield shlex.split(line.replace("\\\n", " "), comments=True)


def local_file(link: str) -> str | None:
    """Return the path in the repository that an address of it stands for; None for other addresses."""
    address = link.partition("#")[0]
    if address.startswith(PICTURES):
        return address.removeprefix(PICTURES)
    match = re.fullmatch(rf"{REPOSITORY}/(?:blob|tree)/main/(.+)", address)
    return match[1] if match else None


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
    shown = re.findall(r"^\| `(shop-r1 [^`]+)` \|", COMMANDS, re.MULTILINE)
    assert sorted(shown) == sorted(BY_NAME)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_and_named_files_exist(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    links = re.findall(r"\]\(([^)#\s]+)", text)
    missing = [each for each in map(local_file, links) if each and not (ROOT / each).exists()]
    relative = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    missing += [each for each in relative if not (ROOT / name).parent.joinpath(each).exists()]
    named = re.findall(r"`((?:docs|tests|configs|recipes|benchmarks|examples|src)/[\w./-]+\.\w+)", text)
    assert missing + [each for each in named if not (ROOT / each).exists()] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_that_are_shown_have_these_options_and_files(name: str) -> None:
    wrong = []
    for words in shown_commands((ROOT / name).read_text("utf-8")):
        known = max((each for each in BY_NAME if " ".join(words).startswith(each)), key=len, default=None)
        assert known is not None, " ".join(words)
        options = {opt for parameter in BY_NAME[known].params for opt in parameter.opts}
        given = [word.partition("=")[0] for word in words if word.startswith("--")]
        wrong += [f"{known} {option}" for option in given if option not in {*options, "--help"}]
        wrong += [word for word in words if word.startswith("configs/") and not (ROOT / word).exists()]
    assert wrong == []


def test_the_readme_is_short_and_its_links_hold_on_a_package_index() -> None:
    assert len(README.splitlines()) < 200
    links = re.findall(r"\]\(([^)\s]+)", README)
    assert [link for link in links if not link.startswith("https://")] == []
    assert sum(link.startswith(PICTURES) for link in links) == 1


def test_the_picture_of_the_report_is_small() -> None:
    assert (ROOT / "docs" / "images" / "report.png").stat().st_size < 300_000


def test_the_score_that_is_shown_is_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    from shop_r1.cli.main import run

    shown = COMMANDS.split("results.red_mug_set\"}}'\n")[1].split("```")[0]
    completion = '{"rationale": "I like it.", "action": {"type": "click", "name": "results.red_mug_set"}}'
    target = '{"type":"click","name":"results.red_mug"}'
    assert run(["score", "--target", target, "--certainty", "26", "--response", completion]) == 0
    assert capsys.readouterr().out == shown

"""docs/paper_map.md: every name in it exists, and every default in it is the code's."""

import ast
import importlib
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "paper_map.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|\n").split(" | ")]
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith(("| paper |", "| public code |"))
]
NAMES = re.compile(r"`([^`]+)`(?: = ([^,|]+))?")


def names(column: int) -> list[tuple[str, str]]:
    return list(dict.fromkeys(pair for row in ROWS for pair in NAMES.findall(row[column])))


def resolve(name: str) -> Any:
    """Return the object, or the settings field, that a name relative to `shop_r1` stands for."""
    parts = name.split(".")
    for split in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(["shop_r1", *parts[:split]]))
        except ModuleNotFoundError:
            continue
        for part in parts[split:]:
            is_settings = isinstance(found, type) and issubclass(found, BaseModel)
            found = found.model_fields[part] if is_settings else getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


@cache
def functions_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_row_has_its_five_cells_and_says_where_the_code_is() -> None:
    assert len(ROWS) > 30
    assert [row[0] for row in ROWS if len(row) != 5] == []
    assert [row[0] for row in ROWS if not NAMES.search(row[1])] == []


@pytest.mark.parametrize(("name", "default"), names(1))
def test_the_code_that_is_named_exists(name: str, default: str) -> None:
    assert resolve(name) is not None
    assert default == ""


@pytest.mark.parametrize(("name", "default"), names(2))
def test_the_setting_that_is_named_exists_and_has_its_default(name: str, default: str) -> None:
    if name.startswith("configs/"):
        assert (ROOT / name).is_file()
        return
    found = resolve(name)
    if default:
        assert found.default == ast.literal_eval(default.strip())
    else:
        assert hasattr(found, "default") or issubclass(found, BaseModel)


@pytest.mark.parametrize(("name", "default"), names(3))
def test_the_test_that_is_named_exists(name: str, default: str) -> None:
    path, _, function = name.partition("::")
    assert function.startswith("test_")
    assert function in functions_in(path)
    assert default == ""


def test_every_equation_table_and_figure_of_the_paper_has_a_row() -> None:
    first = [row[0] for row in ROWS]
    expected = [f"Eq. {each}," for each in (1, 2, 3, 4, "A1")] + ["Eq. A2 to A5,"]
    expected += [f"Table {each}," for each in (1, 2, 3, 4, 5, "A1", "A2", "A3")]
    expected += [f"Figure {each}," for each in (1, 2)]
    assert [each for each in expected if not any(row.startswith(each) for row in first)] == []


def test_every_note_that_a_row_points_to_is_there_and_every_note_is_pointed_to() -> None:
    used = {int(number) for row in ROWS for number in re.findall(r"\d+", row[4])}
    written = [int(number) for number in re.findall(r"^(\d+)\. \*\*", TEXT, re.MULTILINE)]
    assert written == list(range(1, len(written) + 1))
    assert used == set(written)


@pytest.mark.parametrize(
    "name", ["rewards.total.no_such_function", "no_such_module.x", "rewards.total.RewardConfig.x"]
)
def test_a_name_that_does_not_exist_would_be_found(name: str) -> None:
    with pytest.raises((AttributeError, KeyError, ModuleNotFoundError)):
        resolve(name)

"""`from shop_r1 import …`: the public names, imported when they are used."""

import ast
import importlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import shop_r1

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "shop_r1" / "__init__.py"
PROMISED = (
    "simplify_page",
    "find_element",
    "Session",
    "Step",
    "Action",
    "render_prompt",
    "parse_response",
    "score_response",
    "RewardConfig",
    "evaluate_predictions",
    "read_sessions",
    "write_sessions",
)
"""What the README and the documentation build on; a name goes only with a new major version."""
NOT_LOADED = ("torch", "transformers", "trl", "sklearn", "matplotlib", "pyarrow", "starlette", "openai")


def modules_after(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after the code."""
    show = f"{code}\nimport sys; print(' '.join({{name.partition('.')[0] for name in sys.modules}}))"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE.parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", show], capture_output=True, text=True, check=True, env=environment
    )
    return set(done.stdout.split())


def test_the_promised_names_are_there() -> None:
    assert set(PROMISED) <= set(shop_r1.__all__)
    assert set(shop_r1.__all__) <= set(dir(shop_r1))


@pytest.mark.parametrize("name", shop_r1.__all__)
def test_each_name_is_that_of_its_module_and_is_documented(name: str) -> None:
    found = getattr(shop_r1, name)
    assert found is getattr(importlib.import_module(f"shop_r1.{shop_r1._MODULE_OF[name]}"), name)
    assert found.__doc__


@pytest.mark.parametrize("name", [name for name in PROMISED if name[0].islower()])
def test_each_function_has_an_example_that_runs_as_a_doctest(name: str) -> None:
    module = importlib.import_module(f"shop_r1.{shop_r1._MODULE_OF[name]}")
    source = Path(str(module.__file__)).read_text("utf-8")
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.ClassDef))
    shown = [text for text in (ast.get_docstring(node) or "" for node in nodes) if ">>> " in text]
    assert any(f"{name}(" in text for text in shown)


def test_type_checkers_see_the_same_names_and_modules() -> None:
    (block,) = (node for node in ast.parse(SOURCE.read_text("utf-8")).body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module.removeprefix("shop_r1.")
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    assert seen == shop_r1._MODULE_OF


def test_importing_the_package_loads_nothing_but_itself() -> None:
    assert modules_after("import shop_r1") - modules_after("import importlib, typing") == {"shop_r1"}


def test_no_public_name_loads_a_heavy_library_before_it_is_used() -> None:
    light = [
        name
        for name in shop_r1.__all__
        if name not in ("evaluate_predictions", "read_sessions", "write_sessions")
    ]
    assert modules_after(f"from shop_r1 import {', '.join(light)}").isdisjoint(NOT_LOADED)
    assert "torch" not in modules_after("from shop_r1 import evaluate_predictions")


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'simplify'; .*simplify_page"):
        _ = shop_r1.simplify


def test_the_version_is_said_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == shop_r1.__version__
    assert f"\nversion: {shop_r1.__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")

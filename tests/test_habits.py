"""What keeps the project in order: workflows, hooks and templates are whole and agree with the rest."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
YAML = [*WORKFLOWS, *(ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"), ROOT / ".pre-commit-config.yaml"]


def load(path: Path) -> Any:
    """Return a YAML file's contents; `on:` is read as the boolean that YAML 1.1 takes it for."""
    return yaml.safe_load(path.read_text("utf-8"))


def commands() -> list[str]:
    """Return what the workflows run."""
    jobs = [job for path in WORKFLOWS for job in load(path)["jobs"].values()]
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_each_file_is_yaml(path: Path) -> None:
    assert load(path)


def test_the_workflows_run_targets_that_exist() -> None:
    targets = {target for command in commands() for target in re.findall(r"^make ([a-z -]+)", command)}
    names = {name for target in targets for name in target.split()}
    assert names >= {"lint", "types", "docs", "test", "coverage", "lowest", "smoke"}
    assert [name for name in names if not re.search(rf"^{name}:", MAKEFILE, re.MULTILINE)] == []


def test_the_tests_run_on_two_systems_and_on_each_python_that_is_declared() -> None:
    matrix = load(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["test"]["strategy"]["matrix"]
    declared = [text.rpartition(" ")[2] for text in PROJECT["project"]["classifiers"] if ":: 3." in text]
    assert matrix["python"] == declared
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos"}
    assert PROJECT["project"]["requires-python"] == f">={declared[0]}"


def test_workflows_have_only_the_rights_that_they_need() -> None:
    for path in WORKFLOWS:
        assert load(path)["permissions"] == {"contents": "read"}
    publish = load(ROOT / ".github" / "workflows" / "release.yml")["jobs"]["publish"]
    assert publish["permissions"] == {"attestations": "write", "contents": "write", "id-token": "write"}


def test_warnings_are_errors_except_those_that_are_named() -> None:
    first, *ignored = PROJECT["tool"]["pytest"]["ini_options"]["filterwarnings"]
    assert first == "error"
    wide = [rule for rule in ignored if "DeprecationWarning" in rule or "FutureWarning" in rule]
    for rule in wide:
        action, message, _, module = rule.split(":")
        assert action == "ignore" and message and module


def test_coverage_has_a_floor() -> None:
    assert PROJECT["tool"]["coverage"]["report"]["fail_under"] >= 90


def test_the_pre_commit_hooks_are_those_of_make_check() -> None:
    hooks = load(ROOT / ".pre-commit-config.yaml")["repos"][0]["hooks"]
    assert [hook["id"] for hook in hooks] == ["ruff", "ruff-format", "mypy"]
    assert all(hook["entry"].startswith(".venv/bin/") for hook in hooks)

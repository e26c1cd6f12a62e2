"""The workflow that gates a shop: its commands, run as they stand there."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / "recipes" / "ci" / "journey.yml").read_text("utf-8"))
STEPS: list[dict[str, Any]] = WORKFLOW["jobs"]["shoppers"]["steps"]


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n", "utf-8")
    path.chmod(0o755)


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A checkout with `shop-r1` on its path, and a `gh` that keeps what it is told."""
    programs = tmp_path / "bin"
    programs.mkdir()
    program(programs / "shop-r1", f'exec "{sys.executable}" -m shop_r1 "$@"')
    program(programs / "gh", 'echo "$@" >> "$CALLS"')
    return tmp_path


def run_workflow(workplace: Path, **given: str) -> dict[str, int]:
    """Run the steps of a pull request as a runner does, and return the exit code of each by name.

    After a step that failed, those alone run that say so. Installing is left out.
    """
    fixed = {"GITHUB_STEP_SUMMARY": "summary.md", "CALLS": "calls", "PULL_REQUEST": "7", "GH_TOKEN": "x"}
    path = f"{workplace / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT / "src")}
    environment |= {**WORKFLOW["env"], **fixed, **given}
    codes: dict[str, int] = {}
    for step in STEPS:
        is_due = not any(codes.values()) or "always()" in str(step.get("if", ""))
        if "run" in step and step["name"] != "Install" and is_due:
            command = ["bash", "-e", "-c", step["run"]]
            done = subprocess.run(command, cwd=workplace, env=environment, capture_output=True, check=False)
            codes[step["name"]] = done.returncode
    return codes


def test_every_command_of_the_workflow_is_run_here_but_the_installation() -> None:
    assert [step["name"] for step in STEPS if "run" in step] == [
        *("Install", "Visit", "Judge", "Summary", "Comment")
    ]
    assert WORKFLOW["permissions"] == {"contents": "read", "pull-requests": "write"}


@pytest.mark.slow
def test_the_gate_passes_and_fails_with_the_reason_in_the_summary(workplace: Path) -> None:
    passed = run_workflow(workplace, SHOPPERS="12", LEAST="0.01")
    assert passed == {"Visit": 0, "Judge": 0, "Summary": 0, "Comment": 0}
    assert "gate passed" in (workplace / "summary.md").read_text("utf-8")
    assert (workplace / "calls").read_text("utf-8") == (
        "pr comment 7 --edit-last --create-if-none --body-file runs/journey/journey.md\n"
    )
    (workplace / "shoppers").mkdir()
    run = workplace / "runs" / "journey"
    (run / "journey.json").rename(workplace / WORKFLOW["env"]["BASELINE"])
    run.rename(workplace / "runs" / "earlier")
    failed = run_workflow(workplace, SHOPPERS="12", LEAST="0.95")
    assert failed == {"Visit": 0, "Judge": 1, "Summary": 0, "Comment": 0}
    summary = (workplace / "summary.md").read_text("utf-8")
    assert "gate **failed**" in summary and "expected at least 95 %" in summary
    assert "points from the baseline's" in summary

"""Commands that are killed, interrupted and gone on with, as processes of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shop_r1.jsonl import read_records
from shop_r1.records.sessions import Session
from shop_r1.records.visits import SESSIONS_FILE, STEPS_FILE, VISITS_FILE, VisitEnd, VisitStep

DEADLINE_S = 120.0


def start(*words: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "shop_r1", "simulate", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    said, _ = process.communicate(timeout=DEADLINE_S)
    return process.returncode, said


def wait(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def descendants(pid: int) -> set[int]:
    """Return the processes below one, as Linux knows them."""
    parents = {}
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            try:
                parents[int(each.name)] = int((each / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):  # it has just ended
                continue
    found: set[int] = set()
    while new := {child for child, parent in parents.items() if parent in found | {pid}} - found:
        found |= new
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_killed_run_keeps_every_step_and_goes_on_to_the_same_sessions(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    words = ("--shoppers", 60, "--seed", 4)
    process = start(*words, "--out", killed)
    wait(lambda: lines(killed / STEPS_FILE) > 60, "no steps")
    process.send_signal(signal.SIGKILL)
    finish(process)
    steps = [
        each for each in (killed / STEPS_FILE).read_bytes().splitlines(keepends=True) if each[-1:] == b"\n"
    ]
    assert len([VisitStep.model_validate_json(each) for each in steps]) > 60
    before = lines(killed / VISITS_FILE)
    assert 0 < before < 60
    code, said = finish(start(*words, "--out", killed, "--resume"))
    assert code == 0, said
    assert finish(start(*words, "--out", whole))[0] == 0
    assert (killed / SESSIONS_FILE).read_bytes() == (whole / SESSIONS_FILE).read_bytes()
    ids = [each.session_id for each in read_records(killed / VISITS_FILE, VisitEnd)]
    assert ids == [each.session_id for each in read_records(whole / VISITS_FILE, VisitEnd)]
    places = {(each.session_id, each.index) for each in read_records(killed / STEPS_FILE, VisitStep)}
    assert len(places) == lines(killed / STEPS_FILE) == lines(whole / STEPS_FILE)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_run_ends_its_visits_and_says_how_to_go_on(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    out = tmp_path / "run"
    process = start("--shoppers", 5000, "--concurrency", 4, "--policy", "random", "--out", out)
    wait(lambda: lines(out / VISITS_FILE) > 3, "no visits")
    process.send_signal(number)
    found, said = finish(process)
    assert found == code, said
    assert "give the same command with --resume" in " ".join(said.split())
    ends = list(read_records(out / VISITS_FILE, VisitEnd))
    assert 1 <= sum(end.outcome == "stopped" for end in ends) <= 4
    assert {end.reason for end in ends if end.outcome == "stopped"} == {"the run was interrupted"}
    # What was done until then is there to be looked at.
    with_steps = [end.session_id for end in ends if end.steps]
    assert {each.session_id for each in read_records(out / SESSIONS_FILE, Session)} == set(with_steps)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_chromium_stays_behind_and_its_visits_are_gone_on_with(
    tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "run"
    words = ("--browser", "--shoppers", 2, "--concurrency", 2, "--max-steps", 3, "--out", out)
    process = start(*words, "--policy", "random")
    wait(lambda: lines(out / STEPS_FILE) > 1, "no steps")
    below = descendants(process.pid)
    assert len(below) > 2
    process.send_signal(number)
    assert finish(process)[0] == (143 if number == signal.SIGTERM else -9)
    wait(lambda: not any(map(is_running, below)), "Chromium is still there")
    code, said = finish(start(*words, "--policy", "random", "--resume"))
    assert code == 0, said
    assert len(list(read_records(out / SESSIONS_FILE, Session))) == 2
    assert {each.name for each in (out / "recordings").glob("*.zst")} == {
        f"random-0-{each:05d}.json.zst" for each in range(2)
    }


def test_the_ctrl_c_that_playwrights_process_has_too_takes_no_window_away(tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ("--browser", "--shoppers", 4, "--concurrency", 2, "--max-steps", 5, "--policy", "random")
    process = start(*words, "--out", out)
    wait(lambda: lines(out / STEPS_FILE) > 1, "no steps")
    for each in sorted(descendants(process.pid)):
        if "run-driver" in Path(f"/proc/{each}/cmdline").read_text():
            os.kill(each, signal.SIGINT)  # a terminal sends it to every process of the command
            break
    else:
        pytest.fail("Playwright's process was not found")
    code, said = finish(process)
    assert code == 0, said
    ends = list(read_records(out / VISITS_FILE, VisitEnd))
    assert len(ends) == 4 and not {end.outcome for end in ends} & {"error", "stopped", "no step"}, said

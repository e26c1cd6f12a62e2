"""Runs that are cut off in every way, and what a resumed run has in common with one that never was."""

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tiny import make_long_session, with_rationale
from tests.training.resumable import (
    SESSIONS,
    STEPS,
    forked,
    identity,
    save_start,
    settings,
    train,
    work,
    work_on_folder,
    write,
    written,
)

from shop_r1.datasets.examples import list_examples
from shop_r1.datasets.parquet import ParquetSessions
from shop_r1.datasets.session_files import read_sessions, write_sessions
from shop_r1.errors import RunStopped, TrainingError
from shop_r1.jsonl import write_records
from shop_r1.models.sampling import sample_completions
from shop_r1.prompts.render import PromptConfig
from shop_r1.signals import PASSED_ON_S, stop_signals
from shop_r1.training.checkpoints import (
    MANIFEST,
    CheckpointFolder,
    digest_data,
    digest_examples,
    find_checkpoint,
    list_checkpoints,
    read_checkpoint,
)
from shop_r1.training.grpo import sampler, trainer
from shop_r1.training.health_checks import Alerts
from shop_r1.training.progress.logs import MetricsLog
from shop_r1.training.resume import ResumableTrainer
from shop_r1.training.settings import SftConfig
from shop_r1.training.sft import TreeSftTrainer

KINDS = ("sft", "grpo")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def start(tiny_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_start(tmp_path_factory.mktemp("start"), tiny_tokenizer)


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    return forked()


@pytest.fixture(scope="module", params=KINDS)
def whole(
    request: pytest.FixtureRequest,
    start: Path,
    tmp_path_factory: pytest.TempPathFactory,
    processes: ForkServerContext,
) -> tuple[str, Path]:
    """Return a kind of run and the folder of one that was never cut off, with all its checkpoints."""
    out = tmp_path_factory.mktemp("whole") / "run"
    run(processes, request.param, settings(request.param, start, save_total_limit=100), out)
    return request.param, out


def begin(processes: ForkServerContext, *arguments: Any) -> Any:
    process = processes.Process(target=work, args=arguments)
    process.start()
    return process


def run(processes: ForkServerContext, kind: str, config: Any, out: Path, *limit: int) -> str:
    """Train until the process ends, well if without a limit; return what it wrote to stderr."""
    log = out.with_suffix(".log")
    process = begin(processes, kind, config, out, log, *limit)
    process.join()
    assert process.exitcode == (2 if limit else 0), log.read_text()
    return log.read_text()


def cut_off(whole: Path, out: Path, *steps: int) -> None:
    """Make the folder of a run that was killed some time after the last of these checkpoints."""
    out.mkdir()
    for log in whole.glob("*.jsonl"):
        shutil.copy(log, out)
    for step in steps:
        name = f"checkpoints/step-{step:06d}"
        shutil.copytree(whole / name, out / name)


def names(out: Path) -> list[str]:
    """Return everything in the checkpoints' folder, hidden or not."""
    folder = out / "checkpoints"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


# -- SIGKILL --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_kills_at_random_moments_change_no_bit(
    whole: tuple[str, Path], start: Path, tmp_path: Path, processes: ForkServerContext
) -> None:
    kind, expected = whole[0], written(whole[1])
    config, log = settings(kind, start), tmp_path / "log"
    steps = [1, 10] if kind == "sft" else list(range(1, STEPS[kind] + 1))  # SFT logs every tenth
    assert [line["step"] for line in expected["metrics"]] == steps
    began = time.monotonic()
    run(processes, kind, config, tmp_path / "again")
    duration = time.monotonic() - began
    assert written(tmp_path / "again") == expected

    moments, kills, runs = random.Random(0), 0, 0
    while kills < 5:
        process = begin(processes, kind, config, tmp_path / f"run-{runs}", log)
        process.join(moments.uniform(0, duration))
        process.kill()
        process.join()
        if process.exitcode == -signal.SIGKILL:
            kills += 1
        else:
            assert process.exitcode == 0, log.read_text()
            runs += 1
    last = begin(processes, kind, config, tmp_path / f"run-{runs}", log)
    last.join()
    assert last.exitcode == 0, log.read_text()
    for number in range(runs + 1):
        assert written(tmp_path / f"run-{number}") == expected


@pytest.mark.slow
def test_a_kill_at_any_call_to_the_disk_leaves_a_checkpoint_to_go_on_from(
    tmp_path: Path, processes: ForkServerContext
) -> None:
    steps = []
    for kill_at in range(1000):
        out = tmp_path / f"{kill_at}"
        out.mkdir()
        process = processes.Process(target=work_on_folder, args=(out, kill_at))
        process.start()
        process.join()
        found = find_checkpoint(out)
        steps.append(0 if found is None else found.manifest.step)
        if found is not None:
            assert (found.path / "shard/c.bin").read_text() == f"shard/c.bin of step {steps[-1]}"
        write(CheckpointFolder(out, identity(), keep=1), steps[-1] + 1)
        assert names(out) == [f"step-{steps[-1] + 1:06d}"]  # nothing is left of what was killed
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
    assert steps == sorted(steps) and set(steps) == {0, 1, 2, 3}


# -- corrupt and full --------------------------------------------------------------------------------------


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


TEARS: list[tuple[str, Callable[[Path], None], str]] = [
    ("b.bin", cut_short, "step-000002/b.bin: has 14 bytes, was written with 15"),
    ("b.bin", flip_a_bit, "step-000002/b.bin: its contents are not what was written"),
    ("shard/c.bin", Path.unlink, "step-000002/shard/c.bin: cannot be read (No such file or directory)"),
    (MANIFEST, Path.unlink, "step-000002/checkpoint.json: cannot be read (No such file or directory)"),
    (MANIFEST, cut_in_half, "step-000002/checkpoint.json:"),
]


@pytest.mark.parametrize(("name", "tear", "message"), TEARS)
def test_a_corrupt_checkpoint_is_named_and_passed_over(
    name: str, tear: Callable[[Path], None], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for step in (1, 2):
        write(CheckpointFolder(tmp_path, identity(), keep=2), step)
    first, second = list_checkpoints(tmp_path)
    assert read_checkpoint(second).manifest.step == 2
    tear(second / name)
    found = find_checkpoint(tmp_path)
    assert found is not None and found.path == first
    told = capsys.readouterr().err
    assert message in told and told.endswith("; step-000002 is not whole and passed over\n")
    tear(first / name)
    with pytest.raises(TrainingError, match="none of its checkpoints is whole; remove the folder"):
        find_checkpoint(tmp_path)


@pytest.mark.slow
def test_a_run_goes_on_from_the_checkpoint_before_a_corrupt_one(
    whole: tuple[str, Path], start: Path, tmp_path: Path, processes: ForkServerContext
) -> None:
    kind, out = whole[0], tmp_path / "run"
    cut_off(whole[1], out, 5, 6)
    cut_short(out / "checkpoints/step-000006/model.safetensors")
    told = run(processes, kind, settings(kind, start), out)
    assert "step-000006 is not whole and passed over" in told
    assert f"Going on from {out}/checkpoints/step-000005, step 5 of {STEPS[kind]}" in told
    assert written(out) == written(whole[1])


@pytest.mark.slow
def test_a_full_disk_is_said_and_leaves_the_checkpoint_before(
    whole: tuple[str, Path], start: Path, tmp_path: Path, processes: ForkServerContext
) -> None:
    kind, out = whole[0], tmp_path / "run"
    cut_off(whole[1], out, 3)
    largest = (out / "checkpoints/step-000003/optimizer.pt").stat().st_size - 1
    told = run(processes, kind, settings(kind, start), out, largest)
    assert f"{out}/checkpoints: the checkpoint of step 4 cannot be written (" in told
    assert "that of step 3 is as it was; make room, then --resume" in told
    assert names(out) == ["step-000003"]
    run(processes, kind, settings(kind, start), out)
    assert written(out) == written(whole[1])


def test_a_finished_run_that_lost_its_model_writes_it_again(
    whole: tuple[str, Path], start: Path, tmp_path: Path, processes: ForkServerContext
) -> None:
    kind, out = whole[0], tmp_path / "run"
    cut_off(whole[1], out, STEPS[kind])
    run(processes, kind, settings(kind, start), out)
    assert written(out) == written(whole[1])


@pytest.mark.slow
def test_a_run_that_began_on_a_list_goes_on_from_parquet(
    whole: tuple[str, Path], start: Path, tmp_path: Path
) -> None:
    kind, out = whole[0], tmp_path / "run"
    write_sessions(tmp_path / "sessions.parquet", SESSIONS)
    sessions = ParquetSessions(tmp_path / "sessions.parquet")
    cut_off(whole[1], out, 2)
    train(kind, settings(kind, start), out, resume=True, sessions=sessions)
    assert written(out) == written(whole[1])


# -- another run's --------------------------------------------------------------------------------------


def test_checkpoints_of_another_run_are_refused(whole: tuple[str, Path], start: Path, tmp_path: Path) -> None:
    kind, out = whole[0], tmp_path / "run"
    cut_off(whole[1], out, 2)
    with pytest.raises(TrainingError, match="step 2; go on with --resume, or take another --out"):
        train(kind, settings(kind, start), out, resume=False)
    with pytest.raises(TrainingError, match=r"another run: learning_rate \(0.01 there, 0.02 now\)"):
        train(kind, settings(kind, start, learning_rate=0.02), out, resume=True)
    assert names(out) == ["step-000002"]


def test_the_data_is_known_by_its_content_and_order() -> None:
    changed = [with_rationale(SESSIONS[0], 0, "Other words."), *SESSIONS[1:]]
    digests = {
        digest_data(SESSIONS),
        digest_data(SESSIONS[::-1]),
        digest_data(changed),
        digest_data(SESSIONS, [0] * len(SESSIONS)),
    }
    assert len(digests) == 4
    assert digest_data([session.model_copy(deep=True) for session in SESSIONS]) in digests


def test_a_parquet_file_has_the_digest_of_its_sessions(tmp_path: Path) -> None:
    path = tmp_path / "sessions.jsonl"
    lines = [f" {json.dumps(each.model_dump())} \n" for each in SESSIONS]  # laid out as we never do
    path.write_text("".join(lines))
    write_sessions(tmp_path / "sessions.parquet", read_sessions(path))
    stored = ParquetSessions(tmp_path / "sessions.parquet")
    assert digest_data(stored) == digest_data(SESSIONS)
    listed, lazy = list_examples(SESSIONS), list_examples(stored)
    sessions, steps = [each.session for each in listed], [each.step for each in listed]
    assert digest_examples(lazy) == digest_examples(listed) == digest_data(sessions, steps)
    assert digest_examples(lazy[1:]) == digest_examples(listed[1:]) != digest_examples(listed)


def test_what_is_watched_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    def watch(alerts: Alerts, steps: range) -> None:
        for step in steps:
            logs = {"policy/truncated": 0.9, "policy/parsed": 0.9 if step < 25 else 0.1}
            alerts.on_log(None, State(step), Control(), logs)

    through, before, after = (Alerts(tmp_path / f"{name}.jsonl") for name in "abc")
    watch(through, range(60))
    watch(before, range(24))
    after.load_state_dict(json.loads(json.dumps(before.state_dict())))
    watch(after, range(24, 60))
    assert after.raised == through.raised
    assert [alert.alert for alert in through.raised] == ["truncation", "unparsable"]

    log, again = MetricsLog(tmp_path / "d.jsonl"), MetricsLog(tmp_path / "d.jsonl")
    log.on_log(None, State(3), Control(), {"loss": 2.0})
    again.load_state_dict(log.state_dict())
    assert again.last == {"loss": 2.0}


class State:
    is_world_process_zero = True

    def __init__(self, step: int) -> None:
        self.global_step = step


class Control:
    should_training_stop = False


# -- signals --------------------------------------------------------------------------------------------


def stop_after(monkeypatch: pytest.MonkeyPatch, calls: int, number: signal.Signals) -> None:
    """Send this process a signal when so many micro-batches are computed."""
    compute, count = ResumableTrainer.training_step, itertools.count(1)

    def computed(trainer: ResumableTrainer, *args: Any) -> Any:
        found = compute(trainer, *args)
        if next(count) == calls:
            signal.raise_signal(number)
        return found

    monkeypatch.setattr(ResumableTrainer, "training_step", computed)


@pytest.mark.slow
def test_a_run_that_is_stopped_within_steps_ends_as_one_that_never_was(
    whole: tuple[str, Path], start: Path, tmp_path: Path
) -> None:
    # SFT: epochs of steps of 2, 2 and 1 micro-batches; GRPO: of 2 and 2. Stops come within a step, also an
    # epoch's first, and between two; the first two leave nothing to save, the fourth adds nothing to it.
    kind, out, kept = whole[0], tmp_path / "run", []
    config = settings(kind, start, save_steps=0)
    for calls in (1, 1, 3, 1, 3, 3, 1):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(RunStopped) as stopped:
            stop_after(patch, calls, signal.SIGTERM)
            train(kind, config, out, resume=True)
        assert stopped.value.exit_code == 143
        kept.append(names(out))
    assert kept[:3] == [[], [], ["step-000001"]]
    assert kept[3] == kept[2] and len(kept[-1]) == 2
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    train(kind, config, out, resume=True)
    assert written(out) == written(whole[1])


def test_a_run_that_is_stopped_between_two_passes_ends_as_one_that_never_was(
    start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two steps of two micro-batches, each of several passes.
    sessions = [make_long_session(f"long-{steps}", steps, lines=6) for steps in (7, 8, 9, 10)]
    prompt = PromptConfig(max_tokens=1000, max_completion_length=64)
    config = settings("sft", start, num_train_epochs=1, save_steps=0, prompt=prompt)
    compute, done, stop_at = TreeSftTrainer.compute_loss, 0, 0

    def computed(*args: Any, **named: Any) -> torch.Tensor:
        nonlocal done
        found = compute(*args, **named)
        done += 1
        if done == stop_at:
            signal.raise_signal(signal.SIGTERM)
        return found

    monkeypatch.setattr(TreeSftTrainer, "compute_loss", computed)
    train("sft", config, tmp_path / "whole", resume=False, sessions=sessions)
    assert done >= 8
    for passes in (2, done - 1):
        done, stop_at = 0, passes
        with pytest.raises(RunStopped):
            train("sft", config, tmp_path / "run", resume=True, sessions=sessions)
        assert done == passes  # and not one more
    assert names(tmp_path / "run") == ["step-000001"]
    done, stop_at = 0, 0
    train("sft", config, tmp_path / "run", resume=True, sessions=sessions)
    assert written(tmp_path / "run") == written(tmp_path / "whole")


def test_grpo_is_stopped_between_sampling_and_scoring(
    start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, scored = settings("grpo", start, save_steps=0), list[int]()

    def sample(*args: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return sample_completions(*args)

    monkeypatch.setattr(sampler, "sample_completions", sample)
    monkeypatch.setattr(trainer, "score_pairs", lambda *_, **__: scored.append(1))
    with pytest.raises(RunStopped, match="by SIGINT after step 0 of 12, not finished; no step to save yet"):
        train("grpo", config, tmp_path / "run", resume=False)
    assert scored == []


LONG = """
import os, signal, time
from shop_r1.signals import stop_signals
with stop_signals() as stop:
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop.signal == signal.SIGTERM
    os.kill(os.getpid(), signal.{second})
    time.sleep(30)
"""


@pytest.mark.parametrize("second", ["SIGTERM", "SIGINT"])
def test_a_second_signal_ends_the_process_at_once(second: str) -> None:
    process = subprocess.run(
        [sys.executable, "-c", LONG.format(second=second)], env=environment(), timeout=20
    )
    assert process.returncode == -getattr(signal, second)  # which a shell shows as 143 or 130


def test_what_a_launcher_passes_on_is_no_second_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "0")
    ended = list[int]()
    monkeypatch.setattr(signal, "raise_signal", ended.append)
    with stop_signals() as stop:
        for after in (0.0, PASSED_ON_S / 2):
            stop.since -= after
            os.kill(os.getpid(), signal.SIGTERM)
        assert (stop.signal, ended) == (signal.SIGTERM, [])
        stop.since -= PASSED_ON_S
        os.kill(os.getpid(), signal.SIGTERM)
        assert ended == [signal.SIGTERM]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT / "src")}


def shop_r1(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "shop_r1", *words],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_asked_to_stop_saves_and_goes_on_later(
    number: signal.Signals, exit_code: int, start: Path, tmp_path: Path
) -> None:
    data, out = tmp_path / "sessions.jsonl", tmp_path / "run"
    write_records(data, SESSIONS)
    common = ["sft", "--data", f"{data}", "--model", f"{start}", "learning_rate=1e-2", "bf16=false"]
    common += [
        "max_steps=40",
        "per_device_train_batch_size=1",
        "gradient_accumulation_steps=1",
        "save_steps=0",
    ]
    process = shop_r1(*common, "--out", f"{out}")
    while not (out / "metrics.jsonl").exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(number)
    _, told = process.communicate(timeout=120)
    assert process.returncode == exit_code, told
    assert f"stopped by {number.name} after step" in " ".join(told.split())
    assert "give the same command with --resume to go on" in " ".join(told.split())
    assert len(names(out)) == 1 and not (out / "model.safetensors").exists()

    again = shop_r1(*common, "--out", f"{out}", "--resume")
    _, told = again.communicate(timeout=120)
    assert again.returncode == 0, told
    config = SftConfig(
        model=f"{start}",
        learning_rate=1e-2,
        bf16=False,
        max_steps=40,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=1,
        save_steps=0,
    )
    train("sft", config, tmp_path / "whole", resume=False)
    expected = written(tmp_path / "whole")
    assert written(out)["weights"] == expected["weights"]
    assert written(out)["metrics"] == expected["metrics"]


def test_a_training_checkpoint_s_files_obey_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with CheckpointFolder(tmp_path, identity(), 1).writing(1, 2) as folder:
            (folder / "model.safetensors").touch(0o600)  # as safetensors makes it
    finally:
        os.umask(before)
    (path,) = list_checkpoints(tmp_path)
    assert {each.name: each.stat().st_mode & 0o777 for each in path.iterdir()} == {
        "model.safetensors": 0o640,
        MANIFEST: 0o640,
    }

"""The command with real parts, small: what is stopped goes on, and ends with the same bytes."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.shell import Shell

from shop_r1.cli.reproduction import stages
from shop_r1.cli.reproduction.config import ReproductionConfig
from shop_r1.cli.reproduction.folder import ReproductionFolder, StageLog
from shop_r1.cli.reproduction.plan import make_plan, stage_seed
from shop_r1.cli.reproduction.results.records import read_results
from shop_r1.cli.reproduction.rows import Table, list_rows
from shop_r1.cli.reproduction.walkthrough import check_models, describe_command, run_reproduction
from shop_r1.config import load_config
from shop_r1.errors import ConfigError, RunStopped
from shop_r1.evaluation import predict as predict_module
from shop_r1.training.grpo.trainer import ShopR1Trainer

SMALL = (
    "bf16=false",
    "training_sessions=24",
    "held_out_sessions=16",
    "test_steps=12",
    "sft.max_steps=3",
    "sft.per_device_train_batch_size=4",
    "grpo.max_steps=2",
    "grpo.generation_batch_size=4",
    "grpo.per_device_train_batch_size=4",
    "grpo.num_generations=2",
    "grpo.max_completion_length=48",
)


def run(out: Path, tables: Sequence[Table] = ("table2",), seeds: int = 1, more: Sequence[str] = ()) -> None:
    run_reproduction(out, tables, seeds, overrides=[*SMALL, *more])


def results_of(out: Path) -> dict[str, Any]:
    """Return the results without what differs from one run to the next: times."""
    found = read_results(out / "results.json").model_dump(mode="json")
    return {key: value for key, value in found.items() if key not in ("stages", "command")}


def files_of(out: Path) -> dict[str, bytes]:
    """Return every file of sessions and predictions, and every model's weights."""
    found = [*out.rglob("visits/*"), *out.rglob("predictions/*"), *out.rglob("model.safetensors")]
    return {str(path.relative_to(out)): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole")
    run(out)
    return out


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "shop_r1", "reproduce", *SMALL, "--only", "table2", "--seeds", "1"]
    with subprocess.Popen([*command, "--out", tmp_path], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("stage 8/12"):  # SFT is trained, and its predictions begin.
                process.kill()
                break
    assert process.returncode == -signal.SIGKILL
    done = subprocess.run([*command, "--out", tmp_path], capture_output=True, text=True, check=True)
    assert "7 of 12 stages: done in an earlier run" in done.stderr
    assert "Table 2: the main results" in done.stdout
    assert files_of(tmp_path) == files_of(whole)
    assert results_of(tmp_path) == results_of(whole)


@pytest.mark.slow
def test_a_run_that_is_stopped_in_training_and_in_predictions_repeats_neither(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as stopped:  # SIGTERM at the end of the first step of RL
        step = ShopR1Trainer.training_step

        def stop_after(self: ShopR1Trainer, *args: Any, **options: Any) -> Any:
            loss = step(self, *args, **options)
            signal.raise_signal(signal.SIGTERM)
            return loss

        stopped.setattr(ShopR1Trainer, "training_step", stop_after)
        with pytest.raises(RunStopped):
            run(tmp_path)
    assert list(tmp_path.glob("seed-0/*/models/*/checkpoints/*"))
    with monkeypatch.context() as stopped:  # Ctrl-C in the predictions of the second row
        compute, made = predict_module._predict_batch, list[str]()

        def stop_later(*args: Any) -> Any:
            if len(made) == 2:
                raise KeyboardInterrupt
            made.append("a batch")
            return compute(*args)

        stopped.setattr(predict_module, "_predict_batch", stop_later)
        stopped.setattr(predict_module, "batch_trees", lambda shapes, _: [[n] for n in range(len(shapes))])
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
    assert list(tmp_path.rglob("*.partial.jsonl"))
    run(tmp_path)
    assert files_of(tmp_path).keys() == files_of(whole).keys()
    for name, content in files_of(whole).items():
        if "models" in name:
            assert files_of(tmp_path)[name] == content, name
    assert not list(tmp_path.rglob("*.partial.jsonl")) and not list(tmp_path.rglob("checkpoints"))


@pytest.mark.slow
def test_another_table_and_another_seed_add_to_what_is_there(whole: Path, tmp_path: Path) -> None:
    run(tmp_path, ["table2"])
    before = files_of(tmp_path)
    run(tmp_path, ["table2", "table5", "figure2"], 2, ["temperatures=[0.6, 1.2]", "keep_models=false"])
    after = files_of(tmp_path)
    kept = {name: content for name, content in before.items() if not name.endswith("safetensors")}
    assert kept.items() <= after.items()
    assert not [name for name in after if name.endswith("safetensors")]  # keep_models=false
    found = read_results(tmp_path / "results.json")
    assert found.seeds == (0, 1)
    assert {row.key for row in found.rows} >= {"shop-r1, latest-step", "shop-r1, T 1.2", "sft"}
    verdicts = {effect.effect: effect.verdict for effect in found.effects}
    assert len(verdicts) == 10
    assert (tmp_path / "figures" / "figure2.svg").exists()
    report = (tmp_path / "report" / "index.html").read_text("utf-8")
    assert "Figure 2: sampling temperature" in report


@pytest.mark.slow
def test_the_quick_version_of_the_other_crowd_runs_every_stage(shell: Shell, tmp_path: Path) -> None:
    options = ("--quick", "--only", "table2", "--seeds", 1, "--out", tmp_path / "run")
    words = ("crowd=wandering", "training_sessions=12", "sft.max_steps=2", "grpo.max_steps=1")
    code, out, _ = shell("reproduce", *options, *words)
    assert code == 0
    assert "its figures mean nothing" in out and "reachable" in out
    found = read_results(tmp_path / "run" / "results.json")
    assert (found.crowd, found.quick) == ("wandering", True)
    code, out, _ = shell("report", tmp_path / "run")
    assert code == 0 and "report/index.html" in out
    assert shell("report", tmp_path / "run", "--training", tmp_path)[0] == 2


def test_the_tables_are_written_after_each_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran, told = list[int](), list[int]()
    monkeypatch.setattr(stages, "run_stage", lambda folder, stage: ran.append(stage_seed(stage)))
    config = load_config(ReproductionConfig, None, SMALL)
    with StageLog(tmp_path / "stages.jsonl") as log:
        plan = make_plan(list_rows(["table2"], config)["table2"], [4, 5, 6], config)
        folder = ReproductionFolder(tmp_path, config, log, plan)
        stages.run_stages(folder, 1e11, lambda seed: told.append(len(ran)))
    assert ran == [4] * 12 + [5] * 12 + [6] * 12
    assert told == [12, 24]  # after the first and the second; the last is for the caller


def test_other_settings_in_a_folder_are_refused_and_added_rows_are_not(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"settings": {"page_size": 9}, "inputs": {}}')
    code, _, err = shell("reproduce", "--out", tmp_path, "--only", "table2")
    assert code == 2 and "page_size (9 there, 4 now)" in " ".join(err.split())
    assert "temperatures" not in err


def test_a_size_without_a_checkpoint_is_said_before_anything_runs() -> None:
    config = load_config(ReproductionConfig, None, ["models.large=base-huge"])
    rows = list_rows(["sizes"], config)["sizes"]
    with pytest.raises(ConfigError, match=r"models.large: this version has no checkpoint 'base-huge'"):
        check_models(make_plan(rows, [0], config), config)
    check_models(make_plan(list_rows(["table2"], config)["table2"], [0], config), config)


def test_the_command_that_does_the_same_is_written_down(tmp_path: Path) -> None:
    config = tmp_path / "mine.toml"
    found = describe_command(["table2", "map"], 4, config, ["remedy.type_mix_weight=0.5"])
    assert found == (
        "shop-r1 reproduce mine.toml remedy.type_mix_weight=0.5 --only table2 --only map --seeds 4"
    )

"""The command with real parts, small: what is stopped goes on, and ends with the same bytes."""

import json
import shutil
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
from shop_r1.cli.reproduction.results.records import RowResult, read_results
from shop_r1.cli.reproduction.rows import Table, list_rows
from shop_r1.cli.reproduction.walkthrough import check_models, describe_command, run_reproduction
from shop_r1.config import load_config
from shop_r1.errors import ConfigError, DataError, RunStopped
from shop_r1.evaluation import predict as predict_module
from shop_r1.training.grpo.trainer import ShopR1Trainer

SMALL = (
    "bf16=false",
    "training_sessions=12",
    "held_out_sessions=16",
    "test_steps=8",
    "sft.max_steps=2",
    "sft.per_device_train_batch_size=2",
    "grpo.max_steps=2",
    "grpo.generation_batch_size=4",
    "grpo.per_device_train_batch_size=4",
    "grpo.num_generations=2",
    "grpo.max_completion_length=48",
)
ONE_ROW = "temperatures=[0.6]"
"""With this, Figure 2 is the row of Shop-R1 alone: visits, SFT, RL and predictions, each once."""


def run(out: Path, tables: Sequence[Table] = ("figure2",), seeds: int = 1, more: Sequence[str] = ()) -> None:
    run_reproduction(out, tables, seeds, overrides=[*SMALL, ONE_ROW, *more])


def row_of(out: Path) -> RowResult:
    """Return what was found of Shop-R1."""
    found = read_results(out / "results.json").row("shop-r1")
    assert found is not None
    return found


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
def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_bytes(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-m", "shop_r1", "reproduce", *SMALL, ONE_ROW, "--only", "figure2"]
    options = ["--seeds", "1", "--out", str(tmp_path)]
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("stage 5/6"):  # SFT is trained, and RL begins.
                process.kill()
                break
    assert process.returncode == -signal.SIGKILL
    run(tmp_path)
    shown = capsys.readouterr()
    assert "4 of 6 stages: done in an earlier run" in shown.err
    assert "Figure 2: sampling temperature" in shown.out
    assert files_of(tmp_path) == files_of(whole)
    assert row_of(tmp_path) == row_of(whole)


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
    compute, made = predict_module._predict_batch, list[str]()

    def count(*args: Any) -> Any:
        made.append("a batch")
        return compute(*args)

    with monkeypatch.context() as stopped:  # Ctrl-C in the second batch of predictions, one a session
        stopped.setattr(predict_module, "batch_trees", lambda shapes, _: [[n] for n in range(len(shapes))])

        def stop_later(*args: Any) -> Any:
            if made:
                raise KeyboardInterrupt
            return count(*args)

        stopped.setattr(predict_module, "_predict_batch", stop_later)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
        assert list(tmp_path.rglob("*.partial.jsonl"))
        stopped.setattr(predict_module, "_predict_batch", count)
        run(tmp_path)
    sessions = {line["session_id"] for line in predictions_of(tmp_path)}
    assert len(made) == len(sessions) > 2  # Each session was predicted once.
    assert files_of(tmp_path).keys() == files_of(whole).keys()
    for name, content in files_of(whole).items():
        if "models" in name:
            assert files_of(tmp_path)[name] == content, name
    assert not list(tmp_path.rglob("*.partial.jsonl")) and not list(tmp_path.rglob("checkpoints"))


def predictions_of(out: Path) -> list[dict[str, Any]]:
    (path,) = out.rglob("predictions/*shop-r1-T0.6.jsonl")
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.slow
def test_another_table_and_another_seed_add_to_what_is_there(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    before = files_of(out)
    run(out, ["table5", "figure2"], 2, ["temperatures=[0.6, 1.2]", "keep_models=false"])
    after = files_of(out)
    kept = {name: content for name, content in before.items() if not name.endswith("safetensors")}
    assert kept.items() <= after.items()
    assert not [name for name in after if name.endswith("safetensors")]  # keep_models=false
    found = read_results(out / "results.json")
    assert found.seeds == (0, 1)
    assert {row.key for row in found.rows} == {"shop-r1", "shop-r1, latest-step", "shop-r1, T 1.2"}
    assert len(found.effects) == 10
    assert (out / "figures" / "figure2.svg").exists()
    report = (out / "report" / "index.html").read_text("utf-8")
    assert "Figure 2: sampling temperature" in report


@pytest.mark.slow
def test_the_quick_version_of_the_other_crowd_runs_every_kind_of_stage(shell: Shell, tmp_path: Path) -> None:
    options = ("--quick", "--only", "figure2", "--seeds", 1, "--out", tmp_path / "run")
    words = ("crowd=wandering", "training_sessions=12", "test_steps=8", "sft.max_steps=2", "grpo.max_steps=1")
    code, out, _ = shell("reproduce", *options, *words, ONE_ROW)
    assert code == 0
    assert "its figures mean nothing" in out and "reachable" in out
    found = read_results(tmp_path / "run" / "results.json")
    assert (found.crowd, found.quick) == ("wandering", True)
    assert {stage.kind for stage in found.stages} == {"visits", "reachable", "sft", "rl", "predict"}
    cards = [path.read_text("utf-8") for path in (tmp_path / "run").glob("seed-0/*/models/*/README.md")]
    # Of the checkpoint between, SFT, the figure has no row.
    assert ["| whole-session, T 0.6," in card for card in cards].count(True) == 1 and len(cards) == 2
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


def check_large(name: str) -> None:
    config = load_config(ReproductionConfig, None, [f"models.large={name}"])
    check_models(make_plan(list_rows(["table2"], config)["table2"], [0], config), config)  # It has none.
    check_models(make_plan(list_rows(["sizes"], config)["sizes"], [0], config), config)


@pytest.mark.parametrize("name", ["base-huge", "/models/none"])
def test_a_size_without_a_checkpoint_is_said_before_anything_runs(name: str) -> None:
    with pytest.raises(ConfigError, match=f"models.large: there is no checkpoint '{name}'"):
        check_large(name)


def test_a_size_may_start_from_a_folder_or_from_what_may_be_on_a_hub(tmp_path: Path) -> None:
    for name in (tmp_path, "owner/name"):
        check_large(str(name))


@pytest.mark.parametrize("setting", ["temperatures=[0.6, -1]", "map.page_sizes=[4, 0]"])
def test_what_no_stage_could_be_run_with_is_refused_before_anything_runs(setting: str) -> None:
    with pytest.raises(ConfigError, match="expected a number of at least"):
        load_config(ReproductionConfig, None, [setting])


@pytest.mark.parametrize("name", ["temperatures", "map.sessions", "map.page_sizes", "ceiling.sessions"])
def test_rows_that_would_be_made_twice_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name}: 8(\.0)? stands there more than once"):
        load_config(ReproductionConfig, None, [f"{name}=[8, 4, 8]"])


def test_a_second_run_leaves_the_settings_of_the_one_that_is_at_work(tmp_path: Path) -> None:
    with StageLog(tmp_path / "stages.jsonl"):
        (tmp_path / "settings.json").write_text('{"settings": {}}')
        with pytest.raises(DataError, match="another run is writing to it"):
            run_reproduction(tmp_path, ["table2"], 1, overrides=SMALL, force=True)
    assert (tmp_path / "settings.json").read_text() == '{"settings": {}}'


def test_the_command_that_does_the_same_is_written_down(tmp_path: Path) -> None:
    config = tmp_path / "mine.toml"
    found = describe_command(["table2", "map"], 4, config, ["remedy.type_mix_weight=0.5"])
    assert found == (
        "shop-r1 reproduce mine.toml remedy.type_mix_weight=0.5 --only table2 --only map --seeds 4"
    )

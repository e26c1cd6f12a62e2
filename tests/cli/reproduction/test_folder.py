"""What a folder knows: which stages are done, which are left, and how long they took."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shop_r1.cli.pipeline.config import SECONDS
from shop_r1.cli.reproduction import stages
from shop_r1.cli.reproduction.config import ReproductionConfig
from shop_r1.cli.reproduction.folder import ReproductionFolder, StageLog, StageTime
from shop_r1.cli.reproduction.plan import Predict, Rl, Sft, Stage, Visits, make_plan
from shop_r1.cli.reproduction.rows import MAIN
from shop_r1.cli.reproduction.stages import drop_weights
from shop_r1.cli.reproduction.time_left import TimeLeft, describe_time
from shop_r1.config import load_config
from shop_r1.errors import DataError

CONFIG = ReproductionConfig(training_sessions=450)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[StageLog]:
    with StageLog(tmp_path / "stages.jsonl") as opened:
        yield opened


def folder_with(log: StageLog, *overrides: str, seeds: int = 1) -> ReproductionFolder:
    config = load_config(ReproductionConfig, None, ["training_sessions=450", *overrides])
    return ReproductionFolder(log.path.parent, config, log, make_plan(MAIN, range(seeds), config))


def finish(folder: ReproductionFolder, stage: Stage, seconds: float = 1.0) -> None:
    """Let a stage be done, with something in the place of its output."""
    path = folder.path(stage)
    if isinstance(stage, Sft | Rl):
        path.mkdir(parents=True, exist_ok=True)
        path = path / "model.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("output")
    folder.log.add(StageTime(stage=stage.name, digest=folder.digest(stage), seconds=seconds, done=True))


def find(folder: ReproductionFolder, kind: type[Stage], name: str = "") -> Stage:
    return next(stage for stage in folder.plan if isinstance(stage, kind) and name in stage.name)


def test_what_is_done_is_not_missing_and_stays_so_for_another_process(log: StageLog) -> None:
    folder = folder_with(log)
    for stage in folder.plan[:4]:
        finish(folder, stage)
    assert folder.list_missing() == list(folder.plan[4:])
    log.close()
    with StageLog(log.path) as again:
        assert folder_with(again).list_missing() == list(folder.plan[4:])


def test_more_seeds_leave_what_is_there_as_it_is(log: StageLog) -> None:
    folder = folder_with(log)
    for stage in folder.plan:
        finish(folder, stage)
    more = folder_with(log, seeds=2)
    assert {stage.name.split("/")[0] for stage in more.list_missing()} == {"seed-1"}


@pytest.mark.parametrize(
    ("setting", "kinds"),
    [
        ("grpo.max_steps=60", {Rl, Predict}),
        ("sft.learning_rate=1e-4", {Sft, Rl, Predict}),
        ("test_steps=100", {Visits, Predict}),
        ("grpo.save_steps=7", set()),  # no weight depends on it
        ("temperatures=[0.6]", set()),
        ("keep_models=false", set()),
    ],
)
def test_another_setting_asks_for_the_stages_that_depend_on_it_alone(
    log: StageLog, setting: str, kinds: set[type[Stage]]
) -> None:
    folder = folder_with(log)
    for stage in folder.plan:
        finish(folder, stage)
    missing = folder_with(log, setting).list_missing()
    assert {type(stage) for stage in missing if type(stage).__name__ != "Reachable"} == kinds
    if setting.startswith("grpo.max"):  # Zero-shot and SFT are predicted as before.
        assert sum(isinstance(stage, Predict) for stage in missing) == 3
    if setting.startswith("test"):  # Other steps are predicted, but nothing is trained again.
        assert {stage.part for stage in missing if isinstance(stage, Visits)} == {"held-out"}


def test_settings_that_come_back_find_no_other_settings_output_in_place_of_theirs(log: StageLog) -> None:
    first, other = folder_with(log), folder_with(log, "grpo.max_steps=60")
    for folder in (first, other):
        for stage in folder.list_missing():
            finish(folder, stage)
    assert other.list_missing() == []
    assert [type(stage) for stage in first.list_missing()] == [Rl, Predict] * 3


def test_an_output_over_which_another_run_was_killed_is_made_again(log: StageLog) -> None:
    first, other = folder_with(log), folder_with(log, "sft.learning_rate=1e-4")
    for stage in first.plan:
        finish(first, stage)
    sft = find(other, Sft)
    log.add(StageTime(stage=sft.name, digest=other.digest(sft), seconds=0, done=False))  # It never ends.
    first.path(find(first, Predict, "sft-450-T0.6")).unlink()
    assert first.list_missing() == [find(first, Sft), find(first, Predict, "sft-450-T0.6")]


def test_a_stage_is_noted_before_it_writes_anything(log: StageLog, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, noted = folder_with(log), list[tuple[str, bool]]()

    def look(folder: ReproductionFolder, stage: Stage) -> None:
        noted.extend((each.stage, each.done) for each in log.times)

    monkeypatch.setattr(stages, "record_visits", look)
    stages.run_stage(folder, folder.plan[0])
    assert noted == [(folder.plan[0].name, False)]
    assert [each.done for each in log.times] == [False, True]


def test_a_lost_output_is_made_again_with_what_it_needs_and_no_more(log: StageLog) -> None:
    folder = folder_with(log)
    for stage in folder.plan:
        finish(folder, stage)
    lost = find(folder, Predict, "sft-450-shop-r1")
    folder.path(lost).unlink()
    assert folder.list_missing() == [lost]
    weights = folder.path(find(folder, Rl, "sft-450-shop-r1")) / "model.safetensors"
    weights.unlink()
    assert [type(stage) for stage in folder.list_missing()] == [Rl, Predict]
    folder.path(lost).write_text("output")
    assert folder.list_missing() == []  # Nothing that is left needs the weights.


def test_weights_that_nothing_needs_go_where_they_are_not_to_be_kept(log: StageLog) -> None:
    folder = folder_with(log, "keep_models=false")
    for stage in folder.plan:
        finish(folder, stage)
    shop_r1 = find(folder, Rl, "sft-450-shop-r1")
    drop_weights(folder, [shop_r1])  # It is still to be trained, from SFT.
    kept = {path.parent.name for path in log.path.parent.rglob("*.safetensors")}
    assert kept == {"medium-whole-session-sft-450", "medium-whole-session-sft-450-shop-r1"}
    drop_weights(folder_with(log), [])  # By default all stay.
    assert {path.parent.name for path in log.path.parent.rglob("*.safetensors")} == kept
    drop_weights(folder, [])
    assert not list(log.path.parent.rglob("*.safetensors"))


def test_two_runs_at_once_in_one_folder_are_refused(log: StageLog) -> None:
    with pytest.raises(DataError, match="another run is writing to it"):
        StageLog(log.path)


def test_the_time_of_an_interrupted_stage_is_the_sum_of_its_parts(log: StageLog) -> None:
    folder = folder_with(log)
    stage = folder.plan[0]
    for seconds, done in ((10.0, False), (5.0, True), (3.0, False)):
        line = StageTime(stage=stage.name, digest=folder.digest(stage), seconds=seconds, done=done)
        log.add(line)
    assert folder.seconds(stage) == 15.0
    assert folder.seconds_begun(stage) == 3.0


def test_the_time_left_follows_what_stages_of_a_kind_took_here(log: StageLog) -> None:
    folder = folder_with(log)
    rate, (python, gflop) = 100e9, SECONDS["grpo"]
    left = TimeLeft(folder, rate)
    runs = [stage for stage in folder.plan if isinstance(stage, Rl)]
    expected = 50 * (python + gflop * 1e9 / rate)  # 50 steps, as the demo's figures have them
    assert left.estimate(runs) == pytest.approx(3 * expected)
    finish(folder, runs[0], seconds=2 * expected)
    assert left.estimate(runs[1:]) == pytest.approx(4 * expected)
    line = StageTime(stage=runs[1].name, digest=folder.digest(runs[1]), seconds=expected, done=False)
    log.add(line)  # interrupted in the middle
    assert left.estimate(runs[1:]) == pytest.approx(3 * expected)


def test_a_kind_that_has_not_ended_yet_is_as_slow_here_as_the_others(log: StageLog) -> None:
    folder = folder_with(log)
    left = TimeLeft(folder, 100e9)
    visits, sft = find(folder, Visits, "training"), find(folder, Sft)
    before = left.estimate([sft])
    finish(folder, visits, seconds=3 * left.estimate([visits]))
    assert left.estimate([sft]) == pytest.approx(3 * before)


def test_times_are_said_as_precisely_as_they_are_known() -> None:
    assert [describe_time(each) for each in (5, 60, 3540, 3600, 5400)] == [
        "half a minute",
        "1 min",
        "59 min",
        "1 h 00 min",
        "1 h 30 min",
    ]

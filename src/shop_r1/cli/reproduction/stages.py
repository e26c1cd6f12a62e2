"""The stages as they are run: each leaves its output, and one that was interrupted goes on where it was."""

import shutil
import time
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import assert_never

from shop_r1.cli.pipeline.stores import create_store
from shop_r1.cli.reproduction.folder import ReproductionFolder, visit_settings
from shop_r1.cli.reproduction.plan import Predict, Reachable, Rl, Sft, Stage, Visits, stage_seed
from shop_r1.cli.reproduction.test_set import draw_test_steps
from shop_r1.cli.reproduction.time_left import TimeLeft, describe_time
from shop_r1.cli.terminal import console
from shop_r1.datasets.examples import Example, balance_examples, list_examples, read_examples
from shop_r1.datasets.session_files import read_sessions
from shop_r1.evaluation.metrics import PAPER_TEST_MIX
from shop_r1.evaluation.predict import predict
from shop_r1.evaluation.prediction_log import PredictionLog
from shop_r1.jsonl import write_json, write_records
from shop_r1.models.checkpoint import load_model
from shop_r1.records.sessions import ExampleRef, Session
from shop_r1.report.card import write_card
from shop_r1.runs import CHECKPOINTS, RunFolder, make_record
from shop_r1.shoppers.persona import Market
from shop_r1.shoppers.reachable import reachable_in_mixes
from shop_r1.shoppers.scripted import generate_sessions
from shop_r1.store.kinds import KINDS
from shop_r1.training.checkpoints import list_checkpoints
from shop_r1.training.grpo.run import train_grpo
from shop_r1.training.settings import GrpoConfig, SftConfig
from shop_r1.training.sft import train_sft

TEST_STEPS, TYPE_COUNTS = "test.jsonl", "types.json"
"""Beside held-out visits: which of their steps are predicted, and how often each type occurs in all."""
BEST_TYPES = "types.jsonl"
"""Beside the best predictions for exact match: those for type accuracy. Both are the best in the crowd's own
mix of types."""
BEST_OF_TEST, BEST_TYPES_OF_TEST = "test-mix.jsonl", "test-mix.types.jsonl"
"""The same two, the best in the mix of types that the test steps have."""


def run_stages(
    folder: ReproductionFolder, rate: float, seed_done: Callable[[int], object] = lambda seed: None
) -> None:
    """Run what is missing of the folder's plan, and say how far it is and how long the rest takes.

    `seed_done` is told each seed when its last stage is done and another seed is to follow.

    Raises:
        ShopR1Error: the disk is full, a model is missing, or training must not go on.
        RunStopped: a signal stopped a training, which goes on from there.
    """
    plan, left = folder.plan, TimeLeft(folder, rate)
    missing = folder.list_missing()
    if reused := len(plan) - len(missing):
        console.note(f"{reused} of {len(plan)} stages: done in an earlier run, or not needed again")
    for place, stage in enumerate(missing):
        number = reused + place + 1
        about = describe_time(left.estimate(missing[place:]))
        console.note(
            f"stage {number}/{len(plan)}, about {about} left: {stage.title} (seed {stage_seed(stage)})"
        )
        run_stage(folder, stage)
        drop_weights(folder, missing[place + 1 :])
        following = missing[place + 1 : place + 2]
        if following and stage_seed(following[0]) != stage_seed(stage):
            seed_done(stage_seed(stage))


def run_stage(folder: ReproductionFolder, stage: Stage) -> None:
    """Run one stage, and note that it begins and how long it took, also when it is interrupted."""
    folder.note(stage, 0.0, done=False)  # From now on its place can hold parts of two runs.
    started, done = time.monotonic(), False
    try:
        match stage:
            case Visits():
                record_visits(folder, stage)
            case Reachable():
                find_reachable(folder, stage)
            case Sft() | Rl():
                train(folder, stage)
            case Predict():
                make_predictions(folder, stage)
            case _:
                assert_never(stage)
        done = True
    finally:
        folder.note(stage, time.monotonic() - started, done=done)


def record_visits(folder: ReproductionFolder, stage: Visits) -> None:
    """Let scripted shoppers visit the store; of those held out, draw the test steps."""
    settings = visit_settings(stage, folder.config)
    crowd, seed = folder.config.crowd, settings["seed"]
    app = create_store(crowd, settings["catalogue_seed"], stage.page_size, seed)
    with console.progress("Sessions") as move:
        found = generate_sessions(app, Market(KINDS), settings["count"], seed, crowd=crowd, progress=move)
        sessions = list(found)
    if stage.part == "held-out":
        steps = draw_test_steps(sessions, folder.config.test_steps, stage.seed)
        refs = [ExampleRef(session_id=each.session.session_id, step=each.step) for each in steps]
        write_records(folder.beside(stage, TEST_STEPS), refs)
        types = Counter(each.taken.action.type for each in list_examples(sessions))
        write_json(folder.beside(stage, TYPE_COUNTS), dict(sorted(types.items())))
    write_records(folder.path(stage), sessions)


def find_reachable(folder: ReproductionFolder, stage: Reachable) -> None:
    """Write the best possible predictions at the test steps, for their mix of types and for the crowd's own.

    Where test steps are drawn by type, a type that the crowd seldom chooses is right more often than the
    sessions alone say, and the best predictor names it more often.
    """
    sessions = read_visits(folder, stage.held_out)
    wanted = {(each.session.session_id, each.step) for each in read_test_steps(folder, stage.held_out)}
    mixes = (PAPER_TEST_MIX, None)
    of_test, own = reachable_in_mixes(sessions, Market(KINDS), folder.config.crowd, mixes)
    files = {
        folder.beside(stage, BEST_TYPES_OF_TEST): of_test.types,
        folder.beside(stage, BEST_OF_TEST): of_test.exact,
        folder.beside(stage, BEST_TYPES): own.types,
        folder.path(stage): own.exact,
    }
    for path, found in files.items():
        write_records(path, [each for each in found if (each.session_id, each.step) in wanted])


def train(folder: ReproductionFolder, stage: Sft | Rl) -> None:
    """Train a checkpoint as the command `sft` or `grpo` would, from where an interrupted run stopped."""
    place, config = folder.path(stage), folder.settings(stage)
    inputs = [folder.path(each) for each in stage.needs]
    command = "sft" if isinstance(stage, Sft) else "grpo"
    record = make_record(config, inputs, config.seed, command=command)
    run = RunFolder(place)
    if not list_checkpoints(place) or run.list_differences(record):
        shutil.rmtree(place, ignore_errors=True)  # what another run left, or one that saved nothing
    run.write_settings(record)
    match stage, config:
        case Sft(), SftConfig():
            sessions = [session for visits in stage.visits for session in read_visits(folder, visits)]
            train_sft(sessions[: stage.sessions], config, place, resume=True)
        case Rl(), GrpoConfig():
            steps = list_examples(read_visits(folder, stage.visits))
            examples = balance_examples(steps, config.type_ratio, stage.visits.seed)
            train_grpo(examples, config, place, title=f"GRPO {stage.reward}", resume=True)
    shutil.rmtree(place / CHECKPOINTS, ignore_errors=True)
    write_card(place)


def make_predictions(folder: ReproductionFolder, stage: Predict) -> None:
    """Write a checkpoint's predictions at the test steps; none that an interrupted run made is made again."""
    examples, digest = read_test_steps(folder, stage.held_out), folder.digest(stage)
    partial = folder.beside(stage, f"{digest[:12]}.partial.jsonl")
    for other in partial.parent.glob(f"{folder.path(stage).stem}.*.partial.jsonl"):
        if other != partial:
            other.unlink()
    model = load_model(folder.checkpoint(stage.model))
    with console.progress("Sessions") as move, PredictionLog(partial, digest) as log:
        found = predict(model, examples, folder.predict_config(stage), move, log)
    write_records(folder.path(stage), found)
    partial.unlink()


def drop_weights(folder: ReproductionFolder, left: list[Stage]) -> None:
    """Where weights are not to be kept, remove those of the plan that no stage that is left needs."""
    if folder.config.keep_models:
        return
    needed = {need for stage in left for need in stage.needs}
    for stage in folder.plan:
        if isinstance(stage, Sft | Rl) and stage not in needed and stage not in left:
            for weights in folder.path(stage).glob("*.safetensors"):
                weights.unlink()


def read_visits(folder: ReproductionFolder, stage: Visits) -> list[Session]:
    """Return the sessions of some visits."""
    path = folder.path(stage)
    return _read_sessions(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _read_sessions(path: Path, changed: int) -> list[Session]:
    """Return a file's sessions, read once as long as it does not change."""
    return list(read_sessions(path))


def read_test_steps(folder: ReproductionFolder, held_out: Visits) -> list[Example]:
    """Return the steps that are predicted, in the order of the sessions."""
    return list(read_examples(folder.beside(held_out, TEST_STEPS), read_visits(folder, held_out)))

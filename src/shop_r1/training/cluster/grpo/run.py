"""A GRPO run on a Ray cluster, from examples to a checkpoint: what `train_grpo` does, by verl."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from shop_r1.datasets.examples import Example, example_outlines
from shop_r1.jsonl import write_records
from shop_r1.records.sessions import ExampleRef
from shop_r1.training.cluster.finish import export_weights, refuse_to_go_on
from shop_r1.training.cluster.overrides import RunFiles, verl_overrides
from shop_r1.training.cluster.start import (
    Device,
    check_split,
    choose_device,
    find_start,
    last_saved_step,
    needs_verl,
    saved_step_folder,
)
from shop_r1.training.grpo.examples_check import check_examples
from shop_r1.training.progress.console import step_progress
from shop_r1.training.settings import GrpoConfig

_POLL_S = 1.0


def train_grpo_on_cluster(
    examples: Sequence[Example], data: Path, config: GrpoConfig, out: Path, resume: bool = False
) -> Mapping[str, float]:
    """Train on the examples, which are of the sessions in `data`; return the last logged metrics.

    Leaves in `out` what `train_grpo` does; checkpoints are verl's (`checkpoints/global_step_N`).

    Raises:
        DataError: there are fewer examples than a step takes.
        ConfigError: a setting has no counterpart in verl, or verl is not installed.
        ModelError: the model is not one that verl can start from (`find_start`), or its heads cannot be split
            between `cluster.sequence_parallel` devices.
        TrainingError: a worker failed, or an alert stopped the run.
    """
    check_examples(examples, config)
    files = _prepare(examples, data, config, out)
    device = choose_device(config)
    settings = verl_overrides(config, files, device, resume)
    last = _drive(settings, config, device, out, resume)
    export_weights(config, saved_step_folder(out, last_saved_step(out)) / "actor", out)
    refuse_to_go_on(config, out)
    return last


def _prepare(examples: Sequence[Example], data: Path, config: GrpoConfig, out: Path) -> RunFiles:
    model = find_start(config.model)
    check_split(model, config.cluster.sequence_parallel)
    refs = [ExampleRef(session_id=each.session_id, step=each.step) for each in example_outlines(examples)]
    chosen = out / "examples.jsonl"
    write_records(chosen, refs)
    return RunFiles(out.resolve(), data.resolve(), chosen.resolve(), model)


def _drive(
    settings: Mapping[str, Any], config: GrpoConfig, device: Device, out: Path, resume: bool
) -> Mapping[str, float]:
    with needs_verl():
        from shop_r1.training.cluster.driver import Driver, Run, joined_ray
    shown = last_saved_step(out) if resume else 0
    with joined_ray(config, device), step_progress("GRPO on verl") as show:
        run = Run(Driver, settings)
        while not run.has_ended(_POLL_S):
            shown = _show_steps(out / "metrics.jsonl", shown, config.max_steps, show)
        last = run.last_metrics()
        _show_steps(out / "metrics.jsonl", shown, config.max_steps, show)
    return last


def _show_steps(path: Path, shown: int, steps: int, show: Callable[[int, int, str], None]) -> int:
    """Show the steps that were logged since; return the number of the last one."""
    lines: list[Mapping[str, Any]] = []
    with suppress(OSError, ValueError):  # not there yet, or a line is being written
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for line in lines:
        if line["step"] > shown:
            words = f"reward {line['reward/total']:.3g}, parsed {line['policy/parsed']:.3g}"
            show(shown := line["step"], steps, words)
    return shown

"""A GRPO run on a Ray cluster, from examples to a checkpoint: what `train_grpo` does, by verl."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from shop_r1.datasets.examples import Example, example_outlines
from shop_r1.errors import ConfigError, ModelError, TrainingError
from shop_r1.jsonl import read_records, write_records
from shop_r1.models.checkpoint import load_model, save_checkpoint
from shop_r1.records.sessions import ExampleRef
from shop_r1.training.cluster.overrides import Device, RunFiles, verl_overrides
from shop_r1.training.cluster.start import check_split, find_start, last_saved_step, saved_step_folder
from shop_r1.training.grpo.examples_check import check_examples
from shop_r1.training.health_checks import Alert
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
    device: Device = "cuda" if torch.cuda.is_available() else "cpu"
    if config.cluster.device != "auto":
        device = config.cluster.device
    settings = verl_overrides(config, files, device, resume)
    last = _drive(settings, config, device, out, resume)
    _export(config, out)
    _refuse_to_go_on(config, out)
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
    try:
        from shop_r1.training.cluster.driver import Run, joined_ray
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"--engine verl needs {error.name}, which is not installed here; make cluster makes an "
            "environment that has it (docs/cluster.md)"
        ) from None
    shown = last_saved_step(out) if resume else 0
    with joined_ray(config, device), step_progress("GRPO on verl") as show:
        run = Run(settings)
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


def _export(config: GrpoConfig, out: Path) -> None:
    """Write the last checkpoint's weights as a folder like any other."""
    last = saved_step_folder(out, last_saved_step(out))
    weights: dict[str, torch.Tensor] = {}
    for shard in sorted((last / "actor" / "huggingface").glob("*.safetensors")):
        weights |= load_file(shard)
    trained = load_model(config.model)
    missing, unknown = trained.model.load_state_dict(weights, strict=False)
    if unknown or set(missing) - set(trained.model.all_tied_weights_keys):
        raise ModelError(
            f"{last}: its weights are not the model's: {len(unknown)} unknown, {len(missing)} missing"
        )
    save_checkpoint(trained, out)


def _refuse_to_go_on(config: GrpoConfig, out: Path) -> None:
    """Fail if an alert of `stop_on_alert` has stopped the run."""
    path = out / "alerts.jsonl"
    raised = list(read_records(path, Alert)) if path.exists() else []
    for alert in raised:
        if alert.alert in config.stop_on_alert:
            raise TrainingError(
                f"step {alert.step}: stopped by the alert {alert.alert} (stop_on_alert): {alert.message} The "
                f"weights of that step are in {out}"
            )

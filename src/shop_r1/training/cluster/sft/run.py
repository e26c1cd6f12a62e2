"""An SFT run on a Ray cluster, from sessions to a checkpoint: what `train_sft` does, by verl."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from shop_r1.records.sessions import Session
from shop_r1.training.cluster.finish import export_weights, refuse_to_go_on
from shop_r1.training.cluster.sft.overrides import SftFiles, count_steps, sft_overrides
from shop_r1.training.cluster.start import (
    Device,
    check_split,
    choose_device,
    find_start,
    last_saved_step,
    needs_verl,
    saved_step_folder,
)
from shop_r1.training.progress.console import step_progress, warn_of_warmup
from shop_r1.training.session_trees import check_sessions, note_short_step
from shop_r1.training.settings import SftConfig

_POLL_S = 0.5


def train_sft_on_cluster(
    sessions: Sequence[Session], data: Path, config: SftConfig, out: Path, resume: bool = False
) -> Mapping[str, float]:
    """Fine-tune on the sessions, which are those in `data`; return the last logged metrics.

    Leaves in `out` what `train_sft` does; checkpoints are verl's (`checkpoints/global_step_N`).

    Raises:
        DataError: as `train_sft`.
        ConfigError: a setting has no counterpart in verl, or verl is not installed.
        ModelError: the model is not one that verl can start from (`find_start`), or its heads cannot be split
            between `cluster.sequence_parallel` devices.
        TrainingError: a worker failed, or an alert stopped the run.
    """
    known = check_sessions(sessions, config.type_ratio)
    files = SftFiles(out.resolve(), data.resolve(), find_start(config.model))
    check_split(files.model, config.cluster.sequence_parallel)
    device = choose_device(config)
    settings = sft_overrides(config, files, known, device, resume)
    note_short_step(len(sessions), config, config.cluster.data_parallel)
    steps = count_steps(config, len(sessions))
    warn_of_warmup(config.warmup_steps, config.learning_rate, steps)
    last = _drive(settings, config, device, steps)
    export_weights(config, saved_step_folder(out, last_saved_step(out)), out)
    refuse_to_go_on(config, out)
    return last


def _drive(
    settings: Mapping[str, object], config: SftConfig, device: Device, steps: int
) -> Mapping[str, float]:
    with needs_verl():
        from shop_r1.training.cluster.driver import Run, joined_ray
        from shop_r1.training.cluster.sft.driver import SftDriver
    shown = 0
    with joined_ray(config, device), step_progress("SFT on verl") as show:
        run = Run(SftDriver, settings)
        while not run.has_ended(_POLL_S):
            shown = _show_step(run, shown, steps, show)
        last = run.last_metrics()
        _show_step(run, shown, steps, show)
    return last


def _show_step(run: Any, shown: int, steps: int, show: Callable[[int, int, str], None]) -> int:
    """Show the last step done, if it was not; return its number."""
    step, loss = run.ask("shown")
    if step > shown:
        show(step, steps, f"loss {loss:.3f}")
    return int(step)

"""A training run in its folder: begun or resumed, shown, stopped by signals and alerts, and written."""

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

from transformers import PrinterCallback, TrainerState

from shop_r1.errors import DataError, RunStopped, TrainingError
from shop_r1.jsonl import read_json
from shop_r1.models.checkpoint import LocalModel
from shop_r1.models.precision import Precision, choose_precision, flush_subnormals
from shop_r1.runs import describe_differences, package_versions
from shop_r1.signals import stop_signals
from shop_r1.training.checkpoints import (
    MANIFEST,
    Checkpoint,
    CheckpointFolder,
    RunIdentity,
    find_checkpoint,
    list_checkpoints,
    refuse_earlier_run,
)
from shop_r1.training.devices import map_large_tensors, print_strategy, save_trained
from shop_r1.training.health_checks import RULES, Alerts
from shop_r1.training.progress.console import print_note
from shop_r1.training.progress.live import LiveView
from shop_r1.training.progress.logs import MetricsLog
from shop_r1.training.progress.panel import Body
from shop_r1.training.resume import CheckpointCallback, StepAbandonedError
from shop_r1.training.settings import WATCHING, TrainConfig, count_processes

_LAST_MESSAGE_S = 0.2
"""Seconds for a thread to free what it sent; it takes some milliseconds. Ours."""


class TrainingRun:
    """One run in its folder, from its start or from its last good checkpoint."""

    def __init__(self, out: Path, config: TrainConfig, data: str, resume: bool) -> None:
        """Find where the run begins: with `resume` at its last good checkpoint, if there is any.

        `data` is the `digest_data` of what it learns from.

        Raises:
            TrainingError: without `resume`, there are checkpoints; with it, they are another run's, or all
                are incomplete.
        """
        settings = config.model_dump(mode="json", exclude={*WATCHING, "cluster"})
        run = RunIdentity(settings=settings, data=data, processes=count_processes())
        self._out = out
        self._config = config
        self._folder = CheckpointFolder(out, run, config.save_total_limit)
        if not resume:
            refuse_earlier_run(out)
        self.start = find_checkpoint(out) if resume else None
        if self.start is not None:
            _check_same(self.start, run)

    def train(
        self,
        trainer: Any,
        model: LocalModel,
        title: str,
        body: Body,
        noted: Sequence[str],
        sample: Callable[[], str] | None = None,
    ) -> Mapping[str, float]:
        """Train from where the run begins, write the model, and return the last logged metrics.

        `model` is what the trainer was made with; what follows it is `LiveView`'s.

        Raises:
            TrainingError: a checkpoint cannot be written, or an alert stopped the run.
            RunStopped: a signal asked for it; a checkpoint was written, and no model.
        """
        log = MetricsLog(self._out / "metrics.jsonl")
        alerts = Alerts(
            self._out / "alerts.jsonl", RULES if self._config.alerts else {}, self._config.stop_on_alert
        )
        print_strategy(trainer)
        if self._config.lora_r:
            map_large_tensors()
        trainer.remove_callback(PrinterCallback)  # LiveView shows what it would print
        with closing(LiveView(title, body, noted, alerts, sample)) as view, stop_signals() as stop:
            trainer.show_part = view.show_part
            trainer.checkpoint_callback = CheckpointCallback(
                trainer, self._folder, self._config.save_steps, stop
            )
            for callback in (log, alerts, view, trainer.checkpoint_callback):
                trainer.add_callback(callback)
            self._run_loop(trainer)
            state = trainer.state
            stopped_by = stop.signal if state.global_step < state.max_steps else None
            if stopped_by is None:
                save_trained(trainer, model, self._out, self._config.lora_merge)
            _leave(trainer)
        if stopped_by is not None:
            raise self._stopped(state, stopped_by)
        alerts.refuse_to_go_on(self._out)
        return log.last

    @flush_subnormals()
    def _run_loop(self, trainer: Any) -> None:
        """Do the steps that are left."""
        path = None
        if self.start is not None:
            path, found = str(self.start.path), self.start.manifest
            print_note(f"Going on from {path}, step {found.step} of {found.steps}")
            trainer.checkpoint_callback.load(self.start)
            if found.step >= found.steps:  # transformers would take one step too many
                trainer._load_from_checkpoint(path)
                return
        try:
            trainer.train(resume_from_checkpoint=path)
            return
        except StepAbandonedError:
            pass  # and with it what its frames held of the step
        except OSError as error:
            raise TrainingError(
                f"{self._out}: training stopped ({error}); fix that, then go on with --resume"
            ) from error
        trainer.checkpoint_callback.save_step_end()
        trainer.control = trainer.callback_handler.on_train_end(trainer.args, trainer.state, trainer.control)

    def _stopped(self, state: TrainerState, number: int) -> RunStopped:
        kept = f"the checkpoint is in {self._folder.path}" if state.global_step else "no step to save yet"
        return RunStopped(
            f"{self._out}: stopped by {signal.Signals(number).name} after step {state.global_step} of "
            f"{state.max_steps}, not finished; {kept}",
            number,
        )


def _leave(trainer: Any) -> None:
    """Leave the other processes, and end the threads that spoke with them.

    A process that left before the others would abort them; so might one of its own threads that frees a
    message's tensors while Python shuts down. DDP's wrapper, in a circle of references, keeps these threads.
    Freeing it waits for them without giving up the interpreter, which they need to free their last message:
    they get a while to do so before.
    """
    trainer.accelerator.wait_for_everyone()
    trainer.accelerator.end_training()
    if trainer.accelerator.num_processes > 1:
        time.sleep(_LAST_MESSAGE_S)
    trainer.model_wrapped = trainer.model
    trainer.accelerator.free_memory()


def _check_same(checkpoint: Checkpoint, run: RunIdentity) -> None:
    """Stop if the checkpoint is another run's; name other versions, with which the bits can differ."""
    found = checkpoint.manifest.run.differences(run)
    if found:
        raise TrainingError(
            f"{checkpoint.path}: is of another run: {', '.join(found)}; give the same, or another --out"
        )
    other = describe_differences(checkpoint.manifest.versions, package_versions())
    if other:
        print_note(
            f"{checkpoint.path}: other versions than then, so not bit for bit the same: {', '.join(other)}"
        )


TrainConfigT = TypeVar("TrainConfigT", bound=TrainConfig)


def settle_precision(config: TrainConfigT, out: Path, resume: bool) -> TrainConfigT:
    """Return the settings with `bf16` true or false, and say which and why where it was left open.

    With `resume` that is what the run in `out` began with, if one did, even if this machine would choose
    otherwise: a run in two formats would be neither's.
    """
    begun = begun_with(out) if resume and config.bf16 == "auto" else None
    kept = None if begun is None else Precision(begun, f"as the run in {out} began")
    chosen = kept or choose_precision(config.bf16)
    if config.bf16 == "auto" or "though" in chosen.reason:
        print_note(str(chosen))
    return config.model_copy(update={"bf16": chosen.bf16})


def begun_with(out: Path) -> bool | None:
    """Return the format of the run in the folder, by its settings or a checkpoint; None without either."""
    for path in (out / "settings.json", *(each / MANIFEST for each in reversed(list_checkpoints(out)))):
        with suppress(DataError, KeyError, TypeError):
            found = read_json(path)
            bf16 = (found["run"] if path.name == MANIFEST else found)["settings"]["bf16"]
            if isinstance(bf16, bool):
                return bf16
    return None

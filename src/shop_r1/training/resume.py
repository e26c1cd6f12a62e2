"""Resuming an interrupted run: what of transformers' and TRL's training loop a checkpoint must keep.

A resumed run is to end with the weights of one that was never interrupted, bit for bit on a CPU. transformers
saves and loads weights, optimiser, schedule, random states and step counts, and skips the batches already
seen. Three things it leaves out, and they are kept here. The order of an epoch's data is drawn when the epoch
begins, from a random state that is long gone when the checkpoint is written. Sums for the next line of
metrics are lost when the loop starts. And TRL counts steps of its own. What needs no keeping: a sampled
completion is a function of (seed, step, row), and the reference policy is the model that the settings name.

A run that is asked to stop does so between two micro-batches, or two passes of one. What it has done of the
step is given up: all that changed since the last step's end, which is noted then, is put back, and that is
what is saved.
"""

import random
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from accelerate.data_loader import BatchSamplerShard, get_sampler
from torch import Tensor
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState

from shop_r1.errors import TrainingError
from shop_r1.signals import StopRequest
from shop_r1.training.checkpoints import Checkpoint, CheckpointFolder
from shop_r1.training.progress.console import warn_of_warmup

_RANDOM_STATES: tuple[tuple[Callable[[], Any], Callable[[Any], Any]], ...] = (
    (random.getstate, random.setstate),
    (np.random.get_state, np.random.set_state),
    (torch.get_rng_state, torch.set_rng_state),
    (torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all),  # of no state without a GPU
)
"""The random states that transformers saves: what reads each, and what puts it back."""


class CheckpointCallback(TrainerCallback):
    """Decides when a checkpoint is due, writes what it holds, and puts it back.

    Callbacks of the trainer with `state_dict` and `load_state_dict` are kept as well.
    """

    def __init__(self, trainer: Any, folder: CheckpointFolder, every: int, stop: StopRequest) -> None:
        self._trainer = trainer
        self._folder = folder
        self._every = every
        self._stop = stop
        self._order: dict[str, Tensor] = {}
        self._loop: dict[str, Any] | None = None
        self._step_end: dict[str, Any] = {}
        self.saved_step = 0
        """The step of the newest checkpoint; at 0 there is nothing to save."""

    # -- when -----------------------------------------------------------------------------------------

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Ask for a checkpoint if one is due, and for an end if a signal did."""
        done = state.global_step >= state.max_steps
        due = self._every > 0 and (done or state.global_step % self._every == 0)
        stop = self.stop_requested() and not done
        control.should_save |= due or stop
        control.should_training_stop |= stop

    def on_save(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """End here if the signal came while the checkpoint was written."""
        control.should_training_stop |= self.stop_requested()

    def on_substep_end(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Give up the step between two micro-batches if a signal asked for an end."""
        self._trainer.stop_if_requested()

    def stop_requested(self) -> bool:
        """Return whether any process was asked to stop, and note it in all of them."""
        accelerator, number = self._trainer.accelerator, self._stop.signal or 0
        if accelerator.num_processes > 1:
            mine = torch.tensor([number], device=accelerator.device)
            number = int(accelerator.gather(mine).max())
            if number:
                self._stop.signal = number
        return number > 0

    # -- what -----------------------------------------------------------------------------------------

    def note_step_end(self) -> None:
        """Note what the next step's micro-batches will change: all but weights, optimiser and schedule."""
        trainer = self._trainer
        self._step_end = {
            "loop": self._read_loop(),
            "random": [read() for read, _ in _RANDOM_STATES],
            "flos": trainer.current_flos,
            "tokens": trainer.state.num_input_tokens_seen,
        }

    def save_step_end(self) -> None:
        """Write the checkpoint of the last finished step from within the next, unless it is there.

        Raises:
            TrainingError: it cannot be written.
        """
        trainer, noted = self._trainer, self._step_end
        if trainer.state.global_step == self.saved_step:
            return
        for (_, put_back), state in zip(_RANDOM_STATES, noted["random"], strict=True):
            put_back(state)
        trainer.current_flos, trainer.state.num_input_tokens_seen = noted["flos"], noted["tokens"]
        self.save(noted["loop"])

    def save(self, loop: dict[str, Any] | None = None) -> None:
        """Write a checkpoint of the trainer as it is, or with its loop as it was, between two steps.

        Raises:
            TrainingError: it cannot be written.
        """
        trainer, loop = self._trainer, loop or self._read_loop()
        trainer.store_flos()
        with self._folder.writing(trainer.state.global_step, trainer.state.max_steps) as folder:
            trainer.save_model(str(folder), _internal_call=True)
            trainer._save_optimizer_and_scheduler(str(folder))
            trainer._save_scaler(str(folder))
            trainer._save_rng_state(str(folder))
            torch.save(loop | {"loss": float(loop["loss"])}, folder / _loop_name())
            if trainer.args.should_save:
                trainer.state.save_to_json(str(folder / "trainer_state.json"))
                (folder / "training_args.bin").unlink(missing_ok=True)  # a pickle that nothing reads
        self.saved_step = trainer.state.global_step

    def _read_loop(self) -> dict[str, Any]:
        trainer = self._trainer
        ended = float(trainer.state.epoch).is_integer()  # then the next epoch's order is still to be drawn
        return {
            "order": _read_order(trainer.callback_handler.train_dataloader) if ended else self._order,
            "loss": trainer._tr_loss.clone(),  # no number yet: that would wait for a GPU at each step
            "total_loss": trainer._total_loss_scalar,
            "logged_step": trainer._globalstep_last_logged,
            "metrics": {name: list(values) for name, values in trainer._metrics["train"].items()},
            "trl_step": getattr(trainer, "_step", None),
            "callbacks": {name: each.state_dict() for name, each in self._watchers()},
        }

    def load(self, checkpoint: Checkpoint) -> None:
        """Read what `save` wrote of the loop, for when it begins; callbacks have theirs at once."""
        # Numbers, strings and tensors alone: nothing in it can run.
        self._loop = torch.load(checkpoint.path / _loop_name(), weights_only=True)
        self.saved_step = checkpoint.manifest.step
        for name, each in self._watchers():
            each.load_state_dict(self._loop["callbacks"][name])

    def _watchers(self) -> list[tuple[str, Any]]:
        callbacks = self._trainer.callback_handler.callbacks
        return [(type(each).__name__, each) for each in callbacks if hasattr(each, "load_state_dict")]

    def on_train_begin(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Put back the loop's sums, which have just been set to zero."""
        warn_of_warmup(args.get_warmup_steps(state.max_steps), args.learning_rate, state.max_steps)
        loop, trainer = self._loop, self._trainer
        if loop is None:
            return
        trainer._tr_loss.fill_(loop["loss"])
        trainer._total_loss_scalar = loop["total_loss"]
        trainer._globalstep_last_logged = loop["logged_step"]
        trainer._metrics["train"].update(loop["metrics"])
        if loop["trl_step"] is not None:
            trainer._step = loop["trl_step"]

    def on_epoch_begin(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Note from what the epoch's order is about to be drawn; when resuming, put that back first."""
        if self._loop is not None:
            for name, generator in _order_sources(kwargs["train_dataloader"]).items():
                generator.set_state(self._loop["order"][name])
            self._loop = None
        self._order = _read_order(kwargs["train_dataloader"])


def _loop_name() -> str:
    return f"loop_{PartialState().process_index}.pt"


def _read_order(loader: Any) -> dict[str, Tensor]:
    return {name: generator.get_state() for name, generator in _order_sources(loader).items()}


def _order_sources(loader: Any) -> dict[str, torch.Generator]:
    """Return what the order is drawn from: torch's own generator, and one that the sampler may keep."""
    if isinstance(loader.batch_sampler, BatchSamplerShard):  # Processes share batches: it is wrapped twice.
        sampler = getattr(loader.batch_sampler.batch_sampler, "sampler", None)
    else:
        sampler = get_sampler(loader)
    found = {"torch": torch.default_generator, "sampler": getattr(sampler, "generator", None)}
    return {name: generator for name, generator in found.items() if generator is not None}


class StepAbandonedError(Exception):
    """The run was asked to stop within a step; raised through the trainer's loop by all processes."""


class ResumableTrainer(Trainer):
    """transformers' Trainer, leaving to a `CheckpointCallback` where and how a checkpoint is written."""

    checkpoint_callback: CheckpointCallback | None = None
    """Set by `TrainingRun.train`; None in a trainer that is driven by hand."""
    show_part: Callable[[str, float], None] = staticmethod(lambda words, share: None)
    """Is told what of a step is done, in words, and its share of the step's time in [0, 1]."""
    prelude_s: float = 0.0
    """Seconds of this step that went before its first micro-batch was computed."""
    _parts_done = 0
    _step_began: float | None = None

    def _send_telemetry(self) -> None:
        """Tell nobody: TRL's trainers report each run to their makers unless they are told not to."""

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        """Compute a micro-batch's gradients, and say that it is done."""
        began = time.perf_counter()
        if self._parts_done == 0:
            self.prelude_s = began - (self._step_began or began)
            self._step_began = self._step_began or began
        loss = self.compute_gradients(*args, **kwargs)
        self._parts_done += 1
        self.show_progress()
        if self._parts_done >= self.current_gradient_accumulation_steps:
            self._parts_done, self._step_began = 0, time.perf_counter()
        return loss

    def compute_gradients(self, *args: Any, **kwargs: Any) -> Any:
        """Add a micro-batch's gradients, and return its loss; takes what `training_step` does."""
        return super().training_step(*args, **kwargs)

    def show_progress(self, passes: int = 0, all_passes: int = 1) -> None:
        """Show how much of the step is done: micro-batches, and so many passes of the next one."""
        now = time.perf_counter()
        elapsed = now - (self._step_began or now)
        done, total = self._parts_done, self.current_gradient_accumulation_steps
        worked = done + passes / all_passes
        left = (elapsed - self.prelude_s) / worked * (total - worked)
        if total * all_passes > 1:
            words = f"micro-batch {done + (passes > 0)}/{total}"
            words += f", pass {passes}/{all_passes}" if passes else ""
            self.show_part(words, elapsed / max(elapsed + left, 1e-9))

    def stop_if_requested(self, alone: bool = False) -> None:
        """Give up the step if a signal asked for it; all processes must call this at the same place.

        Where they cannot, `alone` says so: then nothing happens with several of them.

        Raises:
            StepAbandonedError: a signal did.
        """
        if self.checkpoint_callback is None or (alone and self.accelerator.num_processes > 1):
            return
        if self.checkpoint_callback.stop_requested():
            raise StepAbandonedError

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> Any:
        found = super()._maybe_log_save_evaluate(*args, **kwargs)
        if self.checkpoint_callback is not None:
            self.checkpoint_callback.note_step_end()
        return found

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        if self.checkpoint_callback is not None:
            self.checkpoint_callback.save()

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        """Stop where transformers warns; weights that are tied to others are rightly not in the file."""
        missing = set(load_result.missing_keys) - set(self.model.all_tied_weights_keys)
        wrong = sorted(missing | set(load_result.unexpected_keys))
        if wrong:
            raise TrainingError(
                f"the checkpoint's weights are not this model's: {len(wrong)} names differ, such as "
                f"{wrong[0]}"
            )

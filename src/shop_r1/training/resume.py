"""Resuming an interrupted run: what of transformers' and TRL's training loop a checkpoint must keep.

A resumed run is to end with the weights of one that was never interrupted, bit for bit on a CPU. transformers
saves and loads weights, optimiser, schedule, random states and step counts, and skips the batches already
seen. Three things it leaves out, and they are kept here. The order of an epoch's data is drawn when the epoch
begins, from a random state that is long gone when the checkpoint is written. Sums for the next line of
metrics are lost when the loop starts. And TRL counts steps of its own. What needs no keeping: a sampled
completion is a function of (seed, step, row), and the reference policy is the model that the settings name.

A run that is asked to stop does so between two micro-batches. What it has done of the step is given up: all
that changed since the last step's end, which is noted then, is put back, and that is what is saved.
"""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from accelerate.data_loader import BatchSamplerShard, get_sampler
from transformers import TrainerCallback, TrainerControl, TrainerState

from shop_r1.signals import StopRequest
from shop_r1.training.checkpoints import Checkpoint, CheckpointFolder
from shop_r1.training.progress.console import warn_of_warmup


class CheckpointCallback(TrainerCallback):
    """Decides when a checkpoint is due, writes what it holds, and puts it back.

    Callbacks of the trainer with `state_dict` and `load_state_dict` are kept as well.
    """

    def __init__(self, trainer: Any, folder: CheckpointFolder, every: int, stop: StopRequest) -> None:
        self._trainer = trainer
        self._folder = folder
        self._every = every
        self._stop = stop
        self._order: dict[str, Any] = {}
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

    def save(self) -> None:
        """Write a checkpoint of the trainer as it is between two steps.

        Raises:
            TrainingError: it cannot be written.
        """
        self._write(self._read_loop())

    def note_step_end(self) -> None:
        """Note what the next step's micro-batches will change: all but weights, optimiser and schedule."""
        trainer = self._trainer
        self._step_end = {
            "loop": self._read_loop(),
            "random": _read_random(),
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
        _set_random(noted["random"])
        trainer.current_flos, trainer.state.num_input_tokens_seen = noted["flos"], noted["tokens"]
        self._write(noted["loop"])

    def _write(self, loop: dict[str, Any]) -> None:
        trainer = self._trainer
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

    def _watchers(self) -> Iterator[tuple[str, Any]]:
        for each in self._trainer.callback_handler.callbacks:
            if hasattr(each, "load_state_dict"):
                yield type(each).__name__, each

    def on_train_begin(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Put back the loop's sums, which have just been set to zero."""
        warn_of_warmup(args, state.max_steps)
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
            _set_order(kwargs["train_dataloader"], self._loop["order"])
            self._loop = None
        self._order = _read_order(kwargs["train_dataloader"])


def _loop_name() -> str:
    return f"loop_{PartialState().process_index}.pt"


def _read_order(loader: Any) -> dict[str, Any]:
    """Return the states from which samplers draw: torch's own, or a generator's that they keep."""
    generator = getattr(_find_sampler(loader), "generator", None)
    return {"torch": torch.get_rng_state(), "sampler": None if generator is None else generator.get_state()}


def _set_order(loader: Any, order: dict[str, Any]) -> None:
    torch.set_rng_state(order["torch"])
    if order["sampler"] is not None:
        _find_sampler(loader).generator.set_state(order["sampler"])


def _find_sampler(loader: Any) -> Any:
    """Return what draws the order; where processes share the batches, accelerate has wrapped it twice."""
    batches = loader.batch_sampler
    if isinstance(batches, BatchSamplerShard):
        return getattr(batches.batch_sampler, "sampler", None)
    return get_sampler(loader)


def _read_random() -> dict[str, Any]:
    """Return the random states that transformers saves."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
        "cuda": cuda,
    }


def _set_random(states: dict[str, Any]) -> None:
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])

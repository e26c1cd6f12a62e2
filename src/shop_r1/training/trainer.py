"""What SFT's and GRPO's trainers share: a step's parts are shown, and between them it can be abandoned."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from transformers import Trainer

from shop_r1.errors import TrainingError

if TYPE_CHECKING:
    from shop_r1.training.resume import CheckpointCallback


class StepAbandonedError(Exception):
    """The run was asked to stop within a step; raised through the trainer's loop by all processes."""


class ResumableTrainer(Trainer):
    """transformers' Trainer, leaving to a `CheckpointCallback` where and how a checkpoint is written.

    Attributes:
        checkpoint_callback: set by `TrainingRun.train_steps`; None in a trainer that is driven by hand.
        show_part: is told what of a step is done, in words, and its share of the step's time in [0, 1].
        prelude_s: seconds of this step that went before its first micro-batch was computed.
    """

    checkpoint_callback: "CheckpointCallback | None" = None
    show_part: Callable[[str, float], None] = staticmethod(lambda words, share: None)
    prelude_s = 0.0
    _parts_done = 0
    _step_began: float | None = None

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        """Compute a micro-batch's gradients, and say that it is done."""
        began = time.perf_counter()
        if self._parts_done == 0:
            self.prelude_s = began - (self._step_began or began)
            self._step_began = self._step_began or began
        loss = super().training_step(*args, **kwargs)
        self._parts_done += 1
        self._show_micro_batch(self._parts_done, self.current_gradient_accumulation_steps)
        return loss

    def _show_micro_batch(self, done: int, total: int) -> None:
        now = time.perf_counter()
        elapsed = now - (self._step_began or now)
        left = (elapsed - self.prelude_s) / done * (total - done)
        if total > 1:
            self.show_part(f"micro-batch {done}/{total}", elapsed / max(elapsed + left, 1e-9))
        if done >= total:
            self._parts_done, self._step_began = 0, now

    def stop_if_requested(self) -> None:
        """Give up the step if a signal asked for it; all processes must call this at the same place.

        Raises:
            StepAbandonedError: it did.
        """
        if self.checkpoint_callback is not None and self.checkpoint_callback.stop_requested():
            raise StepAbandonedError

    def stop_if_requested_alone(self) -> None:
        """Do so where processes cannot agree: with several of them nothing happens.

        Raises:
            StepAbandonedError: a signal asked for it, and there is one process only.
        """
        if self.accelerator.num_processes == 1:
            self.stop_if_requested()

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

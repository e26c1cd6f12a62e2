"""Supervised fine-tuning: the cold start of the paper (section 3, Eq. 2), on TRL's SFTTrainer.

What it learns from is `training.session_trees`: whole sessions, loss on the completions alone.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import DistributedType
from trl import SFTTrainer

from datasets import Dataset
from shop_r1.models.attention import causal_lm
from shop_r1.models.checkpoint import load_model
from shop_r1.models.prefix_tree import Tree, pack_trees
from shop_r1.models.scoring import TokenScores, add_forward_redirection, score_tokens
from shop_r1.records.sessions import Session
from shop_r1.training.adapters import lora_config
from shop_r1.training.checkpoints import digest_data
from shop_r1.training.memory import session_tokens
from shop_r1.training.progress.panel import sft_body
from shop_r1.training.resume import ResumableTrainer
from shop_r1.training.run import TrainingRun, settle_precision
from shop_r1.training.session_trees import (
    IDLE,
    check_sessions,
    measure_pass,
    negative_log_likelihood,
    note_short_step,
    plan_passes,
    session_trees,
)
from shop_r1.training.settings import SftConfig, check_reporter, count_processes
from shop_r1.training.trl_arguments import sft_arguments


def tree_features(trees: Sequence[Tree], pad_id: int, tokens: int) -> dict[str, Any]:
    """Return the trees as what `TreeSftTrainer` takes: passes of so many tokens, each a list of trees.

    They are packed when their turn comes: the masks of a step's passes are never there together. The other
    columns are for the trainer, which counts tokens: `input_ids` those of all, the others those to learn.
    """
    branches = [branch for tree in trees for branch in tree.branches]
    learnt = torch.tensor([token for branch in branches for token in branch.completion])
    return {
        "passes": plan_passes(trees, tokens),
        "pad_id": pad_id,
        "input_ids": torch.zeros(sum(tree.size for tree in trees), dtype=torch.long),
        "labels": learnt,
        "shift_labels": learnt,
    }


class TreeSftTrainer(ResumableTrainer, SFTTrainer):
    """TRL's trainer with the loss computed at the completion tokens alone: no logits where not needed."""

    _tokens = 0.0  # run through the model since the last log, padding left out
    _since: float | None = None
    _read = 0
    _figures: tuple[torch.Tensor, ...] = ()  # `measure_pass` of the micro-batch's passes so far

    def note_read(self, count: int) -> None:
        """Show that so many sessions more were read: all of a step's are before its first micro-batch."""
        self._read += count
        self.show_part(f"{self._read} sessions read", 0.0)
        self.stop_if_requested(alone=True)

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        """Compute a micro-batch's gradients; the sessions of its step are read."""
        self._read = 0
        return super().training_step(*args, **kwargs)

    def compute_gradients(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """Add the micro-batch's gradients pass by pass, and return its loss.

        Processes do equally many passes: with sharded weights they must run the model equally often. Data
        parallel ones average their gradients in the last; sharded ones in each, which keeps them sharded.
        """
        passes, self._figures = inputs["passes"], ()
        most = self._count_passes(len(passes))
        deferred = self.accelerator.distributed_type != DistributedType.FSDP
        loss = torch.zeros((), device=self.accelerator.device)
        for number in range(most):
            one = {**inputs, "passes": passes[number : number + 1]}
            last = number == most - 1
            with self.accelerator.no_sync(model) if deferred and not last else nullcontext():
                loss += super().compute_gradients(model, one, num_items_in_batch)
            if not last:
                self.show_progress(number + 1, most)
                self.stop_if_requested()
        self._watch()
        return loss

    def _count_passes(self, mine: int) -> int:
        """Return how many passes the process with the most has."""
        if self.accelerator.num_processes == 1:
            return mine
        return int(self.accelerator.gather(torch.tensor([mine], device=self.accelerator.device)).max())

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Return what one pass adds to the mean negative log-likelihood of the completion tokens, in nats.

        Tokens count by their branches' weights, whose mean over all sessions is 1.
        """
        self._since = self._since or time.perf_counter()
        trees = [tree for each in inputs["passes"] for tree in each]
        batch = pack_trees(trees or [IDLE], inputs["pad_id"]).to(self.accelerator.device)
        with self.accelerator.autocast():
            scores: TokenScores = model(redirect_to=partial(score_tokens, batch=batch))
        loss: torch.Tensor = negative_log_likelihood(batch, scores)
        if not trees:
            return loss * 0
        self._figures += (measure_pass(batch, scores),)
        if num_items_in_batch is None:
            return loss / len(inputs["labels"])
        # The count is that of all processes, and their gradients are averaged afterwards.
        return loss * int(self.accelerator.num_processes) / num_items_in_batch

    def _watch(self) -> None:
        """Note accuracy, entropy and tokens of the micro-batch's passes, of all processes."""
        sums = torch.stack(self._figures).sum(0)
        right, entropy, learnt_all, tokens_all = self.accelerator.reduce(sums, "sum").tolist()
        self._tokens += tokens_all
        metrics = self._metrics["train" if self.model.training else "eval"]
        metrics["mean_token_accuracy"].append(right / learnt_all)
        metrics["entropy"].append(entropy / learnt_all)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the tokens a second since the last line."""
        now = time.perf_counter()
        if self._tokens and self._since is not None:
            self._metrics["train"]["tokens_per_second"].append(self._tokens / (now - self._since))
        self._tokens, self._since = 0.0, now
        super().log(logs, start_time)


def train_sft(
    sessions: Sequence[Session], config: SftConfig, out: Path, resume: bool = False
) -> Mapping[str, float]:
    """Fine-tune on the sessions, write the checkpoint to `out`, and return the last logged metrics.

    With `resume` the run goes on from its last good checkpoint in `out`, if it has any.

    Raises:
        DataError: a session has no rationales, or a text that a recorder masked; or types are to be weighed
            and no session terminates.
        ConfigError: the package that `report_to` needs is missing.
        ModelError: the model cannot be loaded.
        TrainingError: an alert of `stop_on_alert` was raised (the model is written first); `out` holds
            checkpoints of another run; or one cannot be written.
        RunStopped: a signal asked the run to stop; it saved a checkpoint, and no model.
    """
    checked = check_sessions(sessions, config.type_ratio)
    check_reporter(config.report_to)
    config = settle_precision(config, out, resume)
    run = TrainingRun(out, config, digest_data(sessions), resume)
    model = load_model(config.model)

    at_once = session_tokens(config)

    def collate(rows: list[dict[str, int]]) -> dict[str, Any]:
        chosen = [sessions[row["session"]] for row in rows]
        trees = [
            tree
            for each in chosen
            for tree in session_trees(each, model, config.prompt, at_once, checked.weights)
        ]
        trainer.note_read(len(rows))
        return tree_features(trees, model.pad_id, config.per_device_train_batch_size * at_once)

    dataset = Dataset.from_dict({"session": list(range(len(sessions))), "length": checked.lengths})
    add_forward_redirection(causal_lm(model.model))
    note_short_step(len(sessions), config, count_processes())
    trainer = TreeSftTrainer(
        model=model.model,
        args=sft_arguments(config, out),
        train_dataset=dataset,
        data_collator=collate,
        processing_class=model.tokenizer,
        peft_config=lora_config(config),
    )
    return run.train(trainer, model, "SFT", sft_body, ("loss", "mean_token_accuracy"))

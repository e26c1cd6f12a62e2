"""Supervised fine-tuning: the cold start of the paper (section 3, Eq. 2), on TRL's SFTTrainer.

A session stays whole: one tree whose trunk is its last prompt and whose branches are the replies after each
page. The loss is on the replies alone. A reply sees the pages and actions before it, never the rationales
of earlier replies, exactly as in RL, in evaluation and on a live shop, where past rationales are not known.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback
from trl import SFTTrainer

from shop_r1.actions import find_space
from shop_r1.data.examples import Example, renderer
from shop_r1.errors import DataError
from shop_r1.llm.local import LocalModel, load_model, save_checkpoint, score_tokens
from shop_r1.llm.tree import Tree, TreeBatch, grow_tree, pack_trees
from shop_r1.prompts.render import PromptConfig, render_reply
from shop_r1.sessions import Session
from shop_r1.training.checkpoints import digest_data
from shop_r1.training.monitor import MetricsLog, ProgressCallback, refuse_several_processes
from shop_r1.training.resume import ResumableTrainer, TrainingRun
from shop_r1.training.settings import SftConfig, sft_arguments


def session_tree(session: Session, model: LocalModel, config: PromptConfig) -> Tree:
    """Return the session as a tree with one branch, a prompt and its reply, for each step.

    Raises:
        DataError: a step has no rationale.
    """
    render = renderer(model, config)
    prompts, replies = [], []
    for step, (taken, rationale) in enumerate(zip(session.steps, _check_rationales(session), strict=True)):
        prompts.append(render(Example(session, step)).ids)
        replies.append(model.reply_ids(render_reply(rationale, taken.action)))
    return grow_tree(prompts, replies)


def _check_rationales(session: Session) -> list[str]:
    """Return each step's rationale."""
    rationales = []
    for step, taken in enumerate(session.steps):
        if taken.rationale is None:
            raise DataError(
                f"session {session.session_id}, step {step} has no rationale; SFT learns rationales too, so "
                "write them first (the paper used a language model) or leave the session out"
            )
        rationales.append(taken.rationale)
    return rationales


def tree_features(trees: Sequence[Tree], pad_id: int) -> dict[str, torch.Tensor]:
    """Return the trees as what `TreeSftTrainer` takes: the tensors of a `TreeBatch`, by name.

    `labels` and `shift_labels` are there for the trainer, which counts the tokens to learn.
    """
    batch = pack_trees(trees, pad_id)
    return dict(vars(batch)) | {"labels": batch.targets, "shift_labels": batch.targets}


class TreeSftTrainer(ResumableTrainer, SFTTrainer):
    """TRL's trainer with the loss computed at the reply tokens alone: no logits where none are needed."""

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Return the mean negative log-likelihood of the reply tokens, in nats."""
        batch = TreeBatch(**{name: inputs[name] for name in TreeBatch.__dataclass_fields__})
        with self.accelerator.autocast():
            scores = score_tokens(model, batch)
        metrics = self._metrics["train" if model.training else "eval"]
        metrics["mean_token_accuracy"].append(scores.right.float().mean().item())
        metrics["entropy"].append(scores.entropy.mean().item())
        count = len(batch.targets) if num_items_in_batch is None else num_items_in_batch
        return -scores.log_probs.sum() / count


def train_sft(
    sessions: Sequence[Session], config: SftConfig, out: Path, resume: bool = False
) -> Mapping[str, float]:
    """Fine-tune on the sessions, write the checkpoint to `out`, and return the last logged metrics.

    With `resume` the run goes on from its last good checkpoint in `out`, if it has any.

    Raises:
        DataError: a session has no rationales.
        ModelError: the model cannot be loaded.
        TrainingError: `out` holds checkpoints of another run, or one cannot be written.
        RunStopped: a signal asked the run to stop; it saved a checkpoint, and no model.
    """
    for session in sessions:
        find_space(session.space)
        _check_rationales(session)
    refuse_several_processes()
    run = TrainingRun(out, config, digest_data(sessions), resume)
    model = load_model(config.model)

    def collate(rows: list[dict[str, int]]) -> dict[str, torch.Tensor]:
        trees = [session_tree(sessions[row["session"]], model, config.prompt) for row in rows]
        return tree_features(trees, model.pad_id)

    dataset = Dataset.from_dict(
        {
            "session": list(range(len(sessions))),
            "length": [sum(len(step.page.html) for step in session.steps) for session in sessions],
        }
    )
    log = MetricsLog(out / "metrics.jsonl", keep=run.resumed)
    trainer = TreeSftTrainer(
        model=model.model,
        args=sft_arguments(config, out),
        train_dataset=dataset,
        data_collator=collate,
        processing_class=model.tokenizer,
        callbacks=[log, ProgressCallback("SFT", ("loss", "mean_token_accuracy"))],
    )
    trainer.remove_callback(PrinterCallback)  # ProgressCallback shows what it would print.
    run.train(trainer, lambda: save_checkpoint(model, out))
    return log.last

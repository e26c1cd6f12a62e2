"""Supervised fine-tuning: the cold start of the paper (section 3, Eq. 2), on TRL's SFTTrainer.

A session stays whole: one tree whose trunk is its last prompt and whose branches are the completions after
each page. The loss is on the completions alone. A completion sees the pages and actions before it, never the
rationales of earlier completions, exactly as in RL, in evaluation and on a live shop, where past rationales
are not known.

A session over the prompt's budget loses its oldest pages, one step more than the other, so its prompts share
little. Its tree is split where it grows beyond what memory is planned for (`training.memory`), and a
micro-batch goes through the model in as many passes as that takes, with the loss and gradients of the whole.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import DistributedType
from trl import SFTTrainer

from datasets import Dataset
from shop_r1.datasets.balance import type_weights
from shop_r1.datasets.examples import Example, renderer
from shop_r1.datasets.outlines import SessionOutline, outline_session
from shop_r1.datasets.session_files import outlines
from shop_r1.errors import DataError
from shop_r1.importers.masking import refuse_masked
from shop_r1.models.attention import causal_lm
from shop_r1.models.checkpoint import LocalModel, load_model
from shop_r1.models.prefix_tree import (
    Branch,
    Tree,
    TreeBatch,
    batch_trees,
    fit_pass,
    grow_trees,
    pack_trees,
)
from shop_r1.models.scoring import TokenScores, add_forward_redirection, score_tokens
from shop_r1.prompts.render import PromptConfig, render_completion
from shop_r1.records.actions import find_space
from shop_r1.records.sessions import Session
from shop_r1.training.checkpoints import digest_data
from shop_r1.training.memory import session_tokens
from shop_r1.training.progress.console import print_note
from shop_r1.training.progress.panel import sft_body
from shop_r1.training.resume import ResumableTrainer
from shop_r1.training.run import TrainingRun, settle_precision
from shop_r1.training.settings import SftConfig, check_reporter, count_processes
from shop_r1.training.trl_arguments import lora_config, sft_arguments

IDLE = Tree((), (Branch(0, prompt=(0,), completion=(0,)),))
"""What a process runs, and learns nothing from, while others have passes left."""


def session_trees(
    session: Session,
    model: LocalModel,
    config: PromptConfig,
    tokens: int,
    weights: Mapping[str, float] | None = None,
) -> list[Tree]:
    """Return the session as trees with a branch, a prompt and its completion, for each step, in order.

    It is one tree unless that would be more than a pass of so many tokens. `weights` says how much a step
    counts, by its type of action; all count the same by default.

    Raises:
        DataError: a step has no rationale.
    """
    render = renderer(model, config)
    prompts, completions = [], []
    _check_rationales(outline_session(session))
    for step, taken in enumerate(session.steps):
        prompts.append(render(Example(session, step)).ids)
        completions.append(model.completion_ids(render_completion(taken.rationale or "", taken.action)))
    trees = grow_trees(prompts, completions, lambda tree: fit_pass([tree.shape], tokens))
    return trees if weights is None else _weigh(trees, [weights[step.action.type] for step in session.steps])


def _weigh(trees: Sequence[Tree], weights: Sequence[float]) -> list[Tree]:
    """Return the trees with these weights of their branches, in order."""
    left = iter(weights)
    return [
        replace(tree, branches=tuple(replace(branch, weight=next(left)) for branch in tree.branches))
        for tree in trees
    ]


def _check_rationales(session: SessionOutline) -> None:
    """Stop if a step has no rationale."""
    if not all(session.has_rationale):
        raise DataError(
            f"session {session.session_id}, step {session.has_rationale.index(False)} has no rationale, and "
            "SFT learns rationales too; have a model write them first (shop-r1 rationales) or leave it out"
        )


def tree_features(trees: Sequence[Tree], pad_id: int, tokens: int) -> dict[str, Any]:
    """Return the trees as what `TreeSftTrainer` takes: passes of so many tokens, each a list of trees.

    They are packed when their turn comes: the masks of a step's passes are never there together. The other
    columns are for the trainer, which counts tokens: `input_ids` those of all, the others those to learn.
    """
    shapes = [tree.shape for tree in trees]
    whole = fit_pass(shapes, tokens)
    batches = [range(len(trees))] if whole else batch_trees(shapes, tokens)
    branches = [branch for tree in trees for branch in tree.branches]
    learnt = torch.tensor([token for branch in branches for token in branch.completion])
    return {
        "passes": [[trees[number] for number in batch] for batch in batches],
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
    _figures: tuple[torch.Tensor, ...] = ()  # `_measure_pass` of the micro-batch's passes so far

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
        loss: torch.Tensor = -(scores.log_probs * batch.weights[batch.owners]).sum()
        if not trees:
            return loss * 0
        self._figures += (_measure_pass(batch, scores),)
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


def _measure_pass(batch: TreeBatch, scores: TokenScores) -> torch.Tensor:
    """Return (4,) sums over a pass: right tokens, entropy, tokens learnt, tokens run."""
    # A token is real if it is not at place 0, where only padding and each tree's first token are.
    tokens = (batch.position_ids > 0).sum() + len(batch.position_ids)
    learnt = torch.tensor(len(batch.targets), device=tokens.device)
    return torch.stack([scores.right.sum(), scores.entropy.sum(), learnt, tokens]).float()


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
    lengths, types = [], Counter[str]()
    for session in outlines(sessions):
        find_space(session.space)
        _check_rationales(session)
        for step, action in enumerate(session.actions):
            refuse_masked(f"session {session.session_id}, step {step}", action)
        types.update(action.type for action in session.actions)
        lengths.append(session.html_characters)
    weights = type_weights(types, config.type_ratio) if config.type_ratio else None
    check_reporter(config.report_to)
    config = settle_precision(config, out, resume)
    run = TrainingRun(out, config, digest_data(sessions), resume)
    model = load_model(config.model)

    at_once = session_tokens(config)

    def collate(rows: list[dict[str, int]]) -> dict[str, Any]:
        chosen = [sessions[row["session"]] for row in rows]
        trees = [
            tree for each in chosen for tree in session_trees(each, model, config.prompt, at_once, weights)
        ]
        trainer.note_read(len(rows))
        return tree_features(trees, model.pad_id, config.per_device_train_batch_size * at_once)

    dataset = Dataset.from_dict({"session": list(range(len(sessions))), "length": lengths})
    add_forward_redirection(causal_lm(model.model))
    a_step = config.per_device_train_batch_size * config.gradient_accumulation_steps * count_processes()
    if len(sessions) < a_step:
        print_note(
            f"A step takes {a_step} sessions (per_device_train_batch_size x gradient_accumulation_steps x "
            f"processes) and there are {len(sessions)}: each pass over them is one step; a smaller "
            "gradient_accumulation_steps makes more of it"
        )
    trainer = TreeSftTrainer(
        model=model.model,
        args=sft_arguments(config, out),
        train_dataset=dataset,
        data_collator=collate,
        processing_class=model.tokenizer,
        peft_config=lora_config(config),
    )
    return run.train(trainer, model, "SFT", sft_body, ("loss", "mean_token_accuracy"))

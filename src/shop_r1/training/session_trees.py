"""Sessions as SFT learns them, by either engine: trees of prompts and completions, in passes that fit memory.

A session stays whole: one tree whose trunk is its last prompt and whose branches are the completions after
each page. The loss is on the completions alone. A completion sees the pages and actions before it, never the
rationales of earlier completions, exactly as in RL, in evaluation and on a live shop, where past rationales
are not known.

A session over the prompt's budget loses its oldest pages, one step more than the other, so its prompts share
little. Its tree is split where it grows beyond what memory is planned for (`training.memory`), and a
micro-batch goes through the model in as many passes as that takes, with the loss and gradients of the whole.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from shop_r1.datasets.balance import type_weights
from shop_r1.datasets.examples import Example, renderer
from shop_r1.datasets.outlines import SessionOutline, outline_session
from shop_r1.datasets.session_files import outlines
from shop_r1.errors import DataError
from shop_r1.importers.masking import refuse_masked
from shop_r1.models.checkpoint import LocalModel
from shop_r1.models.prefix_tree import Branch, Tree, TreeBatch, batch_trees, fit_pass, grow_trees
from shop_r1.models.scoring import TokenScores
from shop_r1.prompts.render import PromptConfig, render_completion
from shop_r1.records.actions import find_space
from shop_r1.records.sessions import Session
from shop_r1.training.progress.console import print_note
from shop_r1.training.settings import SftConfig

IDLE = Tree((), (Branch(0, prompt=(0,), completion=(0,)),))
"""What a process runs, and learns nothing from, while others have passes left."""


@dataclass(frozen=True)
class CheckedSessions:
    """What is known of sessions from which SFT can learn."""

    lengths: list[int]
    """Of each, the characters of its pages: sessions of like length are learnt from together."""
    weights: Mapping[str, float] | None
    """How much a step counts, by its type of action; None: all count the same."""


def check_sessions(sessions: Sequence[Session], type_ratio: float) -> CheckedSessions:
    """Make sure that SFT can learn from the sessions, and return what it must know of them beforehand.

    Raises:
        DataError: a session has no rationales, or a text that a recorder masked; or types are to be weighed
            and no session terminates.
    """
    lengths, types = [], Counter[str]()
    for session in outlines(sessions):
        find_space(session.space)
        _check_rationales(session)
        for step, action in enumerate(session.actions):
            refuse_masked(f"session {session.session_id}, step {step}", action)
        types.update(action.type for action in session.actions)
        lengths.append(session.html_characters)
    return CheckedSessions(lengths, type_weights(types, type_ratio) if type_ratio else None)


def sessions_per_step(config: SftConfig, processes: int) -> int:
    """Return how many sessions a step learns from, on all devices."""
    return config.per_device_train_batch_size * config.gradient_accumulation_steps * processes


def note_short_step(sessions: int, config: SftConfig, processes: int) -> None:
    """Say so where there are fewer sessions than a step takes."""
    a_step = sessions_per_step(config, processes)
    if sessions < a_step:
        print_note(
            f"A step takes {a_step} sessions (per_device_train_batch_size x gradient_accumulation_steps x "
            f"processes) and there are {sessions}: each pass over them is one step; a smaller "
            "gradient_accumulation_steps makes more of it"
        )


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


def plan_passes(trees: Sequence[Tree], tokens: int) -> list[list[Tree]]:
    """Return the trees in passes of so many tokens; a tree that is more comes alone."""
    shapes = [tree.shape for tree in trees]
    batches = [range(len(trees))] if fit_pass(shapes, tokens) else batch_trees(shapes, tokens)
    return [[trees[number] for number in batch] for batch in batches]


def negative_log_likelihood(batch: TreeBatch, scores: TokenScores) -> torch.Tensor:
    """Return the sum over a pass's completion tokens, in nats, by the weights of their branches."""
    return -(scores.log_probs * batch.weights[batch.owners]).sum()


def measure_pass(batch: TreeBatch, scores: TokenScores) -> torch.Tensor:
    """Return (4,) sums over a pass: right tokens, entropy, tokens learnt, tokens run."""
    # A token is real if it is not at place 0, where only padding and each tree's first token are.
    tokens = (batch.position_ids > 0).sum() + len(batch.position_ids)
    learnt = torch.tensor(len(batch.targets), device=tokens.device)
    return torch.stack([scores.right.sum(), scores.entropy.sum(), learnt, tokens]).float()

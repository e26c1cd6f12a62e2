"""A step's completions to their rewards: each is decoded, parsed and scored once."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from shop_r1.datasets.examples import Example
from shop_r1.models.checkpoint import LocalModel
from shop_r1.prompts.parse import ParseFailure, parse_response
from shop_r1.records.actions import Action
from shop_r1.records.results import RewardBreakdown
from shop_r1.rewards.certainty import self_certainty
from shop_r1.rewards.total import RewardConfig, score_response


@dataclass(frozen=True)
class ScoredCompletion:
    """One completion with all that became of it; small enough to be sent from one process to another."""

    session_id: str
    """Of the example that the prompt was made from."""
    session_step: int
    """Of the example, from 0."""
    text: str
    """What the policy wrote."""
    target: Action
    """What the shopper did."""
    action: Action | None
    """What the policy did; None where the completion could not be parsed."""
    reward: RewardBreakdown
    """What it earned."""
    tokens: int
    """Its length, the ending token included."""
    truncated: bool
    """Whether it was cut at the limit, before a token that ends it."""
    advantage: float = 0.0
    """What it teaches, in standard deviations of its group's rewards."""


def score_step(
    model: LocalModel,
    examples: Sequence[Example],
    completions: Sequence[Sequence[int]],
    certainties: Sequence[Tensor | None],
    config: RewardConfig,
) -> list[ScoredCompletion]:
    """Return the completions (token ids) with their rewards, in order; advantages are still to come.

    Each has its example and its `token_certainty`, None where that was not measured.
    """
    found = []
    for example, ids, certainty in zip(examples, completions, certainties, strict=True):
        target = example.taken.action
        text = model.decode(ids)
        response = parse_response(text, example.space)
        sure = self_certainty(model, ids, certainty, response)
        found.append(
            ScoredCompletion(
                session_id=example.session.session_id,
                session_step=example.step,
                text=text,
                target=target,
                action=None if isinstance(response, ParseFailure) else response.action,
                reward=score_response(response, target, example.space, config, sure),
                tokens=len(ids),
                truncated=ids[-1] not in model.end_ids,
            )
        )
    return found

"""The only scorer: one response to its reward, part by part (paper, Table 1 and Eq. 4)."""

import math
from collections.abc import Iterator
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, FiniteFloat

from shop_r1.config import Config
from shop_r1.errors import DataError
from shop_r1.jsonl import Record, parse_record, read_lines
from shop_r1.prompts.parse import ParseFailure, Response, parse_response
from shop_r1.records.actions import SHOP, Action, ActionSpace
from shop_r1.records.results import RewardBreakdown
from shop_r1.rewards.action import ActionRewardConfig, Part, find_target_kind, score_action

PARTS = ("format", "type", "attribute", "value", "rationale")
"""The parts of a reward, in the order of Table 1."""

CertaintyDirection = Literal["kl_uniform_model", "kl_model_uniform"]
"""What self-certainty measures: KL(U || p), or KL(p || U). docs/rewards.md says why the first is default."""


class RewardConfig(Config):
    """What a completion earns; every part can be switched off (Table 4).

    The paper's binary baseline (Table 2, RL (binary)) is `use_format=False, use_rationale=False` and
    `action.kind="binary"`; its ablation "binary action reward" is `action.kind="binary"` alone.
    """

    use_format: bool = True
    """Whether being in format earns anything. A completion out of format earns 0 in all either way."""
    format_reward: float = Field(default=0.5, ge=0)
    """For a completion in format. Paper, Table 1."""
    use_rationale: bool = True
    """Whether the rationale's self-certainty counts."""
    certainty_weight: float = Field(default=0.005, ge=0)
    """α: multiplies the self-certainty s, which is in nats per token. Paper 4.1."""
    certainty_direction: CertaintyDirection = "kl_uniform_model"
    """Which divergence s is. Ours, see docs/rewards.md."""
    action: ActionRewardConfig = ActionRewardConfig()
    """What the action earns."""


PAPER_REWARD = RewardConfig()
"""The paper's reward (4.1)."""


def score_response(
    response: Response | ParseFailure,
    target: Action,
    space: ActionSpace = SHOP,
    config: RewardConfig = PAPER_REWARD,
    certainty: float | None = None,
) -> RewardBreakdown:
    """Return the response's reward and, for each part, one sentence that says why.

    >>> from shop_r1 import Action, parse_response, score_response
    >>> completion = '{"rationale": "It is red.", "action": {"type": "click", "name": "results.red_mug_set"}}'
    >>> target = Action(type="click", name="results.red_mug")
    >>> reward = score_response(parse_response(completion), target, certainty=26.0)
    >>> round(reward.total, 3), reward.reasons["value"]
    (858.273, '857.143: name 1000 × ROUGE-L 0.8571')

    Args:
        response: the completion as `parse_response` returns it; a `ParseFailure` earns 0.
        target: what the shopper did.
        space: the action space of both.
        config: the reward's settings.
        certainty: mean self-certainty over the rationale's tokens, in nats per token; None where nothing
            measured it, which earns 0 for that part.

    Raises:
        DataError: the target is not in the space.
        ValueError: `certainty` is not finite.

    >>> completion = '{"rationale": "A red one.", "action": {"type": "terminate"}}'
    >>> score_response(parse_response(completion), Action(type="terminate")).total
    0.8
    """
    if isinstance(response, ParseFailure):
        find_target_kind(target, space)  # A wrong target is an error even where the completion earns nothing.
        parts = dict.fromkeys(PARTS, (0.0, "0, since the completion is out of format"))
        parts["format"] = 0.0, f"0, out of format ({response.reason}): {response.message}"
    else:
        parts = {
            "format": _score_format(config),
            **score_action(response.action, target, space, config.action),
            "rationale": _score_rationale(certainty, config),
        }
    earned = {name: part for name, (part, _) in parts.items()}
    # Not `sum`, which rounds differently from Python 3.12 on.
    return RewardBreakdown(
        **earned,
        total=reduce(add, earned.values()),
        reasons={name: reason for name, (_, reason) in parts.items()},
    )


def score_completion(
    completion: str | None,
    target: Action,
    space: ActionSpace = SHOP,
    config: RewardConfig = PAPER_REWARD,
    certainty: float | None = None,
) -> RewardBreakdown:
    """Parse a completion's text and score it as `score_response` does; None, for no completion, earns 0."""
    return score_response(parse_response(completion or "", space), target, space, config, certainty)


def score_lines(path: Path, space: ActionSpace, config: RewardConfig) -> Iterator[dict[str, float]]:
    """Yield the parts and the total of each of the file's completions, in order.

    Each of its lines is a `ScoreLine`, and its name ends in `.jsonl` or `.jsonl.zst`.

    Raises:
        DataError: the file cannot be read, holds no line, or a line is not such a record.
    """
    number = 0
    for number, line in read_lines(path):
        record = parse_record(line, ScoreLine, path, number)
        try:
            scored = score_completion(record.response, record.target, space, config, record.certainty)
        except DataError as error:
            raise DataError.at(path, number, str(error)) from None
        yield {part: getattr(scored, part) for part in (*PARTS, "total")}
    if number == 0:
        raise DataError.at(
            path, None, "holds no lines; expected {response, target, certainty} as JSON on each"
        )


class ScoreLine(Record):
    """One line of `shop-r1 score --jsonl`."""

    response: str | None
    """The raw completion; null where there was none."""
    target: Action
    certainty: FiniteFloat | None = None
    """Self-certainty in nats per token; null where nothing measured it."""
    expected: Any = None
    """Ignored: what a file of test cases says should come out."""


def _score_format(config: RewardConfig) -> Part:
    if not config.use_format:
        return 0.0, "0, since the format reward is switched off; the completion is in format"
    return config.format_reward, f"{config.format_reward:g}, since the completion is in format"


def _score_rationale(certainty: float | None, config: RewardConfig) -> Part:
    if not config.use_rationale:
        return 0.0, "0, since the rationale reward is switched off"
    if certainty is None:
        return 0.0, "0, since no self-certainty was measured"
    if not math.isfinite(certainty):
        raise ValueError(f"certainty is {certainty}; expected a finite number of nats per token")
    part = config.certainty_weight * certainty
    return part, f"{part:g}: α {config.certainty_weight:g} × self-certainty {certainty:g} nats per token"

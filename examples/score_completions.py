"""Score completions in your own trainer: the Shop-R1 reward as a TRL and as a verl reward function.

    python examples/score_completions.py

Both need, beside each prompt, what the shopper really did: a column `target` (TRL) or `ground_truth`
(verl) with an action as JSON, such as `{"type": "click", "name": "results.red_mug"}`. Neither trainer gives
reward functions the model's distributions, so self-certainty counts only where you measure it and pass it on.
"""

from collections.abc import Sequence
from typing import Any

from shop_r1 import Action, parse_response, score_response


def trl_reward(completions: Sequence[Any], target: Sequence[str], **columns: Any) -> list[float]:
    """Return the reward of each completion: `GRPOTrainer(reward_funcs=trl_reward, ...)`.

    Args:
        completions: texts, or one-message chats where the data set's prompts are chats.
        target: the data set's column of actions as JSON.
        columns: all other columns; not needed.
    """
    texts = [each if isinstance(each, str) else each[0]["content"] for each in completions]
    targets = [Action.model_validate_json(line) for line in target]
    return [
        score_response(parse_response(text), action).total
        for text, action in zip(texts, targets, strict=True)
    ]


def compute_score(
    data_source: str, solution_str: str, ground_truth: str, extra_info: dict[str, Any] | None = None
) -> dict[str, float]:
    """Return the reward and its parts: verl's `custom_reward_function.path` and `name` point here."""
    certainty = (extra_info or {}).get("certainty")
    target = Action.model_validate_json(ground_truth)
    reward = score_response(parse_response(solution_str), target, certainty=certainty)
    parts = reward.model_dump(exclude={"reasons", "total"})
    return {"score": reward.total, **parts}


if __name__ == "__main__":
    wanted = '{"type": "click", "name": "results.red_mug"}'
    right = '{"rationale": "It is red.", "action": {"type": "click", "name": "results.red_mug"}}'
    other = '{"rationale": "A set is better.", "action": {"type": "click", "name": "results.red_mug_set"}}'
    free_text = "I would click the red mug."
    print("TRL ", trl_reward([right, other, free_text], [wanted] * 3))
    print("verl", compute_score("shop", right, wanted, {"certainty": 26.0}))

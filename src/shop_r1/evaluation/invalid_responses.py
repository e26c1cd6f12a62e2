"""What the completions that are no valid response were: reasons, in words that can stand behind a count."""

from collections import Counter
from collections.abc import Mapping, Sequence

from shop_r1.prompts.parse import unwrap
from shop_r1.records.actions import ActionSpace
from shop_r1.records.results import Prediction, TableRow

_WORDS = {
    "empty": "empty",
    "extra_text": "with text around the JSON",
    "cut_off": "cut off",
    "not_json": "not JSON",
    "too_deep": "nested too deeply",
    "duplicate_key": "with a key twice",
    "not_object": "JSON, but no object",
    "wrong_keys": "with other keys",
    "wrong_kind": "with a value of the wrong kind",
    "unknown_type": "of an unknown action type",
    "extra_field": "with a field that the action does not have",
    "not_text": "with half of a surrogate pair",
    "refused": "refused",
    "tool_calls": "with a tool call and no text",
    "reasoning": "with reasoning and no text",
}
_OTHER = "no action of the space"
_SHOWN = 3
"""Reasons that are named in a sentence; `metrics.json` has them all. Ours."""


def count_invalid(predictions: Sequence[Prediction], space: ActionSpace) -> dict[str, int]:
    """Return how many predictions are no action of the space, by reason, the commonest first."""
    reasons = sorted(find_reason(each) for each in predictions if each.valid_action(space) is None)
    return dict(Counter(reasons).most_common())


def find_reason(prediction: Prediction) -> str:
    """Return why a prediction is no valid response, in words that can stand behind a number."""
    reason = (prediction.failure or "").partition(":")[0]
    if reason in ("refused", "tool_calls", "reasoning"):
        return _WORDS[reason]
    text = prediction.completion or ""
    if prediction.parse == "lenient":
        text = unwrap(text).text
    start = text.lstrip().lower()
    if start.startswith(("<think", "<thought")):
        return "after <think>" if "</th" in start else "in a <think> without an end"
    if reason == "extra_text" and "</think>" in start and not start.startswith("{"):
        return "after <think>"
    if start.startswith(("```", "~~~")):
        return "in a code fence"
    return _WORDS.get(reason, _OTHER)


def describe_invalid(invalid: Mapping[str, int], n: int) -> str:
    """Return the commonest reasons with their counts.

    >>> describe_invalid({"in a code fence": 300, "after <think>": 112}, 500)
    '412 of 500 invalid: 300 in a code fence, 112 after <think>'
    """
    shown = [f"{count:,} {reason}" for reason, count in list(invalid.items())[:_SHOWN]]
    if rest := sum(list(invalid.values())[_SHOWN:]):
        shown.append(f"{rest:,} other")
    return f"{sum(invalid.values()):,} of {n:,} invalid: {', '.join(shown)}"


def explain_invalid(row: TableRow, is_endpoint: bool) -> str | None:
    """Return what the invalid responses of an evaluated setting were, and what helps; None without any."""
    if not row.invalid:
        return None
    text = f"{row.label}: {describe_invalid(row.invalid, row.n)}"
    if sum(row.invalid.values()) == row.n:
        text = f"WARNING: NO completion is a valid response, so these figures measure no choice. {text}"
    wrapped = {"after <think>", "in a code fence"} & set(row.invalid)
    if wrapped and is_endpoint and row.parse == "strict":
        text += (
            ". Completions are parsed strictly, as in training; parse=lenient (with --force, into the same "
            "--out) takes a think part and a code fence away first, sends no request again, and marks the "
            "results"
        )
    if "in a <think> without an end" in row.invalid or "with reasoning and no text" in row.invalid:
        text += ". A model that thinks first needs a larger sampling.max_new_tokens"
    return f"{text}. Each is in predictions.jsonl, under failure"

"""What invalid completions were, in words."""

import pytest

from shop_r1.evaluation.invalid_responses import count_invalid, describe_invalid, find_reason
from shop_r1.evaluation.metrics import evaluate_predictions, find_collapse
from shop_r1.evaluation.remote import REFUSED, WITHOUT_TEXT
from shop_r1.evaluation.tables import main_grid, mix_grid, table_row
from shop_r1.prompts.parse import ParseFailure, parse_response
from shop_r1.records.actions import SHOP, terminate
from shop_r1.records.results import Prediction

GOOD = '{"rationale": "x", "action": {"type": "terminate"}}'


def predict(completion: str, session: int = 0, **more: object) -> Prediction:
    """Return the prediction of a strictly parsed completion at a step at which the shopper left."""
    parsed = parse_response(completion, SHOP)
    values = {
        "session_id": f"s{session}",
        "step": 1,
        "target": terminate(),
        "completion": completion,
        "action": None if isinstance(parsed, ParseFailure) else parsed.action,
        "failure": f"{parsed.reason}: {parsed.message}" if isinstance(parsed, ParseFailure) else None,
    }
    return Prediction.model_validate(values | more)


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        (f"<think>a</think>{GOOD}", "after <think>"),
        (f"a</think>{GOOD}", "after <think>"),
        ("<think>a", "in a <think> without an end"),
        (f"```json\n{GOOD}\n```", "in a code fence"),
        (f"Sure! {GOOD}", "with text around the JSON"),
        (GOOD[:-2], "cut off"),
        (" ", "empty"),
        ("{'a': 1}", "not JSON"),
        ('{"rationale": "x", "action": {"type": "CLICK"}}', "of an unknown action type"),
    ],
)
def test_a_reason_is_told_by_what_the_completion_looks_like(completion: str, reason: str) -> None:
    assert find_reason(predict(completion)) == reason


def test_refusals_and_missing_texts_have_words_of_their_own() -> None:
    assert find_reason(predict("", failure=REFUSED)) == "refused"
    assert find_reason(predict("", failure=WITHOUT_TEXT["tool_calls"])) == "with a tool call and no text"
    assert find_reason(predict("", failure=WITHOUT_TEXT["reasoning"])) == "with reasoning and no text"
    recorded = Prediction(session_id="s", step=1, target=terminate(), failure="no prediction")
    assert find_reason(recorded) == "no action of the space"


def test_the_commonest_come_first_and_the_rest_is_summed() -> None:
    texts = ["```\n```"] * 3 + ["<think>a</think>"] * 2 + ["", "Sure!", GOOD, "{"]
    found = count_invalid([predict(text) for text in texts], SHOP)
    assert list(found.items())[:2] == [("in a code fence", 3), ("after <think>", 2)]
    assert sum(found.values()) == 8
    told = describe_invalid(found, len(texts))
    assert told == "8 of 9 invalid: 3 in a code fence, 2 after <think>, 1 cut off, 2 other"


def test_a_row_without_a_valid_response_is_warned_about_and_not_said_to_be_free_of_collapse() -> None:
    metrics = evaluate_predictions([predict(f"```\n{GOOD}\n```", n) for n in range(4)], SHOP, bootstrap=5)
    assert metrics.invalid == {"in a code fence": 4}
    grid = mix_grid([table_row("zero-shot", metrics)])
    told = "zero-shot: WARNING, nothing is measured: 4 of 4 invalid: 4 in a code fence"
    assert (grid.alerts, grid.note) == ((told,), "")


def test_a_few_invalid_ones_are_told_in_the_tables_note() -> None:
    texts = [GOOD, '{"rationale": "x", "action": {"type": "click", "name": "a"}}', "```"]
    metrics = evaluate_predictions([predict(text, n) for n, text in enumerate(texts)], SHOP, bootstrap=5)
    assert find_collapse(metrics) is None
    note = mix_grid([table_row("sft", metrics)]).note
    assert note == "No setting has collapsed to one type. sft: 1 of 3 invalid: 1 in a code fence."


def test_a_lenient_row_is_marked_wherever_it_is_shown() -> None:
    lenient = [predict(GOOD, n, parse="lenient") for n in range(3)]
    lenient.append(predict(GOOD, 4, parse="lenient", unwrapped=("think", "fence")))
    metrics = evaluate_predictions(lenient, SHOP, bootstrap=5)
    assert (metrics.parse, metrics.unwrapped) == ("lenient", 1)
    assert evaluate_predictions([predict(GOOD), lenient[1]], SHOP, bootstrap=5).parse == "lenient"
    row = table_row("zero-shot", metrics)
    assert row.parse == "lenient" and row.label == "zero-shot (parse=lenient)"
    grid = main_grid([row])
    assert grid.rows[0][0] == row.label and "(1 of 4 had one)" in grid.note
    strict = evaluate_predictions([predict(GOOD)], SHOP, bootstrap=5)
    assert strict.parse == "strict" and table_row("zero-shot", strict).label == "zero-shot"

import json
from dataclasses import dataclass
from math import log
from pathlib import Path

import pytest

from shop_r1.evaluation.metrics import evaluate_predictions
from shop_r1.evaluation.recorded import read_action_predictions
from shop_r1.evaluation.related_metrics import Figure, RelatedMetrics, measure_related, related_grid
from shop_r1.evaluation.tables import to_text
from shop_r1.records.actions import OPERA, SHOP, Action, click, terminate, type_and_submit
from shop_r1.records.results import Prediction

SHARED = Path(__file__).resolve().parents[2].parent / "shared"

BUY, MUG, SEARCH = click("buy_box.buy_now"), click("results.red_mug"), click("search_button")


def predict(
    target: Action, action: Action | None, session: str = "a", step: int = 0, **more: str
) -> Prediction:
    return Prediction(session_id=session, step=step, target=target, action=action, **more)


def measure(*predictions: Prediction) -> RelatedMetrics:
    return measure_related(predictions, SHOP)


@dataclass(frozen=True)
class Near:
    """Equals a figure on as many steps whose value is this one up to rounding."""

    value: float | None
    n: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Figure) and other.n == self.n and other.value == pytest.approx(self.value)


def test_exact_match_is_averaged_over_sessions_not_steps() -> None:
    found = measure(
        predict(MUG, MUG, "a", 1),
        predict(MUG, BUY, "a", 2),
        predict(MUG, BUY, "a", 3),
        predict(terminate(), None, "a", 4),  # a: 1 of 4
        predict(BUY, BUY, "b", 1),  # b: 1 of 1
    )
    assert found.session_exact == Near((1 / 4 + 1) / 2, 2)  # over steps it would be 2/5


def test_outcomes_are_those_of_the_last_steps() -> None:
    found = measure(
        predict(BUY, BUY, "buys", 2),  # the last step, though it comes first in the file
        predict(MUG, terminate(), "buys", 1),
        predict(BUY, click("checkout.place_order"), "buys otherwise", 5),
        predict(BUY, MUG, "seen as neither", 1),
        predict(BUY, None, "unparsable", 1),
        predict(terminate(), terminate(), "leaves", 1),
        predict(terminate(), BUY, "seen as a purchase", 1),
        predict(MUG, BUY, "goes on", 1),  # how it ends is not known
    )
    # purchase: true 4, predicted 3, both 2; terminate: true 2, predicted 1, both 1
    purchase, leaving = 2 * 2 / (4 + 3), 2 * 1 / (2 + 1)
    assert found.outcome_f1_purchase == Near(purchase, 6)
    assert found.outcome_f1_weighted == Near((4 * purchase + 2 * leaving) / 6, 6)
    # real: purchase 4, terminate 2, neither 0; predicted: 3, 1, 2; each half more, of 6 + 3/2
    kl = (4.5 * log(4.5 / 3.5) + 2.5 * log(2.5 / 1.5) + 0.5 * log(0.5 / 2.5)) / 7.5
    assert found.outcome_kl == Near(kl, 6)
    assert found.outcome_total_variation == Near((1 + 1 + 2) / 6 / 2, 6)


def test_without_a_purchase_among_the_outcomes_its_f1_is_unknown() -> None:
    found = measure(predict(terminate(), terminate()))
    assert found.outcome_f1_purchase == Near(None, 1)
    assert found.outcome_f1_weighted == Near(1.0, 1)
    assert found.outcome_kl == Near(0.0, 1)


def test_a_fine_type_is_a_clicks_subtype_or_the_type() -> None:
    query = type_and_submit("search_input", "mug")
    found = measure(
        predict(MUG, click("results.blue_mug")),  # product_link, right
        predict(MUG, BUY),  # product_link, predicted purchase
        predict(SEARCH, None),  # search, predicted unparsable
        predict(query, query),  # type_and_submit, right
    )
    # product_link: 2·1/(2+1); search: 0; type_and_submit: 1; purchase is never true and has no F1 of its own
    assert found.fine_type_f1_macro == Near((2 / 3 + 0 + 1) / 3, 4)
    # the three clicks alone: product_link twice, search once
    assert found.click_type_f1_weighted == Near((2 * 2 / 3 + 0) / 3, 3)
    assert found.click_types_recorded == 0


def test_a_recorded_subtype_counts_before_the_name() -> None:
    target = Action(type="click", name="go_to_cart", click_type="nav_bar")
    found = measure(predict(target, click("go_to_cart")), predict(target, click("help")))  # help: other
    assert found.click_type_f1_weighted == Near(2 * 1 / (2 + 1), 2)
    assert found.click_types_recorded == 2


def test_type_f1_is_weighted_by_how_often_a_type_is_true() -> None:
    found = measure(
        predict(MUG, MUG),
        predict(MUG, MUG),
        predict(MUG, terminate()),
        predict(terminate(), terminate()),
    )
    clicks, leaving = 2 * 2 / (3 + 2), 2 * 1 / (1 + 2)
    assert found.type_f1_weighted == Near((3 * clicks + leaving) / 4, 4)
    assert found.type_f1_macro == Near((clicks + leaving) / 2, 4)


def test_typed_text_is_compared_by_words_and_to_the_letter() -> None:
    def query(text: str, name: str = "search_input") -> Action:
        return type_and_submit(name, text)

    found = measure(
        predict(query("red mug"), query("red mug", "other_input")),  # the same text: 1
        predict(query("red mug"), query("Red mug")),  # the same words: 1, to the letter 0
        predict(query("red mug"), query("mug")),  # one word of (1 + 2) / 2: 2/3
        predict(query("red mug"), MUG),  # no text: 0
        predict(query("red mug"), None),
        predict(MUG, query("red mug")),  # nothing was typed: not counted
    )
    assert found.text_exact == Near(1 / 5, 5)
    assert found.text_rouge_l == Near((1 + 1 + 2 / 3) / 5, 5)


def test_rationales_are_compared_where_there_is_one_to_compare_with() -> None:
    found = measure(
        predict(MUG, MUG, target_rationale="It is red.", rationale="It is cheap."),  # 2 of 3 words each
        predict(MUG, None, target_rationale="It is red.", failure="empty"),
        predict(MUG, MUG, rationale="Nobody said why."),
    )
    assert found.rationale_rouge_l == Near((2 / 3 + 0) / 2, 2)


def test_the_mix_of_types_is_compared_as_a_distribution() -> None:
    found = measure(
        predict(MUG, BUY), predict(MUG, terminate()), predict(MUG, None), predict(terminate(), None)
    )
    # real: click 3, terminate 1, unparsable 0; predicted: 1, 1, 2; each half more, of 4 + 3/2
    kl = (3.5 * log(3.5 / 1.5) + 1.5 * log(1.5 / 1.5) + 0.5 * log(0.5 / 2.5)) / 5.5
    assert found.type_kl == Near(kl, 4)
    assert found.type_total_variation == Near((2 + 0 + 2) / 4 / 2, 4)


def test_what_the_data_do_not_carry_is_none_with_a_count_of_zero() -> None:
    found = measure(predict(MUG, MUG))
    unknown = {"outcome_f1_purchase", "outcome_f1_weighted", "outcome_kl", "outcome_total_variation"}
    unknown |= {"text_exact", "text_rouge_l", "rationale_rouge_l"}
    values = found.model_dump()
    assert {name for name, value in values.items() if value == {"value": None, "n": 0}} == unknown


def test_a_predicted_type_outside_the_space_is_unparsable() -> None:
    found = measure(predict(MUG, Action(type="scroll")), predict(MUG, MUG))
    assert found.type_f1_weighted == Near(2 * 1 / (2 + 1), 2)
    assert found.fine_type_f1_macro == Near(2 * 1 / (2 + 1), 2)


def test_the_table_fits_a_terminal_and_shows_what_is_unknown() -> None:
    text = to_text(related_grid("shop-r1", measure(predict(MUG, BUY), predict(MUG, MUG))))
    assert max(map(len, text.splitlines())) <= 80
    (exact,) = [line for line in text.splitlines() if "mean of sessions" in line]
    assert exact.endswith("50.0  1 sessions")
    (unknown,) = [line for line in text.splitlines() if "rationale" in line]
    assert "–" in unknown and unknown.endswith("0 steps")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not beside this clone")
def test_operas_real_actions_agree_with_a_plain_count() -> None:
    path = SHARED / "data" / "opera" / "test_actions.jsonl"
    predictions = read_action_predictions(path, OPERA)
    found = measure_related(predictions, OPERA)
    rows = [json.loads(text) for text in path.read_text("utf-8").splitlines()]
    shares = []
    for session in {row["session_id"] for row in rows}:
        inside = [row for row in rows if row["session_id"] == session]
        golds = [{key: value for key, value in row["gold"].items() if key != "click_type"} for row in inside]
        shares.append(
            sum(target == row["pred"] for target, row in zip(golds, inside, strict=True)) / len(inside)
        )
    assert found.session_exact == Near(sum(shares) / 5, 5)
    assert found.click_types_recorded == found.click_type_f1_weighted.n == 72
    # Three sessions end with terminate, one with add_to_cart; the model foresaw none of the four.
    assert found.outcome_f1_weighted == Near(0.0, 4)
    # One of two texts was predicted: "green counter stools" for " green bar", 1 word of (3 + 2) / 2.
    assert found.text_rouge_l == Near((2 / 5) / 2, 2)
    # click 72 and input 2 and terminate 3, against 34, 2, 0 and 41 without an answer
    assert found.type_total_variation == Near((38 + 0 + 3 + 41) / 77 / 2, 77)
    assert found.type_f1_macro == Near(evaluate_predictions(predictions, OPERA).type_f1_macro, 77)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not beside this clone")
def test_what_the_document_shows_is_what_is_printed() -> None:
    path = SHARED / "data" / "opera" / "test_actions.jsonl"
    found = measure_related(read_action_predictions(path, OPERA), OPERA)
    document = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")
    assert to_text(related_grid(path.stem, found)) in document

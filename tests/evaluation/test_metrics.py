from collections.abc import Sequence

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from shop_r1.errors import ConfigError, DataError
from shop_r1.evaluation.metrics import (
    PAPER_TEST_MIX,
    UNPARSABLE,
    Metrics,
    evaluate_predictions,
    find_collapse,
    find_vanishing,
)
from shop_r1.evaluation.paper_figures import MAIN
from shop_r1.records.actions import OPERA, SHOP, Action, click, terminate, type_and_submit
from shop_r1.records.results import Prediction

QUERY = type_and_submit("search_input", "red mug")


def predict(target: Action, action: Action | None, session: str = "a", step: int = 0) -> Prediction:
    return Prediction(session_id=session, step=step, target=target, action=action)


def make_predictions(sessions: int = 60, seed: int = 4) -> list[Prediction]:
    """Return 1 to 9 steps a session; some sessions are predicted well and some badly."""
    rng = np.random.default_rng(seed)
    made = []
    for session in range(sessions):
        skill = rng.uniform(0.1, 0.9)
        for step in range(rng.integers(1, 10)):
            target = (click("results.red_mug"), QUERY, terminate())[rng.choice(3, p=[0.6, 0.25, 0.15])]
            guesses = (click("results.blue_mug"), type_and_submit("search_input", "mug"), terminate(), None)
            action = target if rng.random() < skill else guesses[rng.integers(4)]
            made.append(predict(target, action, f"s{session}", step))
    return made


def labels(predictions: list[Prediction]) -> tuple[list[str], list[str]]:
    actions = [each.valid_action(SHOP) for each in predictions]
    predicted = [action.type if action else UNPARSABLE for action in actions]
    return [each.target.type for each in predictions], predicted


def test_metrics_equal_a_count_by_hand() -> None:
    metrics = evaluate_predictions(
        [
            predict(click("results.red_mug"), click("results.red_mug"), "a", 0),  # exact
            predict(click("results.red_mug"), click("results.blue_mug"), "a", 1),  # type only
            predict(QUERY, type_and_submit("search_input", "mug"), "a", 2),  # type only
            predict(click("cart"), None, "b", 0),  # unparsable
            predict(terminate(), terminate(), "b", 1),  # exact
            predict(terminate(), click("cart"), "b", 2),  # wrong type
        ],
        SHOP,
        bootstrap=50,
    )
    assert (metrics.n, metrics.sessions, metrics.unparsable) == (6, 2, 1)
    assert metrics.exact == pytest.approx(2 / 6)
    assert metrics.type_accuracy == pytest.approx(4 / 6)
    # 2 hits / (true + predicted): click 4/6, type_and_submit 2/2, terminate 2/3
    assert metrics.type_f1_macro == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)
    assert metrics.per_type["click"].exact == pytest.approx(1 / 3)
    assert metrics.per_type["click"].type_accuracy == pytest.approx(2 / 3)
    assert metrics.per_type["click"].predicted == 3
    assert metrics.predicted_mix == pytest.approx(
        {"click": 3 / 6, "type_and_submit": 1 / 6, "terminate": 1 / 6, UNPARSABLE: 1 / 6}
    )
    assert metrics.target_mix == pytest.approx({"click": 3 / 6, "type_and_submit": 1 / 6, "terminate": 2 / 6})
    assert metrics.confusion["click"] == {"click": 2, "type_and_submit": 0, "terminate": 0, UNPARSABLE: 1}


def test_similar_is_a_figure_of_its_own_for_each_rule() -> None:
    metrics = evaluate_predictions(
        [
            predict(QUERY, QUERY, "a", 0),  # exact
            predict(QUERY, type_and_submit("search_input", "Mugs, red"), "a", 1),  # same words
            predict(QUERY, type_and_submit("search_input", "big red mug"), "a", 2),  # ROUGE-L 4/5
            predict(QUERY, type_and_submit("search_input", "blue mug"), "b", 0),  # neither
            predict(click("cart"), click("Cart"), "b", 1),  # no text was typed
            predict(terminate(), terminate(), "b", 2),  # exact
        ],
        SHOP,
        bootstrap=50,
    )
    assert metrics.exact == pytest.approx(2 / 6)
    assert list(metrics.similar) == ["normalized_words", "rouge_l"]
    for rule in metrics.similar.values():
        assert rule.share.value == pytest.approx(3 / 6)
        assert (rule.typed_steps, rule.typed_exact, rule.typed_similar) == (4, 1, 2)
        # In the paper's mix: 2 of 4 typed, no click, every leaving.
        assert rule.reweighted is not None
        assert rule.reweighted.value == pytest.approx((2 / 4 * 677 + 512) / 1879)
    assert metrics.similar["rouge_l"].threshold == 0.75
    # Session a has 2 of 3 under either rule, b 1 of 3.
    assert metrics.similar["rouge_l"].share[::2] == pytest.approx((1 / 3, 2 / 3))


def test_similar_is_never_less_than_exact_and_without_typed_texts_equal_to_it() -> None:
    metrics = evaluate_predictions(make_predictions(), SHOP, bootstrap=50)
    assert all(rule.share.value >= metrics.exact for rule in metrics.similar.values())
    clicks = evaluate_predictions([predict(click("a"), click("a")), predict(click("a"), None)], SHOP)
    assert [(rule.share.value, rule.typed_steps) for rule in clicks.similar.values()] == [(0.5, 0)] * 2


def test_metrics_of_an_earlier_version_can_be_read() -> None:
    values = evaluate_predictions(make_predictions(), SHOP, bootstrap=5).model_dump(mode="json")
    del values["similar"]
    assert Metrics.model_validate(values).similar == {}


def test_macro_f1_equals_scikit_learn_on_the_types_that_occur() -> None:
    predictions = make_predictions()
    target, predicted = labels(predictions)
    expected = sklearn.metrics.f1_score(target, predicted, labels=sorted(set(target)), average="macro")
    assert evaluate_predictions(predictions, SHOP, bootstrap=1).type_f1_macro == pytest.approx(expected)


def test_a_predicted_type_that_no_shopper_did_gets_no_f1_of_its_own() -> None:
    scroll = Action(type="scroll")
    metrics = evaluate_predictions(
        [predict(click("a"), click("a")), predict(click("a"), scroll)], OPERA, bootstrap=5
    )
    assert metrics.type_f1_macro == pytest.approx(2 / 3)  # click: precision 1, recall 1/2
    assert metrics.predicted_mix["scroll"] == 0.5


def test_a_predicted_type_outside_the_space_is_unparsable() -> None:
    metrics = evaluate_predictions([predict(click("a"), Action(type="scroll"))], SHOP, bootstrap=5)
    assert (metrics.unparsable, metrics.exact, metrics.type_accuracy) == (1, 0.0, 0.0)


def test_a_subtype_that_a_prediction_lacks_does_not_decide_a_match() -> None:
    target = Action(type="click", name="cart", click_type="nav_bar")
    assert evaluate_predictions([predict(target, click("cart"))], OPERA, bootstrap=5).exact == 1.0


def test_intervals_are_near_scipys_bootstrap_over_sessions() -> None:
    predictions = make_predictions()
    metrics = evaluate_predictions(predictions, SHOP, bootstrap=4000, seed=1)
    groups = [[each for each in predictions if each.session_id == name] for name in _sessions(predictions)]
    hits = np.array([sum(each.action == each.target for each in group) for group in groups])
    steps = np.array([len(group) for group in groups])

    def share(picked: np.ndarray) -> float:
        return float(hits[picked].sum() / steps[picked].sum())

    def macro(picked: np.ndarray) -> float:
        target, predicted = labels([each for place in picked for each in groups[place]])
        kinds = sorted(set(target))
        return float(
            sklearn.metrics.f1_score(target, predicted, labels=kinds, average="macro", zero_division=0)
        )

    for ours, statistic, resamples in (
        (metrics.intervals.exact, share, 2000),
        (metrics.intervals.type_f1_macro, macro, 200),
    ):
        theirs = scipy.stats.bootstrap(
            (np.arange(len(groups)),),
            statistic,
            vectorized=False,
            method="percentile",
            n_resamples=resamples,
            rng=np.random.default_rng(2),
        ).confidence_interval
        assert ours.low == pytest.approx(theirs.low, abs=0.02)
        assert ours.high == pytest.approx(theirs.high, abs=0.02)


def _sessions(predictions: list[Prediction]) -> list[str]:
    return list(dict.fromkeys(each.session_id for each in predictions))


def test_the_same_seed_gives_the_same_metrics() -> None:
    predictions = make_predictions()
    assert evaluate_predictions(predictions, SHOP, seed=3) == evaluate_predictions(predictions, SHOP, seed=3)


def test_one_session_says_nothing_about_the_spread() -> None:
    interval = evaluate_predictions([predict(click("a"), click("a"))], SHOP).intervals.exact
    assert (interval.low, interval.value, interval.high) == (0.0, 1.0, 1.0)
    assert evaluate_predictions([predict(click("a"), None)], SHOP).intervals.exact.high == 1.0


@pytest.mark.parametrize("setting", ["sft", "sft+rl(binary)", "shop-r1"])
def test_the_papers_rates_per_type_in_its_mix_give_its_total(setting: str) -> None:
    # Table 3's rates, on 10,000 steps of each type, weighted by Appendix C's counts: Table 2's total.
    row = next(each for each in MAIN if each.setting == setting)
    golds = {"click": click("a"), "type_and_submit": QUERY, "terminate": terminate()}
    made = []
    for name, target in golds.items():
        right = round(10_000 * row.exact_per_type[name])
        made += [
            predict(target, target if step < right else None, f"s{step % 10}", step) for step in range(10_000)
        ]
    reweighted = evaluate_predictions(made, SHOP, bootstrap=10).reweighted
    assert reweighted is not None
    assert reweighted.exact.value == pytest.approx(row.exact, abs=0.00015)
    assert reweighted.mix["terminate"] == pytest.approx(512 / 1879)


def test_predictions_already_in_the_papers_mix_are_not_changed_by_it() -> None:
    golds = {"click": click("a"), "type_and_submit": QUERY, "terminate": terminate()}
    made = [
        predict(golds[name], golds[name] if step % 3 else click("b"), f"s{step % 7}", step)
        for name, count in PAPER_TEST_MIX.items()
        for step in range(count)
    ]
    metrics = evaluate_predictions(made, SHOP, bootstrap=10)
    assert metrics.reweighted is not None
    assert metrics.reweighted.exact.value == pytest.approx(metrics.exact)
    assert metrics.reweighted.type_f1_macro.value == pytest.approx(metrics.type_f1_macro)


def test_the_papers_mix_needs_every_one_of_its_types() -> None:
    assert evaluate_predictions([predict(click("a"), click("a"))], SHOP, bootstrap=5).reweighted is None


def test_collapse_is_one_type_predicted_far_more_often_than_done() -> None:
    golds = [click("a")] * 5 + [QUERY] * 3 + [terminate()] * 2
    always_terminate = [predict(target, terminate(), f"s{step}") for step, target in enumerate(golds)]
    alert = find_collapse(evaluate_predictions(always_terminate, SHOP, bootstrap=5))
    assert alert == "100% of the predictions are terminate, but only 20% of the shoppers' actions"
    assert (
        find_collapse(evaluate_predictions([predict(target, target) for target in golds], SHOP, bootstrap=5))
        is None
    )
    clicks_only = [predict(click("a"), click("b"), f"s{step}") for step in range(9)]
    assert find_collapse(evaluate_predictions(clicks_only, SHOP, bootstrap=5)) is None


def lost(golds: Sequence[Action], actions: Sequence[Action | None]) -> str | None:
    pairs = zip(golds, actions, strict=True)
    predictions = [predict(target, action, f"s{step}") for step, (target, action) in enumerate(pairs)]
    return find_vanishing(evaluate_predictions(predictions, SHOP, bootstrap=5))


def test_a_type_vanishes_below_a_quarter_of_the_shoppers_share() -> None:
    golds = [click("a")] * 20 + [QUERY] * 8 + [terminate()] * 12  # 50 %, 20 % and 30 % of 40
    assert lost(golds, [*golds]) is None
    # 3 of 40 are a quarter of 30 %; 2 are less. Queries go too, but 8 steps are too few to tell.
    assert lost(golds, [click("a")] * 37 + [terminate()] * 3) is None
    told = lost(golds, [click("a")] * 38 + [terminate()] * 2)
    assert told == "hardly ever predicted: 5.0% of the predicted actions are terminate, of the shoppers' 30%"
    # Of 24 that can be parsed, 2 are 8.3 %: more than 7.5 %.
    assert lost(golds, [None] * 16 + [click("a")] * 22 + [terminate()] * 2) is None
    assert lost(golds, [None] * 40) is None
    both = lost([*golds, *golds], [click("a")] * 80)
    assert both is not None and "are type_and_submit, of the shoppers' 20%; 0.0% of" in both
    rare = [click("a")] * 380 + [terminate()] * 20
    assert lost(rare, [click("a")] * 400) is not None
    assert lost([*rare, click("a")], [click("a")] * 401) is None  # 20 of 401 are less than 5 %


def test_metrics_survive_json_and_write_intervals_as_lists() -> None:
    metrics = evaluate_predictions(make_predictions(), SHOP, bootstrap=20)
    low, value, high = metrics.model_dump(mode="json")["intervals"]["exact"]
    assert low <= value <= high
    assert Metrics.model_validate_json(metrics.model_dump_json()) == metrics


def test_no_predictions_and_no_resamples_are_refused() -> None:
    with pytest.raises(DataError, match="no predictions"):
        evaluate_predictions([], SHOP)
    with pytest.raises(ConfigError, match="at least 1"):
        evaluate_predictions([predict(click("a"), None)], SHOP, bootstrap=0)


def test_a_true_action_outside_the_space_is_refused_with_its_place() -> None:
    with pytest.raises(DataError, match=r"session a, step 7: target.type is 'scroll'"):
        evaluate_predictions([predict(Action(type="scroll"), None, step=7)], SHOP)

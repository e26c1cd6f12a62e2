import numpy as np
import pytest

from shop_r1.errors import ConfigError, DataError
from shop_r1.evaluation.metrics import UNPARSABLE, evaluate_predictions
from shop_r1.evaluation.seeds.figures import average_settings, measure_seed
from shop_r1.records.actions import OPERA, SHOP, Action, click, terminate, type_and_submit
from shop_r1.records.results import Prediction

QUERY = type_and_submit("search_input", "red mug")


def make_predictions(seed: int = 1, sessions: int = 20) -> list[Prediction]:
    """Return 2 to 6 steps a session of all three types, a third of them predicted rightly."""
    rng = np.random.default_rng(seed)
    wrong = (click("results.blue_mug"), type_and_submit("search_input", "mug"), terminate(), None)
    return [
        Prediction(
            session_id=f"s{session}",
            step=step,
            target=(target := (click("cart"), QUERY, terminate())[rng.integers(3)]),
            action=target if rng.random() < 0.3 else wrong[rng.integers(4)],
        )
        for session in range(sessions)
        for step in range(rng.integers(2, 7))
    ]


def test_each_figure_is_that_of_the_metrics_and_so_is_its_interval() -> None:
    predictions = make_predictions()
    metrics = evaluate_predictions(predictions, SHOP, bootstrap=100)
    found = measure_seed(7, predictions, SHOP, bootstrap=100)
    assert (found.seed, found.sessions, len(found.steps)) == (7, 20, metrics.n)
    for name in ("exact", "type_accuracy", "type_f1_macro"):
        values = found.resamples[name]
        expected = getattr(metrics.intervals, name)
        assert values[0] == getattr(metrics, name)
        assert np.percentile(values[1:], [2.5, 97.5]) == pytest.approx([expected.low, expected.high])
        assert metrics.reweighted is not None
        assert found.resamples[f"paper_mix/{name}"][0] == getattr(metrics.reweighted, name).value
    for kind, figures in metrics.per_type.items():
        assert found.resamples[f"exact/{kind}"][0] == figures.exact
        assert found.resamples[f"type_accuracy/{kind}"][0] == figures.type_accuracy
        assert found.resamples[f"type_f1/{kind}"][0] == figures.f1
        assert found.resamples[f"predicted/{kind}"][0] == metrics.predicted_mix[kind]
    assert found.resamples["unparsable"][0] == metrics.predicted_mix[UNPARSABLE]


def test_the_mix_in_the_papers_mix_weighs_each_types_own() -> None:
    # Of two clicks one is predicted as terminate, the one query and the one leaving are right.
    targets = [click("a"), click("b"), QUERY, terminate()]
    actions = [terminate(), click("b"), QUERY, terminate()]
    predictions = [
        Prediction(session_id=f"s{place}", step=0, target=target, action=action)
        for place, (target, action) in enumerate(zip(targets, actions, strict=True))
    ]
    found = measure_seed(0, predictions, SHOP, bootstrap=10).resamples
    assert found["predicted/terminate"][0] == 2 / 4
    assert found["paper_mix/predicted/terminate"][0] == pytest.approx((0.5 * 690 + 512) / 1879)


def test_a_resample_without_a_type_has_no_figure_of_it() -> None:
    predictions = [
        Prediction(session_id="a", step=0, target=click("a"), action=click("a")),
        Prediction(session_id="b", step=0, target=terminate(), action=click("a")),
    ]
    found = measure_seed(0, predictions, SHOP, bootstrap=50).resamples
    assert "exact/type_and_submit" not in found and "paper_mix/exact" not in found
    # A resample holds a alone, b alone or both: b alone has no click.
    assert (
        np.isnan(found["exact/click"]).sum()
        == (found["predicted/terminate"] == 0).sum() - (found["exact"] > 0).sum()
    )


def test_other_spaces_have_their_own_types() -> None:
    scroll = Action(type="scroll")
    predictions = [
        Prediction(session_id=name, step=0, target=scroll, action=click("a")) for name in ("a", "b")
    ]
    assert measure_seed(0, predictions, OPERA, bootstrap=5).resamples["predicted/click"][0] == 1.0


def test_what_says_nothing_about_sessions_is_refused() -> None:
    one = [Prediction(session_id="a", step=0, target=click("a"))]
    with pytest.raises(DataError, match="seed 3 has one held-out session"):
        measure_seed(3, one, SHOP)
    with pytest.raises(DataError, match="seed 3 has no predictions"):
        measure_seed(3, [], SHOP)
    with pytest.raises(ConfigError, match="bootstrap is 1"):
        measure_seed(3, one, SHOP, bootstrap=1)


def test_the_mean_over_settings_is_taken_seed_by_seed_and_resample_by_resample() -> None:
    seeds = (0, 1)
    ours, others = (
        [measure_seed(seed, make_predictions(seed + more), SHOP, bootstrap=10) for seed in seeds]
        for more in (0, 5)
    )
    found = average_settings([ours, others], ["exact"])
    assert [each.seed for each in found] == [0, 1] and found[0].resamples.keys() == {"exact"}
    for mean, left, right in zip(found, ours, others, strict=True):
        expected = (left.resamples["exact"] + right.resamples["exact"]) / 2
        assert mean.resamples["exact"] == pytest.approx(expected) and len(expected) == 11
        assert len(mean.steps) == len(left.steps) + len(right.steps)
    # A setting twice is that setting: its own resamples, not ones that vary less.
    assert average_settings([ours, ours], ["exact"])[1].resamples["exact"] == pytest.approx(
        ours[1].resamples["exact"]
    )

"""A backtest of hand-made experiments, whose figures are worked out here."""

from pathlib import Path

import pytest
from tests.comparison.conftest import Measure

from shop_r1.comparison.analysis import Question, compare_versions
from shop_r1.comparison.backtest.experiments import PastExperiment
from shop_r1.comparison.backtest.scoring import hold, score
from shop_r1.comparison.backtest.wording import CAUTION, list_grids
from shop_r1.errors import DataError
from shop_r1.evaluation.tables import to_text
from shop_r1.records.backtests import Backtest, Held
from shop_r1.records.comparisons import ShopperPlan, VersionComparison

VERSIONS = {"store": "as it is", "calm": "with less"}


def compared(measure: Measure, more: int, less: int, both: int = 20, lost: int = 0) -> VersionComparison:
    """Return a comparison of 100 shoppers, of whom `more` buy in the second version alone."""
    plan, visits = [], {}
    for user in range(100):
        name = f"shopper-{user}"
        plan.append(ShopperPlan(user_id=name, order=tuple(VERSIONS)))
        first = more <= user < more + less + both
        second = user < more or more + less <= user < more + less + both
        visits[name, "store"] = measure(user, "store", purchase=first)
        outcome = {"outcome": "error"} if user < lost else {}
        visits[name, "calm"] = measure(user, "calm", purchase=second, **outcome)
    return compare_versions(plan, visits, Question(versions=VERSIONS))


def past(lift: float, low: float, high: float, **values: object) -> PastExperiment:
    found: dict[str, object] = {"name": "a", "comparison": "x", "unit": "points"}
    return PastExperiment.model_validate(found | {"lift": lift, "low": low, "high": high} | values)


def held(
    name: str, predicted: tuple[float, float, float], measured: tuple[float, float, float], change: str = "x"
) -> Held:
    """Return an experiment as `hold` does, from points; a share of 100 pairs cannot be set to the digit."""
    from shop_r1.comparison.backtest.scoring import _direction, _of_interval
    from shop_r1.records.results import Interval

    own, other = Interval(*predicted), Interval(*measured)
    values: dict[str, object] = {
        "name": name,
        "change": change,
        "metric": "purchase",
        "unit": "points",
        "measured": other,
        "predicted": own,
        "value": own.value,
        "shoppers": 100,
        "direction": _direction(own.value, other),
        "error": own.value - other.value,
    }
    return Held.model_validate(values | _of_interval(own, other))


def test_points_are_held_against_a_difference_of_shares(measure: Measure) -> None:
    found = hold(past(5, 1, 9), compared(measure, more=20, less=5), "x")
    # Bonett and Price: (21 - 6) / 102 = 14.7, and 1.96 * 100 sqrt((27 - 15² / 102) / 102²) = 9.6 points.
    assert found.value == pytest.approx(15.0) and found.predicted is not None
    assert found.predicted.low == pytest.approx(5.15, abs=0.02)
    assert found.predicted.high == pytest.approx(24.26, abs=0.02)
    assert (found.direction, found.is_sure, found.is_covered) == ("right", True, False)
    assert found.error == pytest.approx(10.0) and found.combined is not None
    # Below, sqrt((15 - 5.15)² + 4²) = 10.63; so 10 - 10.63 is below 0.
    assert found.combined.low == pytest.approx(-0.63, abs=0.03) and found.agrees


def test_per_cent_are_held_against_a_relative_change(measure: Measure) -> None:
    found = hold(past(30, 10, 50, unit="percent"), compared(measure, more=15, less=5), "x")
    assert found.value == pytest.approx(40.0)  # 35 buy in the second version, 25 in the first
    assert found.predicted is not None and found.predicted.low < 40 < found.predicted.high
    nobody = compared(measure, more=15, less=0, both=0)
    assert hold(past(30, 10, 50, unit="percent"), nobody, "x").unusable == "no relative change"


def test_absolute_lifts_are_held_against_numbers(measure: Measure) -> None:
    comparison = compared(measure, more=20, less=5)
    found = hold(past(1, 0.5, 1.5, unit="absolute", metric="revenue"), comparison, "x")
    assert found.value == pytest.approx(1.5)  # 15 of 100 more buy, for 10.0 each


def test_what_cannot_be_trusted_counts_in_no_figure(measure: Measure) -> None:
    lost = hold(past(5, 1, 9), compared(measure, more=20, less=5, lost=15), "x")
    assert lost.unusable == "not even" and lost.predicted is None
    found = score("past.toml", [lost])
    assert found.unusable == 1 and found.direction.of == 0
    assert found.verdict[0].startswith("No past experiment is clear enough")


def test_a_comparison_of_something_else_is_refused(measure: Measure) -> None:
    comparison = compared(measure, more=20, less=5)
    with pytest.raises(DataError, match="x: has no purchase of loud; it has purchase"):
        hold(past(5, 1, 9, version="loud"), comparison, "x")
    with pytest.raises(DataError, match="its goal is purchase, and that of a cart"):
        hold(past(5, 1, 9, metric="goal", goal="cart"), comparison, "x")
    assert hold(past(5, 1, 9, metric="goal"), comparison, "x").value == pytest.approx(15.0)


@pytest.fixture
def found() -> Backtest:
    return score(
        "past.toml",
        [
            held("a", (2, 4, 6), (3, 5, 7), "ratings"),  # right, sure, off by 1, agrees, covered
            held("b", (-1, 1, 3), (1, 3, 5), "ratings"),  # right, not sure, off by 2, agrees, covered
            held("c", (1, 3, 5), (-8, -5, -2), "price"),  # wrong, sure, off by 8, does not agree
            held("d", (-3, -1, 1), (-2, 1, 4), "price"),  # not clear, the other sign, off by 2
            held("e", (5, 9, 13), (6, 7, 8), "price"),  # right, sure, off by 2, covered
            held("f", (-9, -6, -3), (-1, 0.5, 2), "price"),  # not clear, the other sign, off by 6.5, no
        ],
    )


def test_directions_count_among_clear_experiments(found: Backtest) -> None:
    assert (found.direction.count, found.direction.of) == (3, 4)
    assert (found.direction_unclear.count, found.direction_unclear.of) == (0, 2)
    assert (found.always.count, found.always.of) == (3, 4)  # a, b, e went up, c down
    assert found.verdict[0].startswith(
        "The direction was right in 3 of 4 clear past experiments, 75 % [19, 99]."
    )
    assert "19 to 99 %" in found.few and "A coin could have done as well" in found.few


def test_errors_coverage_and_agreement(found: Backtest) -> None:
    (errors,) = found.errors
    assert errors.value == 2.0  # of 1, 2, 2, 2, 6.5, 8
    assert errors.median is not None and (errors.median.low, errors.median.high) == (1.0, 8.0)
    assert errors.half_width == 2.0  # of 2, 2, 2, 2, 3, 4
    # Ranks of predicted: a 5, b 3, c 4, d 2, e 6, f 1; of measured: 5, 4, 1, 3, 6, 2; d² = 0+1+9+1+0+1.
    assert errors.correlation == pytest.approx(1 - 6 * 12 / (6 * 35))
    assert (found.coverage.count, found.coverage.of) == (4, 6)  # a, b, e hold theirs, d holds 1 at its end
    assert (found.agreement.count, found.agreement.of) == (4, 6)
    assert found.coverage_expected is not None and 0.7 < found.coverage_expected < 0.95


def test_sure_predictions_are_held_against_what_came_true(found: Backtest) -> None:
    sure, leaning, unsure = found.reliability
    assert (sure.right.count, sure.right.of) == (2, 3)  # a, e; c was wrong; f is not clear
    assert (leaning.right.count, leaning.right.of) == (1, 1)  # b: Φ(1 / 1.02) = 84 %
    assert leaning.claimed == pytest.approx(0.836, abs=0.002)
    assert unsure.right.of == 0


def test_kinds_of_change_stand_apart(found: Backtest) -> None:
    price, ratings = found.by_change
    assert (price.change, price.experiments, price.direction.count, price.direction.of) == ("price", 4, 1, 2)
    assert (ratings.change, ratings.direction.count, ratings.agreement.count) == ("ratings", 2, 2)
    assert ratings.errors[0].value == 1.5


def test_tables_fit_a_terminal_and_say_what_they_are(found: Backtest, tmp_path: Path) -> None:
    text = "\n".join(to_text(grid) for grid in list_grids(found))
    assert max(map(len, text.splitlines())) <= 80
    assert "by chance alone" in text and "replace no experiment on people" in CAUTION
    assert Backtest.model_validate_json(found.model_dump_json()) == found

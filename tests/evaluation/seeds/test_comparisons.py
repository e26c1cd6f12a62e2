from collections.abc import Sequence

import numpy as np
import pytest

from shop_r1.errors import ConfigError, DataError
from shop_r1.evaluation.seeds.comparisons import (
    Comparison,
    SettingOverSeeds,
    adjust_comparisons,
    compare_settings,
    estimate_over_seeds,
    over_seeds,
    pair_over_seeds,
)
from shop_r1.evaluation.seeds.figures import SeedFigures, measure_seed
from shop_r1.records.actions import SHOP, click, terminate, type_and_submit
from shop_r1.records.results import Prediction

TARGETS = (click("cart"), type_and_submit("search_input", "mug"), terminate())


def measure(seed: int, right: int, sessions: int = 10, types: int = 3) -> SeedFigures:
    """Return the figures of 3 steps a session of which the first `right` of all are predicted exactly."""
    steps = [(session, step) for session in range(sessions) for step in range(3)]
    predictions = [
        Prediction(
            session_id=f"{seed}-{session}",
            step=step,
            target=(target := TARGETS[step % types]),
            action=target if place < right else None,
        )
        for place, (session, step) in enumerate(steps)
    ]
    return measure_seed(seed, predictions, SHOP, bootstrap=100)


def settings(*right: int) -> list[SeedFigures]:
    return [measure(seed, each) for seed, each in enumerate(right)]


def test_a_row_has_means_and_each_seeds_value() -> None:
    row = over_seeds("sft", settings(12, 15, 18))
    exact = row.figures["exact"]
    assert (row.seeds, row.sessions, row.steps, row.covers) == ((0, 1, 2), 30, 90, "seeds and sessions")
    assert exact.per_seed == pytest.approx((0.4, 0.5, 0.6))
    assert exact.mean == estimate_over_seeds(settings(12, 15, 18), "exact").interval()
    assert exact.mean.value == pytest.approx(0.5)
    # The first 4, 5 and 6 of 10 sessions are right as a whole: the mean of p (1 - p) / 10, nearly.
    assert exact.sessions_error == pytest.approx(np.sqrt((0.024 + 0.025 + 0.024) / 3), rel=0.15)
    assert row.figures["unparsable"].mean.value == pytest.approx(0.5)
    assert SettingOverSeeds.model_validate_json(row.model_dump_json()) == row


def test_one_seed_is_labelled_so() -> None:
    assert over_seeds("sft", settings(12)).covers == "sessions"


def test_a_figure_that_a_seed_lacks_has_no_mean_and_is_named() -> None:
    row = over_seeds("sft", [measure(0, 12), measure(1, 12, types=2)])
    assert "exact/terminate" not in row.figures and "exact/click" in row.figures
    assert row.missing["exact/terminate"] == (1,)
    with pytest.raises(DataError, match="seed 1 has no figure 'exact/terminate'"):
        estimate_over_seeds([measure(0, 12), measure(1, 12, types=2)], "exact/terminate")


def test_a_comparison_has_the_difference_and_the_gain() -> None:
    runs, baseline = settings(24, 21), settings(12, 12)
    (found,) = compare_settings(("shop-r1", runs), ("sft", baseline), ["exact"])
    assert found.difference.value == pytest.approx(0.75 - 0.4)
    assert found.gain is not None and found.gain.value == pytest.approx(0.75 / 0.4 - 1)
    assert found.seeds == (0, 1) and found.p_adjusted is None
    assert Comparison.model_validate_json(found.model_dump_json()) == found


def test_a_setting_against_itself_does_not_differ() -> None:
    pair = pair_over_seeds(settings(12, 20), settings(12, 20), "exact")
    assert pair.difference.interval() == (0.0, 0.0, 0.0)
    assert pair.ratio is not None and pair.ratio.interval() == (1.0, 1.0, 1.0)


def test_a_family_has_adjusted_p_values() -> None:
    family = [
        each.model_copy(update={"p_value": p})
        for each, p in zip(
            compare_settings(("a", settings(12, 20)), ("b", settings(9, 20)), ["exact", "unparsable"]),
            (0.03, 0.02),
            strict=True,
        )
    ]
    assert [each.p_adjusted for each in adjust_comparisons(family)] == [0.04, 0.04]


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ([measure(0, 3)], "the seeds 0, 1 and 0 are no pairs"),
        ([measure(0, 3), measure(1, 3, sessions=11)], "seed 1: the two settings predicted other steps"),
        ([measure(0, 3), measure(1, 3, types=2)], "seed 1: the two settings predicted other steps"),
    ],
)
def test_settings_that_are_no_pairs_are_refused(baseline: Sequence[SeedFigures], message: str) -> None:
    with pytest.raises(DataError, match=message):
        pair_over_seeds(settings(6, 6), baseline, "exact")


def test_no_seed_and_a_seed_twice_are_refused() -> None:
    with pytest.raises(ConfigError, match="sft: there is no seed"):
        over_seeds("sft", [])
    with pytest.raises(DataError, match="the seeds are 0, 0"):
        over_seeds("sft", [measure(0, 3), measure(0, 3)])

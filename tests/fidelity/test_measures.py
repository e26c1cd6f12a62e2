"""Distances against arithmetic and scipy."""

from collections.abc import Iterable
from math import log

import numpy as np
import pytest
from scipy import stats
from tests.fidelity.crowd import draw_crowd, make_act, make_visit

from shop_r1.evaluation.bootstrap import Floats
from shop_r1.fidelity.measures import (
    MEASURES,
    Aligned,
    Measure,
    align,
    mean_transition_distance,
    query_relations,
    wasserstein,
)
from shop_r1.fidelity.visits import Visit

BY_NAME = {measure.name: measure for measure in MEASURES}


def whole(aligned: Aligned) -> float:
    """Return the distance with every visit counted once."""
    real, simulated = (
        side.counts(np.ones(max([*side.visits.tolist(), 0]) + 1))
        for side in (aligned.real, aligned.simulated)
    )
    return aligned.distance(real, simulated)


def between(name: str, real: Iterable[Visit], simulated: Iterable[Visit]) -> float:
    return whole(align(BY_NAME[name], list(real), list(simulated)))


def visit_of(*labels: str) -> Visit:
    return make_visit("-".join(labels), [make_act(label) for label in labels])


def test_total_variation_is_the_share_that_would_have_to_change() -> None:
    # Real: 2 of 4 acts are searches, 1 a review, 1 a terminate; simulated: 1 of 2, none, 1 of 2.
    real, simulated = [visit_of("search", "review", "search", "terminate")], [visit_of("search", "terminate")]
    assert between("actions", real, simulated) == pytest.approx((0 + 0.25 + 0.25) / 2)


def test_kl_is_from_real_to_simulated_with_half_a_count_more() -> None:
    real, simulated = [visit_of("search", "review", "search", "terminate")], [visit_of("search", "terminate")]
    p, q = (1.5 / 5.5, 2.5 / 5.5, 1.5 / 5.5), (0.5 / 3.5, 1.5 / 3.5, 1.5 / 3.5)
    expected = sum(a * log(a / b) for a, b in zip(p, q, strict=True))
    assert between("actions_kl", real, simulated) == pytest.approx(expected)
    assert expected == pytest.approx(stats.entropy(p, q))


def test_wasserstein_is_scipys() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        values = np.unique(rng.normal(size=12))
        real, found = rng.random((2, len(values)))
        expected = stats.wasserstein_distance(values, values, real, found)
        assert wasserstein(values, real, found) == pytest.approx(expected)


def test_the_length_distance_is_the_mean_shift() -> None:
    real = [visit_of("search", "terminate"), visit_of("search", "review", "terminate")]
    longer = [make_visit(visit.session_id, [*visit.acts, *visit.acts[:1] * 3]) for visit in real]
    assert between("length", real, longer) == pytest.approx(3)


def test_transitions_are_weighed_by_what_real_shoppers_did_before() -> None:
    # After `a` (3 of 4 times) real: b 2/3, c 1/3; simulated: b only. After `d` the simulated never come.
    rows = np.array([0, 0, 1])
    found = mean_transition_distance(rows, np.array([2.0, 1.0, 1.0]), np.array([5.0, 0.0, 0.0]))
    assert found == pytest.approx(3 / 4 * 1 / 3 + 1 / 4 * 1)


def test_the_end_of_a_visit_counts_as_what_comes_next() -> None:
    real, simulated = [visit_of("search", "terminate")], [visit_of("search", "search", "terminate")]
    # <start> and terminate are followed by the same; after a search half go on to another search.
    assert between("transitions", real, simulated) == pytest.approx(1 / 3 * 1 / 2)


def test_words_that_no_real_query_has() -> None:
    real = [make_visit(1, [make_act("search", query="red mug")])]
    simulated = [make_visit(2, [make_act("search", query="Red lamp"), make_act("search", query="big mug")])]
    assert between("unseen_words", real, simulated) == pytest.approx(2 / 4)


def test_a_measure_without_events_has_no_distance() -> None:
    aligned = align(BY_NAME["waits"], [visit_of("search")], [visit_of("search")])
    assert not aligned.is_known and np.isnan(whole(aligned))


def test_waits_are_in_powers_of_ten() -> None:
    def at(*times: float) -> list[Visit]:
        return [make_visit(1, [make_act("search", time=time) for time in times])]

    assert between("waits", at(0, 1, 2), at(0, 10, 20)) == pytest.approx(1)
    assert between("waits", at(0, 0.001), at(5, 5)) == 0, "the shortest waits are alike"


def test_weights_count_visits_several_times() -> None:
    real, simulated = draw_crowd(20, seed=1), draw_crowd(20, seed=2)
    for measure in MEASURES:
        weighted, doubled = (
            align(measure, real, each) for each in (simulated, [*simulated, *simulated[:5], simulated[0]])
        )
        weights: Floats = np.ones(20)
        weights[:5] += 1
        weights[0] += 1
        found = weighted.distance(weighted.real.counts(np.ones(20)), weighted.simulated.counts(weights))
        expected = doubled.distance(doubled.real.counts(np.ones(20)), doubled.simulated.counts(np.ones(26)))
        assert found == pytest.approx(expected, nan_ok=True), measure.name


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_a_crowd_is_at_no_distance_from_itself(measure: Measure) -> None:
    crowd = draw_crowd(30, seed=3)
    aligned = align(measure, crowd, crowd)
    assert aligned.is_known == (measure.name != "waits")
    assert whole(aligned) == pytest.approx(0 if aligned.is_known else float("nan"), abs=1e-12, nan_ok=True)


def test_titles_fit_the_terminals_table() -> None:
    assert [measure.title for measure in MEASURES if len(measure.title) > 34] == []


def test_queries_are_compared_without_case_and_white_space() -> None:
    assert list(query_relations(["Red  mug", "red mug", "lamp", "LAMP red"])) == [
        "repeated",
        "new",
        "refined",
    ]

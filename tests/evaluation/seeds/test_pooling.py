import numpy as np
import pytest
from scipy import stats

from shop_r1.evaluation.seeds.estimates import Estimate
from shop_r1.evaluation.seeds.pooling import fit_prior, most_degrees, pool_seeds
from shop_r1.evaluation.seeds.verdicts import above, judge


def test_the_prior_that_variances_were_drawn_from_is_found_again() -> None:
    # s² = s0² d0 / chi²(d0) times chi²(d) / d, with d0 = 6, s0² = 2.5, d = 2, for 20,000 variances.
    rng = np.random.default_rng(3)
    true = 2.5 * 6 / rng.chisquare(6, 20_000)
    found = fit_prior(true * rng.chisquare(2, 20_000) / 2, 2)
    assert found == pytest.approx((6.0, 2.5), rel=0.08)


def test_variances_that_differ_by_chance_alone_have_one_value() -> None:
    rng = np.random.default_rng(4)
    added, typical = fit_prior(3.0 * rng.chisquare(4, 20) / 4, 4)
    assert added > 20 and typical == pytest.approx(3.0, rel=0.3)
    assert fit_prior(np.full(5, 2.0), 2)[0] == np.inf


def test_differences_from_one_baseline_know_a_common_variance_no_better_than_this() -> None:
    # 12 differences of k = 4 seeds from the same baseline: var of their mean variance is 2 σ⁴ / degrees.
    rng = np.random.default_rng(5)
    values = rng.normal(size=(20_000, 4, 13))
    pooled = (values[:, :, 1:] - values[:, :, :1]).var(axis=1, ddof=1).mean(axis=1)
    assert 2 * pooled.mean() ** 2 / pooled.var() == pytest.approx(most_degrees(12, 3), rel=0.05)


def test_a_moderated_variance_is_worked_by_hand() -> None:
    # All S² / V are 4, so phi0 is 4 / exp(psi(1)) and d0 infinite, hence at its most: 4 · 2 / (1 + 3/4).
    family = [Estimate(0.1, 4 * within, within, 3) for within in (0.01, 0.02, 0.03, 0.04)]
    typical = 4 / np.exp(-0.5772157)
    added = 8 / 1.75
    for each, own in zip(pool_seeds(family), family, strict=True):
        assert each is not None and each.degrees == pytest.approx(2 + added)
        expected = (added * typical + 2 * 4) / (added + 2) * own.within
        assert each.between == pytest.approx(expected) and each.value == own.value


def test_what_cannot_be_pooled_stays_as_it_is() -> None:
    one = Estimate(0.5, 0.0, 0.01, 1, resamples=np.linspace(0, 1, 9))
    sure = Estimate(0.5, 0.0, 0.0, 3)
    few = [Estimate(0.1, 0.01, 0.01, 3)] * 3
    assert pool_seeds([*few, one, sure, None]) == [*few, one, sure, None]
    many = [Estimate(0.1, 0.01, 0.01, 3)] * 4
    assert pool_seeds([*many, one, sure, None])[4:] == [one, sure, None]
    mixed = [*many, Estimate(0.1, 0.01, 0.01, 5)]
    assert pool_seeds(mixed) == mixed


def test_a_pooled_family_can_be_judged_and_keeps_each_claims_own_interval() -> None:
    # 18 effects of 5 standard errors each, of 3 seeds.
    rng = np.random.default_rng(6)
    family = [(above(0.0), Estimate(0.05, 0.0003 * rng.chisquare(2) / 2, 0.0001, 3)) for _ in range(18)]
    alone, together = judge(family), judge(family, pooled=True)
    assert sum(each.verdict == "holds" for each in alone) < 9
    assert sum(each.verdict == "holds" for each in together) > 15
    assert [each.estimate for each in alone] == [each.estimate for each in together]
    assert alone[0].degrees == 2 and together[0].degrees is not None and together[0].degrees > 8


@pytest.mark.parametrize("inflation", [(1.0,), (4.0,), (1.0, 2.0, 8.0)])
def test_intervals_of_a_pooled_family_cover_the_truth_on_average(inflation: tuple[float, ...]) -> None:
    # 15 differences from a baseline that they share, 3 seeds, 95 %.
    rng = np.random.default_rng(7)
    covered, count, families = 0, 15, 60
    for _ in range(families):
        within = np.exp(rng.normal(0, 1, count))
        sd = np.sqrt(within * rng.choice(inflation, count))
        errors = np.sqrt(0.5) * (rng.normal(size=(3, 1)) + rng.normal(size=(3, count))) * sd
        family = [
            Estimate(float(each.mean()), float(each.var(ddof=1)), float(v), 3)
            for each, v in zip(errors.T, within, strict=True)
        ]
        covered += sum(each is not None and each.p_value(0.0) >= 0.05 for each in pool_seeds(family))
    assert covered / (count * families) >= 0.92


def test_student_is_what_remains_where_the_family_says_nothing() -> None:
    # With between >> within, an estimate of its own degrees is Student's.
    found = Estimate(0.5, 0.04, 1e-9, 3, degrees=7.5).interval()
    assert found.high - 0.5 == pytest.approx(stats.t.ppf(0.975, 7.5) * 0.2 / np.sqrt(3), rel=1e-3)


def test_seeds_that_do_not_differ_at_all_are_pooled_too() -> None:
    same = [Estimate(value=0.1, between=0.0, within=0.01, seeds=3)] * 5
    assert all(each is not None and each.between == pytest.approx(0, abs=1e-12) for each in pool_seeds(same))
    assert [each.verdict for each in judge([(above(-1.0), each) for each in same], pooled=True)] == [
        "holds"
    ] * 5

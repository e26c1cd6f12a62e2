import math

import numpy as np

from shop_r1.statistics.confidence_sequences import FIRST, follow


def pairs(rng: np.random.Generator, n: int, more: float, less: float) -> np.ndarray:
    return rng.choice([1.0, -1.0, 0.0], size=n, p=[more, less, 1 - more - less])


def test_looking_after_every_ten_pairs_finds_no_difference_where_there_is_none() -> None:
    rng = np.random.default_rng(11)
    wrong = 0
    for _ in range(200):
        values = pairs(rng, 200, 0.1, 0.1)
        # Capital only ever counts at its highest: the last look knows all looks.
        wrong += follow(values, 1.0, 200).p_value < 0.05
    assert wrong <= 200 * 0.07


def test_a_look_later_never_knows_less() -> None:
    values = pairs(np.random.default_rng(5), 300, 0.3, 0.1)
    found = [follow(values[:n], 1.0, 300) for n in range(10, 301, 10)]
    assert [each.p_value for each in found] == sorted((each.p_value for each in found), reverse=True)
    lows = [each.interval().low for each in found]
    # Where the mean itself moves below the bound that held before, it is shown within the interval.
    assert lows[-1] > 0 > lows[0]
    assert found[-1].interval(0.99).low < lows[-1]


def test_the_mean_is_within_the_interval_that_holds_at_every_look() -> None:
    rng = np.random.default_rng(8)
    missed = 0
    for _ in range(100):
        values = pairs(rng, 150, 0.25, 0.1)
        found = [follow(values[:n], 1.0, 150).interval() for n in range(10, 151, 20)]
        missed += any(not each.low <= 0.15 <= each.high for each in found)
    assert missed <= 7


def test_a_p_value_is_what_the_interval_says_of_zero() -> None:
    for seed in range(20):
        values = pairs(np.random.default_rng(seed), 120, 0.25, 0.1)
        found = follow(values, 1.0, 120)
        low, value, _ = found.interval()
        if value > 0 and abs(found.p_value - 0.05) > 0.02:
            assert (low > 0) == (found.p_value < 0.05)


def test_numbers_without_a_bound_are_known_in_large_samples_alone() -> None:
    rng = np.random.default_rng(1)
    few = follow(rng.normal(1, 1, FIRST - 1), None, 500)
    assert math.isinf(few.interval().high) and few.p_value == 1.0
    many = follow(rng.normal(0.3, 1, 500), None, 500)
    assert 0 < many.interval().low < 0.3 < many.interval().high
    assert many.p_value < 0.05
    assert follow(np.zeros(100), None, 100).p_value == 1.0


def test_numbers_without_a_bound_are_seldom_called_different_at_any_look() -> None:
    rng = np.random.default_rng(21)
    wrong = sum(follow(rng.exponential(1, 300) - 1, None, 300).p_value < 0.05 for _ in range(200))
    assert wrong <= 200 * 0.07


def test_the_interval_is_not_much_wider_than_one_that_may_be_looked_at_once() -> None:
    values = pairs(np.random.default_rng(3), 400, 0.2, 0.1)
    found = follow(values, 1.0, 400).interval()
    once = 2 * 1.96 * values.std() / 20
    assert once < found.high - found.low < 1.8 * once

import math

import numpy as np
import pytest

from shop_r1.statistics.ratios import relative_change


def test_a_share_that_doubles_has_the_interval_of_its_discordant_pairs() -> None:
    first = [1] * 10 + [0] * 40
    second = [1] * 8 + [0] * 2 + [1] * 12 + [0] * 28
    # 10 and 20 say yes, 2 + 12 differ; one more on each side: log(21 / 11) ± 1.96 sqrt(16 / (11 * 21)).
    found = relative_change("share", first, second)
    assert found is not None and found.value == pytest.approx(1.0)
    reach = 1.959964 * math.sqrt(16 / (11 * 21))
    assert found.low == pytest.approx(21 / 11 * math.exp(-reach) - 1, abs=1e-6)
    assert found.high == pytest.approx(21 / 11 * math.exp(reach) - 1, abs=1e-6)


def test_numbers_have_the_delta_method_s_interval() -> None:
    first, second = np.arange(1.0, 21.0), np.arange(1.0, 21.0) ** 1.1
    found = relative_change("mean", first, second)
    ratio = second.mean() / first.mean()
    spread = np.std(second / second.mean() - first / first.mean(), ddof=1) / math.sqrt(20)
    assert found is not None and found.value == pytest.approx(ratio - 1)
    assert found.high == pytest.approx(ratio * math.exp(1.959964 * spread) - 1, abs=1e-6)


def test_without_a_first_mean_or_enough_pairs_that_differ_there_is_none() -> None:
    assert relative_change("share", [0, 0], [1, 0]) is None
    assert relative_change("share", [1, 0], [0, 0]) is None
    assert relative_change("mean", [1.0] * 20, [2.0] * 9 + [1.0] * 11) is None
    assert relative_change("share", [], []) is None


def test_its_interval_covers_a_known_ratio() -> None:
    rng, held, repeats = np.random.default_rng(0), 0, 400
    for _ in range(repeats):
        draws = rng.random(150)
        first = (
            draws < 0.3
        )  # 30 % say yes; of them 10 % no longer do, of the others 20 % do: 0.27 + 0.14 = 41 %
        second = np.where(first, rng.random(150) < 0.9, rng.random(150) < 0.2)
        found = relative_change("share", first.astype(np.float64), second.astype(np.float64))
        assert found is not None
        held += found.low <= 0.41 / 0.3 - 1 <= found.high
    assert 0.92 <= held / repeats <= 0.99

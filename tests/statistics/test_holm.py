import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop_r1.statistics.holm import adjust_p_values, holm_levels


def test_holms_adjustment_is_that_of_rs_p_adjust() -> None:
    # p.adjust(c(.01, .02, .03, .04, .05), "holm"): 5 · .01, 4 · .02, 3 · .03, then never less.
    found = adjust_p_values([0.05, 0.02, 0.01, 0.04, 0.03])
    assert found == pytest.approx([0.09, 0.08, 0.05, 0.09, 0.09])
    assert adjust_p_values([0.6, 0.7]) == [1.0, 1.0]
    assert adjust_p_values([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_levels_lie_between_bonferronis_and_the_plain_one(p_values: list[float]) -> None:
    for level in holm_levels(p_values):
        assert 0.95 - 1e-12 <= level <= 1 - 0.05 / len(p_values) + 1e-12

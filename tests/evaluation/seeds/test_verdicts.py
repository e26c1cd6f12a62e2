import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shop_r1.evaluation.seeds.estimates import Estimate
from shop_r1.evaluation.seeds.verdicts import (
    Claim,
    Judgement,
    above,
    below,
    combine,
    judge,
    within,
)

CLAIMS = (above(0.1), below(0.1), within(0.1))


def measured(value: float, error: float = 0.01, seeds: int = 3) -> Estimate:
    """Return a value whose interval is Student's with that standard error."""
    return Estimate(value, seeds * error**2, 0.0, seeds, (-1.0, 1.0))


@pytest.mark.parametrize(
    ("claim", "value", "verdict"),
    [
        # t(0.975, 2) · 0.01 = 0.043 on both sides.
        (above(0.1), 0.15, "holds"),
        (above(0.1), 0.14, "cannot be told"),
        (above(0.1), 0.05, "does not"),
        (below(0.1), 0.05, "holds"),
        (below(0.1), 0.15, "does not"),
        (below(0.1), 0.06, "cannot be told"),
        (within(0.1), 0.0, "holds"),
        (within(0.1), 0.05, "holds"),
        (within(0.1), 0.06, "cannot be told"),
        (within(0.1), 0.15, "does not"),
        (within(0.1), -0.15, "does not"),
        (within(0.02), 0.0, "cannot be told"),  # the interval holds all that is claimed, and more
        (within(0.1, around=1.0), 0.95, "holds"),
    ],
)
def test_the_interval_decides(claim: Claim, value: float, verdict: str) -> None:
    (found,) = judge([(claim, measured(value))])
    assert found.verdict == verdict


def test_a_family_widens_the_interval_that_decides() -> None:
    claim = above(0.0), measured(0.05)  # p = 2 · P(t(2) > 5) = 0.0377
    assert judge([claim])[0].verdict == "holds"
    both = judge([claim, (above(0.0), measured(0.0))])
    assert both[0].alone == "holds"
    assert both[0].verdict == "cannot be told"
    assert both[0].level == 0.975 and both[0].p_adjusted == pytest.approx(2 * 0.0377, abs=1e-4)
    assert both[0].estimate is not None and both[0].adjusted is not None
    assert both[0].estimate.low > 0 > both[0].adjusted.low


def test_once_one_is_told_the_next_is_tested_at_a_lower_level() -> None:
    # The first has a p-value of 0.0002 and passes at 0.025, so the second needs 0.05 only.
    first, second = judge([(above(0.0), measured(0.7)), (above(0.0), measured(0.05))])
    assert (first.level, second.level) == (0.975, 0.95)
    assert first.verdict == second.verdict == "holds"


def test_a_value_that_is_not_defined_cannot_be_told_and_counts_in_the_family() -> None:
    found = judge([(above(1.65), None), (above(0.0), measured(0.05))])
    assert [each.verdict for each in found] == ["cannot be told", "cannot be told"]
    assert found[0].estimate is None and found[0].p_adjusted == 1.0


shares = st.floats(-0.3, 0.3)
families = st.lists(
    st.tuples(st.sampled_from(CLAIMS), shares, st.floats(0.001, 0.1), st.integers(2, 9)), max_size=6
)


@settings(max_examples=40, deadline=None)
@given(families)
def test_a_claim_is_decided_exactly_where_its_adjusted_p_value_is_small(
    family: list[tuple[Claim, float, float, int]],
) -> None:
    found = judge([(claim, Estimate(value, error, 0.002, k)) for claim, value, error, k in family])
    for each in found:
        if abs(each.p_adjusted - 0.05) > 1e-9:
            assert (each.verdict != "cannot be told") == (each.p_adjusted < 0.05)


def test_a_claim_of_parts_needs_them_all() -> None:
    assert combine(["holds", "holds"]) == "holds"
    assert combine(["holds", "cannot be told"]) == "cannot be told"
    assert combine(["cannot be told", "does not", "holds"]) == "does not"
    assert combine([]) == "cannot be told"


def test_a_judgement_survives_json() -> None:
    for found in judge([(above(0.1), measured(0.3)), (above(1.0), None)]):
        assert Judgement.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(("low", "high"), [(None, None), (0.2, 0.2)])
def test_a_claim_without_values_is_refused(low: float | None, high: float | None) -> None:
    with pytest.raises(ValidationError):
        Claim(low=low, high=high)

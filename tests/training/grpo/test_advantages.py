import math
from typing import Any

import pytest
import torch

from shop_r1.training.grpo.advantages import group_advantages, type_scales, zero_variance


def rows(*groups: tuple[float, ...]) -> Any:
    return torch.tensor(groups, dtype=torch.float64)


def test_the_papers_advantages_are_those_of_appendix_a_in_trls_convention() -> None:
    # TRL divides by the sample standard deviation (n - 1 = 3) plus 1e-4.
    # (1, 0, 0, 0): mean 1/4, deviations (3, -1, -1, -1)/4, squares 12/16, std sqrt(12/16/3) = 1/2:
    #   3/4 / (1/2 + 1e-4) = 1.4997, -1/4 / (1/2 + 1e-4) = -0.4999.
    # (1, -1, -1, -1): mean -1/2, deviations (3, -1, -1, -1)/2, squares 12/4, std sqrt(12/4/3) = 1:
    #   3/2 / (1 + 1e-4) = 1.49985, -1/2 / (1 + 1e-4) = -0.49995.
    rules = rows((1, 0, 0, 0), (1, -1, -1, -1))
    found = group_advantages(rules, torch.zeros_like(rules), "paper")
    exact = rows((1, -1 / 3, -1 / 3, -1 / 3))[0]
    torch.testing.assert_close(found[0], exact * 0.75 / (0.5 + 1e-4), atol=1e-12, rtol=0)
    torch.testing.assert_close(found[1], exact * 1.5 / (1 + 1e-4), atol=1e-12, rtol=0)
    # The invariance of Appendix A, up to that 1e-4; and its own numbers, which take the population's
    # standard deviation: sqrt((n - 1) / n) = sqrt(3)/2 of the sample's.
    torch.testing.assert_close(found[0], found[1], atol=2e-4, rtol=0)
    appendix = rows((math.sqrt(3), *[-1 / math.sqrt(3)] * 3))[0]
    torch.testing.assert_close(found[0] * 2 / math.sqrt(3), appendix, atol=4e-4, rtol=0)


# Rules 0.8 and 0.8, certainties 0.03 and 0.05: means 0.8 and 0.04, deviations 0 and -+0.01.
# Rules 0.5 and 1.5, the same certainties: deviations -+0.5, with certainty -+0.51.
# Sample standard deviations of two numbers d apart: d / sqrt(2); 0.02 / sqrt(2) = 0.01414,
# 1 / sqrt(2) = 0.70711, 1.02 / sqrt(2) = 0.72125.
RULES, SURE = rows((0.8, 0.8), (0.5, 1.5)), rows((0.03, 0.05), (0.03, 0.05))


@pytest.mark.parametrize(
    ("guard", "equal", "unequal"),
    [
        ("paper", 0.01 / (0.0141421 + 1e-4), 0.51 / (0.7212489 + 1e-4)),
        ("skip", 0.0, 0.51 / (0.7212489 + 1e-4)),
        ("floor", 0.01 / 0.1, 0.51 / 0.7071068),
        ("centred", 0.01, 0.5 / (0.7071068 + 1e-4) + 0.01),
    ],
)
def test_each_guard_is_as_worked_out_by_hand(guard: Any, equal: float, unequal: float) -> None:
    found = group_advantages(RULES, SURE, guard)
    expected = rows((-equal, equal), (-unequal, unequal))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert zero_variance(RULES).tolist() == [True, False]


@pytest.mark.parametrize("guard", ["paper", "skip", "floor", "centred"])
@pytest.mark.parametrize("count", [2, 3, 7, 8, 16])
def test_equal_rewards_of_any_size_teach_nothing(guard: Any, count: int) -> None:
    rules = torch.linspace(1000.8, 1001.3, 50, dtype=torch.float64)[:, None].expand(50, count)
    found = group_advantages(rules, torch.full_like(rules, 0.13), guard)
    assert found.abs().max() < 1e-9


def test_balanced_types_teach_in_proportion_to_their_groups() -> None:
    # Sums of absolute advantages 9, 1 and 0; 4, 4 and 2 groups. Between the two that teach, the 10 are shared
    # as 4 : 4, so 5 each: 9 times 5/9, and 1 times 5.
    scales = type_scales({"click": 9.0, "leave": 1.0, "type": 0.0}, {"click": 4, "leave": 4, "type": 2})
    assert scales == pytest.approx({"click": 5 / 9, "leave": 5.0, "type": 1.0})
    assert type_scales({"click": 0.0}, {"click": 8}) == {"click": 1.0}
    assert type_scales({"click": 7.0}, {"click": 3}) == {"click": 1.0}


@pytest.mark.parametrize("value", [1.0, 1000.0])
def test_a_value_reward_for_terminate_would_change_next_to_nothing(value: float) -> None:
    """Where the target is terminate, all that parse earn one of two rewards: two values have one shape."""
    right, wrong = 0.8, 0.5  # format and type; format alone
    groups = [[right] * count + [wrong] * (8 - count) for count in range(1, 8)]
    plain = rows(*map(tuple, groups))
    paid = torch.where(plain == right, plain + value, plain)
    none = torch.zeros_like(plain)
    before, after = (group_advantages(each, none, "skip") for each in (plain, paid))
    # What differs is the 1e-4 beside a standard deviation of 0.106 or more: less than one part in a thousand.
    assert ((after / before - 1).abs() < 1e-3).all()

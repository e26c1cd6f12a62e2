"""How alike sessions are, against arithmetic."""

import numpy as np
import pytest
from tests.fidelity.crowd import draw_crowd, make_act, make_visit

from shop_r1.fidelity.likeness import SESSIONS_COMPARED, compare_sessions
from shop_r1.fidelity.visits import Visit


def visit_of(number: int, labels: str, user: int | None = None) -> Visit:
    return make_visit(number, [make_act(label) for label in labels], user)


def test_the_distance_of_two_sessions_is_the_share_of_actions_that_differ() -> None:
    # abc to abd: one of three replaced; to ab: one of three left out; abd to ab: one of three left out.
    found = compare_sessions(
        [visit_of(1, "abc"), visit_of(2, "abd"), visit_of(3, "ab")], [visit_of(4, "abc")], 0
    )
    weights = found.weigh(real=np.ones(3))
    assert found.mean_apart(weights, weights) == pytest.approx(1 / 3)
    other = found.weigh(simulated=np.ones(1))
    assert found.mean_apart(weights, other) == pytest.approx((0 + 1 / 3 + 1 / 3) / 3)


def test_sessions_of_one_shopper_say_nothing_about_how_shoppers_differ() -> None:
    visits = [visit_of(1, "a", user=1), visit_of(2, "a", user=1), visit_of(3, "b", user=2)]
    found = compare_sessions(visits, [visit_of(4, "c")], 0)
    weights = found.weigh(real=np.ones(3))
    assert found.mean_apart(weights, weights) == 1
    assert found.share_equal(weights) == 0


def test_equal_sessions_are_counted_among_pairs_of_shoppers() -> None:
    visits = [visit_of(number, labels) for number, labels in enumerate(("ab", "ab", "ba", "c"))]
    found = compare_sessions(visits, [visit_of(9, "c")], 0)
    assert found.share_equal(found.weigh(real=np.ones(4))) == pytest.approx(1 / 6)


def test_the_energy_distance_of_two_crowds_of_one_kind_is_small_and_of_two_kinds_is_not() -> None:
    real, alike = draw_crowd(120, seed=1), draw_crowd(120, seed=2)
    other = [visit_of(number, "abcabc") for number in range(120)]
    energies = []
    for simulated in (alike, other):
        found = compare_sessions(real, simulated, 0)
        energies.append(found.energy(found.weigh(real=np.ones(120)), found.weigh(simulated=np.ones(120))))
    assert abs(energies[0]) < 0.02 < 0.5 < energies[1]


def test_of_a_large_crowd_some_sessions_are_drawn() -> None:
    crowd = draw_crowd(SESSIONS_COMPARED + 50, seed=1)
    found = compare_sessions(crowd, crowd[:10], 0)
    assert len(set(found.real.tolist())) == SESSIONS_COMPARED
    assert found.apart.shape == (SESSIONS_COMPARED + 10,) * 2

"""Raking against arithmetic, and what a held-out half says of it."""

from pathlib import Path

import numpy as np
import pytest
from tests.fidelity.crowd import draw_crowd, make_act, make_visit, without

from shop_r1.errors import ConfigError, DataError
from shop_r1.fidelity.calibration import (
    MARGINS,
    calibrate,
    find_margins,
    rake,
    read_calibration,
    weigh_visits,
)
from shop_r1.fidelity.crowds import make_crowds
from shop_r1.fidelity.visits import Visit
from shop_r1.jsonl import write_json


def visits_of(*counts: tuple[str, int, int]) -> list[Visit]:
    """Return visits by outcome, number of queries, and how many there are."""
    return [
        make_visit(
            f"{outcome}-{queries}-{number}", [make_act("search", query="mug")] * queries, None, outcome
        )
        for outcome, queries, count in counts
        for number in range(count)
    ]


def test_one_margin_is_the_ratio_of_shares() -> None:
    # 60 % of the real sessions buy, 20 % of the simulated ones: weights 3 and 0.5.
    real = visits_of(("purchase", 1, 6), ("terminate", 1, 4))
    simulated = visits_of(("purchase", 1, 2), ("terminate", 1, 8))
    raked = rake([MARGINS["purchase"]], real, np.ones(10), simulated)
    assert raked.weights == pytest.approx([3, 3, *[0.5] * 8])
    (buys, leaves) = raked.margins["purchase"]
    assert (buys.label, buys.target, buys.before) == ("buys", 0.6, 0.2)
    assert buys.after == pytest.approx(0.6)
    assert leaves.after == pytest.approx(0.4)


def test_two_margins_are_both_met_and_what_they_say_nothing_of_stays() -> None:
    real = visits_of(("purchase", 1, 30), ("purchase", 2, 10), ("terminate", 1, 20), ("terminate", 2, 40))
    simulated = visits_of(
        ("purchase", 1, 10), ("purchase", 2, 40), ("terminate", 1, 30), ("terminate", 2, 20)
    )
    raked = rake([MARGINS["purchase"], MARGINS["searches"]], real, np.ones(100), simulated)
    for margin in raked.margins.values():
        assert [each.after for each in margin] == pytest.approx([each.target for each in margin])
    # Raking keeps the odds ratio of the table that it began with: 10 * 20 / (40 * 30).
    sums = [
        raked.weights[part].sum() for part in (slice(0, 10), slice(10, 50), slice(50, 80), slice(80, 100))
    ]
    assert sums[0] * sums[3] / (sums[1] * sums[2]) == pytest.approx(10 * 20 / (40 * 30))


def test_it_is_fitted_to_the_part_that_it_is_given() -> None:
    real = visits_of(("purchase", 1, 5), ("terminate", 1, 5))
    simulated = visits_of(("purchase", 1, 1), ("terminate", 1, 1))
    fitted = np.array([1.0] * 6 + [0.0] * 4)
    raked = rake([MARGINS["purchase"]], real, fitted, simulated)
    assert raked.weights == pytest.approx([2 * 5 / 6, 2 * 1 / 6])


def test_classes_that_no_simulated_session_is_in_are_told_of() -> None:
    real = visits_of(("purchase", 0, 2), ("purchase", 1, 4), ("purchase", 2, 4))
    simulated = visits_of(("purchase", 1, 5), ("purchase", 2, 5))
    raked = rake([MARGINS["searches"]], real, np.ones(10), simulated)
    assert raked.unmet == {"searches: 0": 0.2}
    assert [each.after for each in raked.margins["searches"]] == pytest.approx([0, 0.5, 0.5])


def test_a_margin_without_a_common_class_is_refused() -> None:
    real, simulated = visits_of(("purchase", 1, 3)), visits_of(("purchase", 2, 3))
    with pytest.raises(DataError, match=r"margin searches: no simulated session is in any class.*\(1\)"):
        rake([MARGINS["searches"]], real, np.ones(3), simulated)


def test_lengths_are_classed_by_the_real_quartiles() -> None:
    real = visits_of(*(("purchase", length, 1) for length in (1, 2, 3, 4, 5, 6, 7, 8)))
    simulated = visits_of(("purchase", 1, 1), ("purchase", 3, 1), ("purchase", 5, 1), ("purchase", 99, 1))
    raked = rake([MARGINS["length"]], real, np.ones(8), simulated)
    labels = [each.label for each in raked.margins["length"]]
    assert labels == ["1 to 2 steps", "3 to 4 steps", "5 to 6 steps", "7 steps and more"]
    assert raked.weights == pytest.approx(np.ones(4))


def test_a_crowd_that_buys_too_often_comes_nearer_on_held_out_sessions() -> None:
    crowds, _ = make_crowds(draw_crowd(200, seed=1, buys=0.8), draw_crowd(200, seed=2, buys=0.2), 0)
    found = calibrate(crowds, ("s", "r"), [MARGINS["purchase"]], 100, 0)
    checks = {check.name: check for check in found.checks}
    assert checks["outcomes"].change == "nearer" and checks["outcomes"].is_fitted
    assert checks["outcomes"].after < 0.1 < 0.4 < checks["outcomes"].before
    assert checks["types"].change == "nearer" and not checks["types"].is_fitted, "buying is a click"
    assert not [check for check in found.checks if check.change == "further"]
    weights = np.array(list(found.weights.values()))
    assert found.effective_sessions == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert weights.mean() == pytest.approx(1) and found.largest_weight == weights.max()
    assert (found.fitted_to, found.held_out) == (100, 100)


def test_a_warning_says_what_became_worse() -> None:
    """Buyers of the crowd read no reviews, so more buyers mean fewer reviews, which real ones read."""
    simulated = [
        visit if visit.outcome == "terminate" else without("review", [visit])[0]
        for visit in draw_crowd(300, seed=2, buys=0.2)
    ]
    crowds, _ = make_crowds(draw_crowd(300, seed=1, buys=0.8), simulated, 0)
    found = calibrate(crowds, ("s", "r"), [MARGINS["purchase"]], 100, 0)
    worse = {check.name for check in found.checks if check.change == "further"}
    assert "transitions" in worse
    assert any("further from the held-out real sessions" in told for told in found.warnings)


def test_a_small_effective_number_is_told_of() -> None:
    crowds, _ = make_crowds(draw_crowd(200, seed=1, buys=0.95), draw_crowd(200, seed=2, buys=0.03), 0)
    found = calibrate(crowds, ("s", "r"), [MARGINS["purchase"]], 10, 0)
    assert found.effective_sessions < 20
    assert any("tell as much as" in told for told in found.warnings)


def test_weights_of_personas_are_the_means_of_their_sessions() -> None:
    real = visits_of(("purchase", 1, 6), ("terminate", 1, 4))
    crowd = [
        Visit(**{slot: getattr(visit, slot) for slot in Visit.__slots__} | {"persona": persona})
        for visit, persona in zip(
            visits_of(("purchase", 1, 2), ("terminate", 1, 8)), ["keen"] + ["idle"] * 9, strict=True
        )
    ]
    crowds, _ = make_crowds([*real, *real], crowd, 0)
    found = calibrate(crowds, ("s", "r"), [MARGINS["purchase"]], 10, 0)
    assert found.personas["keen"] == found.weights[crowd[0].session_id] > 1 > found.personas["idle"]
    assert list(found.personas) == ["keen", "idle"]


def test_what_cannot_be_calibrated_is_refused() -> None:
    crowd = draw_crowd(10, seed=1)
    crowds, _ = make_crowds(crowd, [*crowd, crowd[0]], 0)
    with pytest.raises(ConfigError, match="--margin 'colour' is unknown"):
        find_margins(["colour"])
    with pytest.raises(DataError, match=r"s\.jsonl: 2 sessions have the session_id 'visit 1-0-0'"):
        calibrate(crowds, ("s.jsonl", "r"), [MARGINS["purchase"]], 10, 0)
    alone, _ = make_crowds(crowd[:1], crowd, 0)
    with pytest.raises(DataError, match=r"r\.jsonl: has one shopper"):
        calibrate(alone, ("s", "r.jsonl"), [MARGINS["purchase"]], 10, 0)


def test_weights_are_read_again_for_the_same_sessions_alone(tmp_path: Path) -> None:
    real, simulated = draw_crowd(40, seed=1, buys=0.8), draw_crowd(40, seed=2, buys=0.3)
    crowds, _ = make_crowds(real, simulated, 0)
    found = calibrate(crowds, ("s", "r"), [MARGINS["purchase"]], 10, 0)
    write_json(tmp_path / "weights.json", found.model_dump(mode="json"))
    again = read_calibration(tmp_path / "weights.json")
    assert weigh_visits(again, simulated[::-1], "s") == pytest.approx(
        [found.weights[visit.session_id] for visit in simulated[::-1]]
    )
    with pytest.raises(DataError, match=r"s: 40 of its sessions have no weight, such as 'visit 1-0-0'"):
        weigh_visits(again, real, "s")
    write_json(tmp_path / "other.json", {"weights": {}})
    with pytest.raises(DataError, match=r"other\.json: is no weights\.json: "):
        read_calibration(tmp_path / "other.json")

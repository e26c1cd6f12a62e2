from collections.abc import Callable
from pathlib import Path

import pytest
from tests.journey.conftest import MakeStep, MakeVisit

from shop_r1.errors import ConfigError, DataError
from shop_r1.journey.analysis import JourneyQuestion, report_journeys
from shop_r1.journey.gate import (
    Bound,
    check_bounds,
    check_changes,
    check_lost,
    compare_with,
    parse_bounds,
    read_baseline,
)
from shop_r1.jsonl import write_json
from shop_r1.records.journeys import JourneyReport

FILE = Path("baseline.json")
MakeReport = Callable[..., JourneyReport]


@pytest.fixture
def make(step: MakeStep, visit: MakeVisit) -> MakeReport:
    """Return what makes a report on so many visits that buy, that leave a list, and without a step."""

    def report(buy: int, leave: int, lost: int = 0, goal: str | None = None, **made: str) -> JourneyReport:
        bought = step("/product/red-mug", "buy")
        visits = [visit(f"b{n}", bought, outcome="purchase") for n in range(buy)]
        visits += [visit(f"l{n}", step("/search?q=mug", "leave")) for n in range(leave)]
        visits += [visit(f"n{n}", outcome="no step") for n in range(lost)]
        return report_journeys(visits, JourneyQuestion(goal=goal, made_with=made))

    return report


def test_bounds_are_on_what_was_found(make: MakeReport) -> None:
    found = make(3, 7)
    bounds = [
        *parse_bounds(["purchase=0.3", "purchase=0.31", "steps=1"], "--fail-under", is_least=True),
        *parse_bounds(["left_at_search=0.7", "left=0.6"], "--fail-over", is_least=False),
    ]
    checks = check_bounds(found, bounds)
    assert [each.is_passed for each in checks] == [True, False, True, True, False]
    # Wilson's interval of 3 of 10 is 10.8 to 60.3 %.
    assert checks[1].sentence == "purchase 30.0 % [10.8, 60.3], expected at least 31 %"
    assert checks[2].sentence == "steps 1.00 [1.00, 1.00], expected at least 1"
    assert checks[4].sentence == "left 70.0 % [39.7, 89.2], expected at most 60 %"


def test_a_figure_that_no_visit_has_never_passes(make: MakeReport) -> None:
    (check,) = check_bounds(make(3, 7), [Bound("seconds_per_step", 9, is_least=False)])
    assert not check.is_passed and check.sentence == "seconds_per_step: no visit has it, expected at most 9"


@pytest.mark.parametrize(
    "text", ["purchase", "purchase=", "=0.3", "purchase=x", "purchase=nan", "purchase=inf"]
)
def test_what_is_no_bound_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected NAME=NUMBER, such as purchase"):
        parse_bounds([text], "--fail-under", is_least=True)


def test_an_unknown_figure_and_a_share_in_per_cent_are_refused(make: MakeReport) -> None:
    with pytest.raises(ConfigError, match=r"--fail-under 'purchse' is no figure; did you mean purchase\?"):
        check_bounds(make(3, 7), [Bound("purchse", 0.3, is_least=True)])
    with pytest.raises(ConfigError, match=r"purchase=30: a share is between 0 and 1, so 30 % is 0\.3"):
        check_bounds(make(3, 7), [Bound("purchase", 30, is_least=True)])


def test_many_visits_in_no_figure_fail(make: MakeReport) -> None:
    assert check_lost(make(4, 5, 1)).is_passed  # 1 of 10
    lost = check_lost(make(4, 4, 1))  # 1 of 9
    assert not lost.is_passed
    assert lost.sentence == "visits in no figure: 1 of 9, expected at most 10 %"


def test_a_share_that_fell_by_more_than_chance_fails(make: MakeReport) -> None:
    baseline = compare_with(make(20, 80), make(50, 50), FILE)
    assert [each.name for each in baseline.changes] == [
        *("list", "product", "cart", "checkout", "purchase", "counted")
    ]
    purchase = baseline.changes[4]
    assert purchase.is_lower and purchase.difference.value == pytest.approx(-0.3)
    checks = {each.name: each for each in check_changes(baseline)}
    assert not checks["purchase"].is_passed and checks["list"].is_passed and checks["counted"].is_passed
    assert checks["purchase"].sentence.endswith("points from the baseline's 50.0 %")


def test_a_fall_within_chance_and_a_rise_pass(make: MakeReport) -> None:
    # Of 50, 25 before and 20 now: Newcombe's interval of -10 points reaches to about +9.
    for now in (make(20, 30), make(45, 5)):
        assert all(each.is_passed for each in check_changes(compare_with(now, make(25, 25), FILE)))


def test_losing_more_visits_than_the_baseline_fails(make: MakeReport) -> None:
    checks = check_changes(compare_with(make(25, 25, 30), make(25, 25), FILE))
    assert [each.name for each in checks if not each.is_passed] == ["counted"]


def test_an_address_as_goal_is_compared_too(make: MakeReport) -> None:
    goal = "/product/*"
    baseline = compare_with(make(5, 95, goal=goal), make(60, 40, goal=goal), FILE)
    assert [each.name for each in baseline.changes if each.is_lower] == [
        *("product", "cart", "checkout", "purchase", "goal")
    ]


@pytest.mark.parametrize(
    ("before", "problem"),
    [
        ({"policy": "scripted"}, r'policy \("scripted" there, "random" now\)'),
        ({"policy": "random", "max_steps": "9"}, r'max_steps \("9" there, null now\)'),
        ({"policy": "random", "goal": "cart"}, r'goal \("cart" there, "purchase" now\)'),
    ],
)
def test_a_baseline_of_other_shoppers_or_another_goal_is_refused(
    before: dict[str, str], problem: str, make: MakeReport
) -> None:
    with pytest.raises(DataError, match=rf"baseline\.json: is of other shoppers or asks .*{problem}"):
        compare_with(make(3, 7, policy="random"), make(3, 7, **before), FILE)


def test_a_baseline_is_read_back_and_another_file_is_none(make: MakeReport, tmp_path: Path) -> None:
    path = tmp_path / "journey.json"
    write_json(path, make(3, 7).model_dump(mode="json"))
    assert read_baseline(path) == make(3, 7)
    write_json(path, {"purchase": 0.3})
    with pytest.raises(DataError, match=r"journey\.json: is no journey\.json of this version"):
        read_baseline(path)

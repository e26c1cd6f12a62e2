"""Ten visits made by hand, whose every figure can be counted in the comments."""

import pytest
from tests.journey.conftest import MakeStep, MakeVisit

from shop_r1.errors import ConfigError, DataError
from shop_r1.journey.analysis import JourneyQuestion, report_journeys
from shop_r1.journey.visits import RecordedVisit
from shop_r1.records.journeys import FrictionItem, FrictionKind, JourneyReport


@pytest.fixture
def visits(step: MakeStep, visit: MakeVisit) -> list[RecordedVisit]:
    """Two buy, two leave a list, one a product after a dead click, one goes in circles at the cart, two see
    an error page (of which one buys), one breaks, one takes no step."""
    home, found = step("/", "search:mug", "A mug."), step("/search?q=mug", "open", "This one.")
    product = step("/product/red-mug", "buy", "Mine.")
    cart = [step("/cart", "click:cart"), step("/", "click:cart")]
    return [
        visit("a-buys", home, found, product, outcome="purchase"),
        visit("b-buys", home, step("/search?q=mug", "click:x", status=500), product, outcome="purchase"),
        visit("c-leaves", home, step("/search?q=mug", "leave", "$9 is too dear.")),
        visit("d-leaves", home, step("/search?q=mug", "leave", "$7 is too dear.")),
        visit(
            "e-clicks",
            home,
            found,
            step("/product/red-mug", "click:buy_box.buy_now", "Now."),
            step("/product/red-mug", "leave", "It does not work."),
        ),
        # Arrivals: cart new; home, cart and home known.
        visit("f-circles", step("/", "click:cart"), *cart, *cart, outcome="max_steps"),
        visit("g-errs", home, step("/search?q=mug", "leave", "Broken.", status=500)),
        visit("h-breaks", home, outcome="error"),
        visit("i-empty", outcome="no step"),
    ]


@pytest.fixture
def report(visits: list[RecordedVisit]) -> JourneyReport:
    return report_journeys(visits, JourneyQuestion(shop="a shop"))


def item(report: JourneyReport, kind: FrictionKind) -> FrictionItem:
    (found,) = [each for each in report.friction if each.kind == kind]
    return found


def test_the_funnel_counts_each_visit_up_to_its_furthest_stage(report: JourneyReport) -> None:
    # Of 8: a, b, c, d, e saw a list or more (g's list is an error page); a, b, e a product; f the cart.
    table = [(each.name, each.reached, each.went_on, each.left, each.circled) for each in report.stages]
    assert table == [
        ("visit", 8, 6, 2, 0),
        ("list", 6, 4, 2, 0),
        ("product", 4, 3, 1, 0),
        ("cart", 3, 2, 1, 1),
        ("checkout", 2, 2, 0, 0),
        ("purchase", 2, 0, 0, 0),
    ]
    product = report.stages[2]
    assert product.share.value == 4 / 8 and product.of_before is not None
    assert product.of_before.value == 4 / 6
    assert report.stages[0].of_before is None
    assert (report.begun, report.counted, report.reached_goal) == (9, 8, 2)
    assert report.left_out == {"no step": 1}


def test_what_was_met_is_ranked_by_the_visits_that_it_may_have_cost(report: JourneyReport) -> None:
    ranked = [(each.kind, each.place, each.met, each.lost) for each in report.friction]
    assert ranked == [
        ("left", "/search", 3, 3),
        ("circle", "/", 1, 1),
        ("dead_click", "/product/red-mug", 1, 1),
        ("error_end", "/", 1, 1),
        ("left", "/product/red-mug", 1, 1),
        ("step_limit", "/", 1, 1),
        ("http_error", "/search", 2, 1),
    ]
    errors = item(report, "http_error")
    assert (errors.thing, errors.times, errors.lost_share.value) == ("500", 2, 1 / 2)
    # Six of eight did not reach the goal, one of them met it: 5 of the 6 others.
    assert errors.lost_elsewhere is not None and errors.lost_elsewhere.value == 5 / 6


def test_moments_have_replays_at_their_step_of_visits_that_were_lost(report: JourneyReport) -> None:
    dead, errors = item(report, "dead_click"), item(report, "http_error")
    assert [(each.link, each.step) for each in dead.replays] == [("report/sessions/e-clicks.html#step-3", 3)]
    assert [each.session_id for each in errors.replays] == ["g-errs"]  # b reached the goal
    left = report.friction[0]
    assert [each.session_id for each in left.replays] == ["c-leaves", "d-leaves", "g-errs"]


def test_what_was_said_is_that_of_visits_that_were_lost(report: JourneyReport) -> None:
    assert [(each.visits, each.sentence) for each in item(report, "dead_click").said.clusters] == [
        (1, "It does not work.")
    ]
    said = report.friction[0].said
    assert [(each.visits, each.sentence) for each in said.clusters] == [
        (2, "$7 is too dear."),
        (1, "Broken."),
    ]


def test_figures_are_those_of_a_comparison_the_stages_and_what_was_met(report: JourneyReport) -> None:
    counts = {each.name: each.count for each in report.figures}
    assert counts["purchase"] == counts["goal"] == counts["checkout"] == 2
    assert counts["list"] == 6 and counts["http_error"] == 2 and counts["circle"] == 1
    assert counts["left"] == 4 and counts["left_at_search"] == 2
    steps = report.figure("steps")
    # 3 + 3 + 2 + 2 + 4 + 5 + 2 + 1 = 22 steps of 8 visits.
    assert steps is not None and steps.value is not None and steps.value.value == 22 / 8
    seconds = report.figure("seconds_per_step")
    assert seconds is not None and (seconds.visits, seconds.value) == (0, None)
    assert report.figure("none") is None


def test_the_verdict_is_never_without_its_interval_nor_the_caution(report: JourneyReport) -> None:
    # Wilson's interval of 2 of 8: 7.1 to 59.1 %.
    assert report.verdict == (
        "2 of 8 visits reached the goal (purchase): 25.0 % [7.1, 59.1]. "
        "Of the 6 that did not, 3 left on /search."
    )
    assert "association, not cause" in report.caution
    assert report.warnings[0] == "1 visit without a step or an end are in no figure: no step 1"
    assert "8 visits are few: look at the intervals" in report.warnings
    assert "1 visit ended in an error and count as they are" in report.warnings


def test_a_goal_is_a_stage_or_an_address(visits: list[RecordedVisit]) -> None:
    assert report_journeys(visits, JourneyQuestion(goal="product")).reached_goal == 4
    assert report_journeys(visits, JourneyQuestion(goal="/search?q=*")).reached_goal == 6
    assert report_journeys(visits, JourneyQuestion(goal="*/cart")).reached_goal == 1
    with pytest.raises(ConfigError, match=r"--goal 'purchse' is no stage; did you mean purchase\?"):
        report_journeys(visits, JourneyQuestion(goal="purchse"))


def test_the_order_of_visits_changes_nothing(visits: list[RecordedVisit], report: JourneyReport) -> None:
    assert report_journeys(visits[::-1], JourneyQuestion(shop="a shop")) == report


def test_a_run_without_a_finished_visit_is_no_report(visits: list[RecordedVisit]) -> None:
    with pytest.raises(DataError, match="no visit took a step and came to an end; the run has no step 1"):
        report_journeys(visits[-1:], JourneyQuestion())


def test_visits_of_one_shopper_are_told(step: MakeStep, visit: MakeVisit) -> None:
    twice = [visit(name, step("/", "leave"), user="one") for name in "ab"]
    warnings = report_journeys(twice, JourneyQuestion()).warnings
    assert any("2 visits are of 1 shoppers" in each for each in warnings)

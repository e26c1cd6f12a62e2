import math

import pytest
from tests.comparison.conftest import Measure

from shop_r1.comparison.analysis import SEGMENT_MIN, Question, compare_versions
from shop_r1.comparison.wording import CAUTION
from shop_r1.errors import ConfigError
from shop_r1.records.comparisons import ShopperPlan, VersionComparison, VisitMeasures

VERSIONS = {"store": "as it is", "calm": "with less"}
Visits = dict[tuple[str, str], VisitMeasures]


def planned(count: int, names: tuple[str, ...] = ("store", "calm"), segments: int = 1) -> list[ShopperPlan]:
    return [
        ShopperPlan(
            user_id=f"shopper-{user}",
            order=names if user % 2 else names[::-1],
            segment=f"kind {user % segments}" if segments > 1 else None,
        )
        for user in range(count)
    ]


def visited(measure: Measure, count: int, more: int, less: int = 0, both: int = 0) -> Visits:
    """Return visits of which `more` buy in the second version alone, `less` in the first alone."""
    found = {}
    for user in range(count):
        first = more <= user < more + less + both
        second = user < more or more + less <= user < more + less + both
        found[f"shopper-{user}", "store"] = measure(user, "store", purchase=first)
        found[f"shopper-{user}", "calm"] = measure(user, "calm", purchase=second)
    return found


def compared(visits: Visits, plan: list[ShopperPlan], **values: object) -> VersionComparison:
    return compare_versions(plan, visits, Question(versions=VERSIONS, **values))  # type: ignore[arg-type]


def test_a_difference_is_found_with_its_sign_interval_and_caution(measure: Measure) -> None:
    found = compared(visited(measure, 100, more=30, less=5, both=10), planned(100))
    first = found.differences[0]
    assert (first.metric, first.is_primary, first.finding, first.pairs) == ("purchase", True, "more", 100)
    assert (first.of_baseline, first.of_version) == pytest.approx((0.15, 0.40))
    assert first.difference is not None and first.difference.low > 0
    assert first.relative == pytest.approx(0.25 / 0.15)
    (sentence,) = found.verdict
    assert sentence.startswith("In calm there are more purchases than in store: 40.0 % against 15.0 %, +25.0")
    assert "[+" in sentence and "100 shoppers" in sentence
    assert found.caution == CAUTION and "replaces no experiment on people" in CAUTION


def test_no_difference_comes_with_its_interval_and_what_would_have_been_found(measure: Measure) -> None:
    found = compared(visited(measure, 100, more=6, less=5, both=10), planned(100))
    assert found.differences[0].finding == "no difference found"
    (sentence,) = found.verdict
    assert sentence.startswith("No difference in purchases between calm and store was found: +1.0 points [-")
    assert "or more would have been found with 80 % power" in sentence


def test_every_other_metric_is_adjusted_together_and_the_primary_alone(measure: Measure) -> None:
    found = compared(visited(measure, 100, more=14, less=4), planned(100))
    primary, *others = found.differences
    assert primary.p_adjusted == primary.p_value
    assert others and all(each.p_adjusted >= each.p_value for each in others)
    twin = next(each for each in others if each.metric == "add_to_cart")
    assert twin.p_value == primary.p_value and twin.p_adjusted > 2 * twin.p_value
    assert twin.level > primary.level == 0.95
    assert "goal" not in [each.metric for each in others]  # it is the purchase
    assert found.unknown == ("pages_to_goal", "seconds_per_step")  # nobody buys in both


def test_more_versions_are_all_compared_with_the_first_and_adjusted_too(measure: Measure) -> None:
    names = ("store", "calm", "loud")
    visits = visited(measure, 90, more=12, less=3)
    visits |= {(f"shopper-{user}", "loud"): measure(user, "loud") for user in range(90)}
    question = Question(versions={**VERSIONS, "loud": "with more"}, metrics=("steps",))
    found = compare_versions(planned(90, names), visits, question)
    calm, loud = found.differences[:2]
    assert (calm.version, loud.version, calm.baseline, loud.baseline) == ("calm", "loud", "store", "store")
    assert calm.p_adjusted == pytest.approx(2 * calm.p_value) and len(found.verdict) == 2
    assert [each.metric for each in found.differences] == ["purchase", "purchase", "steps", "steps"]


def test_a_shopper_whose_visit_failed_counts_in_no_comparison_and_is_counted(measure: Measure) -> None:
    visits = visited(measure, 60, more=20)
    visits["shopper-0", "calm"] = measure(0, "calm", outcome="error")
    del visits["shopper-1", "store"]
    found = compared(visits, planned(60))
    assert found.differences[0].pairs == 58 and found.shoppers == 58
    assert found.balance.lost == {"store": {}, "calm": {"error": 1}}
    assert found.balance.counted == {"store": 59, "calm": 59} and found.balance.is_even
    assert any("1 in calm" in warning for warning in found.warnings)


def test_a_version_that_loses_more_visits_is_not_to_be_trusted(measure: Measure) -> None:
    visits = visited(measure, 60, more=20)
    for user in range(40, 52):  # 12 lost in one alone: 2 / 2^12
        visits[f"shopper-{user}", "calm"] = measure(user, "calm", outcome="error")
    found = compared(visits, planned(60))
    assert found.balance.p_value == pytest.approx(2 / 2**12) and not found.balance.is_even
    assert found.verdict[0].startswith("This comparison cannot be trusted") and "[+" in found.verdict[0]
    assert any("lost more visits" in warning for warning in found.warnings)


def test_segments_are_judged_together_and_small_ones_are_named(measure: Measure) -> None:
    plan = planned(3 * SEGMENT_MIN, segments=2)
    plan += [
        ShopperPlan(user_id=f"shopper-{user}", order=("store", "calm"), segment="few")
        for user in range(3 * SEGMENT_MIN, 3 * SEGMENT_MIN + 5)
    ]
    found = compared(visited(measure, len(plan), more=40), plan)
    assert [each.name for each in found.segments] == ["kind 0", "kind 1", "few"]
    assert [each.is_too_small for each in found.segments] == [False, False, True]
    assert found.segments[2].differences == ()
    first, second = (each.differences[0] for each in found.segments[:2])
    assert max(first.level, second.level) == 0.975 and first.p_adjusted >= first.p_value


def test_pages_to_the_goal_are_of_those_who_reach_it_in_both(measure: Measure) -> None:
    found = compared(visited(measure, 80, more=20, less=5, both=12), planned(80))
    pages = next(each for each in found.differences if each.metric == "pages_to_goal")
    assert pages.pairs == 12


def test_where_nobody_came_to_an_end_nothing_is_said(measure: Measure) -> None:
    found = compared({}, planned(4))
    assert found.differences[0].finding == "not known" and found.differences[0].of_version is None
    assert found.verdict[0].startswith("Nothing can be said of purchases")


def test_an_early_end_has_intervals_for_every_look(measure: Measure) -> None:
    visits = visited(measure, 100, more=30, less=5)
    once, always = (
        compared(visits, planned(100)),
        compared(visits, planned(100), stops_early=True, planned=100),
    )
    narrow, wide = (each.differences[0].difference for each in (once, always))
    assert narrow is not None and wide is not None
    assert wide.high - wide.low > narrow.high - narrow.low and "all looks" in always.intervals
    assert math.isclose(once.differences[0].smallest_found or 0, always.differences[0].smallest_found or 1)


def test_an_unknown_metric_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(ConfigError, match="metric 'purchses' is unknown; did you mean purchase"):
        compared({}, planned(2), primary="purchses")

from collections.abc import Sequence
from typing import Any

import pytest
from tests.report.simulation.visits import (
    CART,
    LIST,
    adding,
    end_of,
    leaving,
    opening,
    searching,
    session,
    step,
)

from shop_r1.records.actions import click
from shop_r1.records.sessions import Session, StepEvent
from shop_r1.report.simulation.facts import simulation_alerts, simulation_facts
from shop_r1.report.simulation.journey import Journey, make_journey
from shop_r1.report.simulation.overview import make_overview
from shop_r1.report.simulation_folder import FoundVisit


def journeys(visits: Sequence[Session], **end: Any) -> list[Journey]:
    return [
        make_journey(FoundVisit(each.session_id, each.steps, each, end_of(each, **end)), number)
        for number, each in enumerate(visits, 1)
    ]


VISITS = [
    session("left list", searching(), leaving()),
    session("left list too", searching(), opening(), leaving()),
    session("left home", leaving("/", "<page>")),
    session("left cart", searching(), opening(), adding(), leaving("/cart", CART)),
    session("bought", opening(), adding(), step("/cart", CART, click("cart.check_out")), outcome="purchase"),
    session("never ended", searching(), searching(), outcome="max_steps"),
]


def test_the_verdict_counts_the_outcomes_and_says_where_shoppers_left() -> None:
    assert make_overview(journeys(VISITS)).verdict == (
        "6 shoppers: 1 bought, 4 left and 1 reached the step limit; of those who left, 2 did so from "
        "/search, more than from any other page."
    )
    assert make_overview(journeys(VISITS[:3])).verdict == "3 shoppers: 3 left; most left from /search."
    assert (
        make_overview(journeys(VISITS[:2])).verdict == "2 shoppers: 2 left; all who left did so from /search."
    )
    assert make_overview(journeys(VISITS[4:5])).verdict == "1 shopper: 1 bought."
    assert make_overview(journeys([VISITS[0], VISITS[2]])).verdict == "2 shoppers: 2 left."


def test_a_visit_counts_at_every_stage_up_to_its_furthest_and_ends_at_one() -> None:
    funnel = make_overview(journeys(VISITS)).funnel
    assert [(each.stage, len(each.reached), [one.session_id for one in each.ended]) for each in funnel] == [
        ("home", 6, ["left home", "never ended"]),
        ("search", 4, ["left list", "left list too"]),
        ("product", 2, []),
        ("cart", 2, ["left cart"]),
        ("purchase", 1, []),
    ]


def test_what_ended_in_the_funnel_and_what_bought_are_all_visits() -> None:
    overview = make_overview(journeys(VISITS))
    ended = sum(len(each.ended) for each in overview.funnel)
    assert ended + len(overview.funnel[-1].reached) == len(VISITS)


def test_elements_of_a_page_are_counted_and_long_lists_by_place() -> None:
    clicks = [
        session(f"{n}", step("/search?q=mug", LIST, click(f"results.mug_{n}"))) for n in (1, 2, 3, 4, 4)
    ]
    (page,) = make_overview(journeys(clicks)).clicks
    assert (page.template, page.kind, page.steps, page.acted, page.left_out) == ("/search", "search", 5, 5, 0)
    assert [(each.detail, each.label, each.times) for each in page.elements] == [
        ("results", "no. 4", 2),
        ("results", "no. 1", 1),
        ("results", "no. 2", 1),
        ("results", "no. 3", 1),
    ]
    (filters,) = make_overview(journeys([*clicks, *clicks])).clicks
    assert [each.label for each in filters.elements] == ["Mug 4", "Mug 1", "Mug 2", "Mug 3"]
    (few,) = make_overview(journeys(clicks[:3])).clicks
    assert [each.label for each in few.elements] == ["Mug 1", "Mug 2", "Mug 3"]


def test_pages_of_products_are_one_page() -> None:
    visits = [session(f"{n}", step(f"/product/mug-{n}", "<page>", click("reviews"))) for n in range(3)]
    (page,) = make_overview(journeys(visits)).clicks
    assert (page.template, page.steps) == ("/product/*", 3)


def test_exits_are_pages_on_which_visits_ended_without_a_purchase() -> None:
    exits = make_overview(journeys(VISITS)).exits
    assert [(each.label, each.times) for each in exits] == [("/search", 2), ("/", 2), ("/cart", 1)]


def test_events_are_counted_by_kind_and_errors_by_text() -> None:
    held = StepEvent(kind="purchase_held", detail="Place order", count=2)
    lost = StepEvent(kind="blocked", detail="ads.test")
    visits = [
        session("a", searching(events=(held, lost)), leaving(error="no element has this name")),
        session("b", searching(events=(held,)), leaving(error="no element has this name")),
    ]
    overview = make_overview(journeys(visits))
    assert [(each.label, each.times, each.detail, len(each.journeys)) for each in overview.events] == [
        ("A purchase was held back", 4, "Place order", 2),
        ("A request was refused", 1, "ads.test", 1),
    ]
    assert [(each.label, each.times) for each in overview.errors] == [("no element has this name", 2)]
    facts = simulation_facts(
        {"settings": {"policy": "random", "seed": 0, "persona": None}}, overview.journeys
    )
    assert facts == {
        "shop": "shop.test",
        "policy": "random",
        "seed": "0",
        "date": "2026-05-28 20:26 UTC",
        "steps": "4",
        "purchases held back": "4",
    }


@pytest.mark.parametrize(
    ("end", "alert"),
    [
        ({"outcome": "stopped"}, "6 visits did not come to an end; what was done until then counts."),
        ({"invalid": 2}, "12 responses of the policy were invalid and left no step."),
        ({"outcome": "no step"}, "6 visits took no step and are in no figure below."),
    ],
)
def test_what_a_reader_should_know_is_said_first(end: dict[str, Any], alert: str) -> None:
    assert simulation_alerts(journeys(VISITS, **end)) == [alert]


def test_pages_for_too_many_requests_are_no_shop() -> None:
    turned_away = searching()
    page = turned_away.page.model_copy(update={"status": 429})
    visits = [session("a", turned_away.model_copy(update={"page": page}), leaving())]
    assert simulation_alerts(journeys(visits)) == [
        "1 of 2 steps saw no shop but its page for too many requests (429)."
    ]


def test_a_shop_is_called_by_its_host_unless_it_is_the_built_in_store() -> None:
    visits = journeys(VISITS)
    assert (
        simulation_facts({"command": "simulate", "settings": {"url": None}}, visits)["shop"]
        == "the built-in store"
    )
    assert simulation_facts({"command": "simulate", "settings": {"url": "x"}}, visits)["shop"] == "shop.test"
    hosts = {"url": "x", "allow_host": ["cdn.test", "*.img.test"]}
    assert simulation_facts({"settings": hosts}, visits)["further hosts"] == "cdn.test, *.img.test"


def test_costs_are_added() -> None:
    assert simulation_facts({}, journeys(VISITS, cost_usd=0.125))["cost"] == "$0.75"
    assert "cost" not in simulation_facts({}, journeys(VISITS))


def test_what_follows_a_search_is_counted() -> None:
    opened = session("opened", searching(), opening(), step("/product/mug-3", "<page>", click("reviews")))
    filtered = session("filtered", searching(), step("/search?q=mug", LIST, click("refine.red")), leaving())
    overview = make_overview(journeys([*VISITS, opened, filtered]))
    # The cart's visitor opened one too; who clicked one and is then on a list again did not.
    assert [(each.label, each.times) for each in overview.after_search] == [
        ("used the list in another way", 2),
        ("opened a product", 2),
        ("left", 1),
        ("searched again", 1),
        ("the visit ended", 1),
    ]


def test_the_map_is_drawn_on_the_commonest_page_and_lists_by_place() -> None:
    other = LIST.replace("Mug", "Cup").replace("mug_", "cup_")
    visits = [session(f"{n}", step("/search?q=mug", LIST, click(f"results.mug_{n}"))) for n in (1, 2, 3, 4)]
    visits += [session(f"cup {n}", step("/search?q=cup", other, click(f"results.cup_{n}"))) for n in (2, 5)]
    visits.append(session("box", step("/search?q=cup", other + '<input name="box">', click("box"))))
    (page,) = make_overview(journeys(visits)).clicks
    assert page.page.url == "http://shop.test/search?q=mug"
    # The second cup is in the place of the second mug; the box is not on this page.
    assert page.marks == (
        ("results.mug_2", 2),
        ("results.mug_1", 1),
        ("results.mug_3", 1),
        ("results.mug_4", 1),
        ("results.mug_5", 1),
    )

from typing import Any

import pytest
from tests.report.simulation.visits import (
    BEGAN,
    CART,
    LIST,
    PRODUCT,
    adding,
    end_of,
    leaving,
    opening,
    searching,
    session,
    step,
)

from shop_r1.records.actions import click, terminate, type_and_submit
from shop_r1.records.sessions import Alternative, Session, StepEvent, Timing
from shop_r1.report.simulation.journey import Journey, make_journey
from shop_r1.report.simulation.page_texts import read_texts
from shop_r1.report.simulation_folder import FoundVisit


def journey(visit: Session, **end: Any) -> Journey:
    found = FoundVisit(visit.session_id, visit.steps, visit, end_of(visit, **end))
    return make_journey(found, 1)


CHECKOUT = step("/checkout", "<page>\n<h1>Checkout</h1>", click("place_order"))


@pytest.mark.parametrize(
    ("steps", "outcome", "summary"),
    [
        (
            [searching(), opening(), adding(), leaving("/cart", CART)],
            "terminate",
            "Searched for “mug”, opened one product, put one into the cart, left on the cart after 4 steps.",
        ),
        ([leaving("/", "<page>")], "terminate", "Left on the home page after 1 step."),
        ([searching(), opening(), adding(), CHECKOUT], "purchase", "bought after 4 steps."),
        ([searching(), searching(), searching()], "max_steps", "Searched three times, at last for “mug”"),
        ([searching(), opening()], "max_steps", "reached the limit of 2 steps on a search page."),
        ([searching(), CHECKOUT], "error", "ended in an error at checkout after 2 steps."),
        (
            [
                step("/product/a?size=m", PRODUCT, click("x")),
                step("/product/a/reviews", PRODUCT, click("x")),
                step("/product/b", PRODUCT, terminate()),
            ],
            "terminate",
            "Opened two products, left on a product page after 3 steps.",
        ),
        ([step("/help", "<page>", terminate())], "terminate", "Left on another page after 1 step."),
    ],
)
def test_a_summary_says_what_happened(steps: list[Any], outcome: str, summary: str) -> None:
    assert summary in journey(session("a", *steps, outcome=outcome)).summary


def test_a_visit_without_a_step_says_why() -> None:
    end = end_of(session("a", leaving()), outcome="no step", steps=0, reason="the start page did not open.")
    found = make_journey(FoundVisit("a", end=end), 3)
    assert found.summary == "Took no step: the start page did not open."
    assert (found.stage, found.last, found.file) == ("home", None, "0003-a.html")


def test_each_step_says_what_was_seen_done_and_why() -> None:
    timing = Timing(decide=1.5, act=0.25)
    choices = tuple(
        Alternative(action=action, probability=share)
        for action, share in [(click("results.mug_3"), 0.75), (terminate(), 0.25)]
    )
    shown = journey(session("a", opening(rationale="It is red.", timing=timing, alternatives=choices))).steps[
        0
    ]
    assert shown.saw == "Search page “Results for mug”"
    assert (shown.did, shown.why, shown.label) == ("Clicked “Mug 3”", "It is red.", "Mug 3")
    assert shown.timing_told == "decided in 1.50 s, acted 0.25 s"
    assert [(each.words, each.probability, each.is_chosen) for each in shown.alternatives] == [
        ("click “Mug 3”", 0.75, True),
        ("leave the shop", 0.25, False),
    ]


def test_of_many_things_that_might_have_been_done_the_likeliest_and_the_done_one_are_told() -> None:
    shares = [0.3, 0.2, 0.15, 0.1, 0.08, 0.07, 0.06]
    choices = tuple(
        Alternative(action=click(f"results.mug_{place}"), probability=share)
        for place, share in enumerate(shares, 1)
    )
    (last,) = journey(session("a", step("/mugs", LIST, click("results.mug_7"), alternatives=choices))).steps
    assert [each.probability for each in last.alternatives] == [0.3, 0.2, 0.15, 0.1, 0.08, 0.06]
    assert [each.is_chosen for each in last.alternatives] == [False] * 5 + [True]


def test_a_search_box_is_a_field_and_its_button_is_none() -> None:
    texts = read_texts('<page>\n<input name="search_input"> <button name="search.go">Go</button>')
    assert [(each.label, each.is_search) for each in texts.elements] == [
        ("search input", True),
        ("Go", False),
    ]


def test_what_was_not_done_is_not_told_as_done() -> None:
    event = StepEvent(kind="covered", detail="a banner", count=2)
    (shown,) = journey(session("a", adding(error="covered by a banner", events=(event,)))).steps
    assert shown.did == "Tried to click “Add to cart”"
    assert shown.events_told == ("Something covered the element, 2 times: a banner",)
    assert "cart" not in journey(session("a", adding(error="no"), leaving())).summary
    failed = journey(session("a", searching(error="no"), leaving()))
    assert (failed.queries, failed.summary) == ((), "Left on a search page after 2 steps.")


def test_a_query_is_what_is_typed_into_a_search_box_alone() -> None:
    field = '<page>\nE-mail <input name="form.e_mail" type="email">'
    typed = step("/login", field, type_and_submit("form.e_mail", "a@b.test"))
    found = journey(session("a", typed, searching()))
    assert found.queries == ("mug",)
    assert [each.did for each in found.steps] == [
        "Typed “a@b.test” into e mail and pressed Enter",
        "Searched for “mug”",
    ]


def test_names_of_files_hold_nothing_that_a_path_could_take_for_its_own() -> None:
    assert journey(session('../"><b> é', leaving())).file == "0001-------b---.html"


def test_times_come_from_the_end_or_the_steps() -> None:
    visit = session("a", leaving(time=BEGAN + 3))
    assert (journey(visit).started, journey(visit).seconds) == (BEGAN, 7.5)
    assert make_journey(FoundVisit("a", visit.steps, visit), 1).started == BEGAN + 3


def test_search_text_has_what_was_seen_and_done() -> None:
    text = journey(session("a", searching(rationale="A gift"), opening(), leaving())).search_text
    assert all(words in text for words in ("a gift", "results for mug", "clicked “mug 3”", "/search?q=mug"))


def test_lists_are_pages_whose_address_says_so() -> None:
    kinds = [each.kind for each in journey(session("a", opening(), leaving())).steps]
    assert kinds == ["search", "search"]

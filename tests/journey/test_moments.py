import pytest
from tests.journey.conftest import MakeStep, MakeVisit

from shop_r1.journey.moments import Moment, find_moments
from shop_r1.records.sessions import StepEvent


def kinds(moments: list[Moment]) -> list[str]:
    return [each.kind for each in moments]


def test_a_click_without_effect_is_told_with_what_was_said_after_it(step: MakeStep, visit: MakeVisit) -> None:
    steps = [step("/cart", "click:cart.go", "On."), step("/cart", "leave", "Nothing happens.")]
    assert find_moments(visit("v", *steps)) == [
        Moment("dead_click", "/cart", "“Go on”", 0, "Nothing happens."),
        Moment("left", "/cart", "", 1, "Nothing happens."),
    ]


@pytest.mark.parametrize("kind", ["dialog", "new_tab", "download", "purchase_held"])
def test_a_click_that_did_something_else_had_an_effect(kind: str, step: MakeStep, visit: MakeVisit) -> None:
    event = StepEvent.model_validate({"kind": kind})
    steps = [step("/cart", "click:cart.go", events=(event,)), step("/cart", "leave")]
    assert kinds(find_moments(visit("v", *steps))) == ["left"]


def test_a_click_while_a_request_was_refused_here_is_told_apart(step: MakeStep, visit: MakeVisit) -> None:
    refused = (StepEvent(kind="blocked", detail="other.example"),)
    steps = [step("/cart", "click:cart.go", events=refused), step("/cart", "leave")]
    assert kinds(find_moments(visit("v", *steps))) == ["blocked_click", "left"]


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ('<input name="x" type="text">', []),
        ('<input name="x">', []),
        ('<textarea name="x"></textarea>', []),
        ('<select name="x"></select>', []),
        ('<input name="x" type="submit">', ["dead_click"]),
        ('<a name="x">Go</a>', ["dead_click"]),
    ],
)
def test_a_click_into_a_field_needs_no_effect(
    tag: str, expected: list[str], step: MakeStep, visit: MakeVisit
) -> None:
    steps = [step("/form", "click:x", html=f"<page>\n{tag}"), step("/form", "leave", html=f"<page>\n{tag}")]
    assert kinds(find_moments(visit("v", *steps)))[:-1] == expected


def test_clicks_on_any_product_of_a_list_are_one_thing(step: MakeStep, visit: MakeVisit) -> None:
    steps = [step("/search?q=mug", "click:results.red_mug"), step("/search?q=mug", "leave")]
    assert find_moments(visit("v", *steps))[0].thing == "a product in results"


@pytest.mark.parametrize(
    ("why", "expected"),
    [
        ("covered by <div> Cookies", ("unreachable", "“Go on” (covered)")),
        ("not shown", ("unreachable", "“Go on” (not shown)")),
        ("disabled", ("unreachable", "“Go on” (disabled)")),
    ],
)
def test_what_the_mouse_does_not_reach_is_told_with_the_reason(
    why: str, expected: tuple[str, str], step: MakeStep, visit: MakeVisit
) -> None:
    error = f"'cart.go' is on the page, but it is {why}"
    steps = [step("/cart", "click:cart.go", error=error), step("/cart", "leave")]
    moment = find_moments(visit("v", *steps))[0]
    assert (moment.kind, moment.thing) == expected


def test_an_action_that_could_not_be_done_for_another_reason(step: MakeStep, visit: MakeVisit) -> None:
    steps = [step("/cart", "click:none", error="no element is called 'none'"), step("/cart", "leave")]
    moment = find_moments(visit("v", *steps))[0]
    assert (moment.kind, moment.thing) == ("failed_action", "click")


def test_a_search_that_found_nothing_is_told_at_the_page_that_says_so(
    step: MakeStep, visit: MakeVisit
) -> None:
    steps = [step("/", "search:zzz", "I want zzz."), step("/search?q=zzz", "leave", "Nothing at all?")]
    assert find_moments(visit("v", *steps))[0] == Moment("empty_search", "/search", "", 1, "Nothing at all?")
    assert kinds(find_moments(visit("v", step("/", "search:mug"), step("/search?q=mug", "leave")))) == [
        "left"
    ]


@pytest.mark.parametrize(
    ("text", "is_empty"),
    [
        ("Your search did not match any products.", True),
        ("0 results", True),
        ("10 results", False),
        ("1.0 results", False),
        ("We couldn't find “zzz”", True),
        ("Keine Treffer", True),
        ("No result is a red mug, said nobody", False),
        ("There is no product like it", False),
        ("Cart 0 items 12 results", False),
        ("No products were found matching your selection", True),
        ("No matching items", True),
    ],
)
def test_texts_that_say_that_nothing_was_found(
    text: str, is_empty: bool, step: MakeStep, visit: MakeVisit
) -> None:
    steps = [step("/", "search:zzz"), step("/search?q=zzz", "leave", html=f"<page>\n{text}")]
    assert ("empty_search" in kinds(find_moments(visit("v", *steps)))) is is_empty


def test_a_funnels_file_adds_texts(step: MakeStep, visit: MakeVisit) -> None:
    made = visit("v", step("/", "search:z"), step("/search?q=z", "leave", html="<page>\nRien  du tout"))
    assert kinds(find_moments(made, ("rien du tout",))) == ["empty_search", "left"]


def test_an_error_page_counts_each_time_it_is_arrived_at(step: MakeStep, visit: MakeVisit) -> None:
    steps = [
        step("/", "search:mug"),
        step("/search?q=mug", "click:x", status=503),
        step("/search?q=mug", "click:y", status=503),  # the same page, looked at again
        step("/", "search:mug"),
        step("/search?q=mug", "leave", status=503),
    ]
    found = [each for each in find_moments(visit("v", *steps)) if each.kind == "http_error"]
    assert [(each.step, each.thing) for each in found] == [(1, "503"), (4, "503")]
    assert "empty_search" not in kinds(find_moments(visit("v", *steps)))


def test_what_breaks_in_the_page_is_told_once_a_step(step: MakeStep, visit: MakeVisit) -> None:
    events = (StepEvent(kind="page_error", detail="x is undefined", count=9), StepEvent(kind="no_answer"))
    steps = [step("/cart", "click:cart.go", events=events), step("/cart", "leave")]
    assert [(each.kind, each.thing) for each in find_moments(visit("v", *steps))] == [
        ("page_error", "page error: x is undefined"),
        ("page_error", "no answer"),
        ("left", ""),
    ]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [("terminate", ["left"]), ("max_steps", ["step_limit"]), ("error", ["error_end"]), ("purchase", [])],
)
def test_each_visit_without_a_purchase_has_one_end(
    outcome: str, expected: list[str], step: MakeStep, visit: MakeVisit
) -> None:
    made = visit("v", step("/product/red-mug", "buy", "I like it."), outcome=outcome)
    assert kinds(find_moments(made)) == expected


def test_a_circle_is_a_moment(step: MakeStep, visit: MakeVisit) -> None:
    steps = [step("/"), step("/cart"), step("/"), step("/cart"), step("/", "leave", "I am lost.")]
    assert find_moments(visit("v", *steps)) == [
        Moment("circle", "/", "between pages", 4, "I am lost."),
        Moment("left", "/", "", 4, "I am lost."),
    ]

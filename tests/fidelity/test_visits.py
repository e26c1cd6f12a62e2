"""What is read of a session."""

import pytest
from tests.tiny import BUY, LEAVE, LOOK, SEARCH, make_session

from shop_r1.fidelity.crowds import make_crowds
from shop_r1.fidelity.visits import read_visit
from shop_r1.records.actions import Action, click, type_and_submit
from shop_r1.records.sessions import Page, Session, Step

LIST = "\n".join(f'<a name="results.{name}">x</a>' for name in ("one", "two", "three"))
HEAD = '<input name="search_input" type="search">\n<a name="cart">Cart</a>\n'
PRODUCT_URL = "https://shop.example/product/two"


def step(action: Action, html: str = HEAD + LIST, url: str = "https://shop.example/search?q=mug") -> Step:
    return Step(page=Page(url=url, html=html), action=action)


def test_a_visit_is_its_labels_queries_and_end() -> None:
    visit = read_visit(make_session("one", SEARCH, LOOK, BUY))
    assert visit.labels == ("search", "product_link", "purchase")
    assert visit.queries == ("red mug",)
    assert (visit.cluster, visit.outcome) == ("session one", "purchase")
    left = read_visit(make_session("two", SEARCH, LEAVE, user="ann"))
    assert (left.cluster, left.outcome, left.stage) == ("user ann", "terminate", "product")


def test_how_a_visit_ended_may_not_be_known() -> None:
    assert read_visit(make_session("one", SEARCH, LOOK)).outcome == "unknown"


def test_the_place_of_an_opened_product_is_that_in_its_list() -> None:
    opened = step(click("results.two"))
    visit = read_visit(make_session("one", opened, step(click("buy_box.buy_now"), url=PRODUCT_URL)))
    assert [act.place for act in visit.acts] == [2, None]
    assert visit.acts[0].height == pytest.approx(3 / 4), "three of the other four elements stand before it"


def test_a_click_that_opens_no_product_has_no_place() -> None:
    again = read_visit(make_session("one", step(click("results.two")), step(click("results.two"))))
    assert [act.place for act in again.acts] == [None, None]
    two = '<a name="results.one">x</a>\n<a name="results.two">x</a>'
    short = read_visit(
        make_session("one", step(click("results.two"), two), step(click("x"), url=PRODUCT_URL))
    )
    assert short.acts[0].place is None, "two entries are no list"


def test_entries_with_several_links_are_one_entry() -> None:
    html = "\n".join(
        f'<a name="results.{name}.image">x</a>\n<a name="results.{name}.title">x</a>' for name in "abc"
    )
    visit = read_visit(
        make_session("one", step(click("results.b.title"), html), step(click("x"), url=PRODUCT_URL))
    )
    assert visit.acts[0].place == 2


def test_clicks_that_no_rule_knows_are_told_by_their_page() -> None:
    assert read_visit(make_session("one", step(click("cart")))).labels == ("other on search",)


def test_only_a_search_field_has_queries() -> None:
    typed = read_visit(make_session("one", step(type_and_submit("checkout.city", "Ulm"))))
    assert (typed.labels, typed.queries) == (("type_and_submit",), ())


def test_waits_are_between_steps_whose_times_are_known() -> None:
    times = (10.0, 12.5, None, 20.0, 19.0)
    steps = [SEARCH.model_copy(update={"time": time}) for time in times]
    assert read_visit(make_session("one", *steps)).waits_s == [2.5, 0.0]


def test_recorded_subtypes_count_only_where_both_logs_have_them() -> None:
    named = Action(type="click", name="results.two", click_type="review")
    recorded = read_visit(Session(session_id="one", steps=(step(named),)))
    plain = read_visit(Session(session_id="two", steps=(step(click("results.two")),)))
    both, is_recorded = make_crowds([recorded], [recorded], 0)
    assert is_recorded and both.real[0].labels == ("review",)
    mixed, is_recorded = make_crowds([recorded], [plain], 0)
    assert not is_recorded and mixed.real[0].labels == mixed.simulated[0].labels == ("product_link",)

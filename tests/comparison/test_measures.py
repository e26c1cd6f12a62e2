from collections.abc import Sequence

import pytest

from shop_r1.comparison.measures import measure_visit
from shop_r1.records.actions import Action, click, terminate, type_and_submit
from shop_r1.records.sessions import Page, Step, Timing


def step(url: str, action: Action, html: str = "<page>", **values: object) -> Step:
    return Step.model_validate({"page": Page(url=url, html=html), "action": action, **values})


SEARCH = step("/", type_and_submit("search_input", "red mug"))
RESULTS = step("/search?q=red+mug", click("results.red_mug"))
BUY = step(
    "/product/red-mug", click("buy_box.buy_now"), "<page>\n<h1>Red mug\n$1,012.50\nDelivery $2.99, 3 days"
)


def test_a_visit_that_buys_at_once_has_reached_every_stage() -> None:
    found = measure_visit("s", "a", [SEARCH, RESULTS, BUY], "purchase")
    assert found.purchase and found.add_to_cart and found.checkout and found.goal
    assert (found.steps, found.searches, found.refinements, found.filters) == (3, 1, 0, 0)
    assert (found.pages_to_goal, found.left_at, found.revenue) == (3, "purchase", 1015.49)
    assert found.seconds_per_step is None and found.is_counted


def test_a_visit_that_leaves_says_where_and_paid_nothing() -> None:
    filtered = step("/search?q=red+mug", click("refine.under_15"))
    sorted_ = step("/search?q=red+mug&price=15", click("sort.lowest_price"))
    again = step("/search?q=red+mug&price=15&sort=price-low", type_and_submit("search_input", "mug"))
    failed = step("/search?q=mug", click("refine.under_25"), error="it is gone")
    leave = step("/search?q=mug", terminate())
    found = measure_visit("s", "a", [SEARCH, filtered, sorted_, again, failed, leave], "terminate")
    assert (found.steps, found.searches, found.refinements, found.filters) == (6, 2, 1, 2)
    assert (found.left_at, found.revenue, found.goal, found.pages_to_goal) == ("search", 0.0, False, None)


def test_a_field_of_another_name_is_a_search_where_a_list_came_of_it() -> None:
    typed = step("https://shop.example/", type_and_submit("header.find", "mug"))
    coupon = step("https://shop.example/cart", type_and_submit("coupon", "SAVE"))
    shown = step("https://shop.example/search?q=mug", terminate())
    assert measure_visit("s", "a", [typed, shown], "terminate").searches == 1
    assert measure_visit("s", "a", [coupon, step("/cart", terminate())], "terminate").searches == 0


@pytest.mark.parametrize(
    ("goal", "pages"),
    [("product", 3), ("cart", 3), ("checkout", 4), ("purchase", 4), ("*/checkout*", 4), ("/checkout", 4)],
)
def test_a_goal_is_reached_on_its_page(goal: str, pages: int) -> None:
    add = step("/product/red-mug", click("buy_box.add_to_cart"))
    order = step("/checkout", click("checkout.place_order"), "<page>\nRed mug $9.00\nTotal\n$11.99")
    found = measure_visit("s", "a", [SEARCH, RESULTS, add, order], "purchase", goal)
    assert (found.goal, found.pages_to_goal, found.revenue) == (True, pages, 11.99)
    assert not measure_visit("s", "a", [SEARCH, step("/help", terminate())], "terminate", goal).goal


def timed(seconds: Sequence[tuple[float, float]]) -> list[Step]:
    return [step("/", click("next"), time=1e9 + at, timing=Timing(decide=decide)) for at, decide in seconds]


def test_seconds_a_step_leave_out_deciding() -> None:
    found = measure_visit("s", "a", timed([(0.0, 5.0), (3.0, 1.0), (9.0, 2.0)]), "terminate")
    assert found.seconds_per_step == pytest.approx((2.0 + 4.0) / 2)
    assert measure_visit("s", "a", timed([(0.0, 1.0)]), "terminate").seconds_per_step is None


def test_a_visit_without_a_step_counts_for_nothing() -> None:
    found = measure_visit("s", "a", [], "no step")
    assert (found.left_at, found.is_counted, found.steps) == ("nowhere", False, 0)


def test_what_was_paid_is_unknown_where_the_page_says_no_price() -> None:
    assert measure_visit("s", "a", [step("/buy", click("buy_now"))], "purchase").revenue is None

"""Tasks: drawn by a number, always possible, and reached by what was bought or by the metrics' goals."""

from dataclasses import replace

import pytest

from shop_r1.environments.tasks import FITTING, ShopTask, Wanted, bought_by, draw_task, own_task
from shop_r1.errors import ConfigError
from shop_r1.records.actions import click
from shop_r1.records.sessions import Page, Step
from shop_r1.store.catalogue import Product, generate_catalogue
from shop_r1.store.visitors import Bill, Line, Visitor

CATALOGUE = generate_catalogue(0)
MUG = next(product for product in CATALOGUE.products if product.kind == "Mug" and product.stock)
WANTED = Wanted("mug", tuple(word.lower() for word in MUG.attributes), "", 100_000)
CART = Page(url="http://store.local/cart", html="<page>\n<h1>Cart</h1>")


def bill(product: Product, *options: str, quantity: int = 1) -> Bill:
    return Bill((Line(product, options, quantity),))


def test_a_number_stands_for_the_same_task_and_another_for_another() -> None:
    assert draw_task(7, CATALOGUE) == draw_task(7, CATALOGUE)
    assert len({draw_task(number, CATALOGUE).text for number in range(20)}) == 20


def test_each_task_can_be_met_by_a_product_in_stock() -> None:
    for number in range(50):
        wanted = draw_task(number, CATALOGUE).wanted
        assert wanted is not None
        for product in wanted.found_in(CATALOGUE):
            title = product.title.lower().split()
            assert product.stock and {*wanted.words, wanted.noun} <= {*title}
            assert product.price_cents + product.delivery_cents <= wanted.budget_cents


def test_a_bill_meets_the_wish_by_kind_words_option_and_the_whole_budget() -> None:
    cost = MUG.price_cents + MUG.delivery_cents
    assert WANTED.is_bought_in(bill(MUG))
    assert replace(WANTED, budget_cents=cost).is_bought_in(bill(MUG))
    assert not replace(WANTED, budget_cents=cost).is_bought_in(bill(MUG, quantity=2))
    assert not replace(WANTED, budget_cents=cost - 1).is_bought_in(bill(MUG))
    assert not replace(WANTED, noun="bowl").is_bought_in(bill(MUG))
    assert not replace(WANTED, words=(*WANTED.words, "golden")).is_bought_in(bill(MUG))
    assert replace(WANTED, option="pair").is_bought_in(bill(MUG, "Pair"))
    assert not replace(WANTED, option="pair").is_bought_in(bill(MUG, "Single"))


def test_the_goal_of_a_fitting_purchase_needs_the_purchase() -> None:
    task = ShopTask("", "Buy a mug.", FITTING, WANTED)
    assert task.is_reached([], CART, "purchase", bill(MUG))
    assert not task.is_reached([], CART, "", bill(MUG))
    assert not task.is_reached([], CART, "purchase", None)


def test_other_goals_are_those_of_comparisons() -> None:
    steps = [Step(page=Page(url="http://store.local/", html="<page>"), action=click("cart"))]
    for goal, reached in (("cart", True), ("checkout", False), ("purchase", False), ("*/cart", True)):
        assert ShopTask("", "", goal).is_reached(steps, CART, "", None) is reached, goal


def test_an_intent_of_ones_own_has_the_goal_of_any_purchase() -> None:
    task = own_task(draw_task(1, CATALOGUE), "A student.", "A gift.")
    assert (task.text, task.goal, task.wanted, task.number) == ("A student.\nA gift.", "purchase", None, None)
    assert own_task(draw_task(1, CATALOGUE), "A student.", None).goal == FITTING
    assert own_task(draw_task(1, CATALOGUE, "cart"), None, "A gift.").goal == "cart"


def test_an_unknown_goal_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"goal 'chekout' is unknown; did you mean checkout\?"):
        draw_task(1, CATALOGUE, "chekout")


def test_what_a_visitor_bought_is_its_cart_else_its_last_order() -> None:
    visitor = Visitor("1")
    assert bought_by(None) is None and bought_by(visitor) is None
    visitor.add(MUG, ())
    assert bought_by(visitor) == bill(MUG)
    visitor.place_order()
    assert bought_by(visitor) == bill(MUG)

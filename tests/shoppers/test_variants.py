"""Shoppers act on what they see in a version of the store, and on nothing that it hides."""

import asyncio
import random
import re

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from tests.shoppers.test_choices import PLAIN, RED_MUG, likeliest, results

from shop_r1.cli.pipeline.stores import create_store
from shop_r1.drivers.in_process import InProcessDriver
from shop_r1.pages.simplify import simplify_page
from shop_r1.records.actions import click
from shop_r1.records.sessions import Page, Session, Step
from shop_r1.shoppers.crowd_kinds import CrowdName
from shop_r1.shoppers.expectation import NEGLIGIBLE, run_expect
from shop_r1.shoppers.facts import PageFacts, read_page
from shop_r1.shoppers.focused.choices import choices
from shop_r1.shoppers.persona import Crowd, Intent, Market, Persona, persona_grid
from shop_r1.shoppers.reachable import forecasts_of
from shop_r1.shoppers.scripted import ScriptedPolicy, generate_sessions
from shop_r1.simulation.loop import Visit, run_session
from shop_r1.store.kinds import KINDS
from shop_r1.store.variants import StoreVariant

FINE = Persona(0.9, 0.5, 4.0, 3, False, False, False)
"""Wants quality: no rating below 4.2 will do."""
HIDDEN = StoreVariant(name="hidden", ratings=False)


def seen(path: str, **values: object) -> PageFacts:
    variant = StoreVariant.model_validate(values)
    client = TestClient(create_store(variant=variant), base_url="http://store.local")
    return read_page(path, simplify_page(client.get(path).text).html)


def unrated(query: str, *items: str) -> tuple[list[Step], Page]:
    history, page = results(query, *(f"{item}|3" for item in items))
    return history, page.model_copy(update={"html": page.html.replace(" 3 stars (9)", "")})


def test_a_hidden_rating_is_unknown_and_no_stars() -> None:
    shown, hidden = seen("/search?q=mug"), seen("/search?q=mug", ratings=False)
    assert all(item.rating is not None for item in shown.items) and shown.rating_filter
    assert [item.rating for item in hidden.items] == [None] * len(shown.items) and not hidden.rating_filter
    assert [item.words for item in hidden.items] == [item.words for item in shown.items]


def test_who_wants_quality_cannot_weigh_ratings_that_are_not_shown() -> None:
    history, page = unrated("red ceramic mug", "Ora Red Ceramic Mug|$9.99", "Ulm Red Ceramic Mug|$9.99")
    found = {c.action: float(c.probability[0]) for c in choices(FINE, RED_MUG, history, page)}
    plain = {c.action: float(c.probability[0]) for c in choices(PLAIN, RED_MUG, history, page)}
    assert found == pytest.approx(plain)  # both know the same
    assert found[click("results.ora_red_ceramic_mug")] > 0.5
    rated = results("red ceramic mug", "Ora Red Ceramic Mug|$9.99|3.9", "Ulm Red Ceramic Mug|$9.99|4.8")
    assert likeliest(*rated, FINE)[0] == click("results.ulm_red_ceramic_mug")


def test_who_wants_quality_buys_what_it_cannot_see_to_be_poor() -> None:
    product = """<page>
<h1>Ora Red Ceramic Mug
{}<a name="reviews">Reviews</a>
$9.99
In stock. Free delivery, 3 days.
<button name="buy_box.buy_now">Buy now</button>"""
    history, _ = results("red ceramic mug", "Ora Red Ceramic Mug|$9.99|3.9")
    for text, buys in (("3.9 stars (12)\n", False), ("", True)):
        page = Page(url="/product/ora-red-ceramic-mug", html=product.format(text))
        action, reason = likeliest(history, page, FINE)
        assert (action == click("buy_box.buy_now")) == buys, reason
        assert "None" not in reason and "nan" not in reason
    assert reason == "It fits at $9.99, so I buy it now."


def test_delivery_that_a_list_says_counts_towards_the_budget_and_the_time() -> None:
    poor = Persona(0.2, 5.0, 0.5, 3, False, False, False)  # its limit for mugs is $7.98
    for said, opens in (("", True), (" Delivery $2.99, 2 days", False), (" Free delivery, 6 days", False)):
        history, page = results("red ceramic mug", "Ora Red Ceramic Mug|$7.49|4.5")
        page = page.model_copy(update={"html": page.html.replace("(9)", f"(9)\n{said}")})
        action, _ = likeliest(history, page, poor)
        assert (action == click("results.ora_red_ceramic_mug")) == opens, said


def test_delivered_prices_are_what_a_shopper_pays() -> None:
    shown = seen("/search?q=mug&sort=price-low")
    path = f"/product/{shown.items[0].slug}"
    plain, delivered = seen(path), seen(path, prices="delivered")
    assert delivered.price_cents == plain.price_cents + plain.delivery_cents
    assert (delivered.delivery_cents, delivered.delivery_days) == (0, plain.delivery_days)


@pytest.mark.parametrize("crowd", ["focused", "wandering"])
def test_what_shoppers_do_in_a_version_is_possible_there_and_their_words_are_whole(crowd: CrowdName) -> None:
    market = Market(KINDS)
    variant = StoreVariant(name="v", ratings=False, delivery_badge=True, filters="below", ranking="price")
    store = create_store(crowd, 5, seed=1, variant=variant)
    count = 12 if crowd == "focused" else 3
    sessions: list[Session] = list(generate_sessions(store, market, count, 3, crowd=crowd))
    assert len(list(forecasts_of(sessions, market, crowd))) == sum(len(s.steps) - 1 for s in sessions)
    for step in (step for session in sessions for step in session.steps):
        assert step.rationale and not re.search(r"\bnan\b|None stars|None\.", step.rationale)
        assert step.error is None


def one_intent() -> Intent:
    return Market(KINDS).by_noun["mug"][0][0]


def test_the_exact_expectation_is_what_many_visits_come_near_to() -> None:
    grid = persona_grid()
    chosen = [place for place, each in enumerate(grid.personas) if each == FINE]
    crowd = Crowd([grid.personas[place] for place in chosen], np.ones(len(chosen)))
    intent = one_intent()
    for variant in (StoreVariant(), HIDDEN):
        store = create_store(seed=1, variant=variant)
        (found,) = run_expect(store, [intent], 20, crowd)
        assert found.left_out < 100 * NEGLIGIBLE
        bought = steps = 0
        for index in range(60):
            outcome, length = visit(store, FINE, intent, random.Random(index))
            bought, steps = bought + outcome, steps + length
        error = float(np.sqrt(found.purchase[0] * (1 - found.purchase[0]) / 60))
        assert bought / 60 == pytest.approx(float(found.purchase[0]), abs=max(4 * error, 0.02))
        assert steps / 60 == pytest.approx(float(found.steps[0]), rel=0.25)


def visit(store: Starlette, persona: Persona, intent: Intent, rng: random.Random) -> tuple[bool, int]:
    """Return whether a shopper buys, and its steps."""

    async def run() -> tuple[bool, int]:
        policy = ScriptedPolicy(lambda history, page: choices(persona, intent, history, page))
        async with InProcessDriver(store) as driver:
            key = str(rng.random())
            session = await run_session(policy, driver, Visit(key, key))
        return session.outcome == "purchase", len(session.steps)

    return asyncio.run(run())

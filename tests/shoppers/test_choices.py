from collections.abc import Iterator

import numpy as np
import pytest

from shop_r1.records.actions import Action, click, type_and_submit
from shop_r1.records.sessions import Page, Session, Step
from shop_r1.shoppers.facts import read_page, read_session
from shop_r1.shoppers.focused.belief import possible_intents
from shop_r1.shoppers.focused.choices import choices, crowd_choices
from shop_r1.shoppers.persona import Intent, Market, Persona, persona_grid

PLAIN = Persona(
    budget=0.9,
    price_weight=0.5,
    quality_weight=0.5,
    patience=3,
    loyal=False,
    reads_reviews=False,
    careful=False,
)
RED_MUG = Intent("mug", ("red", "ceramic"), "", 600, 2500)
SEARCH = 'Search <input name="search_input" type="search">'


def results(query: str, *items: str) -> tuple[list[Step], Page]:
    """Return a history of one search and its page; items are `Title|$price|stars`."""
    rows = []
    for item in items:
        title, price, stars = item.split("|")
        name = "_".join(title.lower().split())
        rows.append(f'<li><h2><a name="results.{name}">{title}</a></h2>\n{price} {stars} stars (9)')
    html = "\n".join(["<page>", SEARCH, "<ul>", *rows, "</ul>"])
    home = Step(page=Page(url="/", html=SEARCH), action=type_and_submit("search_input", query))
    return [home], Page(url=f"/search?q={query.replace(' ', '+')}", html=html)


def likeliest(
    history: list[Step], page: Page, persona: Persona = PLAIN, intent: Intent = RED_MUG
) -> tuple[Action, str]:
    best = max(choices(persona, intent, history, page), key=lambda choice: float(choice.probability[0]))
    return best.action, best.rationale


def situations(sessions: list[Session]) -> Iterator[tuple[Session, int]]:
    for session in sessions:
        for index in range(len(session.steps)):
            yield session, index


def test_every_persona_s_choices_sum_to_one_everywhere(sessions: list[Session], market: Market) -> None:
    crowd = persona_grid()
    assert np.isclose(crowd.prior.sum(), 1)
    for session, index in situations(sessions[:40]):
        facts = read_session(session.steps[:index], session.steps[index].page)
        for intent, _ in possible_intents(session.steps[0].action, market)[:3]:
            total = sum(choice.probability for choice in crowd_choices(crowd, intent, facts))
            assert np.allclose(total, 1)


def test_one_persona_alone_chooses_as_it_does_in_the_crowd(sessions: list[Session], market: Market) -> None:
    crowd = persona_grid()
    for session, index in situations(sessions[:10]):
        history, page = session.steps[:index], session.steps[index].page
        intent, _ = possible_intents(session.steps[0].action, market)[0]
        together = crowd_choices(crowd, intent, read_session(history, page))
        for place in (0, 77, len(crowd) - 1):
            alone = {
                (c.action, c.rationale): float(c.probability[0])
                for c in choices(crowd.personas[place], intent, history, page)
            }
            for choice in together:
                expected = alone.get((choice.action, choice.rationale), 0.0)
                assert float(choice.probability[place]) == pytest.approx(expected, abs=1e-12)


def test_intents_priors_sum_to_one(market: Market) -> None:
    assert sum(share for intents in market.by_noun.values() for _, share in intents) == pytest.approx(1)


def test_every_name_acted_on_stands_on_its_page(sessions: list[Session]) -> None:
    for session, index in situations(sessions):
        step = session.steps[index]
        if step.action.type != "terminate":
            assert f'name="{step.action.name}"' in step.page.html


def test_the_matching_title_is_clicked() -> None:
    page = results("red ceramic mug", "Ora Blue Ceramic Mug|$9.00|4.5", "Ora Red Ceramic Mug|$9.00|4.5")
    action, rationale = likeliest(*page)
    assert action == click("results.ora_red_ceramic_mug")
    assert "red ceramic mug" in rationale


def test_without_a_match_the_first_word_is_dropped() -> None:
    history, page = results("large red ceramic mug", "Ora Blue Ceramic Mug|$9.00|4.5")
    action, rationale = likeliest(
        history, page, intent=Intent("mug", ("large", "red", "ceramic"), "", 600, 2500)
    )
    assert action == type_and_submit("search_input", "red ceramic mug")
    assert rationale == "No result is a large red ceramic mug, so I search again without large."


def test_out_of_patience_nobody_searches_again() -> None:
    history, page = results("large red ceramic mug", "Ora Blue Ceramic Mug|$9.00|4.5")
    options = choices(PLAIN, RED_MUG, history * 3, page)
    assert [option.action.type for option in options] == ["terminate"]


def test_a_poor_rating_asks_for_the_best_and_a_high_price_for_cheap_ones() -> None:
    action, rationale = likeliest(*results("red ceramic mug", "Ora Red Ceramic Mug|$9.00|3.1"))
    assert action.text == "best red ceramic mug"
    assert "3.1 stars" in rationale
    action, rationale = likeliest(*results("red ceramic mug", "Ora Red Ceramic Mug|$24.99|4.5"))
    assert action.text == "cheap red ceramic mug"
    assert "$24.99" in rationale


def test_a_word_left_unspoken_is_added_when_no_title_has_it() -> None:
    action, rationale = likeliest(*results("red mug", "Ora Red Steel Mug|$9.00|4.5"))
    assert action.text == "red ceramic mug"
    assert "ceramic" in rationale


def test_rationales_name_what_is_done(sessions: list[Session]) -> None:
    for session, index in situations(sessions):
        step = session.steps[index]
        said = step.rationale or ""
        assert 6 <= len(said.split()) <= 26
        if step.action.type == "type_and_submit":
            assert "search" in said
        if step.action.type == "terminate":
            assert "leave" in said
        if (step.action.name or "").endswith("buy_now"):
            assert said.endswith("buy it now.")
        page = read_page(step.page.url, step.page.html)
        prices = [word.rstrip(",.") for word in said.split() if word.startswith("$")]
        if page.kind == "results":
            assert all(price in step.page.html for price in prices)


def test_a_purchase_is_what_the_personas_want(sessions: list[Session]) -> None:
    for session in sessions:
        if session.outcome == "purchase":
            bought = session.steps[-1].page
            facts = read_page(bought.url, bought.html)
            assert facts.kind in ("product", "checkout")
            if facts.kind == "product":
                assert facts.rating is not None and facts.rating >= 3.8  # the lower of the two floors


def test_reasons_for_turning_results_down_are_true(sessions: list[Session]) -> None:
    checked = 0
    for session, index in situations(sessions):
        step = session.steps[index]
        page = read_page(step.page.url, step.page.html)
        said = step.rationale or ""
        if page.kind != "results":
            continue
        wanted = set(page.query) - {"cheap", "best", "small", "medium", "large", "single", "pair", "set"}
        matches = [item for item in page.items if wanted - {"small", "large"} <= set(item.words)]
        if "stars is not good enough" in said:
            named = float(said.split()[0])
            assert named < 4.2  # the higher of the two floors
            assert any(item.rating == named for item in matches)
            checked += 1
        if said.startswith("$"):
            assert any(said.startswith(f"${item.price_cents / 100:,.2f}") for item in matches)
            checked += 1
        if said.startswith("No result is"):
            full = set(page.query) - {"cheap", "best"}
            assert not any(full <= set(item.words) for item in page.items)
            checked += 1
    assert checked > 30

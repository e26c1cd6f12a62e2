import asyncio
import random
from collections import Counter
from collections.abc import Sequence

import pytest
from tests.in_step import InStep

from shop_r1.drivers.in_process import HOME
from shop_r1.records.actions import LIVE, SHOP, Action, click, terminate, type_and_submit
from shop_r1.records.sessions import Page, Session, Step
from shop_r1.simulation.loop import Limits
from shop_r1.simulation.policies.random_policy import ALTERNATIVES_MAX, RandomPolicy

FORM = Page(
    url="https://my.shop/checkout",
    html="""<page>
<a name="header.home">Home</a> Search <input name="search_input" type="search">
<h1>Checkout</h1>
E-mail <input name="email" type="email"> First name <input name="first_name">
Password <input name="password" type="password"> Card number <input name="card_number">
Filled <input name="city" value="Bern">
<select name="country">
<option name="country.france">France</option>
<option name="country.italy">Italy</option>
</select>
<input type="checkbox" name="terms">
<button name="place_order" disabled>Place order</button>
<button name="continue">Continue</button>
<a name="footer.privacy">Privacy</a>
""",
)


def choices(
    policy: RandomPolicy, page: Page, history: Sequence[Step] = (), seed: int = 0
) -> dict[Action, float]:
    return dict(policy.choices(history, page, random.Random(seed)))


def done(action: Action, page: Page = FORM, error: str | None = None) -> Step:
    return Step(page=page, action=action, error=error)


def test_probabilities_sum_to_one_and_alternatives_are_the_likeliest() -> None:
    policy = RandomPolicy(LIVE)
    shares = choices(policy, FORM)
    assert sum(shares.values()) == pytest.approx(1)
    assert min(shares.values()) > 0
    step = asyncio.run(policy.act([], FORM, random.Random(0)))
    assert step.action in shares
    assert step.alternatives is not None
    found = [each.probability for each in step.alternatives]
    assert found == sorted(found, reverse=True)
    assert len(found) == min(ALTERNATIVES_MAX, len(shares))
    assert found[0] == pytest.approx(max(shares.values()), abs=1e-4)


def test_steps_are_drawn_by_their_probabilities() -> None:
    policy, drawn, draws = RandomPolicy(LIVE), Counter[str](), 4000
    rng = random.Random(1)
    wanted: dict[str, float] = {}
    for action, share in choices(policy, FORM).items():
        name = f"{action.type} {action.name}"
        wanted[name] = wanted.get(name, 0.0) + share
    for _ in range(draws):
        action = asyncio.run(policy.act([], FORM, rng)).action
        drawn[f"{action.type} {action.name}"] += 1
    # Four standard deviations of a share of 4,000 draws are at most 4 * sqrt(0.25 / 4000) = 0.032.
    assert all(abs(drawn[name] / draws - share) < 0.032 for name, share in wanted.items())
    assert set(drawn) <= set(wanted)


def test_a_form_is_filled_in_with_harmless_values_and_secrets_only_from_the_profile() -> None:
    inputs = {
        action.name: action.text for action in choices(RandomPolicy(LIVE), FORM) if action.type == "input"
    }
    assert inputs == {"email": "sam.shopper@example.com", "first_name": "Sam"}
    known = RandomPolicy(LIVE, typed=["email", "password"])
    inputs = {action.name: action.text for action in choices(known, FORM) if action.type == "input"}
    assert inputs == {"email": "{{email}}", "first_name": "Sam", "password": "{{password}}"}
    selects = {
        action.text
        for seed in range(20)
        for action in choices(known, FORM, (), seed)
        if action.type == "select"
    }
    assert selects == {"France", "Italy"}


def test_what_is_disabled_failed_or_done_is_not_chosen_again() -> None:
    policy = RandomPolicy(LIVE)
    first = choices(policy, FORM)
    assert click("continue") in first
    assert not any(action.name == "place_order" for action in first)
    history = [
        done(click("continue"), error="it is covered"),
        done(Action(type="input", name="email", text="sam.shopper@example.com")),
    ]
    later = choices(policy, FORM, history)
    assert click("continue") not in later
    assert not any(action.type == "input" and action.name == "email" for action in later)
    elsewhere = FORM.model_copy(update={"url": "https://my.shop/other"})
    assert click("continue") in choices(policy, elsewhere, history)


def test_the_papers_space_has_clicks_searches_and_leaving_alone() -> None:
    history = [done(click("header.home"))] * 6
    assert {action.type for action in choices(RandomPolicy(SHOP), FORM, history)} == {
        "click",
        "type_and_submit",
        "terminate",
    }


def test_the_query_is_searched_for_first_and_footers_draw_little() -> None:
    assert choices(RandomPolicy(LIVE, "red mug"), FORM) == {type_and_submit("search_input", "red mug"): 1.0}
    shares = choices(RandomPolicy(LIVE), FORM)
    assert shares[click("continue")] > 5 * shares[click("footer.privacy")]


def test_the_query_is_searched_for_once_on_the_first_page_that_has_a_search() -> None:
    policy, search = RandomPolicy(LIVE, "red mug"), type_and_submit("search_input", "red mug")
    welcome = Page(url="https://my.shop/", html='<page><a name="enter">Enter</a>')
    assert set(choices(policy, welcome)) == {click("enter"), Action(type="scroll")}
    assert choices(policy, FORM, [done(click("enter"), welcome)]) == {search: 1.0}
    assert click("continue") in choices(policy, FORM, [done(click("enter"), welcome), done(search)])


def test_what_is_typed_goes_by_whole_words_of_a_fields_name() -> None:
    names = ("customer_name", "store_note", "price_min", "price_from", "maximum", "price_to", "full_name")
    page = Page(url=HOME, html="<page>" + "\n".join(f'<input name="{name}">' for name in names))
    typed = {each.name: each.text for each in choices(RandomPolicy(LIVE), page) if each.type == "input"}
    numbers = {"price_min": "10", "price_from": "10", "maximum": "50", "price_to": "50"}
    people = {"customer_name": "Sam Shopper", "full_name": "Sam Shopper"}
    assert typed == numbers | people | {"store_note": "test"}


def test_a_page_with_nothing_on_it_is_left() -> None:
    empty = Page(html="<page>\nMaintenance\n")
    assert choices(RandomPolicy(LIVE), empty) == {terminate(): 1.0}


def test_random_shoppers_wander_through_the_built_in_store(driver: InStep) -> None:
    policy = RandomPolicy(SHOP)
    sessions: list[Session] = [driver.visit(policy, key, Limits(max_steps=15)) for key in range(40)]
    assert sessions[:3] == [driver.visit(policy, key, Limits(max_steps=15)) for key in range(3)]
    steps = [step for session in sessions for step in session.steps]
    errors = [step.error for step in steps if step.error]
    assert len(errors) < 0.02 * len(steps), errors[:3]
    kinds = {step.page.url.removeprefix(HOME).partition("/")[0].partition("?")[0] for step in steps}
    assert {"", "search", "product"} <= kinds
    outcomes = Counter(session.outcome for session in sessions)
    assert outcomes["terminate"] and outcomes["purchase"]
    assert outcomes["error"] == 0
    # A shopper leaves from its third step on, more likely with each: by hand, some 8 steps on average.
    assert 4 < sum(len(session.steps) for session in sessions) / len(sessions) < 13


def test_a_list_that_opens_by_a_click_is_clicked_and_a_field_is_filled() -> None:
    page = Page(
        url="https://shop.example/checkout",
        html='<page><button name="country" role="combobox" collapsed>Country</button>\n<input name="city">',
    )
    done = {(action.type, action.name) for action in choices(RandomPolicy(LIVE), page) if action.name}
    assert done == {("click", "country"), ("input", "city")}


def test_what_is_searched_for_are_words_of_things_where_a_page_has_any() -> None:
    page = Page(
        url="https://my.shop/",
        html="""<page>
Search <input name="search_input" type="search"> <button name="search.go">Go</button>
<a name="menu.kitchen">Kitchen</a> <a name="footer.help">Help</a>
<ul>
<li><a name="popular.red_mug">Red Mug</a>
<li><a name="popular.blue_lamp">Blue Lamp</a>
</ul>
""",
    )
    policy = RandomPolicy(LIVE)
    found = {
        action.text
        for seed in range(40)
        for action in choices(policy, page, (), seed)
        if action.type == "type_and_submit"
    }
    assert found == {"mug", "red mug", "lamp", "blue lamp"}
    shares = choices(policy, page)
    assert shares[click("popular.red_mug")] > 5 * shares[click("search.go")]

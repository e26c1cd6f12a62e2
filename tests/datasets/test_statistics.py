import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny import BUY, LEAVE, LOOK, SEARCH, make_session, make_sessions

from shop_r1.datasets.duplicates import Sketch, sketch_session
from shop_r1.datasets.statistics import (
    Measure,
    Statistics,
    Tally,
    find_leaks,
    measure_spread,
    remember_lines,
)
from shop_r1.pages.tokens import estimate_tokens
from shop_r1.prompts.render import PromptConfig, render_completion, render_prompt
from shop_r1.records.actions import SHOP
from shop_r1.records.sessions import Page, Session, Step


def sketch(sessions: list[Session]) -> list[Sketch]:
    return list(map(sketch_session, sessions))


def describe(
    sessions: list[Session], max_tokens: int = 32768, max_completion_length: int = 256
) -> Statistics:
    prompt = PromptConfig(max_tokens=max_tokens, max_completion_length=max_completion_length)
    tally, measure = Tally(prompt), Measure(estimate_tokens, prompt)
    for session in sessions:
        tally.add(measure(session))
    return tally.describe("s.jsonl", "estimate", {})


def test_sessions_steps_and_actions_are_counted() -> None:
    sessions = [*make_sessions(), make_session("ann-1", SEARCH, user="ann"), make_session("ann-2", SEARCH)]
    sessions[-1] = sessions[-1].model_copy(update={"user_id": "ann", "outcome": "purchase"})
    found = describe(sessions)
    assert (found.sessions, found.users, found.without_user, found.steps) == (6, 1, 4, 3 + 3 + 4 + 2 + 1 + 1)
    assert found.first_actions == {"type_and_submit": 6}
    assert found.later_actions == {"click": 4, "terminate": 3, "type_and_submit": 1}
    assert found.actions == {"type_and_submit": 7, "click": 4, "terminate": 3}
    assert found.outcomes == {"unknown": 5, "purchase": 1}
    assert (found.sources, found.rationales, found.repeated_ids) == ({"log": 6}, 14, 0)


def test_no_rationale_and_a_repeated_id_are_counted() -> None:
    silent = SEARCH.model_copy(update={"rationale": None})
    found = describe([make_session("a", silent, LOOK), make_session("a", silent)])
    assert (found.rationales, found.repeated_ids) == (1, 1)


def test_lengths_are_those_of_the_prompts_and_completions_that_a_model_gets() -> None:
    session = make_session("a", SEARCH, LOOK, BUY)
    found = describe([session])
    prompt = render_prompt(session, 2, SHOP, PromptConfig(), estimate_tokens)
    completions = [render_completion(step.rationale or "", step.action) for step in session.steps]
    assert prompt.tokens is not None
    assert found.spreads["prompt_tokens"].most == prompt.tokens
    assert found.spreads["session_tokens"].most == prompt.tokens + sum(map(estimate_tokens, completions))
    pages = [estimate_tokens(step.page.html) for step in session.steps]
    assert (found.spreads["page_tokens"].n, found.spreads["page_tokens"].most) == (3, max(pages))


def test_the_budget_is_held_against_every_prompt() -> None:
    html = "<page>\n" + "".join(f'<a name="mug_{row}">Mug {row}</a>\n' for row in range(100))
    step = Step(page=Page(html=html), action=LOOK.action)
    sessions = [make_session("long", *[step] * 6), make_session("short", SEARCH, LEAVE)]
    room = describe(sessions[:1]).spreads["prompt_tokens"].most // 2
    config = PromptConfig(max_tokens=room + 256)
    prompts = [
        render_prompt(each, at, SHOP, config, estimate_tokens)
        for each in sessions
        for at in range(len(each.steps))
    ]
    found = describe(sessions, config.max_tokens).budget
    assert found.prompts == len(prompts) == 8
    assert found.over == sum(bool(each.pages_cut) for each in prompts) > 2
    assert found.pages_left_out == sum(each.pages_cut for each in prompts)
    assert (found.pages_shortened, found.impossible) == (0, 0)
    system = estimate_tokens(prompts[0].messages[0]["content"])
    tight = describe(sessions[:1], system + 32 + 256 + 500).budget
    assert (tight.over, tight.pages_shortened) == (6, 6)
    assert describe(sessions[:1], 300).budget.impossible == 6


def test_percentiles_are_lengths_that_occur() -> None:
    spread = measure_spread([1] * 50 + [10] * 40 + [100] * 9 + [1000])
    # 50 of 100 are not above 1, 90 not above 10, 99 not above 100.
    assert (spread.median, spread.p90, spread.p99, spread.most) == (1, 10, 100, 1000)
    assert spread.mean == pytest.approx((50 + 400 + 900 + 1000) / 100)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(alphabet='ab \n\r<>=".,!9é红🙂', max_size=80))
def test_counting_by_lines_changes_no_count(text: str) -> None:
    assert remember_lines(estimate_tokens)(text) == estimate_tokens(text)


def test_a_file_against_itself_shares_everything_and_against_another_nothing() -> None:
    mine = sketch([make_session("a", SEARCH, LOOK, user="ann"), make_session("b", SEARCH, user="bob")])
    same = find_leaks(mine, mine, "same")
    assert (same.sessions, same.same_id, same.same_user, same.exact, same.near) == (2, 2, 2, 2, 0)
    other = find_leaks(mine, sketch([make_session("c", LOOK, user="cy"), make_session("d", LEAVE)]), "other")
    assert (other.same_id, other.same_user, other.exact, other.near) == (0, 0, 0, 0)
    partly = find_leaks(mine, sketch([make_session("a", LEAVE, user="bob")]), "partly")
    assert (partly.same_id, partly.same_user, partly.exact) == (1, 1, 0)


def test_sessions_without_users_share_none() -> None:
    mine, other = sketch([make_session("a", SEARCH)]), sketch([make_session("b", LOOK)])
    assert find_leaks(mine, other, "other").same_user == 0


def test_the_tally_holds_no_page() -> None:
    tally, measure = Tally(PromptConfig()), Measure(estimate_tokens, PromptConfig())
    for session in make_sessions():
        tally.add(measure(session))
    kept = pickle.dumps([tally.sketches, tally.steps, tally.page_tokens, tally.prompt_tokens])
    assert b"Red mug" not in kept

"""The test steps: the paper's mix of types, as many as there are."""

from collections import Counter

import pytest

from shop_r1.cli.reproduction.test_set import draw_test_steps
from shop_r1.errors import DataError
from shop_r1.records.actions import Action
from shop_r1.records.sessions import Page, Session, Step

ACTIONS = {
    "click": Action(type="click", name="results.red_mug"),
    "type_and_submit": Action(type="type_and_submit", name="search_input", text="red mug"),
    "terminate": Action(type="terminate"),
}


def sessions_with(**counts: int) -> list[Session]:
    """Return sessions of a first step, which is never predicted, and one more of each type so often."""
    page = Page(url="http://shop/", html="<p>mugs</p>")
    first = Step(page=page, action=ACTIONS["type_and_submit"])
    return [
        Session(session_id=f"{name}-{number}", steps=(first, Step(page=page, action=ACTIONS[name])))
        for name, count in counts.items()
        for number in range(count)
    ]


def types(sessions: list[Session], most: int, seed: int = 0) -> Counter[str]:
    return Counter(each.taken.action.type for each in draw_test_steps(sessions, most, seed))


def test_the_scarcest_type_sets_the_number_of_the_others() -> None:
    sessions = sessions_with(click=400, type_and_submit=100, terminate=200)
    # 690 : 677 : 512 with 100 queries is 100 * 690 / 677 = 101.9 clicks and 75.6 times terminate.
    assert types(sessions, 10_000) == {"click": 102, "type_and_submit": 100, "terminate": 76}


def test_no_more_steps_are_drawn_than_asked_for() -> None:
    sessions = sessions_with(click=400, type_and_submit=400, terminate=400)
    # 188 steps: a tenth of the paper's 1,879.
    assert types(sessions, 188) == {"click": 69, "type_and_submit": 68, "terminate": 51}


def test_steps_come_in_the_order_of_their_sessions_and_depend_on_the_seed() -> None:
    sessions = sessions_with(click=50, type_and_submit=50, terminate=50)
    drawn = [[each.session.session_id for each in draw_test_steps(sessions, 60, seed)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    order = [session.session_id for session in sessions]
    assert drawn[0] == sorted(drawn[0], key=order.index)
    assert all(each.step == 1 for each in draw_test_steps(sessions, 60, 1))


def test_a_type_that_never_occurs_is_an_error() -> None:
    with pytest.raises(DataError, match="no held-out session has a terminate to predict"):
        draw_test_steps(sessions_with(click=5, type_and_submit=5), 10, 0)

import random
from collections.abc import Sequence

import numpy as np
import pytest
from tests.tiny import make_session

from shop_r1.datasets.duplicates import (
    NEAR,
    Groups,
    Sketch,
    count_duplicates,
    count_leaks,
    digest_session,
    sign_session,
    similar_pairs,
    sketch_session,
)
from shop_r1.records.actions import click
from shop_r1.records.sessions import Page, Session, Step


def page_session(name: str, lines: Sequence[str], target: str = "a") -> Session:
    return make_session(name, Step(page=Page(html="\n".join(lines)), action=click(target)))


def lines(*numbers: range) -> list[str]:
    return [f"<li>line {number}" for some in numbers for number in some]


def sketch(sessions: Sequence[Session]) -> list[Sketch]:
    return list(map(sketch_session, sessions))


def near_pairs(sessions: Sequence[Session]) -> set[frozenset[str]]:
    sketches = sketch(sessions)
    return {frozenset(sessions[place].session_id for place in pair) for pair in similar_pairs(sketches)}


def test_ids_rationales_addresses_and_blanks_make_no_difference_to_a_digest() -> None:
    one = page_session("a", ["<page>", "Red  mug"])
    step = one.steps[0]
    other = Session(
        session_id="b",
        user_id="u",
        outcome="purchase",
        steps=(Step(page=Page(url="/x", html="<page>\n\tRed mug "), action=step.action, rationale="So."),),
    )
    assert digest_session(one) == digest_session(other)
    assert digest_session(page_session("a", ["<page>", "Red mug"], "b")) != digest_session(one)
    twice = make_session("c", step, step)
    assert len({digest_session(each) for each in (one, twice, make_session("d", *twice.steps, step))}) == 3


@pytest.mark.parametrize(("shared", "own"), [(190, 10), (900, 20), (100, 100), (300, 100), (50, 0)])
def test_signatures_agree_as_often_as_the_sets_of_lines_overlap(shared: int, own: int) -> None:
    one = sign_session(page_session("a", lines(range(shared), range(1000, 1000 + own))))
    other = sign_session(page_session("b", lines(range(shared), range(2000, 2000 + own))))
    jaccard = shared / (shared + 2 * own)
    # Four standard errors of a mean of 128 draws.
    assert abs((one == other).mean() - jaccard) <= 4 * np.sqrt(jaccard * (1 - jaccard) / 128)


def test_the_same_pages_with_other_actions_are_no_near_duplicates() -> None:
    shown = lines(range(200))
    assert near_pairs([page_session("a", shown, "x"), page_session("b", shown, "y")]) == set()


def test_pages_of_a_few_other_lines_are_near_duplicates() -> None:
    sessions = [
        page_session("one", lines(range(200))),
        page_session("two", lines(range(2, 202))),  # 198 of 202 lines: 0.98
        page_session("far", lines(range(50, 250))),  # 150 of 250: 0.6
        page_session("else", lines(range(500, 700))),
    ]
    assert near_pairs(sessions) == {frozenset(("one", "two"))}


def test_pairs_are_found_like_a_comparison_of_all_with_all() -> None:
    rng = random.Random(5)
    sessions = []
    for family in range(12):
        base = lines(range(1000 * family, 1000 * family + 150))
        for member in range(4):
            changed = list(base)
            for place in rng.sample(range(150), rng.choice((1, 1, 2, 30, 60))):
                changed[place] += f" changed {member}"
            sessions.append(page_session(f"{family}-{member}", changed))
    sets = {each.session_id: set(each.steps[0].page.html.split("\n")) for each in sessions}
    found = near_pairs(sessions)
    sure = 0
    for one, mine in sets.items():
        for other, theirs in sets.items():
            jaccard = len(mine & theirs) / len(mine | theirs)
            if one < other and abs(jaccard - NEAR) > 0.06:  # beyond what the estimate can err
                assert (frozenset((one, other)) in found) == (jaccard > NEAR)
                sure += jaccard > NEAR
    assert sure > 5


def test_a_hundred_that_are_alike_are_one_group() -> None:
    sessions = [page_session(f"s{n}", [*lines(range(300)), f"<li>only {n}"]) for n in range(150)]
    found = count_duplicates(sketch(sessions))
    assert (found.exact, found.near, found.near_groups) == (0, 150, 1)


def test_duplicates_are_counted_exact_apart_from_near() -> None:
    sessions = [
        page_session("a", lines(range(100))),
        page_session("b", lines(range(100))),
        page_session("c", lines(range(1, 101))),
        page_session("d", lines(range(300, 400))),
        page_session("e", lines(range(300, 400))),
    ]
    found = count_duplicates(sketch(sessions))
    # b repeats a, and e repeats d; a (with b) and c are nearly alike.
    assert (found.exact, found.near, found.near_groups) == (2, 2, 1)
    assert count_duplicates(sketch(sessions[::-1])) == found


def test_leaks_are_counted_in_this_files_sessions() -> None:
    mine = [page_session(f"m{n}", lines(range(100))) for n in range(2)]
    mine += [page_session("n", lines(range(501, 601))), page_session("o", lines(range(900, 1000)))]
    theirs = [page_session("t", lines(range(100))), page_session("u", lines(range(500, 600)))]
    assert count_leaks(sketch(mine), sketch(theirs)) == (2, 1)
    assert count_leaks(sketch(theirs), sketch(mine)) == (1, 1)
    assert count_leaks(sketch(mine[3:]), sketch(theirs)) == (0, 0)
    # Who has both an exact and a near duplicate there is counted once, as exact.
    both = [page_session("t", lines(range(100))), page_session("u", lines(range(1, 101)))]
    assert count_leaks(sketch(mine[:1]), sketch(both)) == (1, 0)


def test_a_page_without_lines_and_no_sessions_at_all_are_no_trouble() -> None:
    assert count_duplicates(sketch([page_session("a", [""]), page_session("b", ["x"])])).near == 0
    assert list(similar_pairs([])) == []


def test_groups_hang_together_through_others() -> None:
    groups = Groups(6)
    groups.join(0, 3)
    groups.join(3, 5)
    groups.join_equal([None, b"k", b"k", None, None, None])
    found = [groups.find(place) for place in range(6)]
    assert found[0] == found[3] == found[5]
    assert found[1] == found[2]
    assert len(set(found)) == 3

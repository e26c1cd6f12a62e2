from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest
from tests.tiny import AGAIN, BUY, LEAVE, LOOK, SEARCH, make_session

from shop_r1.datasets.examples import (
    Example,
    ExampleSet,
    balance_examples,
    count_types,
    example_outlines,
    list_examples,
    read_examples,
    renderer,
)
from shop_r1.datasets.parquet import ParquetSessions
from shop_r1.datasets.session_files import write_sessions
from shop_r1.errors import DataError
from shop_r1.jsonl import write_records
from shop_r1.models.checkpoint import LocalModel
from shop_r1.models.prefix_tree import common_prefix
from shop_r1.prompts.render import PromptConfig
from shop_r1.records.sessions import ExampleRef, Session


def test_each_step_after_the_first_is_an_example(tiny_sessions: list[Session]) -> None:
    found = [
        (each.session.session_id, each.step, each.taken.action.type)
        for each in list_examples(tiny_sessions[:2])
    ]
    assert found == [
        ("buys", 1, "click"),
        ("buys", 2, "click"),
        ("leaves", 1, "click"),
        ("leaves", 2, "terminate"),
    ]
    assert len(list_examples(tiny_sessions, first_step=0)) == 3 + 3 + 4 + 2


# -- from Parquet -----------------------------------------------------------------------------------------


def stored(tmp_path: Path, sessions: Sequence[Session]) -> ParquetSessions:
    path = tmp_path / "sessions.parquet"
    write_sessions(path, sessions)
    return ParquetSessions(path)


@pytest.mark.parametrize("first_step", [0, 1, 2, 3, 9])
def test_the_examples_of_parquet_are_those_of_the_list(
    tmp_path: Path, tiny_sessions: list[Session], first_step: int
) -> None:
    listed = list_examples(tiny_sessions, first_step)
    lazy = list_examples(stored(tmp_path, tiny_sessions), first_step)
    assert isinstance(lazy, ExampleSet) and len(lazy) == len(listed)
    assert list(lazy) == list(listed)
    assert list(example_outlines(lazy)) == list(example_outlines(listed))
    assert count_types(lazy) == count_types(listed)
    assert list(lazy[1:3]) == list(listed[1:3])
    with pytest.raises(IndexError):
        lazy[len(lazy)]


@pytest.mark.parametrize("seed", [0, 7])
def test_parquet_is_balanced_as_the_list_is(tmp_path: Path, seed: int) -> None:
    examples = make_examples(60, 45, 20)
    found = stored(tmp_path, [each.session for each in examples])
    chosen = balance_examples(list_examples(found), 1.1, seed)
    assert list(chosen) == list(balance_examples(examples, 1.1, seed))
    assert isinstance(chosen, ExampleSet)


def test_choosing_and_counting_read_no_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = stored(tmp_path, [each.session for each in make_examples(9, 9, 9)])

    def refuse(*_: object) -> None:
        raise AssertionError("a session was read")

    monkeypatch.setattr(ParquetSessions, "_read_session", refuse)
    monkeypatch.setattr(found, "_session", refuse)
    chosen = balance_examples(list_examples(found), 1.0, seed=0)
    assert count_types(chosen) == {"click": 9, "type_and_submit": 9, "terminate": 9}
    refs = tmp_path / "refs.jsonl"
    write_records(refs, [ExampleRef(session_id="s3", step=1), ExampleRef(session_id="s20", step=1)])
    assert len(read_examples(refs, found)) == 2


@pytest.mark.parametrize("lazily", [False, True])
def test_examples_are_read_by_session_and_step_in_the_files_order(
    tmp_path: Path, tiny_sessions: list[Session], lazily: bool
) -> None:
    sessions = stored(tmp_path, tiny_sessions) if lazily else tiny_sessions
    refs = tmp_path / "refs.jsonl"
    wanted = [("leaves", 2), ("buys", 1), ("leaves", 2)]
    write_records(refs, [ExampleRef(session_id=name, step=step) for name, step in wanted])
    assert list(read_examples(refs, sessions)) == [
        Example(tiny_sessions[1], 2),
        Example(tiny_sessions[0], 1),
        Example(tiny_sessions[1], 2),
    ]


def test_an_id_that_two_sessions_have_is_refused(tmp_path: Path, tiny_sessions: list[Session]) -> None:
    refs = tmp_path / "refs.jsonl"
    write_records(refs, [ExampleRef(session_id="leaves", step=1), ExampleRef(session_id="buys", step=1)])
    with pytest.raises(DataError, match=r"refs\.jsonl:2: .* but 2 sessions have that id"):
        read_examples(refs, [tiny_sessions[0], *tiny_sessions])


def test_a_ratio_of_zero_takes_every_step_as_it_is() -> None:
    examples = make_examples(3, 0, 0)
    assert balance_examples(examples, 0, seed=1) == examples


# -- balancing --------------------------------------------------------------------------------------------


def make_examples(clicks: int, searches: int, leaves: int) -> list[Example]:
    steps = [LOOK] * clicks + [AGAIN] * searches + [LEAVE] * leaves
    return [Example(make_session(f"s{row}", SEARCH, step), 1) for row, step in enumerate(steps)]


@pytest.mark.parametrize("counts", [(300, 250, 100), (120, 500, 400), (500, 60, 400), (110, 110, 100)])
@pytest.mark.parametrize("type_ratio", [1.1, 1.0, 2.0])
def test_the_other_types_are_type_ratio_times_as_frequent_as_terminate(
    counts: tuple[int, int, int], type_ratio: float
) -> None:
    examples = make_examples(*counts)
    chosen = balance_examples(examples, type_ratio, seed=0)
    assert len({each.session.session_id for each in chosen}) == len(chosen)  # none twice
    found = count_types(chosen)
    # The scarcest type, after weighting, gives the unit: no larger balanced sample could be drawn.
    weights = {
        "click": Fraction(str(type_ratio)),
        "type_and_submit": Fraction(str(type_ratio)),
        "terminate": Fraction(1),
    }
    unit = min(Fraction(count) / weight for count, weight in zip(counts, weights.values(), strict=True))
    for name, weight in weights.items():
        assert abs(found[name] - unit * weight) <= Fraction(1, 2)


def test_balancing_is_seeded_and_shuffled() -> None:
    examples = make_examples(60, 60, 20)
    chosen = balance_examples(examples, 1.1, seed=4)
    assert chosen == balance_examples(examples, 1.1, seed=4)
    assert chosen != balance_examples(examples, 1.1, seed=5)
    types = [each.taken.action.type for each in chosen]
    assert types != sorted(types)
    assert Counter(types) == count_types(chosen)


def test_balancing_needs_a_session_that_terminates() -> None:
    with pytest.raises(DataError, match="no session terminates"):
        balance_examples(make_examples(5, 5, 0), 1.1, seed=0)


# -- prompts ----------------------------------------------------------------------------------------------


def test_a_steps_prompt_is_the_beginning_of_the_nexts(tiny_model: LocalModel) -> None:
    session = make_session("long", SEARCH, AGAIN, LOOK, BUY)
    render = renderer(tiny_model, PromptConfig())
    rendered = [render(Example(session, step)) for step in range(4)]
    opening = tiny_model.tokenizer("<|im_end|>\n<|im_start|>assistant\n")["input_ids"]
    for now, after in pairwise(rendered):
        assert after.prompt.messages[0] == now.prompt.messages[0]
        assert after.prompt.messages[1]["content"].startswith(now.prompt.messages[1]["content"])
        # In tokens as well: all of the prompt but what opens the completion, and the newline before that,
        # which may have merged with its neighbours.
        assert common_prefix(now.ids, after.ids) >= len(now.ids) - len(opening) - 1
    assert tiny_model.tokenizer.decode(rendered[0].ids).endswith("<|im_start|>assistant\n")


def test_pages_are_counted_once() -> None:
    counted: list[str] = []

    class Counting:
        def prompt_ids(self, messages: object, options: object) -> list[int]:
            return [1]

        def completion_ids(self, completion: str) -> list[int]:
            return [1]

        def count_tokens(self, text: str) -> int:
            counted.append(text)
            return len(text)

    render = renderer(cast("LocalModel", Counting()), PromptConfig())
    session = make_session("long", SEARCH, LOOK, BUY)
    for step in (0, 1, 2, 2, 1, 0):
        render(Example(session, step))
    assert len(counted) == len(set(counted))

from collections import Counter
from pathlib import Path

import pytest
from tests.tiny import AGAIN, LEAVE, LOOK, SEARCH, make_session

from shop_r1.datasets.balance import Method, draw_balanced, type_weights
from shop_r1.datasets.examples import balance_examples, list_examples, read_examples
from shop_r1.datasets.session_files import open_sessions
from shop_r1.errors import DataError
from shop_r1.jsonl import write_records
from shop_r1.records.sessions import ExampleRef, Session

METHODS: tuple[Method, ...] = ("undersample", "resample")


def by_type(clicks: int, searches: int, leaves: int) -> dict[str, list[tuple[str, int]]]:
    counts = {"click": clicks, "type_and_submit": searches, "terminate": leaves}
    return {name: [(name, number) for number in range(count)] for name, count in counts.items()}


@pytest.mark.parametrize("counts", [(300, 250, 100), (120, 500, 400), (7, 60, 400)])
def test_resampling_loses_nothing_and_repeats_evenly(counts: tuple[int, int, int]) -> None:
    chosen = Counter(draw_balanced(by_type(*counts), 1.1, seed=0, method="resample"))
    assert len(chosen) == sum(counts)
    found: Counter[str] = Counter()
    for (name, _), times in chosen.items():
        found[name] += times
    # The most frequent type, after weighting, gives the unit; it alone is not repeated.
    unit = max(counts[0] / 1.1, counts[1] / 1.1, counts[2])
    assert found == {
        "click": round(1.1 * unit),
        "type_and_submit": round(1.1 * unit),
        "terminate": round(unit),
    }
    for name in found:
        repeats = [number for (kind, _), number in chosen.items() if kind == name]
        assert max(repeats) - min(repeats) <= 1


def test_a_sample_is_seeded() -> None:
    for method in METHODS:
        one, same, other = (draw_balanced(by_type(60, 60, 20), 1.1, seed, method) for seed in (4, 4, 5))
        assert one == same != other


def test_there_must_be_something_to_measure_by() -> None:
    for found in (by_type(5, 5, 0), {"click": [1]}):
        with pytest.raises(DataError, match="no session terminates"):
            draw_balanced(found, 1.1, 0, "resample")


def write_visits(folder: Path) -> tuple[Path, list[Session]]:
    sessions = [make_session(f"s{n}", SEARCH, LOOK, *([AGAIN] * (n % 3)), LEAVE) for n in range(30)]
    write_records(folder / "s.jsonl", sessions)
    return folder / "s.jsonl", sessions


def test_a_file_of_examples_is_what_training_would_choose_by_itself(tmp_path: Path) -> None:
    path, sessions = write_visits(tmp_path)
    chosen = balance_examples(list_examples(open_sessions(path)), 1.1, seed=3)
    refs = [ExampleRef(session_id=each.session.session_id, step=each.step) for each in chosen]
    write_records(tmp_path / "rl.jsonl", refs)
    assert read_examples(tmp_path / "rl.jsonl", sessions) == balance_examples(list_examples(sessions), 1.1, 3)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"session_id": "x", "step": 1}', r"rl\.jsonl:2: names step 1 of session 'x', but there is no such"),
        ('{"session_id": "s0", "step": 3}', "but it has steps 0 to 2"),
        ('{"session_id": "s0", "step": -1}', r"rl\.jsonl:2: step: "),
        ('{"session_id": "s0"}', "step: is missing"),
    ],
)
def test_an_example_that_is_not_there_is_named(tmp_path: Path, line: str, problem: str) -> None:
    _, sessions = write_visits(tmp_path)
    (tmp_path / "rl.jsonl").write_text('{"session_id": "s0", "step": 1}\n' + line)
    with pytest.raises(DataError, match=problem):
        read_examples(tmp_path / "rl.jsonl", sessions)
    (tmp_path / "rl.jsonl").write_text("\n")
    with pytest.raises(DataError, match="holds no examples"):
        read_examples(tmp_path / "rl.jsonl", sessions)


def test_weights_bring_types_to_the_ratio_and_keep_the_whole() -> None:
    counts = {"click": 880, "type_and_submit": 70, "terminate": 50}
    weights = type_weights(counts, 1.1)
    whole = {name: weights[name] * counts[name] for name in counts}
    assert whole["click"] == pytest.approx(1.1 * whole["terminate"])
    assert whole["type_and_submit"] == pytest.approx(1.1 * whole["terminate"])
    assert sum(whole.values()) == pytest.approx(1000)
    assert weights["terminate"] == pytest.approx(1000 / 3.2 / 50)
    with pytest.raises(DataError, match="no session terminates"):
        type_weights({"click": 3, "terminate": 0}, 1.1)

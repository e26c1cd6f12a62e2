import json
from pathlib import Path

import pytest

from shop_r1.errors import DataError
from shop_r1.prompts.parse import parse_response
from shop_r1.prompts.render import render_completion
from shop_r1.records.actions import SHOP, Action, click, terminate, type_and_submit
from shop_r1.rewards.action import ActionRewardConfig
from shop_r1.rewards.total import (
    PARTS,
    RewardConfig,
    score_completion,
    score_lines,
    score_response,
)

SHARED_CASES = Path(__file__).resolve().parents[3] / "shared" / "data" / "score_cases.jsonl"
PAPER = RewardConfig()
LAMP = click("results.desk_lamp")


def score(
    response: str | None, target: Action, certainty: float | None = 0.0, config: RewardConfig = PAPER
) -> list[float]:
    """Return format, type, attribute, value, rationale, total."""
    scored = score_completion(response, target, SHOP, config, certainty)
    return [getattr(scored, part) for part in (*PARTS, "total")]


def completion(action: str, rationale: str = "I like it.") -> str:
    return f'{{"rationale": "{rationale}", "action": {action}}}'


SEARCH = type_and_submit("nav.search", "small desk lamp")

CASES: list[tuple[str | None, Action, float | None, list[float]]] = [
    # Everything right: .5 + .3 + .2 + 1000 · 1 + .005 · 20.
    (
        completion('{"type": "click", "name": "results.desk_lamp"}'),
        LAMP,
        20.0,
        [0.5, 0.3, 0.2, 1000, 0.1, 1001.1],
    ),
    # results desk lamp / results floor lamp: 2 of 3 words, below the floor.
    (completion('{"type": "click", "name": "results.floor_lamp"}'), LAMP, 0.0, [0.5, 0.3, 0.2, 0, 0, 1.0]),
    # One word too many: 2·3 / (3 + 4) = 6/7.
    (
        completion('{"type": "click", "name": "results.desk_lamp_2"}'),
        LAMP,
        None,
        [0.5, 0.3, 0.2, 6000 / 7, 0, 1 + 6000 / 7],
    ),
    # A missing name costs attribute and value, not the format.
    (completion('{"type": "click"}'), LAMP, 10.0, [0.5, 0.3, 0, 0, 0.05, 0.85]),
    # The wrong type keeps format and rationale: .5 + .005 · 4.
    (completion('{"type": "terminate"}'), LAMP, 4.0, [0.5, 0, 0, 0, 0.02, 0.52]),
    # No rationale is in format, and whatever was measured for it counts.
    (completion('{"type": "terminate"}', rationale=""), terminate(), 2.0, [0.5, 0.3, 0, 0, 0.01, 0.81]),
    # The input right and the text half right (small lamp: 2·2 / (2 + 3) = 0.8): .1 · 1 + 1000 · .8.
    (
        completion('{"type": "type_and_submit", "name": "nav.search", "text": "small lamp"}'),
        SEARCH,
        0.0,
        [0.5, 0.3, 0.2, 800.1, 0, 801.1],
    ),
    # The text right in other letters, the input half right (1 of 2 words): 1000 · 1.
    (
        completion('{"type": "type_and_submit", "name": "nav.menu", "text": "Small DESK lamp"}'),
        SEARCH,
        0.0,
        [0.5, 0.3, 0.2, 1000, 0, 1001],
    ),
    # Out of format: a field that the type does not have, text around, a fence, an unknown type, no
    # completion.
    (completion('{"type": "terminate", "name": "x"}'), terminate(), 9.0, [0.0] * 6),
    ("So: " + completion('{"type": "terminate"}'), terminate(), 9.0, [0.0] * 6),
    ("```\n" + completion('{"type": "terminate"}') + "\n```", terminate(), 9.0, [0.0] * 6),
    (completion('{"type": "drag", "name": "x"}'), LAMP, 9.0, [0.0] * 6),
    (None, LAMP, 9.0, [0.0] * 6),
]


@pytest.mark.parametrize(("response", "target", "certainty", "expected"), CASES)
def test_completions_worked_out_by_hand(
    response: str | None, target: Action, certainty: float | None, expected: list[float]
) -> None:
    assert score(response, target, certainty) == pytest.approx(expected, abs=1e-9)


@pytest.mark.skipif(not SHARED_CASES.exists(), reason="the shared cases are not beside this clone")
def test_the_shared_cases_agree() -> None:
    expected = [json.loads(line)["expected"] for line in SHARED_CASES.read_text("utf-8").splitlines()]
    found = list(score_lines(SHARED_CASES, SHOP, PAPER))
    assert len(found) == len(expected) > 30
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-6)


RIGHT = render_completion("I like it.", LAMP)


def test_no_format_reward_still_earns_nothing_out_of_format() -> None:
    config = RewardConfig(use_format=False)
    assert score(RIGHT, LAMP, 2.0, config) == pytest.approx([0, 0.3, 0.2, 1000, 0.01, 1000.51])
    assert score("no", LAMP, 2.0, config) == [0.0] * 6


def test_no_rationale_reward_ignores_the_certainty() -> None:
    assert score(RIGHT, LAMP, 2.0, RewardConfig(use_rationale=False)) == pytest.approx(
        [0.5, 0.3, 0.2, 1000, 0, 1001]
    )


def test_no_reward_scale_leaves_the_similarity() -> None:
    config = RewardConfig(action=ActionRewardConfig(dars=False))
    assert score(RIGHT, LAMP, 2.0, config) == pytest.approx([0.5, 0.3, 0.2, 1, 0.01, 2.01])


def test_binary_action_reward_keeps_format_and_rationale() -> None:
    config = RewardConfig(action=ActionRewardConfig(kind="binary"))
    assert score(RIGHT, LAMP, 2.0, config) == pytest.approx([0.5, 0, 0, 1, 0.01, 1.51])
    assert score(RIGHT, click("results.desk"), 2.0, config) == pytest.approx([0.5, 0, 0, 0, 0.01, 0.51])


def test_the_binary_baseline_is_1_or_0() -> None:
    config = RewardConfig(use_format=False, use_rationale=False, action=ActionRewardConfig(kind="binary"))
    assert score(RIGHT, LAMP, 26.0, config) == [0, 0, 0, 1, 0, 1]
    assert score(RIGHT, terminate(), 26.0, config) == [0.0] * 6
    assert score("no", LAMP, 26.0, config) == [0.0] * 6


def test_the_most_that_a_target_earns() -> None:
    targets = (LAMP, SEARCH, terminate())
    most = [score_completion(render_completion("", target), target).total for target in targets]
    assert most == pytest.approx([1001, 1001.1, 0.8])  # .5 + .3 + .2 + 1000; and .1 for the input; .5 + .3


def test_every_part_has_a_reason() -> None:
    for response in (RIGHT, "no"):
        scored = score_completion(response, LAMP, certainty=26.0)
        assert set(scored.reasons) == set(PARTS)
    assert scored.reasons["format"].startswith("0, out of format (extra_text): ")
    right = score_response(parse_response(RIGHT), LAMP, certainty=26.0)
    assert right.reasons["rationale"] == "0.13: α 0.005 × self-certainty 26 nats per token"


def test_a_certainty_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="certainty is nan"):
        score(RIGHT, LAMP, float("nan"))


def test_a_target_outside_the_space_is_a_fault_even_for_a_bad_completion() -> None:
    with pytest.raises(DataError, match="not in the shop space"):
        score("no", Action(type="scroll"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"response": "x"', "completions.jsonl:2: record: is not JSON"),
        ('{"target": {"type": "terminate"}}', "completions.jsonl:2: response: is missing; expected a string"),
        (
            '{"response": "x", "target": {"type": "drag"}}',
            "completions.jsonl:2: target: .*'drag' is unknown",
        ),
        ('{"response": "x", "target": {"type": "scroll"}}', "completions.jsonl:2: target type 'scroll'"),
        (
            '{"response": "x", "target": {"type": "terminate"}, "certainty": NaN}',
            "completions.jsonl:2: .*certainty",
        ),
        (
            '{"response": "x", "target": {"type": "terminate"}, "mood": 1}',
            "completions.jsonl:2: mood: is unknown",
        ),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "completions.jsonl"
    good = '{"response": null, "target": {"type": "terminate"}, "certainty": 1, "expected": {}}'
    path.write_text(f"{good}\n{line}\n")
    with pytest.raises(DataError, match=message):
        list(score_lines(path, SHOP, PAPER))


def test_an_empty_file_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "completions.jsonl"
    path.write_text("\n")
    with pytest.raises(DataError, match="holds no lines"):
        list(score_lines(path, SHOP, PAPER))

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.tiny import make_sessions

from shop_r1.datasets.examples import list_examples
from shop_r1.records.actions import SHOP, Action, click, terminate, type_and_submit
from shop_r1.records.results import RewardBreakdown
from shop_r1.rewards.total import PARTS
from shop_r1.training.grpo.recorder import StepRecorder, make_rollout
from shop_r1.training.grpo.run import train_grpo
from shop_r1.training.grpo.scorer import ScoredCompletion
from shop_r1.training.grpo.step_metrics import (
    advantage_metrics,
    reward_metrics,
    sampler_trainer_mismatch,
    step_metrics,
)
from shop_r1.training.settings import GrpoConfig, SftConfig
from shop_r1.training.sft import train_sft
from shop_r1.validation_messages import harmless

DOCUMENT = Path(__file__).parents[3] / "docs" / "training.md"
MUG = click("results.red_mug")


def completion(
    action: Action | None,
    parts: tuple[float, float, float, float, float],
    advantage: float = 0.0,
    tokens: int = 10,
    truncated: bool = False,
    target: Action = MUG,
) -> ScoredCompletion:
    reward = RewardBreakdown(**dict(zip(PARTS, parts, strict=True)), total=sum(parts))
    return ScoredCompletion("buys", 1, "text", target, action, reward, tokens, truncated, advantage)


RIGHT = (0.5, 0.3, 0.2, 1000.0, 0.125)
NEAR = (0.5, 0.3, 0.2, 800.0, 0.125)
OTHER_TYPE = (0.5, 0.0, 0.0, 0.0, 0.125)
NOTHING = (0.0, 0.0, 0.0, 0.0, 0.0)

STEP = [
    completion(MUG, RIGHT, 1.5, tokens=20),
    completion(click("results.red_mug_set"), NEAR, 0.0, tokens=30),
    completion(terminate(), OTHER_TYPE, -0.5, tokens=8),
    completion(None, NOTHING, -1.0, tokens=64, truncated=True),
]


# -- rewards, types, lengths ------------------------------------------------------------------------------


def test_each_part_has_its_mean_its_spread_and_who_earned_it() -> None:
    found = reward_metrics(STEP)
    assert found["reward/value"] == pytest.approx((1000 + 800) / 4)
    # Deviations from 450: 550, 350, -450, -450; their squares' sum 302500 + 122500 + 2 * 202500 = 830000.
    assert found["reward/value_std"] == pytest.approx(math.sqrt(830000 / 3))
    assert found["earned/value"] == 0.5
    assert found["reward/format"] == pytest.approx(3 * 0.5 / 4)
    assert found["earned/format"] == 0.75
    assert found["earned/total"] == 0.75
    assert found["reward/total"] == pytest.approx((1001.125 + 801.125 + 0.625) / 4)
    assert found["earned/value_near_misses"] == pytest.approx(800 / 1800)


def test_where_no_value_was_earned_there_is_no_share_of_near_misses() -> None:
    assert "earned/value_near_misses" not in reward_metrics(STEP[2:])


def test_types_parsing_and_lengths_are_counted_over_all_completions() -> None:
    found = step_metrics(STEP, 4, SHOP.type_names)
    assert found["policy/share_click"] == 0.5
    assert found["policy/share_terminate"] == 0.25
    assert found["policy/share_type_and_submit"] == 0.0
    assert (found["data/share_click"], found["data/share_terminate"]) == (1.0, 0.0)
    assert found["policy/parsed"] == 0.75
    assert found["policy/exact"] == 0.25
    assert found["policy/truncated"] == 0.25
    assert found["policy/length_mean"] == (20 + 30 + 8 + 64) / 4
    assert found["policy/length_max"] == 64


def test_the_datas_types_are_those_of_the_target_actions() -> None:
    query = type_and_submit("search_input", "mug")
    step = [completion(MUG, RIGHT), completion(MUG, OTHER_TYPE, target=query)]
    found = step_metrics(step, 2, SHOP.type_names)
    assert (found["data/share_click"], found["data/share_type_and_submit"]) == (0.5, 0.5)
    assert found["policy/share_click"] == 1.0
    assert found["policy/exact"] == 0.5


# -- advantages -------------------------------------------------------------------------------------------


def test_advantages_have_size_spread_and_zeros() -> None:
    found = advantage_metrics(STEP, 4)
    assert found["advantage/size"] == pytest.approx((1.5 + 0 + 0.5 + 1) / 4)
    assert found["advantage/std"] == pytest.approx(math.sqrt((1.5**2 + 0.5**2 + 1) / 3))
    assert found["advantage/zero"] == 0.25


def test_a_parts_share_is_its_covariance_with_the_total() -> None:
    # Two completions that differ by 3 in type and 1 in format: centred type ±1.5, format ±0.5, total ±2.
    # Cov(type, total) / Var(total) = 1.5 * 2 / 2 ** 2 = 0.75, format the other quarter.
    step = [completion(MUG, (1.0, 3.0, 0.0, 0.0, 0.0), 1.0), completion(MUG, (0.0, 0.0, 0.0, 0.0, 0.0), -1.0)]
    found = advantage_metrics(step, 2)
    assert found["advantage/from_type"] == pytest.approx(0.75)
    assert found["advantage/from_format"] == pytest.approx(0.25)
    assert sum(found[f"advantage/from_{part}"] for part in PARTS) == pytest.approx(1.0)


def test_groups_count_by_their_squared_advantages_and_those_that_teach_nothing_not_at_all() -> None:
    certainty_only = [completion(MUG, (0.5, 0.3, 0.2, 1000.0, c), a) for c, a in ((0.1, 1.0), (0.2, -1.0))]
    value_only = [completion(MUG, (0.5, 0.3, 0.2, v, 0.1), a) for v, a in ((1000.0, 1.0), (0.0, -1.0))]
    teaches_nothing = [completion(MUG, (0.5, 0.3, 0.2, v, 0.1), 0.0) for v in (1000.0, 0.0)]
    found = advantage_metrics([*certainty_only, *value_only, *teaches_nothing], 2)
    assert found["advantage/from_rationale"] == pytest.approx(0.5)
    assert found["advantage/from_value"] == pytest.approx(0.5)
    assert found["advantage/from_type"] == pytest.approx(0.0)
    # With advantages a tenth the size, certainty's group weighs 0.02 beside 2.
    quiet = [replace(completion, advantage=completion.advantage / 10) for completion in certainty_only]
    found = advantage_metrics([*quiet, *value_only], 2)
    assert found["advantage/from_rationale"] == pytest.approx(0.02 / 2.02)


def test_a_part_that_speaks_against_the_total_has_a_negative_share() -> None:
    # Centred: format ∓0.5, value ±1.5, total ±1: -0.5 and 1.5.
    step = [completion(MUG, (0.0, 0.0, 0.0, 3.0, 0.0), 1.0), completion(MUG, (1.0, 0.0, 0.0, 0.0, 0.0), -1.0)]
    found = advantage_metrics(step, 2)
    assert found["advantage/from_format"] == pytest.approx(-0.5)
    assert found["advantage/from_value"] == pytest.approx(1.5)


def test_a_step_that_teaches_nothing_has_no_shares() -> None:
    found = advantage_metrics([completion(MUG, RIGHT)] * 4, 2)
    assert found == {"advantage/size": 0.0, "advantage/std": 0.0, "advantage/zero": 1.0}


# -- sampling against scoring -----------------------------------------------------------------------------


def log(*probabilities: float) -> torch.Tensor:
    return torch.tensor(probabilities).log()


def test_the_mismatch_is_the_mean_and_the_largest_distance_of_probabilities() -> None:
    sampled, scored = [log(0.5, 0.25), log(0.9)], [log(0.4, 0.25), log(0.95)]
    assert sampler_trainer_mismatch(sampled, scored) == pytest.approx((0.05, 0.1), abs=1e-6)
    assert sampler_trainer_mismatch(sampled, sampled) == (0.0, 0.0)


def test_the_mismatch_takes_gradients_and_half_precision() -> None:
    scored = log(0.5).requires_grad_()
    found = sampler_trainer_mismatch([log(0.25).bfloat16()], [scored])
    assert found == pytest.approx((0.25, 0.25), abs=2e-3)


def test_no_tokens_have_no_mismatch() -> None:
    assert sampler_trainer_mismatch([], []) == (0.0, 0.0)
    assert sampler_trainer_mismatch([torch.zeros(0)], [torch.zeros(0)]) == (0.0, 0.0)


@pytest.mark.parametrize("scored", [[log(0.5)], [log(0.5), log(0.5, 0.5)]])
def test_other_tokens_than_those_sampled_are_refused(scored: list[torch.Tensor]) -> None:
    with pytest.raises(ValueError, match=r"sampled completions have \[1, 1\] tokens, scored ones \["):
        sampler_trainer_mismatch([log(0.5), log(0.5)], scored)


# -- speed and rollouts -----------------------------------------------------------------------------------


def test_what_is_neither_sampling_nor_rewards_is_the_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(perf_counter=iter([10.0, 11.5]).__next__)
    monkeypatch.setattr("shop_r1.training.grpo.recorder.time", clock)
    recorder = StepRecorder(tmp_path / "rollouts.jsonl", groups=1, size=4)
    recorder.begin_step(tokens_seen=500)
    recorder.sampling_s = 1.0
    assert recorder.end_rewards() == 1.5
    assert recorder.speed(4.0, tokens_seen=1500) == {
        "seconds/step": 4.0,
        "seconds/sampling": 1.0,
        "seconds/rewards": 0.5,
        "seconds/update": 2.5,
        "tokens_per_second": 250.0,
    }


def test_a_rollout_has_each_completions_parts_advantage_and_length() -> None:
    rollout = make_rollout(3, STEP)
    assert (rollout.step, rollout.session_id, rollout.session_step, rollout.target) == (3, "buys", 1, MUG)
    last = rollout.completions[-1]
    assert (last.advantage, last.tokens, last.truncated, last.total) == (-1.0, 64, True, 0.0)
    assert [each.value for each in rollout.completions] == [1000.0, 800.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07\x1b[31mred", "·]0;owned··[31mred"),
        ("left \u202e thgir \u2066x\u2069", "left · thgir ·x·"),
        ("a\r\nb\tc\x85d\u2028e", "a b c d e"),
        ("\x00\x7f\x9b2J\ue000", "···2J·"),
        ("Süß – 4 € 红 [bold]", "Süß – 4 € 红 [bold]"),
    ],
)
def test_text_from_a_model_can_do_nothing_to_a_terminal(text: str, shown: str) -> None:
    assert harmless(text) == shown


# -- whole runs and their document ------------------------------------------------------------------------


def documented() -> set[str]:
    """Return the names of the table in docs/training.md, `<part>` and `<type>` filled in."""
    section = DOCUMENT.read_text("utf-8").split("### Every figure")[1].split("\n##")[0]
    names = re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)
    return {
        name.replace("<part>", part).replace("<type>", kind)
        for name in names
        for part in (*PARTS, "total")
        for kind in SHOP.type_names
    }


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_logs_every_figure_and_the_document_explains_each(
    tmp_path: Path, tiny_checkpoint: Path
) -> None:
    config = GrpoConfig(
        model=str(tiny_checkpoint),
        max_steps=2,
        generation_batch_size=16,
        per_device_train_batch_size=8,
        num_generations=4,
        max_completion_length=12,
        rollout_groups=3,
        beta=0.1,
        bf16=False,
    )
    train_grpo(list_examples(make_sessions()), config, tmp_path)
    logged = lines(tmp_path / "metrics.jsonl")
    assert [line["step"] for line in logged] == [1, 2]
    names = set().union(*logged)
    assert names <= documented()
    at_times = re.compile(
        "advantage/from|earned/value_near|sampling/|type_mix/|policy/frac_refilled|policy/prompts_drawn"
        "|seconds/scoring"  # with verl
    )
    steady = {name for name in documented() if not at_times.match(name)}
    only_sft = {"mean_token_accuracy"}
    assert names >= steady - only_sft
    for line in logged:
        seconds = [line[f"seconds/{each}"] for each in ("sampling", "rewards", "update")]
        assert min(seconds) > 0
        assert sum(seconds) == pytest.approx(line["seconds/step"])
        # Prompts and completions of this step, over its own seconds.
    tokens = [logged[0]["num_tokens"], logged[1]["num_tokens"] - logged[0]["num_tokens"]]
    for line, count in zip(logged, tokens, strict=True):
        assert line["tokens_per_second"] * line["seconds/step"] == pytest.approx(count)
    rollouts = lines(tmp_path / "rollouts.jsonl")
    assert [rollout["step"] for rollout in rollouts] == [1, 1, 1, 2, 2, 2]


def test_sft_logs_its_figures_and_the_document_explains_each(tmp_path: Path, tiny_checkpoint: Path) -> None:
    config = SftConfig(
        model=str(tiny_checkpoint),
        max_steps=1,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        bf16=False,
    )
    train_sft(make_sessions(), config, tmp_path)
    (line,) = lines(tmp_path / "metrics.jsonl")
    assert {"loss", "mean_token_accuracy", "entropy", "grad_norm", "tokens_per_second"} <= set(line)
    assert set(line) <= documented()

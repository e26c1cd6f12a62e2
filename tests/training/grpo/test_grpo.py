import json
import math
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import DistributedType
from tests.tiny import LOOK, with_action
from tests.training.scripted import GROUP, RIGHT, SCRIPT, ScriptedTrainer, answer, make_clicks, settings

from shop_r1.datasets.examples import Example, list_examples, renderer
from shop_r1.datasets.parquet import ParquetSessions
from shop_r1.datasets.session_files import write_sessions
from shop_r1.errors import DataError, TrainingError
from shop_r1.models.checkpoint import LocalModel, load_model
from shop_r1.prompts.parse import Response, parse_response
from shop_r1.prompts.render import render_completion
from shop_r1.records.actions import Action, click, type_and_submit
from shop_r1.records.results import RewardBreakdown
from shop_r1.records.sessions import Session
from shop_r1.rewards.action import ActionRewardConfig
from shop_r1.rewards.total import PARTS, RewardConfig, score_completion
from shop_r1.training.grpo.advantages import group_advantages
from shop_r1.training.grpo.examples_check import check_target
from shop_r1.training.grpo.run import train_grpo
from shop_r1.training.grpo.scorer import ScoredCompletion
from shop_r1.training.grpo.trainer import ShopR1Trainer
from shop_r1.training.settings import GrpoConfig


@pytest.fixture
def clicks() -> list[Example]:
    return make_clicks()


def test_the_kl_to_the_reference_is_zero_at_the_first_step_and_not_at_the_second(
    tmp_path: Path, tiny_checkpoint: Path, clicks: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shop_r1.training.grpo.run.ShopR1Trainer", ScriptedTrainer)
    monkeypatch.setattr(ScriptedTrainer, "script", SCRIPT)
    train_grpo(clicks, settings(tiny_checkpoint), tmp_path)
    first, second = read_lines(tmp_path / "metrics.jsonl")
    assert first["kl"] == 0.0
    assert second["kl"] > 1e-4


def test_the_certainty_of_sampled_completions_is_that_of_their_own_distributions(
    tmp_path: Path, tiny_checkpoint: Path, clicks: list[Example]
) -> None:
    trainer = ShopR1Trainer(load_model(str(tiny_checkpoint)), clicks, settings(tiny_checkpoint), tmp_path)
    trainer.model.train()
    batch = trainer._generate_and_score_completions([{"example": 0}] * GROUP)
    for row, sampled in enumerate(trainer.sampler.drawn):
        prompt = batch["prompt_ids"][row][batch["prompt_mask"][row].bool()].tolist()
        with torch.no_grad():
            logits = trainer.model(input_ids=torch.tensor([prompt + sampled.ids])).logits[0].double()
        logits = logits[len(prompt) - 1 : -1]
        # KL(U || p) = -log V - mean log p, in float64; log p(token) at the sampling temperature, 0.7.
        certainty = -logits.log_softmax(-1).mean(-1) - math.log(logits.shape[-1])
        likely = (logits / 0.7).log_softmax(-1).gather(1, torch.tensor(sampled.ids)[:, None])[:, 0]
        assert sampled.measured is not None
        torch.testing.assert_close(sampled.measured.double(), certainty, atol=1e-5, rtol=0)
        torch.testing.assert_close(sampled.log_probs.double(), likely, atol=1e-5, rtol=0)


@pytest.mark.parametrize("batch", [1, 2])
def test_sampling_and_scoring_agree_on_the_probabilities(
    batch: int, tmp_path: Path, tiny_checkpoint: Path, clicks: list[Example]
) -> None:
    train_grpo(clicks, settings(tiny_checkpoint, per_device_train_batch_size=batch * GROUP), tmp_path)
    for line in read_lines(tmp_path / "metrics.jsonl"):
        assert 0 <= line["sampling/trainer_mismatch"] < 1e-6
        assert line["sampling/trainer_mismatch"] <= line["sampling/trainer_mismatch_max"] < 1e-5


def earned(trainer: ShopR1Trainer) -> list[RewardBreakdown]:
    return [completion.reward for completion in trainer.completions]


# -- rewards --------------------------------------------------------------------------------------------


def certainty_by_hand(model: LocalModel, example: Example, text: str) -> float | None:
    """Return mean KL(U || p) over the rationale's tokens, from the definition, in float64."""
    parsed = parse_response(text, example.space)
    if not isinstance(parsed, Response) or not parsed.rationale:
        return None
    prompt = renderer(model, GrpoConfig().prompt)(example).ids
    encoded = model.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    with torch.no_grad():
        logits = model.model(input_ids=torch.tensor([prompt + encoded["input_ids"]])).logits[0].double()
    first, last = parsed.rationale_span
    total, count = 0.0, 0
    for place, (start, end) in enumerate(encoded["offset_mapping"]):
        if start < last and end > first:
            p = logits[len(prompt) - 1 + place].softmax(-1)
            uniform = 1 / len(p)
            total += (uniform * (uniform / p).log()).sum().item()
            count += 1
    return total / count


@pytest.mark.parametrize(
    "reward",
    [
        RewardConfig(),
        RewardConfig(use_format=False, use_rationale=False, action=ActionRewardConfig(kind="binary")),
        RewardConfig(action=ActionRewardConfig(kind="binary")),
        RewardConfig(use_format=False),
        RewardConfig(use_rationale=False),
        RewardConfig(action=ActionRewardConfig(dars=False)),
    ],
    ids=["full", "binary", "binary action", "no format", "no rationale", "no scale"],
)
def test_rewards_are_those_of_the_scorer_on_the_same_completions(
    reward: RewardConfig, tmp_path: Path, tiny_checkpoint: Path, clicks: list[Example]
) -> None:
    config = settings(tiny_checkpoint, reward=reward, certainty_guard="paper")
    trainer = answer(SCRIPT, clicks, config, tmp_path)
    model = load_model(str(tiny_checkpoint))
    for row, found in enumerate(trainer.rewards[:, 0].tolist()):
        example, text = clicks[row // GROUP], SCRIPT[row % GROUP]
        certainty = certainty_by_hand(model, example, text)
        expected = score_completion(text, LOOK.action, example.space, reward, certainty)
        assert found == pytest.approx(expected.total, abs=1e-5, rel=1e-6)
    if reward.action.kind == "binary" and not reward.use_format:
        assert trainer.rewards[:, 0].tolist() == [1, 0, 0, 0, 1, 0, 0, 0]


def test_the_certainty_that_counts_is_a_direct_computation_over_the_rationale(
    tmp_path: Path, tiny_checkpoint: Path, clicks: list[Example]
) -> None:
    config = settings(tiny_checkpoint, reward=RewardConfig(certainty_weight=1.0))
    trainer = answer(SCRIPT, clicks, config, tmp_path)
    model = load_model(str(tiny_checkpoint))
    for row, scored in enumerate(earned(trainer)):
        expected = certainty_by_hand(model, clicks[row // GROUP], SCRIPT[row % GROUP])
        assert scored.rationale == pytest.approx(expected or 0.0, abs=1e-5)
        assert (expected is None) == (row % GROUP >= 2)
    logged = trainer._metrics["train"]["reward/rationale"]
    values = [scored.rationale for scored in earned(trainer)]
    assert logged == [pytest.approx(sum(values) / 8, abs=1e-5)]
    assert min(values[:2]) > 0.1


def test_the_parts_the_shares_and_the_parsed_are_logged(
    tmp_path: Path, tiny_checkpoint: Path, clicks: list[Example]
) -> None:
    trainer = answer(SCRIPT, clicks, settings(tiny_checkpoint), tmp_path)
    logged = {name: values[-1] for name, values in trainer._metrics["train"].items()}
    for part in (*PARTS, "total"):
        values = torch.tensor([getattr(scored, part) for scored in earned(trainer)])
        assert logged[f"reward/{part}"] == pytest.approx(values.mean().item())
        assert logged[f"reward/{part}_std"] == pytest.approx(values.std().item())
    assert logged["policy/parsed"] == 0.75
    assert logged["policy/share_click"] == 0.5
    assert logged["policy/share_terminate"] == 0.25
    assert logged["policy/share_type_and_submit"] == 0.0
    assert logged["data/share_click"] == 1.0


def test_the_figures_are_of_all_processes_completions(
    tmp_path: Path, tiny_checkpoint: Path, clicks: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_another_process(completions: list[ScoredCompletion]) -> list[ScoredCompletion]:
        return [*completions, *(replace(completion, action=None, tokens=100) for completion in completions)]

    monkeypatch.setattr("shop_r1.training.grpo.trainer.gather_object", with_another_process)
    trainer = answer(SCRIPT, clicks, settings(tiny_checkpoint), tmp_path)
    logged = trainer._metrics["train"]
    assert logged["policy/parsed"] == [0.75 / 2]
    assert logged["policy/share_click"] == [0.5 / 2]
    assert logged["policy/length_max"] == [100.0]
    assert logged["data/share_click"] == [1.0]


# -- advantages -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("guard", ["paper", "skip", "floor", "centred"])
def test_the_advantages_to_learn_from_are_those_of_the_guard(
    guard: Any, tmp_path: Path, tiny_checkpoint: Path, clicks: list[Example]
) -> None:
    trainer = answer(SCRIPT, clicks, settings(tiny_checkpoint, certainty_guard=guard), tmp_path)
    sure = torch.tensor([score.rationale for score in earned(trainer)]).double().view(2, GROUP)
    rules = torch.tensor([score.total for score in earned(trainer)]).double().view(2, GROUP) - sure
    expected = group_advantages(rules, sure, guard).flatten().float()
    torch.testing.assert_close(trainer.batch["advantages"], expected, atol=1e-4, rtol=0)
    assert expected.abs().max() > 0.1


def test_balanced_target_types_teach_as_much_as_their_groups_are(
    tmp_path: Path, tiny_checkpoint: Path, tiny_sessions: list[Session]
) -> None:
    leaves = next(each for each in tiny_sessions if each.session_id == "leaves")
    examples = [Example(leaves, 1), Example(leaves, 2)]  # click, terminate

    def sizes(balance: Any) -> tuple[float, float]:
        config = settings(tiny_checkpoint, advantage_balance=balance)
        found = answer(SCRIPT, examples, config, tmp_path / balance).batch["advantages"].abs()
        return found[:GROUP].sum().item(), found[GROUP:].sum().item()

    plain, balanced = sizes("none"), sizes("target_type")
    assert abs(plain[0] - plain[1]) > 0.1
    assert balanced == pytest.approx([sum(plain) / 2] * 2)


def test_groups_with_equal_rules_are_counted(
    tmp_path: Path, tiny_checkpoint: Path, clicks: list[Example]
) -> None:
    alike = answer(RIGHT, clicks, settings(tiny_checkpoint), tmp_path)
    assert alike._metrics["train"]["policy/frac_zero_variance"] == [1.0]
    assert alike.batch["advantages"].tolist() == [0.0] * 8
    mixed = answer((*RIGHT[:3], "no"), clicks, settings(tiny_checkpoint), tmp_path)
    assert mixed._metrics["train"]["policy/frac_zero_variance"] == [0.0]
    assert mixed.batch["advantages"].abs().min() > 0.1


# -- the target actions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reward", [RewardConfig(), RewardConfig(use_rationale=False, action=ActionRewardConfig(dars=False))]
)
def test_target_actions_that_earn_all_there_is_pass(
    reward: RewardConfig, tiny_sessions: list[Session]
) -> None:
    check_target(list_examples(tiny_sessions), reward)


@pytest.mark.parametrize("name", ["", "...", "__"])
def test_a_target_action_whose_name_says_nothing_is_refused(name: str, clicks: list[Example]) -> None:
    broken = Example(with_action(clicks[0].session, 1, click(name)), 1)
    told = (
        "session once, step 1: the target action .*, given as the completion, earns .* where 1001 is the most"
    )
    with pytest.raises(TrainingError, match=told) as caught:
        check_target([clicks[1], broken], RewardConfig())
    reasons = score_completion(render_completion("", click(name)), click(name), certainty=0.0).reasons
    assert f"value {reasons['value']}" in str(caught.value)
    assert "leave the session out" in str(caught.value)


def test_a_target_action_whose_text_a_recorder_masked_is_refused(clicks: list[Example]) -> None:
    masked = Example(with_action(clicks[0].session, 1, type_and_submit("search_input", "****")), 1)
    with pytest.raises(DataError, match=r"session once, step 1: the text .* is a recorder's mask"):
        check_target([clicks[1], masked], RewardConfig())


def test_the_first_target_action_at_fault_is_named_whether_sessions_are_listed_or_read(
    tmp_path: Path, clicks: list[Example]
) -> None:
    good = clicks[0].session
    bad = [with_action(good, 1, click(name)) for name in ("__", "__", "...")]
    sessions = [
        each.model_copy(update={"session_id": f"s{row}"}) for row, each in enumerate([good, good, *bad])
    ]
    write_sessions(tmp_path / "sessions.parquet", sessions)
    for source in (sessions, ParquetSessions(tmp_path / "sessions.parquet")):
        with pytest.raises(TrainingError, match=r'session s2, step 1: the target action .*"__"'):
            check_target(list_examples(source), RewardConfig())


def test_rewards_that_are_all_switched_off_are_refused(clicks: list[Example]) -> None:
    nothing = ActionRewardConfig(type_reward=0, attribute_reward=0, dars_factor=0)
    with pytest.raises(TrainingError, match="a right click earns 0, so nothing can be learnt"):
        check_target(clicks, RewardConfig(use_format=False, action=nothing))


def test_target_is_checked_before_the_model_is_loaded(tmp_path: Path, clicks: list[Example]) -> None:
    broken = Example(with_action(clicks[0].session, 1, click("...")), 1)
    with pytest.raises(TrainingError, match="the target action"):
        train_grpo([broken], GrpoConfig(model="none/there"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_target_action_outside_its_space_is_refused(clicks: list[Example]) -> None:
    broken = Example(with_action(clicks[0].session, 1, Action(type="scroll")), 1)
    with pytest.raises(
        TrainingError, match="session once, step 1: the target action is a scroll; the space shop"
    ):
        check_target([broken], RewardConfig())


# -- whole runs -------------------------------------------------------------------------------------------


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_same_seed_gives_the_same_rollouts_and_another_seed_does_not(
    tmp_path: Path, tiny_checkpoint: Path, clicks: list[Example]
) -> None:
    found = []
    for name, seed in (("first", 5), ("second", 5), ("third", 6)):
        train_grpo(clicks, settings(tiny_checkpoint, seed=seed), tmp_path / name)
        found.append((tmp_path / name / "rollouts.jsonl").read_text())
    assert found[0] == found[1] != found[2]
    rollouts = read_lines(tmp_path / "first" / "rollouts.jsonl")
    assert [rollout["step"] for rollout in rollouts] == [1, 2]
    assert all(len(rollout["completions"]) == GROUP for rollout in rollouts)
    assert len({each["text"] for rollout in rollouts for each in rollout["completions"]}) == 2 * GROUP
    assert load_model(str(tmp_path / "first")).end_ids == load_model(str(tiny_checkpoint)).end_ids


def test_a_step_makes_the_better_completions_likelier(
    tmp_path: Path, tiny_checkpoint: Path, clicks: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shop_r1.training.grpo.run.ShopR1Trainer", ScriptedTrainer)
    monkeypatch.setattr(ScriptedTrainer, "script", SCRIPT)
    train_grpo(clicks, settings(tiny_checkpoint, max_steps=3), tmp_path)

    def margin(folder: Path) -> float:
        """Return how much likelier the right completion is than the three others' mean, in nats a token."""
        model = load_model(str(folder))
        prompt = renderer(model, GrpoConfig().prompt)(clicks[0]).ids
        means: list[float] = []
        for text in SCRIPT:
            ids = model.completion_ids(text)
            with torch.no_grad():
                logits = model.model(input_ids=torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
            means.append(logits.log_softmax(-1).gather(1, torch.tensor(ids)[:, None]).mean().item())
        return means[0] - sum(means[1:]) / 3

    assert margin(tmp_path) > margin(tiny_checkpoint) + 0.01


def test_rollouts_hold_the_first_group_with_every_part_of_its_rewards(
    tmp_path: Path, tiny_checkpoint: Path, clicks: list[Example]
) -> None:
    trainer = answer(SCRIPT, clicks, settings(tiny_checkpoint), tmp_path)
    (rollout,) = read_lines(tmp_path / "rollouts.jsonl")
    assert rollout["session_id"] == "once" and rollout["session_step"] == 1
    assert rollout["target"] == {"type": "click", "name": "results.red_mug"}
    assert [each["text"] for each in rollout["completions"]] == list(SCRIPT)
    for each, scored in zip(rollout["completions"], earned(trainer)[:GROUP], strict=True):
        assert {part: each[part] for part in (*PARTS, "total")} == {
            part: getattr(scored, part) for part in (*PARTS, "total")
        }
    assert [each["advantage"] for each in rollout["completions"]] == trainer.batch["advantages"][
        :GROUP
    ].tolist()
    assert rollout["completions"][0]["advantage"] > 0 > rollout["completions"][3]["advantage"]
    lengths = [len(trainer._local.completion_ids(text)) for text in SCRIPT]
    assert [each["tokens"] for each in rollout["completions"]] == lengths
    assert not any(each["truncated"] for each in rollout["completions"])
    assert trainer.recorder.sample == SCRIPT[0]


def test_a_completion_without_its_end_was_truncated(
    tmp_path: Path, tiny_checkpoint: Path, clicks: list[Example]
) -> None:
    config = settings(tiny_checkpoint, max_steps=1, max_completion_length=8, rollout_groups=2)
    train_grpo(clicks, config, tmp_path)
    completions = [each for line in read_lines(tmp_path / "rollouts.jsonl") for each in line["completions"]]
    (logged,) = read_lines(tmp_path / "metrics.jsonl")
    assert len(completions) == 2 * GROUP and all(each["tokens"] <= 8 for each in completions)
    assert logged["policy/truncated"] == sum(each["truncated"] for each in completions) / len(completions) > 0
    assert all(each["tokens"] == 8 for each in completions if each["truncated"])


def test_no_rollouts_are_written_where_none_are_wanted(
    tmp_path: Path, tiny_checkpoint: Path, clicks: list[Example]
) -> None:
    train_grpo(clicks, settings(tiny_checkpoint, max_steps=1, rollout_groups=0), tmp_path)
    assert not (tmp_path / "rollouts.jsonl").exists()


def test_a_grpo_defaults_to_the_papers_numbers() -> None:
    config = GrpoConfig()
    assert (config.max_steps, config.learning_rate, config.beta, config.temperature) == (
        500,
        1e-7,
        0.001,
        0.6,
    )
    assert config.generation_batch_size == 64
    assert config.type_ratio == 1.1


def test_sampling_in_pieces_gives_the_completions_of_sampling_at_once(
    tmp_path: Path, tiny_checkpoint: Path, clicks: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw() -> list[list[int]]:
        config = settings(tiny_checkpoint)
        trainer = ShopR1Trainer(load_model(str(tiny_checkpoint)), clicks, config, tmp_path)
        rows = [{"example": index} for index in (0, 1) for _ in range(GROUP)]
        prompts = [trainer._local.prompt_ids(trainer._messages(row["example"])) for row in rows]
        found: list[list[int]] = trainer._generate_single_turn(prompts)[0]
        return found

    at_once = draw()
    monkeypatch.setattr("shop_r1.training.grpo.sampler.SAMPLED_TOKENS", 1)
    assert draw() == at_once
    assert at_once[:GROUP] != at_once[GROUP:]


def test_a_row_gets_the_same_completion_on_whichever_process_it_is_drawn(
    tiny_checkpoint: Path, tmp_path: Path, clicks: list[Example]
) -> None:
    config = settings(tiny_checkpoint)
    trainer = ShopR1Trainer(load_model(config.model), clicks, config, tmp_path / "run")
    prompts = [prompt for prompt in ([5, 6, 7], [8, 9]) for _ in range(GROUP)]

    def draw(process: int, prompt_ids: list[list[int]]) -> list[list[int]]:
        accelerator = SimpleNamespace(
            process_index=process, distributed_type=DistributedType.NO, autocast=nullcontext
        )
        found = trainer.sampler.draw(trainer.model, accelerator, prompt_ids, 0, lambda done, groups: None)
        return [completion.ids for completion in found]

    alone = draw(0, prompts)
    assert draw(0, prompts[:GROUP]) + draw(1, prompts[GROUP:]) == alone
    assert len(set(map(tuple, alone))) > 2


def test_fewer_examples_than_a_step_takes_are_refused(tiny_sessions: list[Session], tmp_path: Path) -> None:
    examples = list_examples(tiny_sessions)[:3]
    with pytest.raises(DataError, match="GRPO has 3 examples to learn from and a step takes 8 of them"):
        train_grpo(examples, GrpoConfig(), tmp_path)

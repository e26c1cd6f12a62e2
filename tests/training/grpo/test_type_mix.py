"""The term that holds the policy's mix of types to the data's, against arithmetic and torch's gradient."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from tests.tiny import LOOK, SEARCH
from tests.training.grpo.test_stock import learn, plain
from tests.training.scripted import GROUP, RIGHT, SCRIPT, ScriptedTrainer, answer, make_clicks, settings

from shop_r1.datasets.examples import Example
from shop_r1.records.actions import Action
from shop_r1.records.sessions import Session
from shop_r1.training.grpo.run import train_grpo
from shop_r1.training.grpo.type_mix import Pair, TypeMix, shares

TYPES = ("click", "type", "leave")


def counted(*steps: list[Pair]) -> TypeMix:
    mix = TypeMix()
    for step in steps:
        mix.add(step, TYPES)
    return mix


def pairs(chosen: dict[str | None, int], wanted: dict[str, int]) -> list[Pair]:
    columns = [[name for name, count in counts.items() for _ in range(count)] for counts in (chosen, wanted)]
    return list(zip(*columns, strict=True))


def test_a_types_term_is_its_share_in_the_data_over_the_policys_less_one() -> None:
    # With one completion of each type added: chosen 4, 2, 2 of 8, wanted 2, 2, 4 of 8.
    mix = counted(pairs({"click": 3, "type": 1, "leave": 1}, {"click": 1, "type": 1, "leave": 3}))
    # q / p: 1/2, 1, 2; KL(q || p) = 1/4 log 1/2 + 0 + 1/2 log 2 = 0.1733.
    assert mix.terms() == pytest.approx({"click": -0.5, "type": 0.0, "leave": 1.0})
    assert mix.divergence() == pytest.approx(0.1733, abs=1e-4)
    own = shares({"click": 3, "type": 1, "leave": 1})
    assert sum(own[name] * term for name, term in mix.terms().items()) == pytest.approx(0.0, abs=1e-12)


def test_a_type_that_has_nearly_vanished_earns_ten_times_its_share_at_most() -> None:
    mix = counted(pairs({"click": 60}, {"click": 20, "leave": 40}))
    # Chosen 61, 1, 1 of 63; wanted 21, 1, 41 of 63.
    assert mix.terms() == pytest.approx({"click": 21 / 61 - 1, "type": 0.0, "leave": 9.0})


def test_a_policy_that_does_what_shoppers_do_earns_nothing() -> None:
    mix = counted(pairs({"click": 5, "leave": 3}, {"click": 5, "leave": 3}))
    assert set(mix.terms().values()) == {0.0} and mix.divergence() == 0.0


def test_the_shares_are_those_of_the_last_steps_and_never_nothing() -> None:
    step = pairs({"click": 6}, {"click": 3, "leave": 3})
    once = counted(step)
    # Chosen 7, 1, 1 of 9; wanted 4, 1, 4 of 9.
    assert once.terms() == pytest.approx({"click": 4 / 7 - 1, "type": 0.0, "leave": 3.0})
    twice = counted(step, step)
    # A third of the first step is forgotten: chosen 6 x 5/3 = 10, wanted 5 and 5; of 13 with one each.
    assert twice.terms() == pytest.approx({"click": 6 / 11 - 1, "type": 0.0, "leave": 5.0})


def test_what_cannot_be_parsed_is_of_no_type() -> None:
    with_them = counted(pairs({"click": 2, "leave": 1, None: 5}, {"click": 4, "leave": 4}))
    # Chosen 3, 1, 2 of 6; wanted 5, 1, 5 of 11.
    assert with_them.terms()["leave"] == pytest.approx(5 / 11 * 6 / 2 - 1)


def test_the_expected_step_is_the_gradient_of_minus_the_divergence() -> None:
    """Against torch: two prompts, a softmax over three types and a completion that cannot be parsed."""
    torch.manual_seed(0)
    logits = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    wanted = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
    probabilities = logits.softmax(1)
    own = probabilities.mean(0)[:3]
    mix = own / own.sum()
    (expected,) = torch.autograd.grad(-(wanted * (wanted / mix).log()).sum(), logits, retain_graph=True)
    # The terms of these shares: so many completions that the one added to each type does not count.
    many = 10**12
    counts = TypeMix()
    counts.load_state_dict(
        {
            "chosen": dict(zip(TYPES, (own.detach() * many).tolist(), strict=True)),
            "wanted": dict(zip(TYPES, (wanted * many).tolist(), strict=True)),
        }
    )
    terms = torch.tensor([*counts.terms().values(), 0.0], dtype=torch.float64)
    surrogate = (probabilities.detach() * terms * logits.log_softmax(1)).sum(1).mean()
    (found,) = torch.autograd.grad(surrogate, logits)
    torch.testing.assert_close(found, expected * own.sum().detach(), atol=1e-9, rtol=0)


def test_the_term_reaches_groups_without_variance_which_are_then_learnt_from(
    tmp_path: Path, tiny_checkpoint: Path
) -> None:
    trainer = answer(RIGHT, make_clicks(), settings(tiny_checkpoint, type_mix_weight=0.5), tmp_path / "mix")
    # Chosen are 8 clicks, wanted too: a policy that does what shoppers do.
    assert trainer.batch["advantages"].tolist() == [0.0] * 8
    config = settings(tiny_checkpoint, type_mix_weight=0.5, beta=0.0)
    trainer = answer(SCRIPT, make_clicks(), config, tmp_path / "mixed")
    without = answer(SCRIPT, make_clicks(), settings(tiny_checkpoint, beta=0.0), tmp_path / "plain")
    # In each group two clicks, one terminate and one that cannot be parsed; wanted are 8 clicks. With one
    # each: chosen 5, 1 and 3 of 9 (the space has three types), wanted 9, 1, 1 of 11.
    click, leave = 9 / 11 * 9 / 5 - 1, 1 / 11 * 9 / 3 - 1
    terms = [0.5 * click, 0.5 * click, 0.5 * leave, 0.0] * 2
    found = trainer.batch["advantages"] - without.batch["advantages"]
    torch.testing.assert_close(found, torch.tensor(terms), atol=1e-5, rtol=0)
    divergence = sum(q * math.log(q / p) for q, p in ((9 / 11, 5 / 9), (1 / 11, 1 / 9), (1 / 11, 3 / 9)))
    assert trainer._metrics["train"]["type_mix/kl"] == [pytest.approx(divergence)]
    metrics = learn(ScriptedTrainer, plain(tiny_checkpoint), config, tmp_path, SCRIPT + RIGHT)[2]
    assert metrics["policy/frac_zero_variance"] == 0.5 and metrics["policy/frac_scored"] == 1.0


def test_types_of_every_space_in_the_data_are_counted(tmp_path: Path, tiny_checkpoint: Path) -> None:
    scroll = LOOK.model_copy(update={"action": Action(type="scroll")})
    session = Session(session_id="live", space="live", steps=(SEARCH, scroll))
    examples = [make_clicks()[0], Example(session, 1)]
    trainer = answer(SCRIPT, examples, settings(tiny_checkpoint, type_mix_weight=0.5), tmp_path)
    metrics = trainer._metrics["train"]
    assert metrics["data/share_scroll"] == metrics["data/share_click"] == [0.5]
    assert metrics["policy/share_scroll"] == [0.0] and metrics["type_mix/kl"][0] > 0


def test_a_resumed_run_goes_on_from_the_counts(
    tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shop_r1.training.grpo.run.ShopR1Trainer", ScriptedTrainer)
    monkeypatch.setattr(ScriptedTrainer, "script", SCRIPT + RIGHT)
    config = settings(tiny_checkpoint, type_mix_weight=0.5, beta=0.0, max_steps=3, save_steps=1)
    train_grpo(make_clicks(), config.model_copy(update={"save_total_limit": 3}), tmp_path / "whole")
    place = Path("checkpoints/step-000001")
    shutil.copytree(tmp_path / "whole" / place, tmp_path / "resumed" / place)
    shutil.copy(tmp_path / "whole" / "metrics.jsonl", tmp_path / "resumed")
    train_grpo(make_clicks(), config, tmp_path / "resumed", resume=True)
    weights, logs = zip(
        *(
            (
                (tmp_path / name / "model.safetensors").read_bytes(),
                [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()],
            )
            for name in ("whole", "resumed")
        ),
        strict=True,
    )
    assert weights[0] == weights[1]
    assert [line["type_mix/kl"] for line in logs[0]] == [line["type_mix/kl"] for line in logs[1]]
    assert len({line["type_mix/kl"] for line in logs[0]}) == 3 and GROUP == 4

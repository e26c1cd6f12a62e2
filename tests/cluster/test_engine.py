"""What verl's worker computes with our scoring pass, beside TRL's figures of the step and verl's own pass."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.cluster import same_step
from tests.cluster.verl_step import assign, batch, nested, worker
from torch import Tensor
from verl.workers.engine.fsdp.transformer_impl import FSDPEngineWithLMHead
from verl.workers.utils.padding import response_from_nested

from shop_r1.datasets.examples import renderer
from shop_r1.models.checkpoint import BASE_CHECKPOINT, LocalModel, load_model
from shop_r1.rewards.certainty import token_certainty
from shop_r1.training.cluster.engine import MEASURE
from shop_r1.training.cluster.trainer import OneProcess
from shop_r1.training.grpo.scorer import score_step
from shop_r1.training.grpo.step_advantages import StepAdvantages


def pairs_of(model: LocalModel) -> list[tuple[list[int], list[int]]]:
    render = renderer(model, same_step.settings().prompt)
    return [
        (render(example).ids, model.completion_ids(text))
        for example in same_step.examples()
        for text in same_step.COMPLETIONS
    ]


def measure(made: Any, pairs: Any, engine: Any = None) -> dict[str, list[Tensor]]:
    """Return (C,) of each completion: log probability, entropy, certainty."""
    data = assign(
        batch(pairs),
        temperature=same_step.settings().temperature,
        calculate_entropy=True,
        compute_loss=False,
        **{MEASURE: "kl_uniform_model"},
    )
    found = made.compute_log_prob(data)
    mask = data["response_mask"]
    names = [name for name in ("log_probs", "entropy", "certainty") if name in found]
    return {name: list(response_from_nested(found[name], mask).unbind()) for name in names}


def test_a_step_of_verl_is_that_of_trl(tmp_path: Path) -> None:
    config, expected = same_step.settings(), same_step.expected()
    local = load_model("base")
    pairs = pairs_of(local)
    with worker(config, BASE_CHECKPOINT, tmp_path) as made:
        reference = measure(made, pairs)
        same_step.move_away(made.actor.engine.module)
        policy = measure(made, pairs)
        completions = score_step(
            local,
            [example for example in same_step.examples() for _ in same_step.COMPLETIONS],
            [ids for _, ids in pairs],
            policy["certainty"],
            config.reward,
        )
        assert [each.reward.total for each in completions] == pytest.approx(expected["rewards"], abs=1e-3)
        advantages = StepAdvantages(config, OneProcess()).compute(completions, ["click"]).float()
        assert advantages.tolist() == pytest.approx(expected["advantages"], abs=1e-5)
        lengths = [len(ids) for _, ids in pairs]
        spread = [torch.full((n,), value) for n, value in zip(lengths, advantages.tolist(), strict=True)]
        data = assign(
            batch(
                pairs,
                old_log_probs=nested(policy["log_probs"]),
                ref_log_prob=nested(reference["log_probs"]),
                advantages=nested(spread),
            ),
            temperature=config.temperature,
            global_batch_size=len(pairs),
            mini_batch_size=len(pairs),
            epochs=1,
            seed=0,
            calculate_entropy=False,
            dataloader_kwargs={"shuffle": False},
        )
        metrics = made.update_actor(data)["metrics"]
    assert metrics["loss"][0] == pytest.approx(expected["loss"], abs=1e-3 * abs(expected["loss"]) + 1e-6)
    assert metrics["grad_norm"][0] == pytest.approx(expected["grad_norm"], rel=1e-3)


def test_the_shared_prompt_gives_what_verls_own_pass_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = same_step.settings()
    local = load_model("base")
    pairs = pairs_of(local)
    with worker(config, BASE_CHECKPOINT, tmp_path) as made:
        shared = measure(made, pairs)
        monkeypatch.setattr(type(made.actor.engine), "forward_step", FSDPEngineWithLMHead.forward_step)
        stock = measure(made, pairs)
    for name, rows in stock.items():
        for ours, theirs in zip(shared[name], rows, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
    logits = [
        local.model(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1] for prompt, ids in pairs
    ]
    for ours, each in zip(shared["certainty"], logits, strict=True):
        torch.testing.assert_close(ours, token_certainty(each.detach()), atol=1e-4, rtol=0)

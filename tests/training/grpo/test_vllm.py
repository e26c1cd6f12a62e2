"""TRL's vLLM modes under our trainer, with a stand-in for vLLM's engine, which the tests do not install."""

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from tests.training.scripted import GROUP, SCRIPT, make_clicks, settings

from shop_r1.models.checkpoint import load_model
from shop_r1.training.grpo.run import train_grpo
from shop_r1.training.settings import GrpoConfig
from shop_r1.training.trl_arguments import grpo_arguments


class Engine:
    """Answers as TRL's VLLMGeneration does: tokens, and their log probabilities from a plain forward pass."""

    made: ClassVar[list["Engine"]] = []

    def __init__(self, model: Any, accelerator: Any, processing_class: Any, **settings: Any) -> None:
        self.model, self.settings, self.synced = model, settings, 0
        self.tokenizer = processing_class
        self.prompts: list[list[list[int]]] = []
        self.made.append(self)

    def sync_weights(self) -> None:
        self.synced += 1

    def generate(self, prompts: list[list[int]], num_generations: int, **kwargs: Any) -> Any:
        assert num_generations == GROUP
        self.prompts.append(prompts)
        texts = [SCRIPT[row % len(SCRIPT)] for row in range(len(prompts))]
        completions = [[*self.tokenizer(text)["input_ids"], self.tokenizer.eos_token_id] for text in texts]
        pairs = zip(prompts, completions, strict=True)
        return (
            prompts,
            completions,
            [self.log_probs(prompt, completion) for prompt, completion in pairs],
            None,
        )

    def log_probs(self, prompt: list[int], completion: list[int]) -> list[list[float]]:
        with torch.no_grad():
            logits = self.model(input_ids=torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
        found = (logits / self.settings["temperature"]).log_softmax(-1)
        return [[found[place, token].item()] for place, token in enumerate(completion)]


@pytest.mark.parametrize("rounds", [0, 1])
def test_completions_of_vllm_are_scored_and_learnt_from_as_our_own(
    rounds: int, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trl.trainer.grpo_trainer.VLLMGeneration", Engine)
    train_grpo(
        make_clicks(),
        settings(
            tiny_checkpoint,
            use_vllm=True,
            vllm_gpu_memory_utilization=0.4,
            max_completion_length=99,
            dynamic_sampling=rounds,
        ),
        tmp_path,
    )
    engine = Engine.made[-1]
    assert engine.settings["mode"] == "colocate"
    assert engine.settings["gpu_memory_utilization"] == 0.4
    assert engine.synced == 2  # before each step
    # A group's prompts follow one another, which is what vLLM's prefix cache needs.
    for prompts in engine.prompts:
        assert [prompts[0]] * GROUP + [prompts[GROUP]] * GROUP == prompts
        assert prompts[0] != prompts[GROUP]
    before, after = (load_model(str(path)).model for path in (tiny_checkpoint, tmp_path))
    assert any(not torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True))
    for line in map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines()):
        assert line["sampling/trainer_mismatch"] < 1e-6
        assert line["sampling/importance_sampling_ratio/mean"] == pytest.approx(1.0, abs=1e-4)
        assert line["reward/rationale"] > 0  # the certainty of two rationales in four


def test_a_server_is_found_by_its_address(tiny_checkpoint: Path, tmp_path: Path) -> None:
    config = settings(
        tiny_checkpoint, use_vllm=True, vllm_mode="server", vllm_server_base_url="http://10.0.0.7:8001"
    )
    arguments = grpo_arguments(config, tmp_path)
    assert arguments.use_vllm and arguments.vllm_mode == "server"
    assert arguments.vllm_server_base_url == "http://10.0.0.7:8001"
    assert not grpo_arguments(GrpoConfig(), tmp_path).use_vllm

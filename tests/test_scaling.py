"""The arithmetic of docs/scaling.md, against transformers and PyTorch where they can count it themselves."""

from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks.scaling import (
    RUNS,
    Workload,
    causal_pairs,
    estimate_run,
    forward_flops,
    group_size,
    grpo_flops,
    list_steps,
    main,
    sft_flops,
)
from torch.utils.flop_counter import FlopCounterMode
from transformers import Qwen2Config, Qwen2ForCausalLM

from shop_r1.cli.main import run
from shop_r1.models.shape import SHAPES, Shape
from shop_r1.training.memory import cache_bytes

A100_BYTES = 79 * 2**30
"""What PyTorch finds on an A100 of 80 GB, rounded down."""
ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "scaling.md").read_text("utf-8")
TINY = Shape(layers=3, hidden=64, heads=4, kv_heads=2, head_size=16, intermediate=192, vocabulary=300)


def qwen(shape: Shape, **more: object) -> Any:
    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=shape.vocabulary,
            hidden_size=shape.hidden,
            intermediate_size=shape.intermediate,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.kv_heads,
            tie_word_embeddings=True,
            **more,
        )
    )


@pytest.mark.parametrize("name", SHAPES)
def test_parameters_are_those_of_transformers_own_model(name: str) -> None:
    with torch.device("meta"):
        model = qwen(SHAPES[name])
    assert SHAPES[name].parameters == sum(each.numel() for each in model.parameters())


def test_the_3b_model_has_3_09_billion_parameters_and_2_77_without_its_embedding() -> None:
    shape = SHAPES["3B"]  # both figures stand on its model card
    assert round(shape.parameters / 1e9, 2) == 3.09
    assert round((shape.parameters - shape.vocabulary * shape.hidden) / 1e9, 2) == 2.77


def test_forward_operations_are_those_that_pytorch_counts() -> None:
    model = qwen(TINY, attn_implementation="eager")  # eager attention computes all T x T pairs
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(input_ids=torch.zeros(1, 50, dtype=torch.long))
    assert counter.get_total_flops() == forward_flops(TINY, 50, 50 * 50, 50)


def test_a_token_of_the_3b_models_cache_takes_36_kib() -> None:
    # 36 layers x (key + value) x 2 heads x 128 x 2 bytes
    assert cache_bytes(SHAPES["3B"], 1) == 36 * 2 * 2 * 128 * 2 == 36 * 1024


def test_a_shared_prompt_has_the_pairs_of_one_prompt_and_its_completions() -> None:
    work = Workload(context=5, completion=2, group=2)  # prompt 3, two completions of 2
    # Prompt: 1 + 2 + 3 pairs. Each completion: (3 + 1) + (3 + 2).
    assert group_size(work, shared=True) == (3 + 2 * 2, 6 + 2 * 9)
    assert group_size(work, shared=False) == (2 * 5, 2 * (6 + 9))
    assert causal_pairs(5) == 6 + 9


def test_sharing_the_prompt_saves_nearly_the_group_size() -> None:
    work = Workload()
    shared, repeated = (grpo_flops(SHAPES["3B"], work, each, checkpointed=False) for each in (True, False))
    assert 7 < repeated / shared < 8


def test_a_step_is_the_known_rule_of_six_operations_a_parameter_and_token_without_long_context() -> None:
    shape, work = SHAPES["3B"], Workload(context=256, completion=64, completions=4)  # every token scored
    rule = 6 * shape.parameters * work.sessions * work.context
    assert sft_flops(shape, work, checkpointed=False) == pytest.approx(rule, rel=0.02)


def test_no_step_uses_more_devices_than_it_has_prompts() -> None:
    steps = {step.name: step for step in list_steps(SHAPES["3B"], Workload())}
    narrow, wide = (steps[f"GRPO, {prompts} x 8, prompt shared"] for prompts in (8, 64))
    assert narrow.seconds(64, 0.4) == narrow.seconds(8, 0.4) == pytest.approx(narrow.seconds(1, 0.4) / 8)
    assert wide.seconds(64, 0.4) == pytest.approx(narrow.seconds(8, 0.4))


def test_the_settings_files_fit_the_gpus_that_they_are_for() -> None:
    for settings, launch in RUNS.values():
        assert estimate_run(settings, launch, SHAPES["3B"]).total < A100_BYTES, settings


def test_grpo_of_all_weights_does_not_fit_on_one_gpu() -> None:
    assert estimate_run("grpo/eight_gpus_3b", "one_gpu", SHAPES["3B"]).total > A100_BYTES


def test_the_document_shows_what_the_script_prints(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    printed = capsys.readouterr().out
    assert DOCUMENT.split("<!-- python -m benchmarks.scaling -->\n")[1].startswith("\n" + printed)


def test_the_document_shows_what_doctor_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert run(["doctor", "configs/grpo/paper_3b.toml", "--device-memory", "79"]) == 1
    # The lines before are of the machine, too.
    heading = "memory of each device "
    printed = capsys.readouterr().out.partition(heading)[2]
    shown = DOCUMENT.partition("$ shop-r1 doctor")[2].partition(heading)[2].partition("```")[0]
    assert printed == shown != ""

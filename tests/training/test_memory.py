"""The estimate of a run's memory: its parts by hand, and what `shop-r1 doctor` makes of them.

`benchmarks/memory.py` sets the whole beside measured peaks.
"""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.tiny import SHAPE
from transformers import AutoConfig, AutoModelForCausalLM
from typer.testing import CliRunner

from shop_r1.cli.main import app
from shop_r1.errors import ConfigError, ModelError
from shop_r1.models.precision import Precision
from shop_r1.models.pretrained import SMOLLM2
from shop_r1.models.shape import SHAPES, Shape, find_shape
from shop_r1.training import memory
from shop_r1.training.devices import read_launch
from shop_r1.training.memory import GIB, Load, estimate_memory, fitting_changes, plan_load
from shop_r1.training.settings import GrpoConfig, SftConfig

CONFIGS = Path(__file__).parents[2] / "configs"
TINY = Shape(layers=2, hidden=8, heads=2, kv_heads=1, head_size=4, intermediate=16, vocabulary=100)
LOAD = Load(context=1000, group=4, completion=100, sampled=2, reference=True)


# -- the arithmetic ---------------------------------------------------------------------------------------


def test_what_is_held_is_sixteen_bytes_a_parameter_and_the_reference_four_more() -> None:
    held = estimate_memory(TINY, replace(LOAD, bf16=False)).held
    assert sum(held.values()) == (16 + 4) * TINY.parameters


def test_the_tiny_shape_has_the_parameters_that_one_counts_by_hand() -> None:
    # A layer: q and o 8 x 8 each, k and v 8 x 4 each, three of 8 x 16; biases of q, k and v; two norms.
    layer = 2 * 64 + 2 * 32 + 3 * 128 + (8 + 4 + 4) + 2 * 8
    assert TINY.layer_parameters == layer
    assert TINY.parameters == 100 * 8 + 2 * layer + 8


def test_fsdp_divides_what_is_held_and_leaves_activations() -> None:
    one = estimate_memory(TINY, replace(LOAD, bf16=False))
    eight = estimate_memory(TINY, replace(LOAD, bf16=False, devices=8, strategy="fsdp"))
    for name in one.held:
        assert eight.held[name] == one.held[name] // 8
    assert eight.phases["learning"] == one.phases["learning"]


def test_an_adapter_has_gradients_and_moments_of_its_own_weights_alone() -> None:
    held = estimate_memory(TINY, replace(LOAD, bf16=False, adapter_rank=2)).held
    # Rank 2 beside q, k, v, o, gate, up, down: 2 x (in + out) each, in two layers.
    adapter = 2 * 2 * ((8 + 8) + (8 + 4) + (8 + 4) + (8 + 8) + 3 * (8 + 16))
    assert held["gradients"] == 4 * adapter
    assert held["AdamW's moments"] == 8 * adapter
    assert "reference policy" not in held  # the model without its adapter


def test_a_group_takes_its_prompt_once() -> None:
    update = estimate_memory(TINY, LOAD).phases["learning"]
    twice = estimate_memory(TINY, replace(LOAD, group=8)).phases["learning"]
    assert twice["activations"] / update["activations"] == pytest.approx((1000 + 700) / (1000 + 300))


def test_sampling_takes_every_prompt_of_the_step_up_to_its_limit() -> None:
    two, four, many = (
        estimate_memory(TINY, replace(LOAD, sampled=sampled)).phases["sampling"]["key/value cache"]
        for sampled in (2, 4, 10_000)
    )
    assert four == 2 * two
    assert many == 2 * 2 * 2 * 4 * 65_536  # keys and values, bfloat16, two layers, width 4


def test_the_fewest_changes_that_fit_are_proposed() -> None:
    load = Load(context=32_768, trees=2, group=8, sampled=8, reference=True)
    whole = estimate_memory(SHAPES["3B"], load).total
    [alone] = {len(names.split(", ")) for names in fitting_changes(SHAPES["3B"], load, whole - 1)}
    assert alone == 1
    pairs = fitting_changes(SHAPES["3B"], load, 70 * GIB)
    assert set(pairs) == {
        "gradient_checkpointing=true, 8 devices with FSDP",
        "gradient_checkpointing=true, lora_r=16",
    }
    assert all(total <= 70 * GIB for total in pairs.values())
    assert fitting_changes(SHAPES["3B"], load, GIB) == {}


def test_what_is_done_already_is_not_proposed() -> None:
    load = Load(context=4096, checkpointed=True, adapter_rank=8, devices=8, strategy="fsdp")
    least = estimate_memory(SHAPES["3B"], replace(load, devices=16, context=2048)).total
    assert list(fitting_changes(SHAPES["3B"], load, least)) == [
        "16 devices with FSDP, prompt.max_tokens=2048"
    ]


# -- settings ---------------------------------------------------------------------------------------------


def test_grpos_settings_as_a_load() -> None:
    config = GrpoConfig(
        generation_batch_size=64,
        num_generations=4,
        max_completion_length=64,
        per_device_train_batch_size=8,
        prompt={"max_tokens": 2048},
    )
    load = plan_load(config, SHAPES["3B"], devices=4, strategy="ddp")
    assert (load.context, load.trees, load.group, load.completion, load.sampled) == (2048, 2, 4, 64, 4)
    assert load.reference
    assert not plan_load(config.model_copy(update={"beta": 0.0}), SHAPES["3B"], 4, "ddp").reference


def test_vllm_samples_in_memory_of_its_own() -> None:
    load = plan_load(GrpoConfig(use_vllm=True), SHAPES["3B"], 1, "one", engine=10 * GIB)
    found = estimate_memory(SHAPES["3B"], load)
    assert found.held["vLLM"] == 10 * GIB
    assert found.phases["sampling"] == {}


def test_sfts_settings_as_a_load() -> None:
    load = plan_load(
        SftConfig(per_device_train_batch_size=3), replace(SHAPES["3B"], positions=8192), 1, "one"
    )
    assert (load.context, load.trees, load.sampled, load.reference) == (8192, 3, 0, False)


# -- the model's shape ------------------------------------------------------------------------------------


def test_a_folder_has_its_shape_in_its_configuration(tiny_checkpoint: Path) -> None:
    from shop_r1.models.checkpoint import load_model

    shape, source = find_shape(str(tiny_checkpoint))
    model = load_model(str(tiny_checkpoint)).model
    assert shape.parameters == sum(each.numel() for each in model.parameters())
    assert source == str(tiny_checkpoint / "config.json")


@pytest.mark.parametrize("family", ["qwen2", "qwen3", "llama", "llama-biased", "mistral"])
def test_parameters_are_counted_with_the_biases_and_norms_that_the_family_has(
    family: str, tmp_path: Path
) -> None:
    biased = {"attention_bias": True, "mlp_bias": True} if family == "llama-biased" else {}
    plain = {name: value for name, value in SHAPE.items() if name != "attn_implementation"}
    config = AutoConfig.for_model(family.removesuffix("-biased"), **(plain | {"head_dim": 4} | biased))
    config.save_pretrained(tmp_path)
    shape, _ = find_shape(str(tmp_path))
    model = AutoModelForCausalLM.from_config(config)
    assert shape.parameters == sum(each.numel() for each in model.parameters())


def test_the_fetched_model_has_the_parameters_that_its_configuration_gives() -> None:
    # 30 layers of 576, 9 heads of 64 and 3 for keys, 1,536 within; 49,152 tokens, tied.
    smollm2 = Shape(30, 576, 9, 3, 64, 1536, 49_152, positions=8192, qkv_bias=False)
    assert smollm2.parameters == SMOLLM2.parameters == 134_515_008


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("Qwen/Qwen2.5-3B-Instruct", "3B"),
        ("Qwen/Qwen2.5-0.5B", "0.5B"),
        ("runs/sft_1_5b", "1.5B"),
        ("runs/sft_3b", "3B"),
    ],
)
def test_a_model_that_is_not_here_is_known_by_its_size(name: str, size: str) -> None:
    assert find_shape(name) == (SHAPES[size], f"taken for Qwen2.5-{size} by its name")


@pytest.mark.parametrize("name", ["someone/model", "someone/llama-13b", "runs/sft"])
def test_any_other_model_is_asked_for(name: str) -> None:
    with pytest.raises(ModelError, match="its shape is not known"):
        find_shape(name)


def test_a_configuration_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="not the configuration of a decoder"):
        find_shape(str(tmp_path))


# -- doctor -----------------------------------------------------------------------------------------------


def doctor(*words: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["doctor", *words])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.exit_code, found.stdout


def test_doctor_says_that_a_run_does_not_fit_and_what_would() -> None:
    code, said = doctor(str(CONFIGS / "grpo" / "eight_gpus_3b.toml"), "--device-memory", "74.5")
    assert code == 1
    assert "It does not fit: " in said
    proposed = said.split("GiB too much. It does with\n")[1].splitlines()
    assert [line.split("  ")[1] for line in proposed] == [
        "8 devices with FSDP",
        "lora_r=16",
    ]
    assert all(len(line) <= 80 for line in said.splitlines())


def test_doctor_says_that_the_same_run_fits_on_eight() -> None:
    launch = str(CONFIGS / "accelerate" / "eight_gpus.yaml")
    words = (str(CONFIGS / "grpo" / "eight_gpus_3b.toml"), "--launch", launch)
    code, said = doctor(*words, "--device-memory", "74.5")
    assert code == 0
    assert said.splitlines()[-1] == "It fits."
    assert "8, sharded (FSDP)" in said


@pytest.mark.parametrize("faster", [True, False])
def test_doctor_counts_in_the_format_that_auto_stands_for(
    faster: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = Precision(faster, "as measured")
    monkeypatch.setattr(memory, "choose_precision", lambda asked="auto", device=None: chosen)
    words = ("--stage", "sft", "model=base", "lora_r=0")
    name = "bfloat16" if faster else "float32"
    assert re.search(rf"^number format +{name}$", doctor(*words)[1], re.MULTILINE)
    assert ("bfloat16 copies" in doctor(*words)[1]) is faster
    assert re.search(r"^number format +float32$", doctor(*words, "bf16=false")[1], re.MULTILINE)
    # Another machine's memory is given for a GPU, whatever this machine is.
    assert re.search(r"^number format +bfloat16$", doctor(*words, "--device-memory", "24")[1], re.MULTILINE)


def test_doctor_takes_settings_on_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('model = "base"\n')
    with pytest.raises(ConfigError, match="give --stage sft or --stage grpo"):
        doctor(str(path))
    code, said = doctor(str(path), "--stage", "grpo", "num_generations=4", "prompt.max_tokens=2048")
    assert code == 0
    assert "1 prompt of 2,048 tokens, 4 completions of 128 each" in said
    assert "sft, " in doctor(str(path), "gradient_accumulation_steps=4")[1]  # only SFT has it


def test_doctor_refuses_settings_that_are_neither_stages() -> None:
    with pytest.raises(ConfigError, match=r"as sft: .*nonsense.*; as grpo: .*nonsense"):
        doctor("nonsense=1")


@pytest.mark.skipif(torch.cuda.device_count() >= 8, reason="a machine that has what is asked for")
def test_doctor_refuses_devices_that_this_machine_does_not_have() -> None:
    launch = str(CONFIGS / "accelerate" / "eight_gpus.yaml")
    with pytest.raises(ConfigError, match="asks for FSDP on 8 devices, and this machine has"):
        doctor(str(CONFIGS / "grpo" / "eight_gpus_3b.toml"), "--launch", launch)


def test_a_launch_file_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "launch.yaml"
    for text in ("- 1\n", "num_processes: 2\n", "distributed_type: FSDP\nnonsense: 1\n", "a: [\n"):
        path.write_text(text)
        with pytest.raises(ConfigError, match="is no settings file of accelerate launch"):
            read_launch(path)
    with pytest.raises(ConfigError, match="is no settings file of accelerate launch"):
        read_launch(tmp_path / "missing.yaml")


def test_the_options_of_a_run_need_a_run() -> None:
    with pytest.raises(ConfigError, match="give its settings file"):
        doctor("--device-memory", "80")


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU accelerate does shard")
@pytest.mark.parametrize("words", [[], [str(CONFIGS / "sft" / "paper_3b.toml")]])
def test_doctor_refuses_sharding_that_accelerate_would_not_do(words: list[str]) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "shop_r1", "doctor", *words],
        env=os.environ | {"ACCELERATE_USE_FSDP": "true"},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 2
    assert "FSDP was asked for (ACCELERATE_USE_FSDP), but what runs is 1 process on cpu" in found.stderr

"""The estimate of a run with verl: what of it is otherwise than with TRL, and what goes over the network."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shop_r1.cli.main import app
from shop_r1.errors import ConfigError
from shop_r1.models.shape import SHAPES, Shape
from shop_r1.training.memory import (
    GIB,
    Load,
    Strategy,
    estimate_memory,
    fitting_changes,
    plan_load,
    vllm_cache_needs,
)
from shop_r1.training.network import received_bytes, sequence_parallel_bytes, tensor_parallel_bytes
from shop_r1.training.settings import GrpoConfig

CONFIGS = Path(__file__).parents[2] / "configs"
TINY = Shape(layers=2, hidden=8, heads=2, kv_heads=1, head_size=4, intermediate=16, vocabulary=100)
LOAD = Load(
    context=1000, group=4, completion=100, sampled=2, reference=True, devices=4, strategy="verl", engine=10**6
)


# -- memory -----------------------------------------------------------------------------------------------


def test_the_policys_state_is_sharded_and_the_reference_is_in_the_machines_memory() -> None:
    held = estimate_memory(TINY, LOAD).held
    assert held["weights"] == held["gradients"] == TINY.parameters  # 4 bytes over 4 devices
    assert held["AdamW's moments"] == 2 * TINY.parameters
    assert "reference policy" not in held
    assert "vLLM" not in held  # it sleeps while the policy learns


def test_vllm_takes_its_share_while_it_samples() -> None:
    sampling = estimate_memory(TINY, LOAD).phases["sampling"]
    assert sum(sampling.values()) == LOAD.engine
    assert sampling["vLLM's weights"] == 2 * TINY.parameters
    halves = estimate_memory(TINY, replace(LOAD, tensor_parallel=2)).phases["sampling"]
    assert halves["vLLM's weights"] == TINY.parameters


def test_vllm_caches_a_prompt_once_for_all_its_completions() -> None:
    # Two prompts of 900 tokens, each with four completions of 100; keys and values of width 4, two layers.
    assert vllm_cache_needs(TINY, LOAD) == 2 * (900 + 4 * 100) * 2 * 4 * 2 * 2
    # One key head cannot be divided between two devices; two can.
    assert vllm_cache_needs(TINY, replace(LOAD, tensor_parallel=2)) == vllm_cache_needs(TINY, LOAD)
    two = replace(TINY, kv_heads=2)
    assert 2 * vllm_cache_needs(two, replace(LOAD, tensor_parallel=2)) == vllm_cache_needs(two, LOAD)


def test_weights_are_handed_over_before_vllm_has_its_cache() -> None:
    found = estimate_memory(TINY, LOAD).phases["weight sync"]
    assert found == {
        "vLLM's weights": 2 * TINY.parameters,
        "handed over at once": 2 * GIB + 4 * 100 * 8,  # verl's bucket, and the embedding in float32
    }


def test_offloaded_state_is_there_only_while_it_is_used() -> None:
    there, away = (estimate_memory(TINY, replace(LOAD, offload=each)) for each in (False, True))
    assert set(there.held) - set(away.held) == {"weights", "gradients", "AdamW's moments"}
    assert sum(away.phases["sampling"].values()) == sum(there.phases["sampling"].values())
    for phase, bytes_a_parameter in (("learning", 16), ("reference", 4)):
        more = sum(away.phases[phase].values()) - sum(there.phases[phase].values())
        assert more == bytes_a_parameter * TINY.parameters // 4


@pytest.mark.parametrize(("strategy", "size"), [("fsdp", 2), ("verl", 4), ("one", 0), ("ddp", 0)])
def test_gradients_are_whole_until_the_last_of_several_micro_batches(strategy: Strategy, size: int) -> None:
    load = replace(LOAD, strategy=strategy, micro_batches=2)
    assert estimate_memory(TINY, load).held.get("whole gradients", 0) == size * TINY.parameters
    assert "whole gradients" not in estimate_memory(TINY, replace(load, micro_batches=1)).held


def test_devices_that_share_a_tree_divide_its_tokens_and_not_its_mask() -> None:
    whole, split = (
        estimate_memory(TINY, replace(LOAD, sequence_parallel=shared)).phases for shared in (1, 2)
    )
    for part in ("activations", "backward pass of the head or a layer"):
        assert 2 * split["learning"][part] == whole["learning"][part]
    assert 2 * split["reference"]["logits"] == whole["reference"]["logits"]
    assert split["learning"]["mask of the completions"] == whole["learning"]["mask of the completions"]
    assert split["sampling"] == whole["sampling"]


def test_what_is_proposed_is_what_verl_has() -> None:
    learning = Load(
        context=32_768, group=8, sampled=1, reference=True, devices=8, strategy="verl", engine=GIB
    )
    sampling = replace(learning, checkpointed=True, engine=60 * GIB)
    proposed = [
        set(fitting_changes(SHAPES["3B"], load, estimate_memory(SHAPES["3B"], load).total - 1))
        for load in (learning, sampling)
    ]
    assert proposed == [
        {
            "gradient_checkpointing=true",
            "16 devices",
            "cluster.sequence_parallel=2",
            "prompt.max_tokens=16384",
        },
        {"cluster.offload=true", "16 devices"},
    ]


# -- the network ------------------------------------------------------------------------------------------


def test_bytes_by_hand() -> None:
    # Three of four parts come from others. Four passes in bfloat16: the policy's, the reference's, and the
    # update's two; two micro-batches of one prompt each.
    found = received_bytes(TINY, replace(LOAD, micro_batches=2))
    assert found["weights, for every pass"] == 2 * 4 * 2 * TINY.parameters * 3 // 4
    assert found["gradients"] == found["weights, for vLLM"] == 4 * TINY.parameters * 3 // 4
    assert found["vLLM's tensor parallelism"] == 0
    without = received_bytes(TINY, replace(LOAD, reference=False))
    assert without["weights, for every pass"] == 3 * 2 * TINY.parameters * 3 // 4


def test_a_device_alone_receives_nothing() -> None:
    assert set(received_bytes(TINY, replace(LOAD, devices=1)).values()) == {0}


def test_tensor_parallelism_sums_the_stream_of_every_token_and_gathers_logits() -> None:
    load = replace(LOAD, tensor_parallel=2)
    # Tokens: 2 x (900 + 400). All-reduces: two a layer and one, each twice half of 8 numbers of 2 bytes.
    stream = 2 * (900 + 400) * 5 * 8 * 2
    logits = 2 * 400 * 100 * 2 // 2
    assert tensor_parallel_bytes(TINY, load) == stream + logits


def test_sequence_parallelism_exchanges_heads_for_tokens_in_every_pass() -> None:
    # Each of two devices has 650 of the 1,300 tokens and gives half of its heads' numbers away: two heads of
    # queries and, copied, two of keys, of 4 numbers of 2 bytes, and as much for values and for the output.
    load = replace(LOAD, sequence_parallel=2)
    layer = 2 * (2 + 2) * 4 * 2 * 650 // 2
    # Two layers; two scoring passes, and the update there and back.
    assert sequence_parallel_bytes(TINY, load) == 2 * layer * (2 + 2)
    assert sequence_parallel_bytes(TINY, replace(load, checkpointed=True)) == 2 * layer * (2 + 3)
    assert sequence_parallel_bytes(TINY, LOAD) == 0


def test_a_session_of_32k_tokens_exchanges_what_the_document_says() -> None:
    # docs/cluster.md, Long contexts: 7.6, 6.3 and 4.4 GiB for one pass that is learnt from, of 32,768 tokens.
    load = Load(32_768, group=1, completion=128, devices=8, strategy="verl", checkpointed=True)
    for shared, expected in ((2, 7.6), (4, 6.3), (8, 4.4)):
        found = sequence_parallel_bytes(SHAPES["3B"], replace(load, sequence_parallel=shared))
        assert found / 4 * 3 / GIB == pytest.approx(expected, abs=0.05)  # three of four: not the scoring pass


# -- settings and doctor ----------------------------------------------------------------------------------


def test_settings_as_a_load() -> None:
    config = GrpoConfig(
        generation_batch_size=64,
        beta=0,
        cluster={"nodes": 2, "devices_per_node": 2, "tensor_parallel": 2, "offload": True},
    )
    load = plan_load(config, SHAPES["3B"], 4, "verl", engine=GIB, bf16=True)
    assert (load.sampled, load.tensor_parallel, load.offload) == (4, 2, True)  # 8 prompts over two copies
    assert load.micro_batches == 2
    assert plan_load(config, SHAPES["3B"], 8, "verl").micro_batches == 1
    split = config.model_copy(update={"cluster": config.cluster.model_copy(update={"sequence_parallel": 4})})
    load = plan_load(split, SHAPES["3B"], 4, "verl")
    assert (load.micro_batches, load.sequence_parallel) == (8, 4)


def doctor(*words: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["doctor", *words])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.exit_code, found.stdout


@pytest.mark.parametrize("name", ["eight_gpus_3b", "sixty_four_gpus_3b", "sixty_four_gpus_8_prompts_3b"])
def test_the_settings_of_a_cluster_fit_it(name: str) -> None:
    code, said = doctor(str(CONFIGS / "grpo" / f"{name}.toml"), "--engine", "verl", "--device-memory", "79")
    assert code == 0, said
    assert said.splitlines()[-1] == "It fits."
    assert "each device receives in a step" in said
    assert max(map(len, said.splitlines())) <= 80


def test_doctor_names_what_vllm_needs() -> None:
    words = (str(CONFIGS / "grpo" / "eight_gpus_3b.toml"), "--engine", "verl", "--device-memory", "79")
    with pytest.raises(
        ConfigError, match=r"= 0\.05 gives vLLM 4\.0 GiB of each device; its weights take 5\.7"
    ):
        doctor(*words, "vllm_gpu_memory_utilization=0.05")


def test_doctor_plans_a_cluster_by_its_own_settings() -> None:
    path = str(CONFIGS / "grpo" / "eight_gpus_3b.toml")
    launch = str(CONFIGS / "accelerate" / "eight_gpus.yaml")
    with pytest.raises(ConfigError, match="leave --launch and --stage sft out"):
        doctor(path, "--engine", "verl", "--launch", launch)
    with pytest.raises(ConfigError, match="ask for 2 x 1 devices, and this machine has"):
        doctor("model=base", "--engine", "verl", "cluster.nodes=2")
    with pytest.raises(ConfigError, match="--engine are of a run"):
        doctor("--engine", "verl")


def test_doctor_plans_the_demo_on_this_machines_cores() -> None:
    words = ("cluster.device=cpu", "bf16=false", "vllm_gpu_memory_utilization=0.9")
    code, said = doctor(str(CONFIGS / "grpo" / "demo.toml"), "--engine", "verl", *words)
    assert code == 0
    assert "receives" not in said  # one process

"""Our settings in verl's names, and what is refused since verl has no name for it."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.shell import Shell
from tests.tiny import save_tiny_checkpoint

from shop_r1.config import load_config
from shop_r1.errors import ConfigError, ModelError, TrainingError
from shop_r1.training.cluster.overrides import RunFiles, verl_overrides
from shop_r1.training.cluster.sft.overrides import SftFiles, sft_overrides
from shop_r1.training.cluster.start import check_checkpoints, check_split, find_start, last_saved_step
from shop_r1.training.session_trees import CheckedSessions
from shop_r1.training.settings import GrpoConfig, SftConfig

FILES = RunFiles(
    Path("/runs/grpo"), Path("/data/train.parquet"), Path("/runs/grpo/examples.jsonl"), Path("/sft")
)


def overrides(device: Any = "cpu", resume: bool = False, **changes: Any) -> Any:
    return verl_overrides(GrpoConfig(**{"bf16": False} | changes), FILES, device, resume)


def test_the_papers_settings_arrive_under_verls_names() -> None:
    found = overrides()
    policy = found["actor_rollout_ref"]
    assert found["trainer"]["total_training_steps"] == 500
    assert found["data"]["train_batch_size"] * policy["rollout"]["n"] == 64
    assert policy["actor"]["optim"]["lr"] == 1e-7
    assert (policy["actor"]["use_kl_loss"], policy["actor"]["kl_loss_coef"]) == (True, 0.001)
    assert policy["rollout"]["temperature"] == 0.6
    assert found["data"]["max_prompt_length"] + found["data"]["max_response_length"] == 32768
    assert policy["actor"]["loss_agg_mode"] == "seq-mean-token-mean"  # TRL's loss_type "grpo"


def test_changed_settings_arrive_too() -> None:
    found = overrides(
        resume=True,
        beta=0,
        epsilon=0.1,
        num_generations=4,
        per_device_train_batch_size=8,
        lr_scheduler_type="cosine",
        warmup_steps=7,
        top_k=20,
        save_steps=5,
        cluster={"nodes": 2, "devices_per_node": 4, "tensor_parallel": 2},
    )
    policy = found["actor_rollout_ref"]
    assert not policy["actor"]["use_kl_loss"]
    assert {policy["actor"][f"clip_ratio{end}"] for end in ("", "_low", "_high")} == {0.1}
    assert policy["actor"]["ppo_micro_batch_size_per_gpu"] == 8
    assert policy["actor"]["optim"]["schedule"] == "cosine"
    assert policy["actor"]["optim"]["lr_warmup_steps"] == 7
    assert policy["rollout"]["top_k"] == 20
    assert (found["trainer"]["nnodes"], found["trainer"]["n_gpus_per_node"]) == (2, 4)
    assert (found["trainer"]["save_freq"], found["trainer"]["resume_mode"]) == (5, "auto")


def test_devices_that_share_sequences_learn_from_the_same_groups() -> None:
    # 8 prompts a step, one at once: over 16 devices only if two of them share each.
    found = overrides(cluster={"nodes": 2, "devices_per_node": 8, "sequence_parallel": 2})
    policy = found["actor_rollout_ref"]
    sizes = {policy[role]["fsdp_config"]["ulysses_sequence_parallel_size"] for role in ("actor", "ref")}
    assert sizes == {2} and policy["model"]["use_remove_padding"]  # verl asks for it then
    assert not overrides()["actor_rollout_ref"]["model"]["use_remove_padding"]


def test_heads_that_devices_cannot_share_are_refused(tiny_checkpoint: Path) -> None:
    check_split(tiny_checkpoint, 2)
    with pytest.raises(ModelError, match=r"4 heads .* between 8 devices .*; expected 1, 2, 4"):
        check_split(tiny_checkpoint, 8)


def test_a_gpu_needs_no_help_for_vllm() -> None:
    assert "engine_kwargs" in overrides()["actor_rollout_ref"]["rollout"]
    assert "engine_kwargs" not in overrides("cuda")["actor_rollout_ref"]["rollout"]
    assert overrides("cuda", bf16=True)["actor_rollout_ref"]["rollout"]["dtype"] == "bfloat16"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lr_scheduler_type": "cosine_with_min_lr"}, "not one for --engine verl; expected one of constant"),
        ({"report_to": "trackio"}, "report_to = 'trackio' has no counterpart"),
        ({"dynamic_sampling": 2}, "dynamic_sampling = 2 has no counterpart"),
        ({"use_vllm": True}, "vLLM samples there anyway"),
        ({"cluster": {"devices_per_node": 3}}, "8 prompts .* over 3 device"),
        ({"cluster": {"devices_per_node": 2, "tensor_parallel": 4}}, "does not divide the 2 devices"),
        (
            {"cluster": {"sequence_parallel": 2}},
            "cluster.sequence_parallel = 2 does not divide the 1 devices",
        ),
        (
            {"cluster": {"devices_per_node": 6, "sequence_parallel": 2}},
            "8 prompts .* over 6 device.*, 2 of which share a sequence, .* multiple of 3",
        ),
    ],
)
def test_what_verl_has_not_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        overrides(**changes)


CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@pytest.mark.parametrize("file", sorted((CONFIGS / "grpo").glob("*.toml")), ids=lambda file: file.stem)
def test_every_settings_file_of_grpo_is_one_for_verl(file: Path) -> None:
    config = load_config(GrpoConfig, file, ["bf16=true"])
    found = verl_overrides(config, FILES, "cuda", resume=False)
    policy = found["actor_rollout_ref"]
    assert found["data"]["train_batch_size"] * policy["rollout"]["n"] == config.generation_batch_size
    assert policy["actor"]["optim"]["lr"] == config.learning_rate
    assert json.loads(found["shop_r1"]["settings"])["reward"] == config.reward.model_dump(mode="json")


@pytest.mark.parametrize("file", sorted((CONFIGS / "sft").glob("*.toml")), ids=lambda file: file.stem)
def test_every_settings_file_of_sft_is_one_for_verl(file: Path) -> None:
    config = load_config(SftConfig, file, ["bf16=true"])
    files = SftFiles(Path("/runs/sft"), Path("/data/train.parquet"), Path("/qwen"))
    found = sft_overrides(config, files, CheckedSessions([10] * 640, None), "cuda", resume=False)
    paper = file.stem != "first_try"
    assert found["data"]["train_batch_size"] == (64 if paper else 1)
    assert found["trainer"]["total_training_steps"] == (40 if paper else 60)


def test_a_run_starts_from_a_folder_that_all_machines_see(tiny_checkpoint: Path) -> None:
    assert find_start(str(tiny_checkpoint)) == tiny_checkpoint.resolve()
    assert find_start("base").name == "base"
    with pytest.raises(ModelError, match=r"'Qwen/Qwen2\.5-3B' is not a folder with a whole checkpoint"):
        find_start("Qwen/Qwen2.5-3B")


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_a_checkpoint_with_code_of_its_own_is_refused(file: str, tmp_path: Path, tiny_tokenizer: Any) -> None:
    checkpoint = save_tiny_checkpoint(tmp_path / "model", tiny_tokenizer)
    path = checkpoint / file
    path.write_text(
        json.dumps(json.loads(path.read_text("utf-8")) | {"auto_map": {"AutoModel": "evil.Model"}})
    )
    with pytest.raises(ModelError, match="code of the checkpoint's own"):
        find_start(str(checkpoint))


def test_without_verl_the_command_says_where_it_is(shell: Shell, tmp_path: Path) -> None:
    data = tmp_path / "sessions.jsonl"
    assert shell("simulate", "--shoppers", 6, "--out", data)[0] == 0
    small = ("max_steps=1", "generation_batch_size=2", "num_generations=2", "per_device_train_batch_size=2")
    out = tmp_path / "out"
    code, _, err = shell(
        "grpo", "--engine", "verl", "--data", data, "--out", out, *small, "prompt.max_tokens=4096"
    )
    assert code == 2 and "which is not installed here; make cluster makes an environment" in err


def test_only_a_checkpoint_that_verl_has_finished_counts(tmp_path: Path) -> None:
    checkpoints = tmp_path / "checkpoints"
    (checkpoints / "global_step_12").mkdir(parents=True)  # cut short by a kill, or an earlier run's
    assert last_saved_step(tmp_path) == 0
    (checkpoints / "latest_checkpointed_iteration.txt").write_text("4")
    assert last_saved_step(tmp_path) == 4


def test_a_run_goes_on_from_its_own_engines_checkpoints_alone(tmp_path: Path) -> None:
    for engine in ("trl", "verl"):
        check_checkpoints(tmp_path, engine, resume=False)  # a fresh folder
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "latest_checkpointed_iteration.txt").write_text("4")
    check_checkpoints(tmp_path, "verl", resume=True)
    with pytest.raises(TrainingError, match="holds checkpoints of an earlier run; go on with --resume"):
        check_checkpoints(tmp_path, "verl", resume=False)
    with pytest.raises(TrainingError, match="holds checkpoints of --engine verl, which --engine trl cannot"):
        check_checkpoints(tmp_path, "trl", resume=True)

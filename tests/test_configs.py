"""Every shipped settings file fits its folder's schema and has the paper's numbers, typed in by hand."""

from pathlib import Path

import pytest
from accelerate import DistributedType
from accelerate.commands.config.config_args import load_config_from_file

from shop_r1.cli.reproduction.config import ReproductionConfig
from shop_r1.config import Config, load_config
from shop_r1.evaluation.predict import PredictConfig
from shop_r1.rewards.total import RewardConfig
from shop_r1.training.devices import read_launch
from shop_r1.training.settings import GrpoConfig, SftConfig

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
SCHEMAS: dict[str, type[Config]] = {
    "sft": SftConfig,
    "grpo": GrpoConfig,
    "evaluate": PredictConfig,
    "reproduce": ReproductionConfig,
}
FILES = sorted(CONFIGS.glob("*/*.toml"))

MODELS = {
    "3b": "Qwen/Qwen2.5-3B-Instruct",
    "1_5b": "Qwen/Qwen2.5-1.5B-Instruct",
    "0_5b": "Qwen/Qwen2.5-0.5B-Instruct",
}
ROWS = {
    "rl_binary_3b",
    "sft_rl_binary_3b",
    "paper_3b",
    "paper_1_5b",
    "paper_0_5b",
    "no_sft_3b",
    "no_format_3b",
    "no_rationale_3b",
    "no_dars_3b",
    "binary_action_3b",
}
"""Tables 2 and 4; "full" of Table 4 is Table 2's Shop-R1, and zero-shot trains nothing."""


def grpo(name: str) -> GrpoConfig:
    return load_config(GrpoConfig, CONFIGS / "grpo" / f"{name}.toml")


def reward(name: str) -> RewardConfig:
    return grpo(name).reward


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_each_settings_file_fits_its_folder(file: Path) -> None:
    load_config(SCHEMAS[file.parent.name], file)


def test_every_row_of_tables_2_and_4_has_its_settings() -> None:
    assert {file.stem for file in (CONFIGS / "grpo").glob("*.toml")} >= ROWS


@pytest.mark.parametrize("size", MODELS)
def test_sft_is_the_papers(size: str) -> None:
    config = load_config(SftConfig, CONFIGS / "sft" / f"paper_{size}.toml")
    assert config.model == MODELS[size]
    assert (config.num_train_epochs, config.learning_rate) == (4, 2e-5)
    assert (
        config.per_device_train_batch_size,
        config.per_device_train_batch_size * config.gradient_accumulation_steps,
    ) == (
        1,
        64,
    )
    assert (config.prompt.max_tokens, config.prompt.context) == (32768, "whole-session")


@pytest.mark.parametrize("name", sorted(ROWS | {"latest_step_3b"}))
def test_rl_is_the_papers_but_for_the_reward(name: str) -> None:
    config = grpo(name)
    assert (config.max_steps, config.learning_rate, config.temperature) == (500, 1e-7, 0.6)
    assert (config.beta, config.generation_batch_size, config.type_ratio) == (0.001, 64, 1.1)
    assert config.prompt.max_tokens == 32768
    assert (config.reward.certainty_weight, config.reward.action.dars_factor) == (0.005, 1000)
    assert config.reward.action.similarity_threshold == 0.75


@pytest.mark.parametrize("name", ["paper_3b", "paper_1_5b", "paper_0_5b", "no_sft_3b", "latest_step_3b"])
def test_the_full_reward_is_whole(name: str) -> None:
    found = reward(name)
    assert found.use_format and found.use_rationale and found.action.dars
    assert found.action.kind == "hierarchical"


def test_each_ablation_leaves_out_one_part_of_the_full_reward() -> None:
    full = reward("paper_3b")
    changed = {
        "no_format_3b": full.model_copy(update={"use_format": False}),
        "no_rationale_3b": full.model_copy(update={"use_rationale": False}),
        "no_dars_3b": full.model_copy(update={"action": full.action.model_copy(update={"dars": False})}),
        "binary_action_3b": full.model_copy(
            update={"action": full.action.model_copy(update={"kind": "binary"})}
        ),
    }
    assert {name: reward(name) for name in changed} == changed


@pytest.mark.parametrize("name", ["rl_binary_3b", "sft_rl_binary_3b"])
def test_the_binary_baseline_earns_for_the_whole_action_alone(name: str) -> None:
    found = reward(name)
    assert (found.action.kind, found.use_format, found.use_rationale) == ("binary", False, False)


def test_rows_without_sft_start_from_the_instruct_model_and_the_others_from_sfts() -> None:
    plain = {name for name in ROWS if grpo(name).model.startswith("Qwen/")}
    assert plain == {"rl_binary_3b", "no_sft_3b"}
    assert {grpo(name).model for name in ROWS - plain} == {"runs/sft_3b", "runs/sft_1_5b", "runs/sft_0_5b"}


def test_table_5_differs_in_the_context_alone() -> None:
    assert grpo("latest_step_3b").prompt.context == "latest-step"
    assert load_config(SftConfig, CONFIGS / "sft" / "latest_step_3b.toml").prompt.context == "latest-step"
    assert (
        load_config(PredictConfig, CONFIGS / "evaluate" / "latest_step.toml").prompt.context == "latest-step"
    )


def test_predictions_are_sampled_as_in_the_paper() -> None:
    config = load_config(PredictConfig, CONFIGS / "evaluate" / "paper.toml")
    assert (config.sampling.temperature, config.sampling.top_p, config.prompt.max_tokens) == (0.6, 1, 32768)


# -- one, eight and 64 GPUs -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("launch", "devices", "kind"),
    [
        ("one_gpu", 1, DistributedType.NO),
        ("eight_gpus", 8, DistributedType.FSDP),
        ("sixty_four_gpus", 64, DistributedType.FSDP),
    ],
)
def test_accelerate_reads_its_settings(launch: str, devices: int, kind: DistributedType) -> None:
    path = CONFIGS / "accelerate" / f"{launch}.yaml"
    assert read_launch(path) == (devices, kind)
    found = load_config_from_file(str(path))
    assert found.mixed_precision == "bf16"
    assert (found.fsdp_config or {}).get("fsdp_version", 2) == 2


@pytest.mark.parametrize(
    ("name", "devices"), [("paper_3b", 1), ("eight_gpus_3b", 8), ("sixty_four_gpus_3b", 64)]
)
def test_sft_has_64_sessions_a_step_on_any_number_of_devices(name: str, devices: int) -> None:
    config, paper = (load_config(SftConfig, CONFIGS / "sft" / f"{each}.toml") for each in (name, "paper_3b"))
    assert devices * config.per_device_train_batch_size * config.gradient_accumulation_steps == 64
    assert config.cluster.devices == devices
    same = {"gradient_accumulation_steps": 64, "cluster": paper.cluster, "bf16": paper.bf16}
    assert config.model_copy(update=same) == paper


@pytest.mark.parametrize(
    ("name", "devices", "changed"),
    [
        ("one_gpu_3b", 1, {"learning_rate", "lora_r", "gradient_checkpointing"}),
        ("eight_gpus_3b", 8, {"gradient_checkpointing", "bf16", "cluster"}),
        ("sixty_four_gpus_3b", 64, {"generation_batch_size", "gradient_checkpointing", "bf16", "cluster"}),
        ("sixty_four_gpus_8_prompts_3b", 64, {"gradient_checkpointing", "bf16", "cluster"}),
    ],
)
def test_grpo_departs_from_the_papers_settings_only_as_its_file_says(
    name: str, devices: int, changed: set[str]
) -> None:
    config, paper = grpo(name), grpo("paper_3b")
    assert {key for key, value in config if value != getattr(paper, key)} == changed
    assert config.prompts_per_step % (config.cluster.data_parallel * config.prompts_per_device) == 0
    assert config.cluster.devices == devices

"""Settings of SFT and GRPO, and what of them TRL's trainers have in common."""

from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from trl import GRPOConfig, SFTConfig

from shop_r1.config import Config
from shop_r1.prompts.render import PromptConfig
from shop_r1.rewards.total import RewardConfig

SAVING = frozenset({"checkpoint_every", "keep_checkpoints"})
"""Settings on which no weight depends: a resumed run may change them."""


class TrainConfig(Config):
    """What SFT and GRPO share."""

    model: str = "base"
    """`base`, a checkpoint folder, or a name on the Hugging Face hub."""
    prompt: PromptConfig = PromptConfig()
    """What of a session the model sees."""
    schedule: str = "constant"
    """transformers' name of the learning-rate schedule. Ours."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps of linear warm-up. Ours."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients are clipped to this norm. Ours."""
    bf16: bool = True
    """Compute in bfloat16; weights and optimiser stay float32."""
    gradient_checkpointing: bool = False
    """Save memory by computing activations twice."""
    checkpoint_every: int = Field(default=50, ge=0)
    """Optimiser steps between checkpoints to resume from (docs/training.md); the last step gets one too. With
    0 there are none but when the run is asked to stop. Ours."""
    keep_checkpoints: int = Field(default=2, ge=1)
    """How many of them stay, the newest. With AdamW each takes three times the room of the weights. Ours."""


class SftConfig(TrainConfig):
    """Settings of `shop-r1 sft`; the defaults are the paper's (4.1) where it has them."""

    epochs: float = Field(4.0, gt=0)
    """Passes over the sessions. Paper 4.1."""
    max_steps: int = -1
    """Optimiser steps; -1 leaves it to `epochs`."""
    schedule: str = "cosine"
    """transformers' name of the learning-rate schedule. Ours."""
    warmup_steps: int = Field(20, ge=0)
    """Steps of linear warm-up. Ours."""
    learning_rate: float = Field(2e-5, gt=0)
    """AdamW's peak. Paper 4.1."""
    weight_decay: float = 0.0
    """AdamW's. Ours."""
    adam_beta2: float = 0.999
    """AdamW's second beta."""
    device_batch: int = Field(1, ge=1)
    """Sessions on a device at once. Paper 4.1."""
    accumulation: int = Field(64, ge=1)
    """Batches an optimiser step: 64 sessions a step on one device. Paper 4.1: global batch 64."""
    seed: int = 0
    """Order of the sessions."""


class GrpoConfig(TrainConfig):
    """Settings of `shop-r1 grpo`; the defaults are the paper's (4.1) where it has them."""

    model: str = "base"
    """The checkpoint to start from, usually SFT's: `base`, a folder, or a name on the Hugging Face hub."""
    reward: RewardConfig = RewardConfig()
    """What a reply earns."""
    steps: int = Field(default=500, ge=1)
    """Optimiser steps. Paper 4.1."""
    prompts: int = Field(default=8, ge=1)
    """Prompts a step; times `group` replies: the paper's global batch of 64."""
    group: int = Field(default=8, ge=2)
    """G, replies for each prompt. Ours; the paper does not say."""
    learning_rate: float = Field(default=1e-7, gt=0)
    """AdamW's peak. Paper 4.1."""
    beta: float = Field(default=0.001, ge=0)
    """Weight of the KL divergence to the reference policy. Paper 4.1."""
    clip: float = Field(default=0.2, gt=0)
    """ε, how far the probability ratio may move. GRPO's usual."""
    temperature: float = Field(default=0.6, gt=0)
    """Of sampling, and of the probabilities in the loss. Paper 4.1."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Of sampling. Ours: all of the distribution."""
    top_k: int = Field(default=0, ge=0)
    """Of sampling: keep this many of the likeliest tokens; 0 keeps all. Ours."""
    reply_tokens: int = Field(default=128, ge=8)
    """Replies are cut here, in tokens. Ours."""
    device_prompts: int = Field(default=1, ge=1)
    """Prompts, each with its group, on a device at once; the rest of a step's prompts follow one after the
    other. Paper 4.1: per-device batch 1."""
    skew: float = Field(default=1.1, gt=0)
    """How much more frequent each other type is than `terminate`. Paper 4.1."""
    equal_groups: Literal["paper", "skip"] = "skip"
    """What groups whose rule rewards are all equal teach. `paper`: whatever their self-certainty says, which
    the group's standard deviation blows up to unit size. `skip`: nothing (docs/rewards.md)."""
    seed: int = 0
    """Order of the prompts and every sampled reply."""


def sft_arguments(config: SftConfig, out: Path) -> SFTConfig:
    """Return what TRL's SFTTrainer takes."""
    return SFTConfig(
        **_common_arguments(config, out),
        num_train_epochs=config.epochs,
        max_steps=config.max_steps,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        adam_beta2=config.adam_beta2,
        per_device_train_batch_size=config.device_batch,
        gradient_accumulation_steps=config.accumulation,
        train_sampling_strategy="group_by_length",
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        logging_steps=10,
        logging_first_step=True,
        seed=config.seed,
    )


def grpo_arguments(config: GrpoConfig, out: Path) -> GRPOConfig:
    """Return what TRL's GRPOTrainer takes."""
    return GRPOConfig(
        **_common_arguments(config, out),
        max_steps=config.steps,
        learning_rate=config.learning_rate,
        per_device_train_batch_size=config.prompts * config.group,
        gradient_accumulation_steps=1,
        num_generations=config.group,
        max_completion_length=config.reply_tokens,
        temperature=config.temperature,
        top_p=config.top_p,
        top_k=config.top_k,
        beta=config.beta,
        epsilon=config.clip,
        loss_type="grpo",
        scale_rewards="group",
        logging_steps=1,
        seed=config.seed,
    )


def _common_arguments(config: TrainConfig, out: Path) -> dict[str, Any]:
    return {
        "output_dir": str(out),
        "lr_scheduler_type": config.schedule,
        "warmup_steps": config.warmup_steps,
        "max_grad_norm": config.max_grad_norm,
        "bf16": config.bf16,
        "activation_checkpointing": config.gradient_checkpointing,
        "use_cpu": not torch.cuda.is_available(),
        "remove_unused_columns": False,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }

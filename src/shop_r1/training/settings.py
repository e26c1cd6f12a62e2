"""Settings of SFT and GRPO under TRL's and transformers' names."""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import ClassVar, Literal

from pydantic import Field

from shop_r1.config import Config
from shop_r1.errors import ConfigError
from shop_r1.models.precision import Bf16
from shop_r1.prompts.render import PromptConfig
from shop_r1.rewards.total import RewardConfig
from shop_r1.training.cluster.config import ClusterConfig
from shop_r1.training.grpo.advantages import Balance, Guard
from shop_r1.training.health_checks import AlertName

WATCHING = frozenset(
    {"save_steps", "save_total_limit", "report_to", "alerts", "stop_on_alert", "rollout_groups"}
)
"""Settings on which no weight depends: a resumed run may change them."""
PLACES = frozenset({"cluster.address", "cluster.reward_workers", "cluster.kv_cache_gib"})
"""Of `--engine verl`: where a run finds its cluster and what else of it may change when it goes on."""

LOGGING_STEPS = 10
"""Steps between SFT's lines in metrics.jsonl; the first step has one too. transformers' name. Ours."""


class TrainConfig(Config):
    """What SFT and GRPO share."""

    RENAMED: ClassVar[Mapping[str, str]] = {
        "schedule": "lr_scheduler_type",
        "lora_rank": "lora_r",
        "lora_targets": "lora_target_modules",
        "checkpoint_every": "save_steps",
        "keep_checkpoints": "save_total_limit",
        "alarms": "alerts",
        "stop_on_alarm": "stop_on_alert",
    }

    model: str = "base"
    """`base`, a checkpoint folder, or a name on the Hugging Face hub."""
    prompt: PromptConfig = PromptConfig()
    """What of a session the model sees."""
    lr_scheduler_type: str = "constant"
    """transformers' name of the learning-rate schedule. Ours."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps of linear warm-up. Ours."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients are clipped to this norm. Ours."""
    bf16: Bf16 = "auto"
    """Compute in bfloat16; weights and optimiser stay float32. `auto`: where that is faster on this machine
    (`models.precision`), else in float32; a resumed run keeps what it began with."""
    gradient_checkpointing: bool = False
    """Save memory by computing activations twice."""
    lora_r: int = Field(default=0, ge=0)
    """Train a LoRA adapter of this rank beside the model's own weights; 0 trains these, as the paper does."""
    lora_alpha: int = Field(default=32, ge=1)
    """The adapter's output counts lora_alpha / lora_r. Ours."""
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Of the adapter's input. Ours."""
    lora_target_modules: tuple[str, ...] = ()
    """Names of the layers that get an adapter, such as "q_proj"; none: every linear layer but the head."""
    lora_merge: bool = True
    """Write the whole model with the adapter merged into it; false: the adapter alone."""
    report_to: Literal["none", "tensorboard", "trackio"] = "none"
    """Where the metrics go besides metrics.jsonl and the terminal: TensorBoard's event files in the output
    folder, or trackio's database on this machine."""
    alerts: bool = True
    """Whether alerts are raised (docs/training.md)."""
    stop_on_alert: tuple[AlertName, ...] = ()
    """The alerts that end the run, once its weights are written; others are told and the run goes on."""
    save_steps: int = Field(default=50, ge=0)
    """Optimiser steps between checkpoints to resume from (docs/training.md); the last step gets one too. With
    0 there are none but when the run is asked to stop. Ours."""
    save_total_limit: int = Field(default=2, ge=1)
    """How many of them stay, the newest. With AdamW each takes three times the room of the weights. Ours."""
    cluster: ClusterConfig = ClusterConfig()
    """Of `--engine verl` (docs/cluster.md)."""


class SftConfig(TrainConfig):
    """Settings of `shop-r1 sft`; the defaults are the paper's (4.1) where it has them."""

    RENAMED: ClassVar[Mapping[str, str]] = {
        **TrainConfig.RENAMED,
        "epochs": "num_train_epochs",
        "device_batch": "per_device_train_batch_size",
        "accumulation": "gradient_accumulation_steps",
    }

    num_train_epochs: float = Field(4.0, gt=0)
    """Passes over the sessions. Paper 4.1."""
    max_steps: int = -1
    """Optimiser steps; -1 leaves it to `num_train_epochs`."""
    lr_scheduler_type: str = "cosine"
    """transformers' name of the learning-rate schedule. Ours."""
    warmup_steps: int = Field(20, ge=0)
    """Steps of linear warm-up. Ours."""
    learning_rate: float = Field(2e-5, gt=0)
    """AdamW's peak. Paper 4.1."""
    weight_decay: float = 0.0
    """AdamW's. Ours."""
    adam_beta2: float = 0.999
    """AdamW's second beta."""
    type_ratio: float = Field(default=0.0, ge=0)
    """How much more each other type counts in the loss, over all sessions, than `terminate`, as in
    `GrpoConfig.type_ratio`; every step is learnt, those of rare types with more weight. 0: each step
    counts the same. For sessions whose types are far from even, as the paper's are not. Ours."""
    per_device_train_batch_size: int = Field(1, ge=1)
    """Sessions on a device at once. Paper 4.1."""
    gradient_accumulation_steps: int = Field(64, ge=1)
    """Batches an optimiser step: 64 sessions a step on one device. Paper 4.1: global batch 64."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Order of the sessions."""


class GrpoConfig(TrainConfig):
    """Settings of `shop-r1 grpo`; the defaults are the paper's (4.1) where it has them."""

    RENAMED: ClassVar[Mapping[str, str]] = {
        **TrainConfig.RENAMED,
        "steps": "max_steps",
        "prompts": "generation_batch_size, counted in completions: prompts times num_generations",
        "group": "num_generations",
        "clip": "epsilon",
        "reply_tokens": "max_completion_length",
        "device_prompts": "per_device_train_batch_size, counted in completions: device_prompts times "
        "num_generations",
        "gradient_accumulation_steps": "no setting of its own: it follows from generation_batch_size and "
        "per_device_train_batch_size",
        "vllm": "use_vllm (true or false) and vllm_mode (colocate or server)",
        "vllm_memory": "vllm_gpu_memory_utilization",
        "vllm_url": "vllm_server_base_url",
        "skew": "type_ratio",
    }

    model: str = "base"
    """The checkpoint to start from, usually SFT's: `base`, a folder, or a name on the Hugging Face hub."""
    reward: RewardConfig = RewardConfig()
    """What a completion earns."""
    max_steps: int = Field(default=500, ge=1)
    """Optimiser steps. Paper 4.1."""
    generation_batch_size: int = Field(default=64, ge=2)
    """Completions of a step, on all devices: a multiple of `num_generations`. Paper 4.1: global batch 64."""
    num_generations: int = Field(default=8, ge=2)
    """G, completions for each prompt. Ours; the paper does not say."""
    per_device_train_batch_size: int | None = Field(default=None, ge=2)
    """Completions that a device learns from at once, a multiple of `num_generations` (groups stay whole); the
    rest of a step follows, accumulated. Left out: one prompt's group. Paper 4.1: per-device batch 1."""
    learning_rate: float = Field(default=1e-7, gt=0)
    """AdamW's peak. Paper 4.1."""
    beta: float = Field(default=0.001, ge=0)
    """Weight of the KL divergence to the reference policy. Paper 4.1. At 0 there is no reference, and groups
    whose advantages are all zero are left out of the update; above 0 they teach by their KL and stay."""
    epsilon: float = Field(default=0.2, gt=0)
    """ε, how far the probability ratio may move. GRPO's usual."""
    temperature: float = Field(default=0.6, gt=0)
    """Of sampling, and of the probabilities in the loss. Paper 4.1."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Of sampling. Ours: all of the distribution."""
    top_k: int = Field(default=0, ge=0)
    """Of sampling: keep this many of the likeliest tokens; 0 keeps all. Ours."""
    max_completion_length: int = Field(default=128, ge=8)
    """Completions are cut here, in tokens. Ours."""
    use_vllm: bool = False
    """Whether vLLM samples, through TRL. Its prefix caching runs a group's prompt once, as our own sampling
    does."""
    vllm_mode: Literal["colocate", "server"] = "colocate"
    """In this process, or on a server started with `trl vllm-serve`."""
    vllm_gpu_memory_utilization: float = Field(default=0.3, gt=0, le=1)
    """Of `colocate`: the share of the GPU's memory that vLLM may take. TRL's default."""
    vllm_server_base_url: str = "http://0.0.0.0:8000"
    """Of `server`: where it listens. TRL's default."""
    type_ratio: float = Field(default=1.1, ge=0)
    """How much more frequent each other type is than `terminate`. Paper 4.1. 0 takes every step as it is: for
    data without `terminate`, such as OPeRA's full set."""
    certainty_guard: Guard = "skip"
    """How self-certainty enters the advantages, above all in groups whose rule rewards are all equal
    (`training.grpo.advantages`). `paper`: as Eq. A1 has it."""
    certainty_floor: float = Field(default=0.1, gt=0)
    """Of the guard `floor`: the least that advantages are divided by, in units of the reward. Ours."""
    type_mix_weight: float = Field(default=0.0, ge=0)
    """λ of a term -λ KL(data's mix of action types ‖ policy's mix) in the objective, beside advantages of
    unit size (`training.grpo.type_mix`). Ours; 0 is the paper's objective."""
    dynamic_sampling: int = Field(default=0, ge=0)
    """Rounds in which zero-variance groups are replaced by groups of fresh prompts of the same target type
    (DAPO, Yu et al. 2025, 3.2; by type is ours). 0: none is."""
    advantage_balance: Balance = "none"
    """`target_type`: advantages are scaled so that the groups of each target type together teach as much as
    their number says, zero-variance groups among them. Meant for the guard `skip`. Ours."""
    rollout_groups: int = Field(default=1, ge=0)
    """Groups of each step that are written to rollouts.jsonl, with all their completions."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Order of the prompts and every sampled completion."""

    @property
    def prompts_per_step(self) -> int:
        """Prompts of a step, on all devices."""
        return self.generation_batch_size // self.num_generations

    @property
    def prompts_per_device(self) -> int:
        """Prompts, each with its group, that a device learns from at once."""
        return (self.per_device_train_batch_size or self.num_generations) // self.num_generations


def count_processes() -> int:
    """Return how many processes train together: torchrun and accelerate say so in the environment."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def check_reporter(name: str) -> None:
    """Make sure that the package which takes the metrics is installed.

    Raises:
        ConfigError: it is not.
    """
    if name != "none" and find_spec(name) is None:
        command = {"tensorboard": "pip install 'shop-r1[watch]'"}.get(name, f"pip install {name}")
        raise ConfigError(
            f"report_to = {name!r}, but the package {name} is not installed; run {command}, or "
            "leave report_to at 'none': metrics.jsonl has every figure too"
        )

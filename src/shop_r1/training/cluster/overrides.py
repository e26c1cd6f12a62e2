"""Our settings in verl's names: derived here, and nowhere typed twice.

docs/cluster.md has the same as a table, with what the two engines compute otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop_r1.errors import ConfigError
from shop_r1.training.adapters import lora_settings
from shop_r1.training.cluster.config import ClusterConfig
from shop_r1.training.cluster.start import Device
from shop_r1.training.settings import GrpoConfig, SftConfig

PACKAGE = "pkg://shop_r1.training.cluster"
"""Where verl finds what we plug in."""
SCHEDULES = (
    "constant",
    "constant_with_warmup",
    "cosine",
    "cosine_with_restarts",
    "inverse_sqrt",
    "linear",
    "polynomial",
)
"""transformers' schedules that need no more than the settings that we have."""
_TRLS_ALONE = {"dynamic_sampling": 0, "use_vllm": False, "report_to": "none"}
"""Settings without a counterpart in verl, and the only values that they may have."""
_NO_DUAL_CLIP = 1e9
"""verl bounds the loss of a negative advantage at this ratio; TRL and the paper do not."""


@dataclass(frozen=True)
class RunFiles:
    """What a run reads and writes; every machine of the cluster must see it under the same path."""

    out: Path
    """The run's folder."""
    sessions: Path
    """The sessions to learn from."""
    examples: Path
    """Which of their steps, as lines of `ExampleRef`."""
    model: Path
    """The checkpoint to start from."""


def verl_overrides(config: GrpoConfig, files: RunFiles, device: Device, resume: bool) -> Mapping[str, Any]:
    """Return what differs from verl's own defaults (`ppo_trainer.yaml` of 0.9.1), nested as there.

    Raises:
        ConfigError: a setting has no counterpart in verl, or the step cannot be spread over the devices.
    """
    refuse_what_verl_lacks(config)
    cluster, group = config.cluster, config.num_generations
    _check_spread(config)
    length = config.prompt.max_tokens
    return {
        "shop_r1": {"settings": config.model_dump_json(), "out": str(files.out)},
        "trainer": {
            "device": device,
            "nnodes": cluster.nodes,
            "n_gpus_per_node": cluster.devices_per_node,
            "logger": [],
            "project_name": "shop-r1",
            "experiment_name": files.out.name,
            "total_training_steps": config.max_steps,
            "total_epochs": config.max_steps,  # an epoch has at least one step
            "val_before_train": False,
            "test_freq": -1,
            "save_freq": config.save_steps or config.max_steps,
            "max_actor_ckpt_to_keep": None,  # our trainer removes old ones, once the new one is whole
            "resume_mode": "auto" if resume else "disable",
            "default_local_dir": str(files.out / "checkpoints"),
        },
        "algorithm": {"adv_estimator": "grpo"},
        "data": {
            "train_files": [str(files.sessions)],
            "val_files": [str(files.sessions)],
            "custom_cls": {"path": f"{PACKAGE}.grpo.prompts", "name": "SessionPrompts"},
            "shop_r1": {
                "examples": str(files.examples),
                "prompt": config.prompt.model_dump_json(),
                "model": str(files.model),
            },
            "train_batch_size": config.prompts_per_step,
            "max_prompt_length": length - config.max_completion_length,
            "max_response_length": config.max_completion_length,
            "shuffle": True,
            "seed": config.seed,
            "dataloader_num_workers": 0,
            "apply_chat_template_kwargs": dict(config.prompt.chat_template_kwargs),
        },
        "reward": {
            "num_workers": cluster.reward_workers,
            "reward_manager": {
                "source": "importlib",
                "name": "ShopR1Reward",
                "module": {"path": f"{PACKAGE}.grpo.reward"},
            },
        },
        "actor_rollout_ref": {
            "model": model_settings(config, files.model, device),
            "actor": {
                "strategy": "fsdp2",
                "use_torch_compile": False,
                "ppo_mini_batch_size": config.prompts_per_step,
                "ppo_micro_batch_size_per_gpu": group * config.prompts_per_device,
                "ppo_epochs": 1,
                "shuffle": False,
                "data_loader_seed": config.seed,
                "clip_ratio": config.epsilon,
                "clip_ratio_low": config.epsilon,
                "clip_ratio_high": config.epsilon,
                "clip_ratio_c": _NO_DUAL_CLIP,
                "loss_agg_mode": "seq-mean-token-mean",
                "entropy_coeff": 0,
                "use_kl_loss": config.beta > 0,
                "kl_loss_coef": config.beta,
                "kl_loss_type": "low_var_kl+",  # whose gradient is that of TRL's use_bias_correction_kl
                "grad_clip": config.max_grad_norm,
                "optim": optimizer_settings(config),
                "fsdp_config": fsdp_settings(config),
                "checkpoint": checkpoint_settings(config),
            },
            "ref": {
                "strategy": "fsdp2",
                "log_prob_micro_batch_size_per_gpu": group * config.prompts_per_device,
                "fsdp_config": fsdp_settings(config),
            },
            "rollout": {
                "name": "vllm",
                "n": group,
                "temperature": config.temperature,
                "top_p": config.top_p,
                "top_k": config.top_k or -1,
                "seed": config.seed,
                "dtype": "bfloat16" if config.bf16 is True else "float32",
                "calculate_log_probs": True,
                "tensor_model_parallel_size": cluster.tensor_parallel,
                "gpu_memory_utilization": config.vllm_gpu_memory_utilization,
                "enable_prefix_caching": True,
                "max_model_len": length,
                "load_format": "auto",
                "log_prob_micro_batch_size_per_gpu": group * config.prompts_per_device,
                "agent": {"num_workers": cluster.nodes},
                **(_vllm_on_cpu(config) if device == "cpu" else {}),
            },
        },
    }


def refuse_what_verl_lacks(config: GrpoConfig | SftConfig) -> None:
    """Refuse settings of which verl would take no notice.

    Raises:
        ConfigError: there is one.
    """
    if config.lr_scheduler_type not in SCHEDULES:
        raise ConfigError(
            f"lr_scheduler_type = {config.lr_scheduler_type!r} is not one for --engine verl; expected one of "
            f"{', '.join(SCHEDULES)}"
        )
    for name, usual in _TRLS_ALONE.items():
        if getattr(config, name, usual) != usual:
            raise ConfigError(
                f"{name} = {getattr(config, name)!r} has no counterpart with --engine verl; leave it out"
                + (" (vLLM samples there anyway)" if name == "use_vllm" else "")
            )


def check_device_groups(cluster: ClusterConfig) -> None:
    """Make sure that devices that share a model or a sequence are whole groups.

    Raises:
        ConfigError: they are not.
    """
    for name in ("tensor_parallel", "sequence_parallel"):
        if cluster.devices % getattr(cluster, name):
            raise ConfigError(
                f"cluster.{name} = {getattr(cluster, name)} does not divide the {cluster.devices} devices"
            )


def _check_spread(config: GrpoConfig) -> None:
    """Every device, or group of devices that share a sequence, learns from equally many whole groups."""
    cluster = config.cluster
    check_device_groups(cluster)
    at_once = config.prompts_per_device * cluster.data_parallel
    if config.prompts_per_step % at_once:
        shared = f", {cluster.sequence_parallel} of which share a sequence" * (cluster.sequence_parallel > 1)
        raise ConfigError(
            f"a step of {config.prompts_per_step} prompts (generation_batch_size / num_generations) cannot "
            f"be spread evenly over {cluster.devices} device(s){shared}, {config.prompts_per_device} at once "
            f"on each; expected a multiple of {at_once}"
        )


def model_settings(config: GrpoConfig | SftConfig, model: Path, device: Device) -> dict[str, Any]:
    """Return verl's settings of the model."""
    lora = {
        "lora_rank": config.lora_r,
        "lora_alpha": config.lora_alpha,
        # Merged where vLLM samples; `peft` and `seed` are what our engine makes the adapter of.
        "lora": {"merge": True, "peft": lora_settings(config), "seed": config.seed},
    }
    return {
        "path": str(model),
        **(lora if config.lora_r else {}),
        "external_lib": "shop_r1.training.cluster.engine",
        "enable_gradient_checkpointing": config.gradient_checkpointing,
        # verl asks for it wherever a sequence is split; our engine never pads sequences.
        "use_remove_padding": device == "cuda" or config.cluster.sequence_parallel > 1,
        "override_config": {"attn_implementation": "sdpa"},
    }


def checkpoint_settings(config: GrpoConfig | SftConfig) -> dict[str, Any]:
    """Return what verl writes of a step: what it goes on from, and whole weights in Hugging Face's format.

    Of an adapter our engine writes its own weights in place of those.
    """
    whole = [] if config.lora_r else ["hf_model"]
    return {"save_contents": ["model", "optimizer", "extra", *whole]}


def optimizer_settings(config: GrpoConfig | SftConfig) -> dict[str, Any]:
    """Return verl's settings of the optimiser, under which `cluster.optimizer` builds transformers' own."""
    decay, beta2 = (config.weight_decay, config.adam_beta2) if isinstance(config, SftConfig) else (0.0, 0.999)
    return {
        "_target_": "shop_r1.training.cluster.optimizer.ScheduledOptimizerConfig",
        "lr": config.learning_rate,
        "schedule": config.lr_scheduler_type,
        "lr_warmup_steps": config.warmup_steps,
        "weight_decay": decay,
        "betas": [0.9, beta2],
        "clip_grad": config.max_grad_norm,
    }


def fsdp_settings(config: GrpoConfig | SftConfig) -> dict[str, Any]:
    """Return verl's settings of FSDP2: float32 weights and optimiser, computing as `bf16` says."""
    compute = "bf16" if config.bf16 is True else "fp32"
    return {
        "model_dtype": "fp32",
        "mixed_precision": {"param_dtype": compute, "reduce_dtype": "fp32", "buffer_dtype": "fp32"},
        "use_torch_compile": False,
        "param_offload": config.cluster.offload,
        "optimizer_offload": config.cluster.offload,
        "ulysses_sequence_parallel_size": config.cluster.sequence_parallel,
    }


def _vllm_on_cpu(config: GrpoConfig) -> dict[str, Any]:
    """Return what vLLM needs without a GPU: weights that can be replaced, no sleeping, no compiling."""
    extension = "shop_r1.training.cluster.grpo.vllm_worker.ReloadableWeights"
    return {
        "enforce_eager": True,
        "free_cache_engine": False,
        "enable_sleep_mode": False,
        "max_num_seqs": min(256, config.generation_batch_size),
        "max_num_batched_tokens": max(2048, config.prompt.max_tokens),
        "checkpoint_engine": {"update_weights_bucket_megabytes": 64},
        "engine_kwargs": {"vllm": {"worker_extension_cls": extension}},
    }

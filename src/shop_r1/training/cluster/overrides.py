"""Our settings in verl's names: derived here, and nowhere typed twice.

docs/cluster.md has the same as a table, with what the two engines compute otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from shop_r1.errors import ConfigError
from shop_r1.training.settings import GrpoConfig

Device = Literal["cpu", "cuda"]
PACKAGE = "pkg://shop_r1.training.cluster"
"""Where verl finds what we plug in."""
SCHEDULES = ("constant", "constant_with_warmup", "cosine")
"""The learning-rate schedules of verl's FSDP engine."""
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
    _refuse_what_verl_lacks(config)
    cluster, group = config.cluster, config.num_generations
    _check_spread(config)
    length = config.prompt.max_tokens
    precision = _mixed_precision(config)
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
            "max_actor_ckpt_to_keep": config.save_total_limit,
            "resume_mode": "auto" if resume else "disable",
            "default_local_dir": str(files.out / "checkpoints"),
            # Groups stay whole and in order, so that each prompt is run once for all its completions.
            "balance_batch": False,
        },
        "algorithm": {"adv_estimator": "grpo"},
        "data": {
            "train_files": [str(files.sessions)],
            "val_files": [str(files.sessions)],
            "custom_cls": {"path": f"{PACKAGE}.prompts", "name": "SessionPrompts"},
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
                "module": {"path": f"{PACKAGE}.reward"},
            },
        },
        "actor_rollout_ref": {
            "model": {
                "path": str(files.model),
                "external_lib": "shop_r1.training.cluster.engine",
                "enable_gradient_checkpointing": config.gradient_checkpointing,
                # verl asks for it wherever a sequence is split; our engine never pads sequences.
                "use_remove_padding": device == "cuda" or cluster.sequence_parallel > 1,
                "override_config": {"attn_implementation": "sdpa"},
            },
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
                "optim": {
                    "lr": config.learning_rate,
                    "lr_scheduler_type": config.lr_scheduler_type.removesuffix("_with_warmup"),
                    "lr_warmup_steps": config.warmup_steps,
                    "weight_decay": 0.0,
                    "clip_grad": config.max_grad_norm,
                },
                "fsdp_config": _fsdp(config, precision),
                "checkpoint": {"save_contents": ["model", "optimizer", "extra", "hf_model"]},
            },
            "ref": {
                "strategy": "fsdp2",
                "log_prob_micro_batch_size_per_gpu": group * config.prompts_per_device,
                "fsdp_config": _fsdp(config, precision),
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


def _refuse_what_verl_lacks(config: GrpoConfig) -> None:
    if config.lr_scheduler_type not in SCHEDULES:
        raise ConfigError(
            f"lr_scheduler_type = {config.lr_scheduler_type!r} is unknown to verl; expected one of "
            f"{', '.join(SCHEDULES)}"
        )
    for name, usual in (("dynamic_sampling", 0), ("lora_r", 0), ("use_vllm", False)):
        if getattr(config, name) != usual:
            raise ConfigError(
                f"{name} = {getattr(config, name)!r} has no counterpart with --engine verl; leave it out"
                + (" (vLLM samples there anyway)" if name == "use_vllm" else "")
            )


def _check_spread(config: GrpoConfig) -> None:
    """Every device, or group of devices that share a sequence, learns from equally many whole groups."""
    cluster = config.cluster
    for name in ("tensor_parallel", "sequence_parallel"):
        if cluster.devices % getattr(cluster, name):
            raise ConfigError(
                f"cluster.{name} = {getattr(cluster, name)} does not divide the {cluster.devices} devices"
            )
    at_once = config.prompts_per_device * cluster.data_parallel
    if config.prompts_per_step % at_once:
        shared = f", {cluster.sequence_parallel} of which share a sequence" * (cluster.sequence_parallel > 1)
        raise ConfigError(
            f"a step of {config.prompts_per_step} prompts (generation_batch_size / num_generations) cannot "
            f"be spread evenly over {cluster.devices} device(s){shared}, {config.prompts_per_device} at once "
            f"on each; expected a multiple of {at_once}"
        )


def _mixed_precision(config: GrpoConfig) -> dict[str, str]:
    compute = "bf16" if config.bf16 is True else "fp32"
    return {"param_dtype": compute, "reduce_dtype": "fp32", "buffer_dtype": "fp32"}


def _fsdp(config: GrpoConfig, precision: Mapping[str, str]) -> dict[str, Any]:
    return {
        "model_dtype": "fp32",
        "mixed_precision": dict(precision),
        "use_torch_compile": False,
        "param_offload": config.cluster.offload,
        "optimizer_offload": config.cluster.offload,
        "ulysses_sequence_parallel_size": config.cluster.sequence_parallel,
    }


def _vllm_on_cpu(config: GrpoConfig) -> dict[str, Any]:
    """Return what vLLM needs without a GPU: weights that can be replaced, no sleeping, no compiling."""
    extension = "shop_r1.training.cluster.vllm_worker.ReloadableWeights"
    return {
        "enforce_eager": True,
        "free_cache_engine": False,
        "enable_sleep_mode": False,
        "max_num_seqs": min(256, config.generation_batch_size),
        "max_num_batched_tokens": max(2048, config.prompt.max_tokens),
        "checkpoint_engine": {"update_weights_bucket_megabytes": 64},
        "engine_kwargs": {"vllm": {"worker_extension_cls": extension}},
    }

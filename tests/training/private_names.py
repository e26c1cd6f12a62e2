"""Every name of TRL, transformers, accelerate and torch that we use and that they do not promise to keep.

`tests/training/test_private_names.py` fails when one goes away or takes other parameters, and when the code
uses one that is not here. A new version of these packages is first tried on that test.
"""

from typing import NamedTuple


class PrivateName(NamedTuple):
    """One name, and what would break without it."""

    owner: str
    """The module, or `module:Class`."""
    name: str
    why: str
    parameters: tuple[str, ...] | None = None
    """Of a function or method: the first parameters, as we give or take them; None for anything else."""


_TRAINER, _GRPO, _CONFIG = "transformers:Trainer", "trl:GRPOTrainer", "transformers:PretrainedConfig"

PRIVATE_NAMES = (
    PrivateName(_GRPO, "_prepare_inputs", "groups stay whole in micro-batches", ("generation_batch",)),
    PrivateName(
        _GRPO, "_generate_and_score_completions", "prompts are rendered late; our advantages", ("inputs",)
    ),
    PrivateName(
        _GRPO,
        "_generate_single_turn",
        "completions are drawn as prefix trees",
        ("prompt_ids", "images", "multimodal_fields", "num_generations"),
    ),
    PrivateName(_GRPO, "_tokenize_prompts", "prompts that are drawn ahead of the step", ("prompts",)),
    PrivateName(
        _GRPO,
        "_get_per_token_logps_and_entropies",
        "completions are scored as prefix trees",
        ("model", "input_ids", "attention_mask", "logits_to_keep"),
    ),
    PrivateName(_GRPO, "_compute_loss", "groups that cannot teach are left out", ("model", "inputs")),
    PrivateName(_GRPO, "_metrics", "our figures are logged beside TRL's, and kept when a run is resumed"),
    PrivateName(_GRPO, "_step", "which micro-batch is next, also when a run is resumed"),
    PrivateName(_GRPO, "_buffered_inputs", "a step's micro-batches"),
    PrivateName("trl:SFTTrainer", "_metrics", "as for GRPO"),
    PrivateName("trl:GRPOTrainer", "_send_telemetry", "runs are reported to nobody", ()),
    PrivateName("trl:SFTTrainer", "_send_telemetry", "likewise", ()),
    PrivateName(_TRAINER, "_save_checkpoint", "checkpoints are ours", ("model", "trial")),
    PrivateName(_TRAINER, "_maybe_log_save_evaluate", "where a step ends", ("tr_loss",)),
    PrivateName(_TRAINER, "_issue_warnings_after_load", "a warning there is an error here", ("load_result",)),
    PrivateName(_TRAINER, "_load_from_checkpoint", "weights of a finished run", ("resume_from_checkpoint",)),
    PrivateName(_TRAINER, "_save_optimizer_and_scheduler", "part of a checkpoint", ("output_dir",)),
    PrivateName(_TRAINER, "_save_scaler", "part of a checkpoint", ("output_dir",)),
    PrivateName(_TRAINER, "_save_rng_state", "part of a checkpoint", ("output_dir",)),
    PrivateName(
        _TRAINER, "save_model", "`_internal_call`: no push to a hub", ("output_dir", "_internal_call")
    ),
    PrivateName(_TRAINER, "_tr_loss", "the loss summed since the last log, kept when a run is resumed"),
    PrivateName(_TRAINER, "_total_loss_scalar", "the loss summed over the run, likewise"),
    PrivateName(_TRAINER, "_globalstep_last_logged", "the last logged step, likewise"),
    PrivateName(_CONFIG, "_attn_implementation", "whether a model's attention obeys our masks"),
    PrivateName(_CONFIG, "_name_or_path", "TRL loads the reference policy from it"),
    PrivateName(
        "transformers.integrations.sdpa_attention",
        "sdpa_attention_forward",
        "attention of trunk and branches",
        ("module", "query", "key", "value", "attention_mask"),
    ),
    PrivateName("transformers.masking_utils", "sdpa_mask", "registered for our attention"),
    PrivateName(
        "transformers.trainer_pt_utils",
        "get_length_grouped_indices",
        "verl's steps take sessions of like length together, as TRL's do",
        ("lengths", "batch_size", "mega_batch_mult", "generator"),
    ),
    PrivateName("transformers.cache_utils", "DynamicLayer", "a cache that grows without copying"),
    PrivateName(
        "transformers.generation.logits_process", "TopKLogitsWarper", "top-k as `generate` has it", ("top_k",)
    ),
    PrivateName(
        "transformers.generation.logits_process", "TopPLogitsWarper", "top-p as `generate` has it", ("top_p",)
    ),
    PrivateName("accelerate.data_loader", "BatchSamplerShard", "finds the sampler behind shared batches"),
    PrivateName("accelerate.data_loader", "get_sampler", "finds the sampler", ("dataloader",)),
    PrivateName(
        "accelerate.commands.config.config_args",
        "load_config_from_file",
        "how many processes a launch starts",
        ("config_file",),
    ),
    PrivateName("torch.ops.mkldnn", "_is_mkldnn_bf16_supported", "whether a CPU has bfloat16 products"),
)
"""All of them, by owner."""

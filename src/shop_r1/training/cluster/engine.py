"""verl's FSDP engine with our scoring pass: a group's prompt is run once, and self-certainty is measured.

Loaded in verl's workers by `actor_rollout_ref.model.external_lib`. verl's own pass makes logits for prompts
too, and runs a prompt once for each of its completions; what comes out is the same.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from torch import Tensor
from transformers import set_seed
from verl.utils import tensordict_utils as tu
from verl.utils.device import get_device_id, get_device_name
from verl.utils.fsdp_utils import MixedPrecisionPolicy, apply_fsdp2, fsdp2_load_full_state_dict
from verl.utils.py_functional import convert_to_regular_types
from verl.utils.torch_dtypes import PrecisionType
from verl.workers.engine import EngineRegistry
from verl.workers.engine.fsdp.transformer_impl import FSDPEngineWithLMHead

from shop_r1.models.scoring import TokenScores, add_forward_redirection, score_pairs
from shop_r1.rewards.certainty import token_certainty
from shop_r1.training.adapters import merged_weights, trained_weights
from shop_r1.training.cluster.finish import ADAPTER
from shop_r1.training.cluster.optimizer import build_decayed, build_schedule

MEASURE = "measure_certainty"
"""Of a batch: the direction of self-certainty, where it is to be measured."""
_AT_ONCE = 2**62
"""Tokens of a micro-batch: all of it is run at once, so that all ranks run their shards equally often."""


class TreeEngine(FSDPEngineWithLMHead):
    """Scores completions by `models.scoring.score_pairs` in place of a pass over whole sequences."""

    def _build_module(self) -> Any:
        module = super()._build_module()
        add_forward_redirection(module)
        return module

    def _build_lora_module(self, module: Any) -> Any:
        lora = self.model_config.lora
        set_seed(lora["seed"])  # TRL's path draws the adapter's first weights from the same
        return get_peft_model(module, LoraConfig(**convert_to_regular_types(lora["peft"])))

    def _merged_lora_per_tensor_param(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the weights for vLLM; verl's own would round them to bfloat16."""
        return merged_weights(self.module)

    def save_checkpoint(self, local_path: str, *args: Any, **kwargs: Any) -> None:
        """Save verl's state, and beside it the adapter, if there is one."""
        super().save_checkpoint(local_path, *args, **kwargs)
        if self.model_config.lora_rank:
            weights = trained_weights(self.module)
            if self.rank == 0:
                save_file(weights, Path(local_path) / ADAPTER)
            torch.distributed.barrier()

    def _build_optimizer(self, module: Any) -> Any:
        return build_decayed(module, self.optimizer_config)

    def _build_lr_scheduler(self, optimizer: Any) -> Any:
        return build_schedule(optimizer, self.optimizer_config)

    def lr_scheduler_step(self) -> float:
        """Go on to the next step's learning rate; return this step's, as TRL's path logs it."""
        (rate, *_) = self.lr_scheduler.get_last_lr()
        self.lr_scheduler.step()
        return float(rate)

    def forward_step(
        self, micro_batch: Any, loss_function: Callable[..., Any] | None, forward_only: bool
    ) -> tuple[Tensor, dict[str, Any]]:
        """Return the micro-batch's loss, and with it what verl keeps of it."""
        micro_batch = micro_batch.to(get_device_id())
        dtype = self._autocast_dtype
        casting = (
            nullcontext()
            if dtype == torch.float32
            else torch.autocast(device_type=get_device_name(), dtype=dtype)
        )
        with casting:
            output = self._score(micro_batch)
            loss, metrics = torch.tensor(1.0, device=get_device_name()), {}
            if loss_function is not None:
                loss, metrics = loss_function(
                    model_output=output, data=micro_batch, dp_group=self.get_data_parallel_group()
                )
        kept = {name: value.detach() for name, value in output.items()}
        return loss, {"model_output": kept, "loss": loss.detach().item(), "metrics": metrics}

    def _score(self, micro_batch: Any) -> dict[str, Tensor]:
        """Return (B, P + C), nested: what each token says of the next one; 0 where that is a prompt's."""
        direction = tu.get_non_tensor_data(data=micro_batch, key=MEASURE, default=None)
        pairs = list(zip(_rows(micro_batch["prompts"]), _rows(micro_batch["responses"]), strict=True))
        scores = score_pairs(
            self.module,
            pairs,
            pad_id=0,
            temperature=float(micro_batch["temperature"]),
            measure=None if direction is None else partial(token_certainty, direction=direction),
            batch_tokens=_AT_ONCE,
            sequence_group=self.ulysses_parallel_group,
        )
        offsets = micro_batch["input_ids"].offsets()
        lengths = [len(prompt) for prompt, _ in pairs]
        output = {"log_probs": _spread([each.log_probs for each in scores], lengths, offsets)}
        if tu.get_non_tensor_data(data=micro_batch, key="calculate_entropy", default=False):
            output["entropy"] = _spread([each.entropy for each in scores], lengths, offsets)
        if direction is not None:
            output["certainty"] = _spread(_measured(scores), lengths, offsets)
        return output


def _rows(nested: Tensor) -> list[tuple[int, ...]]:
    return [tuple(row.tolist()) for row in nested.unbind()]


def _measured(scores: list[TokenScores]) -> list[Tensor]:
    return [each.measured for each in scores if each.measured is not None]


def _spread(found: list[Tensor], prompts: list[int], offsets: Tensor) -> Tensor:
    """Return figures of completions at the places before their tokens, as verl reads them."""
    rows = [
        torch.nn.functional.pad(values.float(), (length - 1, 1))
        for values, length in zip(found, prompts, strict=True)
    ]
    return torch.nested.nested_tensor_from_jagged(torch.cat(rows), offsets)


@EngineRegistry.register(model_type="language_model", backend=["fsdp2"], device=["cpu"])
class CpuTreeEngine(TreeEngine):
    """The same without a GPU, where verl would move a reference model to pinned memory."""

    def _build_fsdp_module(self, module: Any) -> Any:
        precision = self.engine_config.mixed_precision or {}
        compute, reduce = (
            PrecisionType.to_dtype(precision.get(name, "fp32")) for name in ("param_dtype", "reduce_dtype")
        )
        self._autocast_dtype, self.scaler = compute, None
        self._is_offload_param = self._is_offload_optimizer = False
        policy = MixedPrecisionPolicy(param_dtype=compute, reduce_dtype=reduce, cast_forward_inputs=True)
        kwargs = {
            "mesh": self.device_mesh,
            "mp_policy": policy,
            "offload_policy": None,
            "reshard_after_forward": self.engine_config.reshard_after_forward,
        }
        weights = module.state_dict()
        apply_fsdp2(module, kwargs, self.engine_config)
        fsdp2_load_full_state_dict(module, weights, self.device_mesh, None)
        return module


@EngineRegistry.register(model_type="language_model", backend=["fsdp2"], device=["cuda"], vendor=["nvidia"])
class GpuTreeEngine(TreeEngine):
    """The same on GPUs."""

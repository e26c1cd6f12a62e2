"""Our trainer beside stock TRL on the same batch: the same loss, gradients and logged metrics."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tests.tiny import save_tiny_checkpoint
from tests.training.scripted import GROUP, SCRIPT, ScriptedTrainer, make_clicks, settings
from torch import Tensor
from trl import GRPOTrainer

from shop_r1.models.checkpoint import LocalModel, load_model
from shop_r1.training.grpo.trainer import read_pairs
from shop_r1.training.settings import GrpoConfig

TIMES = ("step_time", "sampling_time")


class StockTrainer(ScriptedTrainer):
    """TRL's own scoring and micro-batches under the same completions and rewards."""

    _get_per_token_logps_and_entropies = GRPOTrainer._get_per_token_logps_and_entropies
    _prepare_inputs = GRPOTrainer._prepare_inputs
    _compute_loss = GRPOTrainer._compute_loss


def learn(
    kind: type[ScriptedTrainer],
    model: LocalModel,
    config: GrpoConfig,
    out: Path,
    script: Sequence[str] = SCRIPT,
) -> tuple[float, dict[str, Tensor], dict[str, float]]:
    """Return one step's loss, gradients and metrics, away from the reference so that the KL counts too."""
    trainer = kind(model, make_clicks(), config, out)
    trainer.script = script
    learning = {name: weight for name, weight in trainer.model.named_parameters() if weight.requires_grad}
    with torch.no_grad():
        for index, weight in enumerate(learning.values()):
            weight += 0.02 * torch.sin(torch.arange(weight.numel()) + index).view_as(weight)
    if config.gradient_checkpointing:  # as Trainer.train does
        trainer.model.activation_checkpointing_enable(trainer.args.activation_checkpointing_kwargs)
    trainer.model.train()
    batches = trainer.current_gradient_accumulation_steps = (
        config.prompts_per_step // config.prompts_per_device
    )
    rows = [{"example": index} for index in (0, 1) for _ in range(GROUP)]
    loss = sum(trainer.training_step(trainer.model, rows, None).item() for _ in range(batches))
    gradients = {name: weight.grad for name, weight in learning.items() if weight.grad is not None}
    metrics = {
        name: sum(values) / len(values)
        for name, values in trainer._metrics["train"].items()
        if name not in TIMES
    }
    return loss, gradients, metrics


def plain(checkpoint: Path) -> LocalModel:
    return load_model(str(checkpoint))


def adapted(checkpoint: Path) -> LocalModel:
    local, adapters = plain(checkpoint), LoraConfig(r=4, target_modules="all-linear")
    torch.manual_seed(1)
    return LocalModel(get_peft_model(local.model, adapters), local.tokenizer)


@pytest.mark.parametrize(
    ("family", "changes", "make"),
    [
        ("qwen2", {}, plain),
        ("llama", {}, plain),
        ("gemma3", {}, plain),
        ("qwen2", {"gradient_checkpointing": True}, plain),
        ("qwen2", {}, adapted),
        ("llama", {"gradient_checkpointing": True}, adapted),
    ],
    ids=["qwen2", "llama", "gemma3", "gradient checkpointing", "adapters", "both"],
)
def test_loss_gradients_and_metrics_are_those_of_stock_trl(
    family: str, changes: dict[str, Any], make: Any, tmp_path: Path, tiny_tokenizer: Any
) -> None:
    checkpoint = save_tiny_checkpoint(tmp_path / "model", tiny_tokenizer, family=family)
    config = settings(checkpoint, **changes)
    ours = learn(ScriptedTrainer, make(checkpoint), config, tmp_path / "ours")
    stock = learn(StockTrainer, make(checkpoint), config, tmp_path / "stock")
    assert ours[0] == pytest.approx(stock[0], abs=1e-5)
    assert ours[1].keys() == stock[1].keys()
    assert sum(gradient.abs().sum().item() for gradient in stock[1].values()) > 1e-2
    for name, gradient in stock[1].items():
        torch.testing.assert_close(ours[1][name], gradient, atol=1e-5, rtol=0)
    assert stock[2]["kl"] > 1e-4 and stock[2]["entropy"] > 0.1
    assert ours[2].pop("policy/frac_scored") == 1.0  # TRL has no such figure
    assert ours[2] == {name: pytest.approx(value, abs=1e-5) for name, value in stock[2].items()}


def test_micro_batches_of_whole_groups_add_up_to_stocks_shuffled_ones(
    tmp_path: Path, tiny_checkpoint: Path
) -> None:
    config = settings(tiny_checkpoint, per_device_train_batch_size=GROUP)
    ours = learn(ScriptedTrainer, plain(tiny_checkpoint), config, tmp_path / "ours")
    stock = learn(StockTrainer, plain(tiny_checkpoint), config, tmp_path / "stock")
    whole = learn(ScriptedTrainer, plain(tiny_checkpoint), settings(tiny_checkpoint), tmp_path / "whole")
    for other in (stock, whole):
        assert ours[0] == pytest.approx(other[0], abs=1e-5)
        for name, gradient in other[1].items():
            torch.testing.assert_close(ours[1][name], gradient, atol=1e-5, rtol=0)


def test_in_bfloat16_both_sides_err_alike(tmp_path: Path, tiny_checkpoint: Path) -> None:
    exact = learn(StockTrainer, plain(tiny_checkpoint), settings(tiny_checkpoint), tmp_path / "exact")
    config = settings(tiny_checkpoint, bf16=True)
    ours = learn(ScriptedTrainer, plain(tiny_checkpoint), config, tmp_path / "ours")
    stock = learn(StockTrainer, plain(tiny_checkpoint), config, tmp_path / "stock")

    def error(found: dict[str, Tensor]) -> float:
        """Return the root of the summed squared differences to the exact gradient, relative to its size."""
        gap = sum((found[name] - gradient).square().sum().item() for name, gradient in exact[1].items())
        size = sum(gradient.square().sum().item() for gradient in exact[1].values())
        return float((gap / size) ** 0.5)

    assert 0 < error(ours[1]) < 2 * error(stock[1]) < 0.2


def test_prompts_are_read_from_rows_padded_on_either_side() -> None:
    # Completions of up to three tokens; 0 is padding wherever the mask is 0, and a token where it is not.
    ids = torch.tensor([[0, 0, 5, 6, 7, 8, 9], [5, 0, 6, 0, 7, 0, 0]])
    mask = torch.tensor([[0, 0, 1, 1, 1, 1, 1], [1, 1, 1, 0, 1, 1, 0]])
    assert read_pairs(ids, mask, 3) == [((5, 6), (7, 8, 9)), ((5, 0, 6), (7, 0))]

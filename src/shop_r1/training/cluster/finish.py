"""How a cluster's run ends: its last checkpoint's weights as a folder like any other."""

from pathlib import Path

import torch
from safetensors.torch import load_file

from shop_r1.errors import ModelError, TrainingError
from shop_r1.jsonl import read_records
from shop_r1.models.checkpoint import load_model, save_checkpoint
from shop_r1.training.adapters import add_adapter
from shop_r1.training.health_checks import Alert
from shop_r1.training.settings import GrpoConfig, SftConfig

ADAPTER = "shop_r1_adapter.safetensors"
"""Of a checkpoint of verl's: the weights of the adapter, where one is trained."""


def export_weights(config: GrpoConfig | SftConfig, checkpoint: Path, out: Path) -> None:
    """Write the weights of a checkpoint of verl's, with the tokenizer of the model that the run began with.

    Of an adapter the whole model is written, or, without `lora_merge`, the adapter alone.

    Raises:
        ModelError: they are not that model's.
    """
    trained = load_model(config.model)
    if config.lora_r:
        save_checkpoint(add_adapter(trained, config, load_file(checkpoint / ADAPTER)), out)
        return
    weights: dict[str, torch.Tensor] = {}
    for shard in sorted((checkpoint / "huggingface").glob("*.safetensors")):
        weights |= load_file(shard)
    missing, unknown = trained.model.load_state_dict(weights, strict=False)
    if unknown or set(missing) - set(trained.model.all_tied_weights_keys):
        raise ModelError(
            f"{checkpoint}: its weights are not the model's: {len(unknown)} unknown, {len(missing)} missing"
        )
    save_checkpoint(trained, out)


def refuse_to_go_on(config: GrpoConfig | SftConfig, out: Path) -> None:
    """Fail if an alert of `stop_on_alert` has stopped the run; call it once the checkpoint is in `out`.

    Raises:
        TrainingError: one has.
    """
    path = out / "alerts.jsonl"
    raised = list(read_records(path, Alert)) if path.exists() else []
    for alert in raised:
        if alert.alert in config.stop_on_alert:
            raise TrainingError(
                f"step {alert.step}: stopped by the alert {alert.alert} (stop_on_alert): {alert.message} The "
                f"weights of that step are in {out}"
            )

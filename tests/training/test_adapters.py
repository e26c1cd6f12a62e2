import ctypes
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from tests.tiny import make_sessions
from tests.training.scripted import SCRIPT, ScriptedTrainer, make_clicks, settings
from transformers import AutoModelForCausalLM

from shop_r1.cli.terminal.checkpoints import check_place, longest_context
from shop_r1.errors import ConfigError, ModelError
from shop_r1.models.checkpoint import load_model, save_checkpoint
from shop_r1.models.shape import find_shape
from shop_r1.training.adapters import add_adapter, lora_settings, merged_weights, trained_weights
from shop_r1.training.grpo.run import train_grpo
from shop_r1.training.settings import SftConfig
from shop_r1.training.sft import train_sft

LORA: dict[str, Any] = {"lora_r": 4, "lora_alpha": 8}
IDS = torch.tensor([[5, 9, 2, 31, 7, 7, 12]])


def sft_settings(checkpoint: Path, **changes: Any) -> SftConfig:
    plain: dict[str, Any] = {
        "model": str(checkpoint),
        "max_steps": 3,
        "learning_rate": 1e-2,
        "gradient_accumulation_steps": 2,
        "bf16": False,
    }
    return SftConfig(**plain | LORA | changes)


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model.eval()(input_ids=IDS).logits
    return found


@pytest.fixture(scope="module")
def adapter(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("adapter")
    train_sft(make_sessions(), sft_settings(tiny_checkpoint, lora_merge=False), out)
    return out


def test_an_adapter_is_a_small_part_of_the_weights_and_is_said(
    tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_sft(
        make_sessions(), sft_settings(tiny_checkpoint, lora_target_modules=["q_proj", "v_proj"]), tmp_path
    )
    # Two layers; q: 16 to 16, v: 16 to 8. An adapter of rank 4 has (in + out) x 4 weights.
    trained = 2 * ((16 + 16) * 4 + (16 + 8) * 4)
    whole = sum(each.numel() for each in load_model(str(tiny_checkpoint)).model.parameters()) + trained
    assert f"LoRA: {trained:,} of {whole:,} weights are trained" in capsys.readouterr().err
    before, after = (load_file(each / "model.safetensors") for each in (tiny_checkpoint, tmp_path))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    layers = [f"model.layers.{layer}.self_attn.{part}_proj.weight" for layer in (0, 1) for part in "qv"]
    assert changed == set(layers)


def test_the_merged_model_is_the_adapter_on_its_model(
    adapter: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    assert {path.name for path in adapter.glob("*.safetensors")} == {"adapter_model.safetensors"}
    train_sft(make_sessions(), sft_settings(tiny_checkpoint), tmp_path)
    merged = load_model(str(tmp_path)).model
    torch.testing.assert_close(logits(load_model(str(adapter)).model), logits(merged), atol=1e-5, rtol=0)
    # transformers loads both folders as they are.
    for folder in (adapter, tmp_path):
        loaded, found = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
        assert not found["missing_keys"] and not found["unexpected_keys"]
        torch.testing.assert_close(logits(loaded), logits(merged), atol=1e-5, rtol=0)
    assert not torch.allclose(logits(merged), logits(load_model(str(tiny_checkpoint)).model), atol=1e-2)


def test_grpo_goes_on_from_an_adapter_with_the_model_before_as_its_reference(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shop_r1.training.grpo.run.ShopR1Trainer", ScriptedTrainer)
    monkeypatch.setattr(ScriptedTrainer, "script", SCRIPT)
    train_grpo(make_clicks(), settings(adapter, **LORA, gradient_checkpointing=True), tmp_path)
    first, second = map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
    assert first["kl"] == 0.0 and second["kl"] > 1e-5
    before, after = (load_model(str(folder)).model for folder in (adapter, tmp_path))
    assert not torch.allclose(logits(before), logits(after), atol=1e-3)


def test_an_adapter_on_an_adapter_must_be_merged(adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is an adapter, and lora_merge=false .* set lora_merge=true"):
        train_sft(make_sessions(), sft_settings(adapter, lora_merge=False), tmp_path)


def test_a_folder_holds_one_model(adapter: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    once = sft_settings(tiny_checkpoint, max_steps=1, save_steps=0)
    train_sft(make_sessions(), once, tmp_path)
    assert (tmp_path / "model.safetensors").exists()
    train_sft(make_sessions(), once.model_copy(update={"lora_merge": False}), tmp_path)
    assert not (tmp_path / "model.safetensors").exists() and not (tmp_path / "config.json").exists()
    assert not (tmp_path / "README.md").exists()  # PEFT's own
    train_sft(make_sessions(), once, tmp_path)
    assert not list(tmp_path.glob("adapter_*"))


def test_a_run_with_an_adapter_is_resumed_to_the_bit(tiny_checkpoint: Path, tmp_path: Path) -> None:
    config = sft_settings(tiny_checkpoint, save_steps=2, lora_dropout=0.2)
    whole, again = tmp_path / "whole", tmp_path / "again"
    train_sft(make_sessions(), config, whole)
    again.mkdir()
    (again / "checkpoints").mkdir()
    (whole / "checkpoints" / "step-000002").rename(again / "checkpoints" / "step-000002")
    train_sft(make_sessions(), config, again, resume=True)
    weights = [(folder / "model.safetensors").read_bytes() for folder in (whole, again)]
    assert weights[0] == weights[1]


def test_the_commands_take_an_adapter_for_the_model_that_it_is_of(
    adapter: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    check_place(str(adapter))
    assert longest_context(str(adapter)) == longest_context(str(tiny_checkpoint))
    assert find_shape(str(adapter)) == find_shape(str(tiny_checkpoint))
    with pytest.raises(ModelError, match="holds no checkpoint"):
        check_place(str(tmp_path))


@pytest.fixture
def broken(adapter: Path, tmp_path: Path) -> Path:
    for path in adapter.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_an_adapter_without_its_model_is_refused(broken: Path) -> None:
    config = json.loads((broken / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = str(broken / "gone")
    (broken / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="gone"):
        load_model(str(broken))


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_an_adapter_that_does_not_say_what_it_is_of_is_refused(broken: Path, text: str) -> None:
    (broken / "adapter_config.json").write_text(text)
    with pytest.raises(ModelError, match="does not say what it was trained on"):
        load_model(str(broken))


def test_an_adapter_as_a_pickle_is_refused(broken: Path) -> None:
    torch.save(load_file(broken / "adapter_model.safetensors"), broken / "adapter_model.bin")
    (broken / "adapter_model.safetensors").unlink()
    with pytest.raises(ModelError, match="expected a LoRA adapter in safetensors"):
        load_model(str(broken))


def test_an_adapter_of_another_model_is_refused(broken: Path) -> None:
    weights = load_file(broken / "adapter_model.safetensors")
    dropped = min(weights)
    del weights[dropped]
    save_file(weights, broken / "adapter_model.safetensors")
    with pytest.raises(
        ModelError, match=f"1 of its weights' names are not those expected, such as {dropped}"
    ):
        load_model(str(broken))


_COUNT_MAPPINGS = """
import ctypes, torch
from shop_r1.training.devices import map_large_tensors

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd a b c d e".split()]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Info
torch.empty(2**22)  # 16 MiB, freed at once: from then on glibc takes less than that from its heap
def own(size: int) -> int:
    before = libc.mallinfo2().hblks
    held = torch.empty(size)
    return libc.mallinfo2().hblks - before
print(own(2**20))
map_large_tensors()
print(own(3 * 2**20))  # more than the first has left free in the heap
"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="counts mappings as glibc 2.33 and newer do"
)
def test_with_adapters_large_tensors_get_memory_of_their_own_again() -> None:
    ran = subprocess.run([sys.executable, "-c", _COUNT_MAPPINGS], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["0", "1"]


def adapted(checkpoint: Path) -> tuple[Any, SftConfig]:
    """Return the model with an adapter that changes what it says, and the settings of both."""
    config = sft_settings(checkpoint)
    model = get_peft_model(load_model(str(checkpoint)).model, LoraConfig(**lora_settings(config)))
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in trained_of(model).values():
            weight += 0.1 * torch.randn_like(weight)
    return model, config


def trained_of(model: Any) -> dict[str, torch.Tensor]:
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def test_merged_weights_are_those_that_peft_merges_and_the_model_stays_as_it_was(
    tiny_checkpoint: Path,
) -> None:
    model, _ = adapted(tiny_checkpoint)
    before = logits(model)
    merged = dict(merged_weights(model))
    assert torch.equal(logits(model), before)
    expected = model.merge_and_unload().state_dict()
    assert merged.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(merged[name], weight, atol=1e-6, rtol=0)


@pytest.mark.parametrize("merge", [True, False])
def test_trained_weights_make_the_same_model_again(
    merge: bool, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    model, config = adapted(tiny_checkpoint)
    config = config.model_copy(update={"lora_merge": merge})
    weights = trained_weights(model)
    assert weights.keys() == trained_of(model).keys()
    whole = add_adapter(load_model(str(tiny_checkpoint)), config, weights)
    torch.testing.assert_close(logits(whole.model), logits(model), atol=1e-5, rtol=0)
    save_checkpoint(whole, tmp_path)
    assert (tmp_path / "adapter_config.json").exists() != merge
    torch.testing.assert_close(logits(load_model(str(tmp_path)).model), logits(model), atol=1e-5, rtol=0)


def test_an_adapter_of_other_layers_is_refused(tiny_checkpoint: Path) -> None:
    model, config = adapted(tiny_checkpoint)
    weights = trained_weights(model)
    weights.pop(min(weights))
    with pytest.raises(ModelError, match="1 of its weights' names are not those expected"):
        add_adapter(load_model(str(tiny_checkpoint)), config, weights)

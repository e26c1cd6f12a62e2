"""Where a cluster's run starts: from a checkpoint without code of its own, or from its own last step."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from types import SimpleNamespace
from typing import Any, Literal

import torch
from transformers import AutoConfig, GenerationConfig

from shop_r1.errors import ConfigError, ModelError, TrainingError
from shop_r1.jsonl import read_json
from shop_r1.models.checkpoint import LocalModel, is_adapter, resolve_model
from shop_r1.models.sequence_parallel import check_heads
from shop_r1.models.shape import find_shape
from shop_r1.training.checkpoints import list_checkpoints
from shop_r1.training.settings import TrainConfig

Engine = Literal["trl", "verl"]
Device = Literal["cpu", "cuda"]
OUR_STATE = "shop_r1.json"
"""Of a checkpoint of verl's: what our figures and alerts remember."""
_OWN_CODE = "auto_map"
"""In a configuration it names Python files of the checkpoint that transformers would run."""


def find_start(name: str) -> Path:
    """Return the checkpoint's folder.

    Raises:
        ModelError: it is no folder with a whole checkpoint, or one with code of its own. verl would run that:
            it loads tokenizers with `trust_remote_code`, against the settings.
    """
    folder = Path(resolve_model(name))
    if not (folder / "config.json").exists() or is_adapter(folder):
        raise ModelError(
            f"model {name!r} is not a folder with a whole checkpoint; with --engine verl every machine "
            "loads it from a shared path"
        )
    for file in ("config.json", "tokenizer_config.json"):
        if (folder / file).exists() and _OWN_CODE in read_json(folder / file):
            raise ModelError(
                f"{folder / file}: names code of the checkpoint's own ({_OWN_CODE}), which verl would run; "
                "expected a model whose classes transformers has"
            )
    return folder.resolve()


def check_split(folder: Path, ranks: int) -> None:
    """Make sure that so many ranks can share the sequences of the folder's model.

    Raises:
        ModelError: its heads of attention cannot be split between them.
    """
    if ranks > 1:
        shape, _ = find_shape(str(folder))
        check_heads(shape.heads, shape.kv_heads, ranks)


def open_without_weights(folder: str, tokenizer: Any) -> LocalModel:
    """Return the checkpoint's configuration and tokenizer, which turn text into tokens and back."""
    config, generation = AutoConfig.from_pretrained(folder), GenerationConfig.from_pretrained(folder)
    return LocalModel(SimpleNamespace(config=config, generation_config=generation), tokenizer)


def choose_device(config: TrainConfig) -> Device:
    """Return what trains."""
    if config.cluster.device != "auto":
        return config.cluster.device
    return "cuda" if torch.cuda.is_available() else "cpu"


@contextmanager
def needs_verl() -> Iterator[None]:
    """Say where verl and Ray are if what is imported in this block is not installed.

    Raises:
        ConfigError: it is not.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"--engine verl needs {error.name}, which is not installed here; make cluster makes an "
            "environment that has it (docs/cluster.md)"
        ) from None


def last_saved_step(out: Path) -> int:
    """Return the step of verl's last whole checkpoint in a run's folder; 0 where there is none.

    verl names it once all of it is written, so one that a kill cut short does not count.
    """
    with suppress(OSError, ValueError):
        return int((out / "checkpoints" / "latest_checkpointed_iteration.txt").read_text("utf-8"))
    return 0


def saved_step_folder(out: Path, step: int) -> Path:
    """Return where verl's checkpoint of a step is."""
    return out / "checkpoints" / f"global_step_{step}"


def remove_older_steps(out: Path, keep: int) -> None:
    """Remove all checkpoints of verl's but the newest `keep` up to the last whole one."""
    last = last_saved_step(out)
    steps = [int(path.name.rpartition("_")[2]) for path in (out / "checkpoints").glob("global_step_*")]
    for step in sorted(step for step in steps if step <= last)[:-keep]:
        rmtree(saved_step_folder(out, step))


def check_checkpoints(out: Path, engine: Engine, resume: bool) -> None:
    """Make sure that a run begins without checkpoints of verl's, or goes on from its own engine's.

    Raises:
        TrainingError: it does not. TRL's own checkpoints are `training.checkpoints.refuse_earlier_run`'s.
    """
    other = "trl" if list_checkpoints(out) else "verl" if last_saved_step(out) else engine
    if other != engine:
        raise TrainingError(
            f"{out}: holds checkpoints of --engine {other}, which --engine {engine} cannot go on from; give "
            "another --out"
        )
    if last_saved_step(out) and not resume:
        raise TrainingError(
            f"{out}: holds checkpoints of an earlier run; go on with --resume, or give another --out"
        )

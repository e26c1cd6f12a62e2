"""The number format of a run: chosen once, said, recorded, and kept when the run goes on."""

from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from shop_r1.errors import DataError
from shop_r1.jsonl import read_json
from shop_r1.models.precision import choose_precision, format_name
from shop_r1.training.checkpoints import MANIFEST, list_checkpoints
from shop_r1.training.progress.console import print_note
from shop_r1.training.settings import TrainConfig

TrainConfigT = TypeVar("TrainConfigT", bound=TrainConfig)


def settle_precision(config: TrainConfigT, out: Path, resume: bool) -> TrainConfigT:
    """Return the settings with `bf16` true or false, and say which and why where it was left open.

    Args:
        config: the run's settings.
        out: its folder.
        resume: take what the run in `out` began with, if one did, even if another machine would choose
            otherwise: a run in two formats would be neither's.
    """
    begun = begun_with(out) if resume and config.bf16 == "auto" else None
    if begun is not None:
        print_note(f"{format_name(begun)}: as the run in {out} began")
        return config.model_copy(update={"bf16": begun})
    chosen = choose_precision(config.bf16)
    if config.bf16 == "auto" or "though" in chosen.reason:
        print_note(str(chosen))
    return config.model_copy(update={"bf16": chosen.bf16})


def begun_with(out: Path) -> bool | None:
    """Return the format of the run in the folder, by its settings or a checkpoint; None without either."""
    records: list[tuple[Path, tuple[str, ...]]] = [(out / "settings.json", ("settings",))]
    records += [(path / MANIFEST, ("run", "settings")) for path in reversed(list_checkpoints(out))]
    for path, keys in records:
        with suppress(DataError, KeyError, TypeError):
            found = read_json(path)
            for key in (*keys, "bf16"):
                found = found[key]
            if isinstance(found, bool):
                return found
    return None

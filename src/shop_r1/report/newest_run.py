"""The run that a report is wanted of where none is named: the newest under `runs/`."""

from pathlib import Path
from typing import Literal, NamedTuple

from shop_r1.errors import ConfigError
from shop_r1.records.visits import VISITS_FILE

RUNS = Path("runs")
_DEPTHS = ("*", "*/*")
"""Runs stand in `runs/NAME`, at most in `runs/PART/NAME`."""


class FoundRun(NamedTuple):
    """A folder with something to report."""

    folder: Path
    kind: Literal["evaluation", "simulation"]


def find_newest_run(root: Path = RUNS) -> FoundRun:
    """Return the folder whose results were written last.

    An evaluation has `table.json` and predictions, a simulation `visits.jsonl`.

    Raises:
        ConfigError: there is none.
    """
    found = [
        (results.stat().st_mtime, str(folder), FoundRun(folder, kind))
        for pattern in _DEPTHS
        for folder in root.glob(pattern)
        if folder.is_dir()
        for kind, results in _list_results(folder)
    ]
    if not found:
        raise ConfigError(
            f"no run was found in {root}/; expected a folder that `shop-r1 evaluate` or "
            "`shop-r1 simulate` wrote there, or the folder as an argument"
        )
    return max(found)[2]


def _list_results(folder: Path) -> list[tuple[Literal["evaluation", "simulation"], Path]]:
    """Return what the folder is, and its file that is written last."""
    if (folder / VISITS_FILE).exists():
        return [("simulation", folder / VISITS_FILE)]
    has_predictions = any(folder.glob("predictions.jsonl")) or any(folder.glob("*/predictions.jsonl"))
    is_evaluation = has_predictions and (folder / "table.json").exists()
    return [("evaluation", folder / "table.json")] if is_evaluation else []

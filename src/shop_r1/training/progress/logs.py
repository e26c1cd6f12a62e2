"""The files that a training run adds a line to at each step."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState

from shop_r1.errors import file_errors
from shop_r1.jsonl import write_text

Logs = Mapping[str, Any] | None
"""What transformers hands to a callback of a step: metrics by name."""


class StepLog(TrainerCallback):
    """A file of JSON lines, each with its `step`, that a run adds to as it goes.

    A fresh run begins with no file. One that goes on from a checkpoint keeps the lines up to the
    checkpoint's step: what the interrupted run wrote after it will be written again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_train_begin(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Drop the lines of steps that are still to come."""
        if state.is_world_process_zero:
            keep_steps(self._path, state.global_step)

    def append(self, line: str) -> None:
        """Add one line; whoever calls is the main process.

        Raises:
            DataError: the disk is full or the folder cannot be written.
        """
        with file_errors(self._path, "written"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")


def keep_steps(path: Path, last: int) -> None:
    """Drop the file's lines of steps after `last`, and an incomplete last line; no line left, no file."""
    if not path.exists():
        return
    kept = [line for line in path.read_text("utf-8", errors="replace").split("\n") if _step(line) <= last]
    if kept:
        write_text(path, "".join(f"{line}\n" for line in kept))
    else:
        path.unlink()


def _step(line: str) -> float:
    """Return a line's step; infinity for what is no such line."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf


class MetricsLog(StepLog):
    """Writes each step's metrics as one JSON line; `last` has those of the last one."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.last: dict[str, float] = {}

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run must know."""
        return {"last": self.last}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.last = state["last"]

    def on_log(
        self, args: Any, state: TrainerState, control: TrainerControl, logs: Logs = None, **kwargs: Any
    ) -> None:
        """Append the line."""
        numbers = finite_numbers(logs)
        if is_summary(logs) or not numbers:
            return
        self.last = numbers
        if state.is_world_process_zero:
            self.append(json.dumps({"step": state.global_step} | numbers))


def finite_numbers(logs: Logs) -> dict[str, float]:
    """Return those of the logged values that are finite numbers; JSON has no others."""
    return {
        name: float(value)
        for name, value in (logs or {}).items()
        if isinstance(value, (int, float)) and math.isfinite(value)
    }


def is_summary(logs: Logs) -> bool:
    """Return whether these are the totals that transformers logs once a run is over."""
    return "train_runtime" in (logs or {})

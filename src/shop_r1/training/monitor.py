"""What a training run shows and writes while it goes on: progress, metrics, alarms."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accelerate import PartialState
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from shop_r1.errors import TrainingError

CONSOLE = Console(stderr=True)


def refuse_several_processes() -> None:
    """Stop a distributed start: trees are scored past the wrappers that would average the gradients.

    Raises:
        TrainingError: more than one process.
    """
    count = PartialState().num_processes
    if count > 1:
        raise TrainingError(f"{count} processes; training runs on one process so far (docs/scaling.md)")


@contextmanager
def step_progress(title: str) -> Iterator[Callable[[int, int, str], None]]:
    """Show a bar; yield the function that moves it: (steps done, steps, a few words)."""
    columns = (TextColumn("{task.description:<12}"), BarColumn(bar_width=20), MofNCompleteColumn())
    note = TextColumn("{task.fields[note]}")
    with Progress(*columns, TimeRemainingColumn(), note, console=CONSOLE) as progress:
        task = progress.add_task(title, total=None, note="")

        def move(done: int, total: int, words: str) -> None:
            progress.update(task, completed=done, total=total, note=words)

        yield move


class ProgressCallback(TrainerCallback):
    """A progress bar with the time left and a few of the last metrics."""

    def __init__(self, title: str, shown: Sequence[str]) -> None:
        self._shown = shown
        self._title = title
        self._progress = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=CONSOLE,
        )

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Show the bar."""
        self._task = self._progress.add_task(self._title, total=state.max_steps, note="")
        self._progress.start()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Show the chosen metrics."""
        found = [
            (name.split("/")[-1], logs[name]) for name in self._shown if logs and logs.get(name) is not None
        ]
        if found:
            self._progress.update(
                self._task, note=", ".join(f"{name} {float(value):.3g}" for name, value in found)
            )

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Leave the bar as it ended."""
        self._progress.stop()


class MetricsLog(TrainerCallback):
    """Writes each step's metrics as one JSON line.

    Attributes:
        last: the metrics of the last line.
    """

    def __init__(self, path: Path, keep: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not keep:
            path.unlink(missing_ok=True)
        self._path = path
        self.last: dict[str, float] = {}

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run must know."""
        return {"last": self.last}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.last = state["last"]

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Append the line."""
        numbers = {
            name: float(value)
            for name, value in (logs or {}).items()
            if isinstance(value, (int, float)) and math.isfinite(value)
        }
        if "train_runtime" in numbers or not numbers:
            return
        self.last = numbers
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": state.global_step} | numbers) + "\n")


class CollapseAlarm(TrainerCallback):
    """Warns when one type of action takes over the policy's replies.

    The shares are averaged over the last 20 steps; the alarm sounds when one type has at least 80 % of the
    replies and at least 25 points more than in the data (both ours), once for each type.

    Attributes:
        raised: the warnings so far.
    """

    def __init__(self, path: Path, window: int = 20, keep: bool = False) -> None:
        if not keep:
            path.unlink(missing_ok=True)
        self._path = path
        self._window = window
        self._recent: list[Mapping[str, float]] = []
        self.raised: dict[str, str] = {}

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run must know."""
        return {"recent": [dict(logs) for logs in self._recent], "raised": self.raised}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self._recent, self.raised = state["recent"], state["raised"]

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Look at the step's shares."""
        self._recent = [*self._recent, logs or {}][-self._window :]
        if len(self._recent) < self._window:
            return
        for key in list(self._recent[-1]):
            name = key.removeprefix("policy/share_")
            if name == key or name in self.raised:
                continue
            share, real = self._mean(key), self._mean(f"data/share_{name}")
            if share >= 0.8 and share - real >= 0.25:
                self._raise(state.global_step, name, share, real)

    def _mean(self, key: str) -> float:
        return sum(float(logs.get(key, 0.0)) for logs in self._recent) / len(self._recent)

    def _raise(self, step: int, name: str, share: float, real: float) -> None:
        text = (
            f"step {step}: {share:.0%} of the replies are {name}, in the data {real:.0%}: "
            "the policy collapses"
        )
        self.raised[name] = text
        CONSOLE.print(f"[bold red]Alarm[/] {text}")
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": step, "alarm": "collapse", "message": text}) + "\n")

"""What a person sees of a training run: a panel on a terminal, plain lines anywhere else."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.text import Text
from transformers import TrainerCallback, TrainerControl, TrainerState

from shop_r1.training.health_checks import Alerts
from shop_r1.training.progress.console import CONSOLE, peak_memory
from shop_r1.training.progress.logs import Logs, finite_numbers, is_summary
from shop_r1.training.progress.panel import RECENT, Body, History, rows_of
from shop_r1.validation_messages import harmless

WIDTH = 80
"""Columns of the panel at most."""
_LINE_EVERY_S = 60.0
_LINES = 5
"""Plain lines in a run, if steps are quick; slow runs have one a minute."""


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"


@dataclass(eq=False)
class LiveView(TrainerCallback):
    """Shows a run while it goes on."""

    title: str
    """Of the run, a few letters."""
    body: Body
    """The rows between the bar and the last alert."""
    noted: Sequence[str]
    """Names of the metrics that a plain line and the last line have."""
    alerts: Alerts
    """Whose last alert is shown."""
    sample: Callable[[], str] | None = None
    """Returns the last sampled completion; None where there are none."""
    console: Console = CONSOLE
    """Where it is shown; the panel needs a terminal."""
    clock: Callable[[], float] = time.monotonic
    """Seconds from any beginning."""
    memory: Callable[[], int] = peak_memory
    """The most that was held so far, in bytes."""

    def __post_init__(self) -> None:
        self._speaks = True
        self._part, self._share = "", 0.0
        self._live: Live | None = None
        self._history = History()
        self._first = self._done = self._total = self._line_step = 0
        self._started = self._last_line = self.clock()

    def close(self) -> None:
        """Take the panel away, so that an error leaves the terminal as it was."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def on_train_begin(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Show the panel, on a terminal."""
        self._first = self._done = self._line_step = state.global_step
        self._total = state.max_steps
        self._started = self._last_line = self.clock()
        self._speaks = state.is_world_process_zero
        if self._speaks and self.console.is_interactive and self.console.file.isatty():
            self._live = Live(
                get_renderable=self.render, console=self.console, refresh_per_second=1, transient=True
            )
            self._live.start(refresh=True)

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Move on."""
        self._done = state.global_step
        self._part, self._share = "", 0.0

    def show_part(self, words: str, share: float) -> None:
        """Show what of the step is done, such as `micro-batch 17/64`; `share` is of its time, in [0, 1].

        It is 0 where it is not known. Away from a terminal, print the first estimate and a line a minute.
        """
        is_first = self._done == self._first and self._share == 0 < share
        self._part, self._share = words, share
        now = self.clock()
        is_slow = is_first and (now - self._started) / share > _LINE_EVERY_S
        if self._live is None and self._speaks and (is_slow or now - self._last_line >= _LINE_EVERY_S):
            self._last_line = now
            self._print(self._line())

    def on_log(
        self, args: Any, state: TrainerState, control: TrainerControl, logs: Logs = None, **kwargs: Any
    ) -> None:
        """Take up the figures; away from a terminal, print a line now and then."""
        if is_summary(logs):
            return
        self._history = self._history.add(finite_numbers(logs))
        if self._live is None and self._speaks and self._line_is_due():
            self._line_step, self._last_line = self._done, self.clock()
            self._print(self._line())

    def on_train_end(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Put one line in the panel's place."""
        self.close()
        if self._speaks:
            self._print(Text(f"{self.title:<12} ").append(self._bar(20)).append(f" {self._note()}"))

    def render(self) -> RenderableType:
        """Return the panel."""
        rows: list[tuple[str, str | Text]] = [("last alert", self._alert())]
        if self._part:
            rows.insert(0, (f"in step {self._done + 1}", self._part))
        width = min(WIDTH, self.console.width)
        if self.sample is not None:
            # Model output: never read as markup, and rid of what a terminal would obey.
            text, room = harmless(self.sample()), max(1, width - 20)
            rows += [("completion", text[:room]), ("", text[room : 2 * room])]
        elapsed = timedelta(seconds=round(self.clock() - self._started))
        times = f" {elapsed} gone, {self._left()} left, {_gigabytes(self.memory())}"
        return Panel(
            Group(self._bar(24).append(times), *self.body(self._history), rows_of(*rows)),
            title=Text(self.title),
            subtitle=f"means of the last {RECENT} logged steps",
            title_align="left",
            subtitle_align="right",
            width=width,
        )

    def _line_is_due(self) -> bool:
        every = max(1, (self._total - self._first) // _LINES)
        return self._done - self._line_step >= every or self.clock() - self._last_line >= _LINE_EVERY_S

    def _line(self) -> Text:
        part = f", {self._part} of step {self._done + 1}" if self._part else ""
        place = f"{self.title:<12} {self._done}/{self._total}{part}"
        return Text(f"{place}, {self._left()} left, {_gigabytes(self.memory())}: {self._note()}")

    def _note(self) -> str:
        return ", ".join(f"{name.split('/')[-1]} {self._history.show(name)}" for name in self.noted)

    def _bar(self, width: int) -> Text:
        filled = width * self._done // max(1, self._total)
        return Text.assemble(
            ("━" * filled, "green"), ("─" * (width - filled), "dim"), f" {self._done}/{self._total}"
        )

    def _left(self) -> timedelta | str:
        done = self._done - self._first + self._share
        if done == 0:
            return "?"
        pace = (self.clock() - self._started) / done
        return timedelta(seconds=round(pace * max(0, self._total - self._done - self._share)))

    def _alert(self) -> Text:
        if not self.alerts.raised:
            return Text("none")
        last = self.alerts.raised[-1]
        return Text(f"step {last.step}, {last.alert}: {last.message}", style="bold red")

    def _print(self, line: Text) -> None:
        self.console.print(line, soft_wrap=True, highlight=False)

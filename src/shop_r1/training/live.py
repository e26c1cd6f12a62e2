"""What a person sees of a training run: a panel on a terminal, plain lines anywhere else."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from shop_r1.rewards.total import PARTS
from shop_r1.training.alarms import Alarms
from shop_r1.training.monitor import CONSOLE, finite_numbers, is_summary
from shop_r1.training.watch import harmless

WIDTH = 80
"""Columns of the panel at most."""
RECENT = 10
"""Logged steps that a shown mean is over."""
SPARKS = 24
"""Logged steps in a sparkline."""
_BARS = "▁▂▃▄▅▆▇█"
_LINE_EVERY_S = 60.0
_LINES = 5
"""Plain lines in a run, if steps are quick; slow runs have one a minute."""


class History(Mapping[str, tuple[float, ...]]):
    """The last values of each metric by name; never changed in place, since another thread draws it."""

    def __init__(self, values: Mapping[str, tuple[float, ...]] | None = None) -> None:
        self._values = dict(values or {})

    def __getitem__(self, name: str) -> tuple[float, ...]:
        return self._values[name]

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def add(self, numbers: Mapping[str, float]) -> "History":
        """Return the history with one more step."""
        return History(
            self._values
            | {name: (*self._values.get(name, ()), value)[-SPARKS:] for name, value in numbers.items()}
        )

    def mean(self, name: str) -> float | None:
        """Return the mean of the last `RECENT` values; None where there is none."""
        found = self._values.get(name, ())[-RECENT:]
        return sum(found) / len(found) if found else None

    def show(self, name: str, form: str = ".3g") -> str:
        """Return that mean as text, a dash where there is none."""
        mean = self.mean(name)
        return "–" if mean is None else format(mean, form)

    def sparkline(self, name: str) -> str:
        """Return the values as bars between their lowest and highest."""
        return sparkline(self._values.get(name, ()))


def sparkline(values: Sequence[float]) -> str:
    """Return one bar for each value, scaled between the lowest and the highest.

    >>> sparkline([0, 1, 2, 7])
    '▁▂▃█'
    """
    if not values:
        return ""
    low, high = min(values), max(values)
    if high == low:
        return _BARS[0] * len(values)
    return "".join(_BARS[round((value - low) / (high - low) * (len(_BARS) - 1))] for value in values)


Body = Callable[[History], list[RenderableType]]
"""What stands in the panel between the bar and the last alarm."""


def grpo_body(history: History) -> list[RenderableType]:
    """Return GRPO's rows: the reward's parts, the policy's state, advantages, types and speed."""
    beside = [
        ("parsed", history.show("policy/parsed", ".0%")),
        ("cut short", history.show("policy/truncated", ".0%")),
        ("length", f"{history.show('policy/length_mean', '.0f')} tokens"),
        ("entropy", f"{history.show('entropy')} nats"),
        ("KL", f"{history.show('kl')} nats"),
        ("gap", history.show("sampling/probability_gap")),
    ]
    figures = Table.grid(padding=(0, 2, 0, 0))
    for width in (9, 8, SPARKS, 9, 16):
        figures.add_column(width=width, no_wrap=True, overflow="ellipsis")
    for part, (name, value) in zip((*PARTS, "total"), beside, strict=True):
        row = f"reward/{part}"
        figures.add_row(Text(part), history.show(row), history.sparkline(row), Text(name), value)
    return [
        figures,
        _rows(
            ("advantages", _advantages(history)),
            ("types % (data)", _types(history)),
            ("seconds a step", _speed(history)),
        ),
    ]


def sft_body(history: History) -> list[RenderableType]:
    """Return SFT's rows: loss, accuracy and speed, each with its past."""
    figures = Table.grid(padding=(0, 2, 0, 0))
    for width in (16, 10, SPARKS):
        figures.add_column(width=width, no_wrap=True, overflow="ellipsis")
    for title, name, form in (
        ("loss", "loss", ".3f"),
        ("token accuracy", "mean_token_accuracy", ".1%"),
        ("entropy, nats", "entropy", ".3f"),
        ("gradient norm", "grad_norm", ".2f"),
        ("learning rate", "learning_rate", ".1e"),
        ("tokens a second", "tokens_per_second", ",.0f"),
    ):
        figures.add_row(Text(title), history.show(name, form), history.sparkline(name))
    return [figures]


def _advantages(history: History) -> str:
    return (
        f"size {history.show('advantage/size', '.2f')}, {history.show('advantage/zero', '.0%')} are zero; "
        f"{history.show('policy/equal_groups', '.0%')} of the groups equal"
    )


def _types(history: History) -> str:
    names = [name.removeprefix("data/share_") for name in history if name.startswith("data/share_")]
    shown = [
        f"{name} {100 * (history.mean(f'policy/share_{name}') or 0.0):.0f} "
        f"({100 * (history.mean(f'data/share_{name}') or 0.0):.0f})"
        for name in names
    ]
    return "  ".join(shown)


def _speed(history: History) -> str:
    parts = ", ".join(
        f"{name} {history.show(f'seconds/{name}', '.1f')}" for name in ("sampling", "rewards", "update")
    )
    total, rate = history.show("seconds/step", ".1f"), history.show("tokens_per_second", ",.0f")
    return f"{total}: {parts}; {rate} tokens/s"


def _rows(*rows: tuple[str, str | Text]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=14, no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for title, text in rows:
        table.add_row(Text(title), text if isinstance(text, Text) else Text(text))
    return table


class LiveView(TrainerCallback):
    """Shows a run while it goes on; a context manager, so that an error leaves the terminal as it was."""

    def __init__(
        self,
        title: str,
        body: Body,
        noted: Sequence[str],
        alarms: Alarms,
        sample: Callable[[], str] | None = None,
        console: Console = CONSOLE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare the view.

        Args:
            title: of the run, a few letters.
            body: the rows between the bar and the last alarm.
            noted: names of the metrics that a plain line and the last line have.
            alarms: whose last alarm is shown.
            sample: returns the last sampled reply; None where there are none.
            console: where it is shown; the panel needs a terminal.
            clock: seconds from any beginning.
        """
        self._title = title
        self._body = body
        self._noted = noted
        self._alarms = alarms
        self._sample = sample
        self._console = console
        self._clock = clock
        self._live: Live | None = None
        self._history = History()
        self._first = self._done = self._total = self._line_step = 0
        self._started = self._last_line = clock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the panel away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Show the panel, on a terminal."""
        self._first = self._done = self._line_step = state.global_step
        self._total = state.max_steps
        self._started = self._last_line = self._clock()
        if state.is_world_process_zero and self._console.is_interactive and self._console.file.isatty():
            self._live = Live(
                get_renderable=self.render, console=self._console, refresh_per_second=1, transient=True
            )
            self._live.start(refresh=True)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Move on."""
        self._done = state.global_step

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Take up the figures; away from a terminal, print a line now and then."""
        if is_summary(logs):
            return
        self._history = self._history.add(finite_numbers(logs))
        if self._live is None and state.is_world_process_zero and self._line_is_due():
            self._line_step, self._last_line = self._done, self._clock()
            self._print(self._line())

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Put one line in the panel's place."""
        self.__exit__(None, None, None)
        if state.is_world_process_zero:
            self._print(Text(f"{self._title:<12} ").append(self._bar(20)).append(f" {self._note()}"))

    def render(self) -> RenderableType:
        """Return the panel."""
        rows: list[tuple[str, str | Text]] = [("last alarm", self._alarm())]
        width = min(WIDTH, self._console.width)
        if self._sample is not None:
            # Model output: never read as markup, and rid of what a terminal would obey.
            text, room = harmless(self._sample()), max(1, width - 20)
            rows += [("last reply", text[:room]), ("", text[room : 2 * room])]
        times = f" {self._elapsed()} gone, {self._left()} left"
        return Panel(
            Group(self._bar(30).append(times), *self._body(self._history), _rows(*rows)),
            title=Text(self._title),
            subtitle=f"means of the last {RECENT} logged steps",
            title_align="left",
            subtitle_align="right",
            width=width,
        )

    def _line_is_due(self) -> bool:
        every = max(1, (self._total - self._first) // _LINES)
        return self._done - self._line_step >= every or self._clock() - self._last_line >= _LINE_EVERY_S

    def _line(self) -> Text:
        return Text(f"{self._title:<12} {self._done}/{self._total}, {self._left()} left: {self._note()}")

    def _note(self) -> str:
        return ", ".join(f"{name.split('/')[-1]} {self._history.show(name)}" for name in self._noted)

    def _bar(self, width: int) -> Text:
        filled = width * self._done // max(1, self._total)
        return Text.assemble(
            ("━" * filled, "green"), ("─" * (width - filled), "dim"), f" {self._done}/{self._total}"
        )

    def _elapsed(self) -> timedelta:
        return timedelta(seconds=round(self._clock() - self._started))

    def _left(self) -> timedelta | str:
        done = self._done - self._first
        if done == 0:
            return "?"
        pace = (self._clock() - self._started) / done
        return timedelta(seconds=round(pace * max(0, self._total - self._done)))

    def _alarm(self) -> Text:
        if not self._alarms.raised:
            return Text("none")
        last = self._alarms.raised[-1]
        return Text(f"step {last.step}, {last.alarm}: {last.message}", style="bold red")

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True, highlight=False)

"""What the panel of a training run has in its middle: rows of figures, each with its last values as bars."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from shop_r1.rewards.total import PARTS

RECENT = 10
"""Logged steps that a shown mean is over."""
SPARKS = 24
"""Logged steps in a sparkline."""
_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class History:
    """The last values of each metric by name; never changed in place, since another thread draws it."""

    values: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def add(self, numbers: Mapping[str, float]) -> "History":
        """Return the history with one more step."""
        latest = {name: (*self.values.get(name, ()), value)[-SPARKS:] for name, value in numbers.items()}
        return History({**self.values, **latest})

    def mean(self, name: str) -> float | None:
        """Return the mean of the last `RECENT` values; None where there is none."""
        found = self.values.get(name, ())[-RECENT:]
        return sum(found) / len(found) if found else None

    def show(self, name: str, form: str = ".3g") -> str:
        """Return that mean as text, a dash where there is none."""
        mean = self.mean(name)
        return "–" if mean is None else format(mean, form)

    def row(self, title: str, name: str, form: str = ".3g") -> tuple[Text, str, str]:
        """Return a metric's cells: the title, its mean and the last values as bars."""
        return Text(title), self.show(name, form), sparkline(self.values.get(name, ()))


def sparkline(values: Sequence[float]) -> str:
    """Return one bar for each value, scaled between the lowest and the highest.

    >>> sparkline([0, 1, 2, 7])
    '▁▂▃█'
    """
    low, high = min(values, default=0.0), max(values, default=0.0)
    if high == low:
        return _BARS[0] * len(values)
    return "".join(_BARS[round((value - low) / (high - low) * (len(_BARS) - 1))] for value in values)


Body = Callable[[History], list[RenderableType]]
"""What stands in the panel between the bar and the last alert."""


def grpo_body(history: History) -> list[RenderableType]:
    """Return GRPO's rows: the reward's parts, the policy's state, advantages, types and speed."""
    beside = [
        ("parsed", history.show("policy/parsed", ".0%")),
        ("cut short", history.show("policy/truncated", ".0%")),
        ("length", f"{history.show('policy/length_mean', '.0f')} tokens"),
        ("entropy", f"{history.show('entropy')} nats"),
        ("KL", f"{history.show('kl')} nats"),
        ("mismatch", history.show("sampling/trainer_mismatch")),
    ]
    figures = _grid(9, 8, SPARKS, 9, 16)
    for part, (name, value) in zip((*PARTS, "total"), beside, strict=True):
        figures.add_row(*history.row(part, f"reward/{part}"), Text(name), value)
    size, zeros = history.show("advantage/size", ".2f"), history.show("advantage/zero", ".0%")
    equal = history.show("policy/frac_zero_variance", ".0%")
    return [
        figures,
        rows_of(
            ("advantages", f"size {size}, {zeros} are zero; {equal} of the groups have no variance"),
            ("types % (data)", _types(history)),
            ("seconds a step", _speed(history)),
        ),
    ]


def sft_body(history: History) -> list[RenderableType]:
    """Return SFT's rows: loss, accuracy and speed, each with its past."""
    figures = _grid(16, 10, SPARKS)
    for title, name, form in (
        ("loss", "loss", ".3f"),
        ("token accuracy", "mean_token_accuracy", ".1%"),
        ("entropy, nats", "entropy", ".3f"),
        ("gradient norm", "grad_norm", ".2f"),
        ("learning rate", "learning_rate", ".1e"),
        ("tokens a second", "tokens_per_second", ",.0f"),
    ):
        figures.add_row(*history.row(title, name, form))
    return [figures]


def _types(history: History) -> str:
    names = [name.removeprefix("data/share_") for name in history.values if name.startswith("data/share_")]
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


def rows_of(*rows: tuple[str, str | Text]) -> Table:
    """Return rows of a title and a text, each on one line."""
    table = _grid(14, None)
    for title, text in rows:
        table.add_row(Text(title), text if isinstance(text, Text) else Text(text))
    return table


def _grid(*widths: int | None) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for width in widths:
        table.add_column(width=width, no_wrap=True, overflow="ellipsis")
    return table

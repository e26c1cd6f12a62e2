"""Bars and grids of an evaluation as data: the template draws them in HTML, so that they fit any screen.

All numbers are per cent of a scale that the template has room for; texts stand beside every bar.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from shop_r1.records.results import Interval, TableRow, percent

UNPARSABLE = "unparsable"
"""How mixes and confusions call a completion that is no action (`evaluation.metrics`)."""
_SCALES = (10, 20, 40, 60, 80, 100)
_LABELLED = 0.09
"""A part of a bar from this share on has room for its figure."""


class Bar(NamedTuple):
    """One value with its interval."""

    label: str
    value: float
    """Each in per cent of all."""
    low: float
    high: float
    text: str
    paper: float | None = None
    type: str = ""
    """The type of action that it is about; empty where it is about all."""


class BarGroup(NamedTuple):
    """Bars on one scale."""

    title: str
    about: str
    bars: tuple[Bar, ...]
    scale: int
    """Where the bars' room ends, in per cent."""

    @property
    def has_paper(self) -> bool:
        """Whether any bar has the paper's value."""
        return any(bar.paper is not None for bar in self.bars)


class Part(NamedTuple):
    """One part of a stacked bar."""

    label: str
    share: float
    """In per cent."""
    text: str
    """Empty where there is no room for it."""


class Cell(NamedTuple):
    """One cell of a confusion grid."""

    steps: int
    share: float
    """Of the row, in [0, 1]."""
    is_right: bool


class Confusion(NamedTuple):
    """Steps by the shopper's type and the predicted one."""

    label: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, int, tuple[Cell, ...]], ...]
    """Type, its steps, a cell for each column."""


def draw_headline(rows: Sequence[TableRow]) -> list[BarGroup]:
    """Return the three headline figures, a bar for each setting."""
    shown = (
        ("Right action", "The whole action equals the shopper's: exact accuracy.", "exact"),
        ("Right type", "The type of action equals the shopper's: type accuracy.", "type_accuracy"),
        ("Macro F1", "F1 of the types, in which each type counts the same.", "type_f1_macro"),
    )
    return [
        _group(title, about, [_bar(row.label, getattr(row, field), _paper(row, field)) for row in rows])
        for title, about, field in shown
    ]


def draw_types(rows: Sequence[TableRow]) -> list[BarGroup]:
    """Return the exact accuracy of each type: a group for each, or all in one where there is one setting."""
    names = dict.fromkeys(name for row in rows for name in row.per_type)
    if len(rows) == 1 and names:
        bars = [_type_bar(rows[0], name, name) for name in names]
        told = "Exact accuracy on the steps at which shoppers did this."
        return [_group("Right action, type by type", told, bars)]
    groups = []
    for name in names:
        kept = [row for row in rows if name in row.per_type]
        steps = max(row.per_type[name].n for row in kept)
        about = f"{steps:,} step{'s' if steps != 1 else ''}"
        groups.append(
            _group(f"Right action at {name}", about, [_type_bar(row, name, row.label) for row in kept])
        )
    scale = max((group.scale for group in groups), default=100)
    return [group._replace(scale=scale) for group in groups]


def draw_mixes(rows: Sequence[TableRow]) -> list[tuple[str, tuple[Part, ...]]]:
    """Return the shoppers' own mix of types, then each setting's predicted one, where they are known."""
    target = next((row.target_mix for row in rows if row.target_mix), {})
    mixes = [("shoppers", target), *((row.label, row.predicted_mix) for row in rows)]
    return [(label, tuple(_parts(mix))) for label, mix in mixes if mix]


def list_labels(mixes: Sequence[tuple[str, tuple[Part, ...]]]) -> list[str]:
    """Return the types that occur in any of the mixes, the unparsable last."""
    found = dict.fromkeys(part.label for _, parts in mixes for part in parts)
    return sorted(found, key=lambda label: label == UNPARSABLE)


def draw_confusion(row: TableRow) -> Confusion | None:
    """Return the grid of a setting, without columns in which nothing stands; None where it is not known."""
    if not row.confusion:
        return None
    predicted = {name for counts in row.confusion.values() for name, count in counts.items() if count}
    names = dict.fromkeys([*row.confusion, *(name for counts in row.confusion.values() for name in counts)])
    columns = [name for name in names if name in row.confusion or name in predicted]
    columns.sort(key=lambda name: name == UNPARSABLE)
    lines = []
    for target, counts in row.confusion.items():
        n = sum(counts.values())
        cells = (
            Cell(counts.get(name, 0), counts.get(name, 0) / n if n else 0.0, name == target)
            for name in columns
        )
        lines.append((target, n, tuple(cells)))
    return Confusion(row.label, tuple(columns), tuple(lines))


def _bar(label: str, share: Interval, paper: float | None) -> Bar:
    low, value, high = (round(100 * each, 2) for each in share)
    return Bar(label, value, low, high, str(share), None if paper is None else round(100 * paper, 2))


def _type_bar(row: TableRow, name: str, label: str) -> Bar:
    paper = row.paper.exact_per_type.get(name) if row.paper is not None else None
    return _bar(label, row.per_type[name].exact_interval, paper)._replace(type=name)


def _paper(row: TableRow, field: str) -> float | None:
    return getattr(row.paper, field) if row.paper is not None else None


def _group(title: str, about: str, bars: Sequence[Bar]) -> BarGroup:
    most = max(max(bar.high, bar.value, bar.paper or 0.0) for bar in bars)
    scale = next(each for each in _SCALES if each >= min(most, 100))
    return BarGroup(title, about, tuple(bars), scale)


def _parts(mix: Mapping[str, float]) -> Iterator[Part]:
    for label, share in sorted(mix.items(), key=lambda each: each[0] == UNPARSABLE):
        if share:
            yield Part(label, round(100 * share, 2), percent(share, 0) if share >= _LABELLED else "")

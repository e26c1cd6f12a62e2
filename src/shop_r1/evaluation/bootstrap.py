"""Intervals: the metrics of many resamples of the sessions at once, from counts.

Sessions are drawn, not steps, since steps of one session are not independent. Shapes: B resamples (row 0 is
the sample itself), S sessions, T types that occur, P predicted labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from shop_r1.records.results import Interval

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Counts:
    """Predictions as counts."""

    types: list[str]
    """The T types that occur, in the space's order."""
    labels: tuple[str, ...]
    """The P labels: the space's types in order, then `unparsable`."""
    columns: list[int]
    """Where each of the T types stands among the P labels."""
    confusion: Floats
    """(S, T, P) steps by true type and predicted label."""
    exact: Floats
    """(S, T) steps predicted exactly."""
    similar: Mapping[str, Floats] = field(default_factory=dict)
    """By rule of similar meaning (S, T): steps predicted exactly or with a text that it finds alike."""


@dataclass(frozen=True)
class Resampled:
    """The counts of each resample; with a mix, each type's rates weighted by its share."""

    confusion: Floats
    """(B, T, P) steps by true type and predicted label."""
    exact: Floats
    """(B, T) steps predicted exactly."""
    support: Floats
    """(B, T) steps of each type, 0 where the resample holds none; with a mix, its shares."""
    columns: list[int]
    """Where each of the T types stands among the P labels."""
    similar: Mapping[str, Floats]
    """By rule of similar meaning (B, T) steps that count under it."""

    @property
    def steps(self) -> Floats:
        """(B) steps in all; with a mix 1."""
        steps: Floats = self.support.sum(axis=1)
        return steps

    @property
    def hits(self) -> Floats:
        """(B, T) steps whose type was predicted."""
        hits: Floats = self.confusion[:, np.arange(len(self.columns)), self.columns]
        return hits

    @property
    def f1(self) -> Floats:
        """(B, T) F1 on each type alone; 0 where it is neither true nor predicted."""
        return f1_scores(self.hits, self.support, self.confusion.sum(axis=1)[:, self.columns])


def resample_counts(counts: Counts, totals: Floats, mix: Sequence[float] | None = None) -> Resampled:
    """Return the counts of each resample.

    `totals` says (B, S) how often each resample holds each session; `mix`, the share that each of the T types
    is to have, None for the share it has. A type that is missing from a resample has no share in it.
    """
    sessions, types, labels = counts.confusion.shape
    confusion = (totals @ counts.confusion.reshape(sessions, -1)).reshape(-1, types, labels)
    exact = totals @ counts.exact
    similar = {name: totals @ each for name, each in counts.similar.items()}
    support = confusion.sum(axis=2)
    if mix is not None:
        present = support > 0
        share = np.where(present, mix, 0.0)
        share = share / share.sum(axis=1, keepdims=True)
        weight = np.divide(share, support, out=np.zeros_like(share), where=present)
        confusion, exact, support = confusion * weight[:, :, None], exact * weight, share
        similar = {name: each * weight for name, each in similar.items()}
    return Resampled(confusion, exact, support, counts.columns, similar)


def headline_figures(found: Resampled) -> dict[str, Floats]:
    """Return (B) exact accuracy, type accuracy and macro F1 of each resample, by the fields of `Summary`."""
    present = found.support > 0
    # A type that is missing from a resample is left out of its mean.
    macro = np.where(present, found.f1, 0.0).sum(axis=1) / present.sum(axis=1)
    exact, hits = found.exact.sum(axis=1), found.hits.sum(axis=1)
    return {"exact": exact / found.steps, "type_accuracy": hits / found.steps, "type_f1_macro": macro}


def f1_scores(hits: Floats, true: Floats, predicted: Floats) -> Floats:
    """Return F1, 2 · hits / (times true + times predicted), element by element; 0 where both are 0."""
    both = true + predicted
    return np.divide(2 * hits, both, out=np.zeros_like(hits), where=both > 0)


def find_bounds(values: Floats, sessions: int) -> Interval:
    """Return the first value between the percentiles of the others, or in [0, 1] where nothing is known."""
    value = float(values[0])
    if sessions < 2 or len(values) < 2:  # one session says nothing about how sessions differ
        return Interval(low=0.0, value=value, high=1.0)
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return Interval(low=float(low), value=value, high=float(high))

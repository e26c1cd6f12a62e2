"""Intervals: the metrics of many resamples of the sessions at once, from counts.

Sessions are drawn, not steps, since steps of one session are not independent. Shapes: B resamples (row 0 is
the sample itself), S sessions, T types that occur, P predicted labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shop_r1.records.results import Interval, Summary

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


def resample_sessions(sessions: int, bootstrap: int, seed: int) -> Floats:
    """Return (1 + bootstrap, S): how often each session is drawn; row 0 is the sample itself."""
    drawn = np.random.default_rng(seed).multinomial(sessions, np.full(sessions, 1 / sessions), size=bootstrap)
    return np.vstack([np.ones((1, sessions)), drawn])


def summarize(counts: Counts, totals: Floats, mix: Sequence[float] | None = None) -> Summary:
    """Return exact accuracy, type accuracy and macro F1 with their intervals.

    `totals` says (B, S) how often each resample holds each session; `mix`, the share that each of the T types
    is to have, None for the share it has.
    """
    sessions, types, labels = counts.confusion.shape
    confusion = (totals @ counts.confusion.reshape(sessions, -1)).reshape(-1, types, labels)  # (B, T, P)
    exact = totals @ counts.exact  # (B, T)
    support = confusion.sum(axis=2)
    present = support > 0
    if mix is not None:
        share = np.where(present, mix, 0.0)
        share = share / share.sum(axis=1, keepdims=True)
        weight = np.divide(share, support, out=np.zeros_like(share), where=present)
        confusion, exact, support = confusion * weight[:, :, None], exact * weight, share
    hits = confusion[:, np.arange(types), counts.columns]
    chosen = confusion.sum(axis=1)[:, counts.columns]
    # A type that is missing from a resample is left out of its mean.
    macro = np.where(present, f1_scores(hits, support, chosen), 0.0).sum(axis=1) / present.sum(axis=1)
    steps = support.sum(axis=1)
    exact, type_accuracy = exact.sum(axis=1) / steps, hits.sum(axis=1) / steps
    bounds = [find_bounds(values, sessions) for values in (exact, type_accuracy, macro)]
    return Summary(**dict(zip(Summary.model_fields, bounds, strict=True)))


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

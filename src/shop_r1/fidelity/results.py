"""What a comparison of two crowds found: `fidelity.json`, and the weights of a calibrated crowd."""

from collections.abc import Mapping
from typing import Literal

from shop_r1.jsonl import Record
from shop_r1.records.results import Interval

Change = Literal["nearer", "no difference", "further"]


class Crowd(Record):
    """One of the two files."""

    file: str
    sessions: int
    shoppers: int
    """Users; a session without one counts as a shopper."""
    steps: int


class Floor(Record):
    """How far two parts of the real log are apart: what a crowd as good as real would have."""

    median: float
    most: float
    """Nineteen of twenty splits lie below it."""


class DistanceFigure(Record):
    """One distance between the simulated and the real crowd."""

    name: str
    title: str
    distance: Interval | None
    """At least 0, its 95 % interval over shoppers; None where a crowd has nothing to compare."""
    floor: Floor | None
    """The same distance between parts of the real log."""
    real: int
    """Events of the real crowd: `per`."""
    simulated: int
    per: str

    @property
    def is_beyond(self) -> bool | None:
        """Whether it exceeds what chance makes between two parts of the real log; None: not known."""
        if self.distance is None or self.floor is None:
            return None
        return self.distance.value > self.floor.most


class LevelFigure(Record):
    """One figure of both crowds."""

    name: str
    title: str
    is_share: bool
    """In [0, 1]."""
    real: float | None
    simulated: float | None
    difference: Interval | None
    """The simulated less the real one, with its 95 % interval over shoppers."""


class MixRow(Record):
    """One category of a mix; shares in [0, 1]."""

    label: str
    real: float
    simulated: float
    difference: Interval | None
    """The simulated less the real share."""


class Tell(Record):
    """A feature by which the classifier tells simulated sessions from real ones."""

    feature: str
    real: float | None
    """Mean over the sessions that have it."""
    simulated: float | None
    alone: float
    """AUC of the feature itself: above 0.5 where simulated sessions have more of it."""
    drop: float
    """How much the classifier's AUC falls without it."""


class Classified(Record):
    """How well a classifier tells the two crowds apart."""

    auc: Interval
    """In [0, 1], 0.5 where nothing tells them apart; its 95 % interval over shoppers."""
    floor: Floor | None
    """Of two parts of the real log; None where these have too few shoppers."""
    real: int
    """Sessions that it saw."""
    simulated: int
    folds: int
    features: tuple[str, ...]
    left_out: tuple[str, ...]
    """Features that only one of the logs has."""
    tells: tuple[Tell, ...]
    """The features that betray the simulated crowd, the worst first."""


class MarginClass(Record):
    """One class of a margin; shares in [0, 1]."""

    label: str
    target: float
    """In the part of the real log that the weights were fitted to."""
    before: float
    """In the simulated crowd, each session counted once."""
    after: float
    """With the weights."""


class Check(Record):
    """One distance to the part of the real log that the weights were not fitted to."""

    name: str
    title: str
    is_fitted: bool
    """Whether a margin was fitted that is about the same."""
    before: float
    after: float
    difference: Interval
    """After less before, 95 % over shoppers with the weights as they are."""
    change: Change
    """By that interval."""
    fitted_part: float
    """The same distance from the part that was fitted to: as near as weights can be expected to come."""


class Calibration(Record):
    """Weights that give the simulated crowd the real one's margins: `weights.json`."""

    simulated: str
    real: str
    seed: int
    margins: Mapping[str, tuple[MarginClass, ...]]
    unmet: Mapping[str, float]
    """Classes that no simulated session is in, as `margin: class`, with their share in the real log."""
    fitted_to: int
    """Real sessions."""
    held_out: int
    """Real sessions that the checks are made on."""
    effective_sessions: float
    """As many equally weighted sessions tell as much: (Σw)² / Σw²."""
    largest_weight: float
    """The mean is 1."""
    checks: tuple[Check, ...]
    warnings: tuple[str, ...]
    personas: Mapping[str, float]
    """Mean weight of the sessions of each persona, where they name one: above 1, draw it more often."""
    weights: Mapping[str, float] = {}
    """Of each session, by its id, at least 0; their mean is 1. Not in `fidelity.json`."""


class Fidelity(Record):
    """All that `shop-r1 fidelity` says of two files."""

    simulated: Crowd
    real: Crowd
    clicks_by: Literal["recorded subtypes", "names of elements"]
    """How clicks were told apart, in both crowds alike."""
    bootstrap: int
    splits: int
    seed: int
    weighted: str | None = None
    """The file of weights that the simulated sessions had."""
    distances: tuple[DistanceFigure, ...]
    levels: tuple[LevelFigure, ...]
    mixes: Mapping[str, tuple[MixRow, ...]]
    """By measure; the commonest category of the real crowd first, or in the categories' own order."""
    quantiles: tuple[tuple[float, float], ...]
    """Of session lengths at equal steps from the least to the most: the real crowd's, the simulated one's."""
    classifier: Classified | None
    """None where a crowd has too few shoppers."""
    warnings: tuple[str, ...]
    calibration: Calibration | None = None

    @property
    def beyond(self) -> tuple[DistanceFigure, ...]:
        """The distances that exceed what chance makes between two parts of the real log."""
        return tuple(each for each in self.distances if each.is_beyond)

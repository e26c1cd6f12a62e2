"""Weights of simulated sessions that give their crowd the real crowd's margins, checked on a held-out part.

Margins are shares of classes, such as sessions that buy. Weights are found by raking (W. Deming and
F. Stephan, On a least squares adjustment, Annals of Mathematical Statistics 11, 1940): each margin in turn is
brought to its shares until all fit. Of all weights that have these margins they are the nearest to equal ones
in relative entropy. They are fitted to one half of the real shoppers; what they are worth is measured on the
other half, on distances that were not fitted too. Shapes: S visits, D distances.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from shop_r1.config import suggest
from shop_r1.errors import ConfigError, DataError
from shop_r1.evaluation.bootstrap import Floats
from shop_r1.fidelity.crowds import SESSIONS, Crowds
from shop_r1.fidelity.measures import Ints
from shop_r1.fidelity.resampling import percentile_interval, resample, split_shoppers
from shop_r1.fidelity.results import Calibration, Change, Check, MarginClass
from shop_r1.fidelity.visits import Visit
from shop_r1.jsonl import read_json
from shop_r1.records.results import Interval
from shop_r1.validation_messages import describe_problems

_LEAST_SHARE = 0.02
"""First actions that fewer of the real sessions have are one class: so few cannot bear a weight. Ours."""
_ROUNDS = 1000
_TOLERANCE = 1e-9
_UNMET = 0.005
"""A share that stays further off is told of."""
_LEAST_EFFECTIVE = 0.2
"""Of the sessions: weights that leave fewer are told of. Ours."""
OTHER = "other"

Classes = Callable[[Visit], str]


@dataclass(frozen=True)
class Margin:
    """Classes of sessions whose shares are fitted."""

    name: str
    meaning: str
    make: Callable[[Sequence[Visit]], Classes]
    """From the real visits that are fitted to: what says a visit's class."""
    about: tuple[str, ...]
    """Distances that are about the same."""


def _purchase(_: Sequence[Visit]) -> Classes:
    return lambda visit: "buys" if visit.outcome == "purchase" else "does not"


def _length(visits: Sequence[Visit]) -> Classes:
    """Return classes by the quartiles of the real lengths, as `4 to 7 steps`."""
    lengths = [len(visit.acts) for visit in visits]
    uppers = sorted({int(each) for each in np.quantile(lengths, (0.25, 0.5, 0.75), method="inverted_cdf")})
    lowers = [1, *(upper + 1 for upper in uppers)]
    names = [
        f"{low} steps" if low == high else f"{low} to {high} steps"
        for low, high in zip(lowers, uppers, strict=False)
    ]
    names.append(f"{lowers[-1]} steps and more")
    return lambda visit: names[int(np.searchsorted(uppers, len(visit.acts), side="left"))]


def _first_action(visits: Sequence[Visit]) -> Classes:
    counts = Counter(visit.labels[0] for visit in visits)
    kept = {label for label, count in counts.items() if count >= _LEAST_SHARE * len(visits)}
    return lambda visit: visit.labels[0] if visit.labels[0] in kept else OTHER


def _stage(_: Sequence[Visit]) -> Classes:
    return lambda visit: visit.stage or "none"


def _searches(_: Sequence[Visit]) -> Classes:
    return lambda visit: str(len(visit.queries)) if len(visit.queries) < 3 else "3 and more"


MARGINS: Mapping[str, Margin] = {
    each.name: each
    for each in (
        Margin("purchase", "whether the session buys", _purchase, ("outcomes", "outcomes_kl", "funnel")),
        Margin("length", "how many steps, by the real quartiles", _length, ("length",)),
        Margin("first_action", "what is done first", _first_action, ("first_action",)),
        Margin("stage", "how far down the funnel", _stage, ("funnel", "outcomes", "outcomes_kl")),
        Margin("searches", "how many queries", _searches, ("searches",)),
    )
}
DEFAULT_MARGINS = ("purchase", "length", "first_action")


@dataclass(frozen=True)
class Raked:
    """Weights and what they reach."""

    weights: Floats
    """(S) of the simulated visits; their mean is 1."""
    margins: dict[str, tuple[MarginClass, ...]]
    unmet: dict[str, float]
    """Classes that no simulated session is in, with their share in the real crowd."""


@dataclass(frozen=True)
class _Table:
    """A margin of K classes."""

    names: list[str]
    target: Floats
    """(K) real shares."""
    places: Ints
    """(S) the class of each simulated visit."""

    @property
    def there(self) -> Floats:
        """(K) 1 for a class that a simulated visit is in."""
        return np.minimum(np.bincount(self.places, minlength=len(self.names)), 1).astype(float)

    def fit(self, weights: Floats) -> Floats:
        """Return the (S) weights with this margin brought to its shares, their sum kept."""
        now = np.bincount(self.places, weights, len(self.names))
        wanted = self.target * self.there
        factors = wanted / wanted.sum() * weights.sum() / np.where(now > 0, now, 1)
        fitted: Floats = weights * factors[self.places]
        return fitted

    def shares(self, weights: Floats) -> list[float]:
        """Return the classes' shares with these weights."""
        counts = np.bincount(self.places, weights, len(self.names))
        return [float(each) for each in counts / counts.sum()]

    def classes(self, weights: Floats) -> tuple[MarginClass, ...]:
        """Return each class with its shares."""
        before, after = self.shares(np.ones(len(weights))), self.shares(weights)
        return tuple(
            MarginClass(
                label=name, target=float(self.target[place]), before=before[place], after=after[place]
            )
            for place, name in enumerate(self.names)
        )


def rake(
    margins: Sequence[Margin], real: Sequence[Visit], fitted: Floats, simulated: Sequence[Visit]
) -> Raked:
    """Return weights of the simulated visits; `fitted` (S) says which real visits they are fitted to, 0 or 1.

    A class that no simulated visit is in is left out, and the shares of the others grow alike. Where margins
    contradict each other, such as buyers who are all longer than the real ones, the shares are those that the
    last round reached.

    Raises:
        DataError: the crowds have no class of a margin in common.
    """
    kept = [visit for visit, own in zip(real, fitted, strict=True) if own]
    tables = {margin.name: _tabulate(margin, kept, simulated) for margin in margins}
    weights = np.ones(len(simulated))
    for _ in range(_ROUNDS):
        before = weights
        for table in tables.values():
            weights = table.fit(weights)
        if np.abs(weights - before).max() < _TOLERANCE:
            break
    weights = weights / weights.mean()
    unmet = {
        f"{name}: {label}": float(share)
        for name, table in tables.items()
        for label, share, there in zip(table.names, table.target, table.there, strict=True)
        if share > 0 and not there
    }
    return Raked(weights, {name: table.classes(weights) for name, table in tables.items()}, unmet)


def _tabulate(margin: Margin, real: Sequence[Visit], simulated: Sequence[Visit]) -> _Table:
    class_of = margin.make(real)
    shares, classes = Counter(map(class_of, real)), [class_of(visit) for visit in simulated]
    names = sorted(shares.keys() | set(classes), key=_order)
    target = np.array([shares[name] / len(real) for name in names])
    table = _Table(names, target, np.array([names.index(each) for each in classes], np.int64))
    if not (table.target * table.there).sum() > 0:
        raise DataError(
            f"margin {margin.name}: no simulated session is in any class of the real ones "
            f"({', '.join(sorted(shares))}); leave this margin out"
        )
    return table


def _order(name: str) -> tuple[int, str]:
    """Return what sorts classes: those that begin with a number by it."""
    first = name.split()[0]
    return (int(first) if first.isdigit() else 0, name)


def calibrate(
    crowds: Crowds, files: tuple[str, str], margins: Sequence[Margin], bootstrap: int, seed: int
) -> Calibration:
    """Return weights of the simulated sessions for these margins, and what they are worth.

    `files` are the names of the simulated and the real one.

    Raises:
        DataError: the real log has one shopper alone, sessions share an id, or a margin cannot be fitted.
    """
    _check_ids(files[0], crowds.simulated)
    if crowds.real_shoppers.count < 2:
        raise DataError(f"{files[1]}: has one shopper; a part to fit to and one to check on need two")
    fitted, held_out = next(iter(split_shoppers(crowds.real_shoppers, crowds.real_shoppers.count, 1, seed)))
    raked = rake(margins, crowds.real, fitted, crowds.simulated)
    about = {name for margin in margins for name in margin.about}
    checks = _check(crowds, raked.weights, fitted, held_out, about, bootstrap, seed)
    effective = float(raked.weights.sum() ** 2 / (raked.weights**2).sum())
    return Calibration(
        simulated=files[0],
        real=files[1],
        seed=seed,
        margins=raked.margins,
        unmet=raked.unmet,
        fitted_to=int(fitted.sum()),
        held_out=int(held_out.sum()),
        effective_sessions=effective,
        largest_weight=float(raked.weights.max()),
        checks=tuple(checks),
        warnings=tuple(_warn(raked, checks, effective)),
        personas=_persona_weights(crowds.simulated, raked.weights),
        weights={
            visit.session_id: float(weight)
            for visit, weight in zip(crowds.simulated, raked.weights, strict=True)
        },
    )


def find_margins(names: Sequence[str]) -> list[Margin]:
    """Return the margins with these names, each once; the default ones where none is named.

    Raises:
        ConfigError: one is unknown.
    """
    for name in names:
        if name not in MARGINS:
            raise ConfigError(f"--margin {name!r} is unknown; {suggest(name, list(MARGINS))}")
    return [MARGINS[name] for name in dict.fromkeys(names or DEFAULT_MARGINS)]


def _check_ids(file: str, visits: Sequence[Visit]) -> None:
    name, count = Counter(visit.session_id for visit in visits).most_common(1)[0]
    if count > 1:
        raise DataError(
            f"{file}: {count} sessions have the session_id {name!r}; expected one for each id, since weights "
            "are written by it"
        )


def _check(
    crowds: Crowds,
    weights: Floats,
    fitted: Floats,
    held_out: Floats,
    about: set[str],
    bootstrap: int,
    seed: int,
) -> list[Check]:
    """Return every distance to the held-out part, before and after."""

    def both(real: Floats, simulated: Floats) -> Floats:
        parts = (crowds.distances(real * held_out, each) for each in (simulated, simulated * weights))
        return np.concatenate(list(parts))

    values = resample(both, crowds.real_shoppers, crowds.simulated_shoppers, bootstrap, seed)
    before, after = np.split(values, 2, axis=1)
    within = crowds.distances_within_real(held_out, fitted)
    titles = [*((each.measure.name, each.measure.title) for each in crowds.aligned), SESSIONS]
    checks = []
    for place, (name, title) in enumerate(titles):
        difference = percentile_interval(after[:, place] - before[:, place])
        if difference is None:
            continue
        check = Check(
            name=name,
            title=title,
            is_fitted=name in about,
            before=float(before[0, place]),
            after=float(after[0, place]),
            difference=difference,
            change=_change(difference),
            fitted_part=float(within[place]),
        )
        checks.append(check)
    return checks


def _change(difference: Interval) -> Change:
    if difference.high < 0:
        return "nearer"
    return "further" if difference.low > 0 else "no difference"


def _warn(raked: Raked, checks: Sequence[Check], effective: float) -> list[str]:
    worse = [check.title for check in checks if check.change == "further"]
    off = [
        f"{name}: {each.label} ({100 * each.after:.1f} % for {100 * each.target:.1f} %)"
        for name, classes in raked.margins.items()
        for each in classes
        if abs(each.after - each.target) > _UNMET and f"{name}: {each.label}" not in raked.unmet
    ]
    told = [
        f"no simulated session is in the class “{name}”, which {100 * share:.1f} % of the real ones are in"
        for name, share in raked.unmet.items()
    ]
    if off and not raked.unmet:
        told.append(f"the margins contradict each other and were not reached: {', '.join(off)}")
    if worse:
        told.append(
            f"the weights bring the crowd further from the held-out real sessions in: {', '.join(worse)}"
        )
    if effective < _LEAST_EFFECTIVE * len(raked.weights):
        told.append(
            f"the {len(raked.weights)} weighted sessions tell as much as {effective:.0f}: simulate shoppers "
            "that are more like the real ones"
        )
    return told


def _persona_weights(visits: Sequence[Visit], weights: Floats) -> dict[str, float]:
    sums: dict[str, list[float]] = {}
    for visit, weight in zip(visits, weights.tolist(), strict=True):
        if visit.persona is not None:
            sums.setdefault(visit.persona, []).append(weight)
    found = {persona: sum(own) / len(own) for persona, own in sums.items()}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def read_calibration(path: Path) -> Calibration:
    """Return a `weights.json`.

    Raises:
        DataError: it cannot be read or is none.
    """
    try:
        return Calibration.model_validate(read_json(path))
    except ValidationError as error:
        raise DataError.at(path, None, f"is no weights.json: {describe_problems(error)}") from None


def weigh_visits(found: Calibration, visits: Sequence[Visit], file: str) -> Floats:
    """Return (S) the visits' weights by their ids; their mean is 1.

    Raises:
        DataError: a visit has none, or all weights are 0.
    """
    missing = [visit.session_id for visit in visits if visit.session_id not in found.weights]
    if missing:
        raise DataError(
            f"{file}: {len(missing)} of its sessions have no weight, such as {missing[0]!r}; expected "
            "weights of these very sessions"
        )
    weights: Floats = np.array([found.weights[visit.session_id] for visit in visits])
    if not weights.sum() > 0:
        raise DataError(f"{file}: all weights of its sessions are 0; expected some above it")
    return weights / float(weights.mean())

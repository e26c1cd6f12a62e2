"""Past experiments as a file lists them: two versions of a shop, and the lift that was measured on people."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from scipy import stats

from shop_r1.comparison.metrics import METRICS, find_metrics
from shop_r1.config import Config, load_config
from shop_r1.errors import ConfigError, DataError
from shop_r1.jsonl import read_records
from shop_r1.records.backtests import Unit
from shop_r1.records.results import Interval
from shop_r1.statistics.holm import LEVEL

_NAME = r"^[a-z0-9][a-z0-9_-]{0,40}$"


class PastExperiment(Config):
    """One past experiment; the lift is the second version less the first."""

    name: str = Field(pattern=_NAME)
    """What results and folders call it."""
    change: str = Field("other", min_length=1, max_length=40)
    """What kind of change it was, such as `ratings`; experiments of one kind are also judged together."""
    versions: tuple[str, str] | None = None
    """The two versions, the old one first: addresses, or files as `compare --variant` takes them and `store`
    or `shop`, the shop as it is. Files are looked for from the folder of this file."""
    url: str | None = None
    """Of versions that are edits of pages, the shop's address."""
    comparison: str | None = None
    """In place of `versions`: a `comparison.json` that is there already, looked for in the same way."""
    version: str | None = None
    """Of a comparison of more than two versions, which one is meant."""
    metric: str = "purchase"
    """Which metric was measured: one of `shop-r1 compare`."""
    goal: str = "purchase"
    """What the metrics `goal` and `pages_to_goal` are about, as `compare --goal`."""
    unit: Unit
    """`points`: percentage points of a share; `percent`: relative to the first version; `absolute`: what
    numbers such as steps or revenue differ by."""
    lift: float = Field(allow_inf_nan=False)
    """What was measured on people, in that unit: 1.5 stands for 1.5 points or 1.5 %."""
    low: float = Field(allow_inf_nan=False)
    """Where its interval begins."""
    high: float = Field(allow_inf_nan=False)
    """Where it ends."""
    level: float = Field(0.95, ge=0.5, lt=1)
    """Of that interval."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.versions is None) == (self.comparison is None):
            raise ValueError("has versions and a comparison, or none of them; expected one of the two")
        if self.url is not None and self.versions is None:
            raise ValueError("url is of versions, and none are given; leave it out")
        if self.version is not None and self.comparison is None:
            raise ValueError("version is of a comparison.json, and none is given; leave it out")
        if not self.low <= self.lift <= self.high or self.low == self.high:
            raise ValueError(
                f"its interval is [{self.low:g}, {self.high:g}] and the lift {self.lift:g}; expected "
                "low <= lift <= high, and low below high"
            )
        if self.unit == "points" and not -100 <= self.low <= self.high <= 100:
            raise ValueError(f"[{self.low:g}, {self.high:g}] points; expected -100 to 100 percentage points")
        if self.unit == "percent" and self.low < -100:
            raise ValueError(f"low is {self.low:g} %; nothing can fall by more than 100 %")
        return self

    @property
    def measured(self) -> Interval:
        """The lift with its 95 % interval: one of another level is stretched as a normal one would be."""
        z, own = (float(stats.norm.isf((1 - each) / 2)) for each in (LEVEL, self.level))
        low, high = ((end - self.lift) * z / own + self.lift for end in (self.low, self.high))
        return Interval(low=low, value=self.lift, high=high)


class PastExperiments(Config):
    """A file of past experiments."""

    experiment: tuple[PastExperiment, ...] = Field(min_length=1)
    """Each a table `[[experiment]]`."""


def read_experiments(path: Path) -> tuple[PastExperiment, ...]:
    """Return the past experiments of a TOML file, or of a JSONL file with one on each line.

    Raises:
        ConfigError: the TOML file cannot be read or says what no experiment can be.
        DataError: so is the JSONL file, two have one name, or a metric does not fit its unit.
    """
    if path.name.endswith((".jsonl", ".jsonl.zst", ".jsonl.gz")):
        found = tuple(read_records(path, PastExperiment))
    else:
        found = load_config(PastExperiments, path).experiment
    for number, each in enumerate(found, 1):
        place = f"{path}: experiment {number} ({each.name})"
        if each.name in [other.name for other in found[: number - 1]]:
            raise DataError(f"{place}: another one has this name; give each a name of its own")
        try:
            find_metrics([], each.metric)
        except ConfigError as error:
            raise ConfigError(f"{place}: {error}") from None
        kind = METRICS[each.metric].kind
        if each.unit == ("absolute" if kind == "share" else "points"):
            fitting = "points or percent" if kind == "share" else "absolute or percent"
            raise DataError(
                f"{place}: {each.metric} is a {kind}, and its unit {each.unit}; expected {fitting}"
            )
    return found

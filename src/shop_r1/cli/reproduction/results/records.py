"""`results.json`: all that a reproduction found, as one record that its pages are written from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from shop_r1.errors import DataError
from shop_r1.evaluation.seeds.comparisons import Comparison, SettingOverSeeds
from shop_r1.evaluation.seeds.verdicts import Judgement, Verdict
from shop_r1.jsonl import Record, read_json
from shop_r1.validation_messages import describe_problems

RESULTS = "results.json"


class Curve(Record):
    """One metric of a row's RL over training: the mean over its seeds, runs of steps averaged."""

    metric: str
    """As in `metrics.jsonl`, for instance `policy/exact`."""
    steps: tuple[int, ...]
    means: tuple[float, ...]
    lows: tuple[float, ...]
    """The least of the seeds' values at each point."""
    highs: tuple[float, ...]


class RaisedAlert(Record):
    """An alert of a row's training."""

    seed: int
    step: int
    alert: str
    subject: str = ""
    message: str


class RowResult(Record):
    """One row of a table over its seeds."""

    key: str
    """The row's name among all rows."""
    name: str
    """As the paper's row is called, where it has it."""
    model: str
    """The checkpoint that it starts from."""
    size: str
    sft_sessions: int | None
    """Sessions of its SFT; None without."""
    reward: str | None
    """Of its RL; None without."""
    context: str
    temperature: float
    page_size: int
    measured: SettingOverSeeds
    """Its figures; `exact` and others by name, see `evaluation.seeds.figures`. `natural_mix/…` are those that
    each type's own rates give in the mix of types that the crowd has by itself."""
    target_mix: Mapping[str, float]
    """Share of each type among the test steps."""
    invalid: Mapping[str, int] = {}
    """Unparsable completions of all seeds by reason."""
    warnings: tuple[str, ...] = ()
    """What is wrong with the mix of predicted types over all seeds: a type that took over, or one that
    vanished."""
    alerts: tuple[RaisedAlert, ...] = ()
    misses: Mapping[str, float] = {}
    """Share of each kind of miss among its predictions (`shoppers.misses`); of the ceiling's rows."""
    curves: tuple[Curve, ...] = ()
    """Of its RL."""

    def curve(self, metric: str) -> Curve | None:
        """Return the curve of this metric; None where the row has none."""
        return next((each for each in self.curves if each.metric == metric), None)


class TableResult(Record):
    """Which rows a table has, and how each differs from the SFT row that it starts from or stands beside."""

    table: str
    rows: tuple[str, ...]
    """Keys."""
    reachable: tuple[str, ...]
    """Keys of what can be reached on the steps of these rows: one for each page size."""
    comparisons: tuple[Comparison, ...]
    """p-values adjusted by Holm's procedure over all comparisons of the table."""
    pooled: tuple[Comparison, ...] = ()
    """Of the map: each reward and SFT in the mean over all starts and page sizes, by their rows' names;
    adjusted among themselves."""


class PartResult(Record):
    """One measurable part of an effect."""

    claim: str
    """In words, with its threshold."""
    how: Literal["difference", "ratio", "share"]
    """What was measured: a difference between two rows, their ratio, or one row's share."""
    judgement: Judgement | None
    """None where a row that it needs was not run."""


class EffectResult(Record):
    """One of the paper's effects, judged here."""

    effect: str
    paper: str
    """The paper's figures for it."""
    parts: tuple[PartResult, ...]
    verdict: Verdict


class StageSeconds(Record):
    """How long a stage took."""

    stage: str
    kind: Literal["visits", "reachable", "sft", "rl", "predict"]
    seconds: float = Field(ge=0)


class MachineFacts(Record):
    """What the run was computed on."""

    device: str
    cpu: str
    threads: int
    number_format: str

    @property
    def processor(self) -> str:
        """The CPU and how many of its threads were used, for people."""
        return f"{self.cpu}, {self.threads} thread{'' if self.threads == 1 else 's'}"


class Reproduction(Record):
    """Everything: what was run, on what, and what came out."""

    command: str
    crowd: str
    seeds: tuple[int, ...]
    settings: Mapping[str, Any]
    """Those of `ReproductionConfig`, resolved."""
    machine: MachineFacts
    versions: Mapping[str, str]
    revision: str | None
    natural_mix: Mapping[str, Mapping[str, float]]
    """By page size, share of each type in the crowd's own mix: all held-out steps but each session's first,
    the mean over seeds."""
    rows: tuple[RowResult, ...]
    reachable: tuple[RowResult, ...]
    """The best possible predictor's, for each page size."""
    tables: tuple[TableResult, ...]
    effects: tuple[EffectResult, ...] = ()
    stages: tuple[StageSeconds, ...]
    quick: bool = False

    def row(self, key: str) -> RowResult | None:
        """Return the row of this key; None where it was not run."""
        return next((row for row in (*self.rows, *self.reachable) if row.key == key), None)

    def find_table(self, name: str) -> TableResult | None:
        """Return the table of this name; None where it was not made."""
        return next((table for table in self.tables if table.table == name), None)

    @property
    def hours(self) -> float:
        """How long all stages took together."""
        return sum(stage.seconds for stage in self.stages) / 3600


def read_results(path: Path) -> Reproduction:
    """Return what `shop-r1 reproduce` wrote to `results.json`.

    Raises:
        DataError: the file cannot be read, or is not such a record.
    """
    try:
        return Reproduction.model_validate(read_json(path))
    except ValidationError as error:
        raise DataError.at(path, None, describe_problems(error, Reproduction)) from None

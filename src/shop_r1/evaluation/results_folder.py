"""An evaluation and its folder: the conditions under which a model is asked, and the files of its results."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop_r1.config import ConfigT
from shop_r1.datasets.examples import Example, example_outlines
from shop_r1.errors import ConfigError, DataError
from shop_r1.evaluation.metrics import RULES, Metrics, evaluate_predictions
from shop_r1.evaluation.related_metrics import RelatedMetrics, measure_related
from shop_r1.evaluation.similarity.rules import Rule
from shop_r1.evaluation.tables import list_grids, table_row, to_markdown
from shop_r1.jsonl import read_records, write_json, write_records, write_text
from shop_r1.records.actions import ActionSpace
from shop_r1.records.results import Prediction, TableRow, write_table
from shop_r1.runs import RunFolder

PREDICTIONS, PARTIAL = "predictions.jsonl", "predictions.partial.jsonl"
"""In a condition's folder: all predictions, and those of a run that has not ended."""
_RESULTS = (
    *(PREDICTIONS, PARTIAL, "metrics.json", "related_metrics.json", "context.json", "requests.json"),
    *("table.json", "table.md"),
)


@dataclass(frozen=True)
class Condition:
    """How the model is asked: with which context and temperature, and where the files of that go."""

    context: str
    temperature: float | None
    """0 for greedy; None where the model's own is left to an endpoint."""
    folder: Path

    @property
    def label(self) -> str:
        """The condition's name in a path."""
        if self.temperature is None:
            return self.context
        return f"{self.context}-{f't{self.temperature:g}' if self.temperature else 'greedy'}"

    def record(self) -> dict[str, Any]:
        """Return what the results say of it."""
        return {"context": self.context, "temperature": self.temperature}

    def apply(self, config: ConfigT) -> ConfigT:
        """Return the settings of a model's predictions, asked like this."""
        settings: Any = config
        temperature = {} if self.temperature is None else {"temperature": self.temperature}
        return config.model_copy(
            update={
                "prompt": settings.prompt.model_copy(update={"context": self.context}),
                "sampling": settings.sampling.model_copy(update=temperature),
            }
        )


@dataclass(frozen=True)
class Evaluation:
    """What is to be evaluated."""

    model: str
    """A checkpoint's or an endpoint's name."""
    data: Path
    out: Path
    first_step: int
    """Steps before this one are given, not predicted."""
    setting: str
    """The tables' name for it."""
    conditions: tuple[Condition, ...]
    """More than one give a row each."""
    examples: Sequence[Example]
    rules: Sequence[Rule] = RULES
    """By which a typed text counts as one of similar meaning."""
    force: bool = False
    """Whether another run's results in the folder may be replaced."""

    def record(self) -> dict[str, Any]:
        """Return what `settings.json` says of it beside the settings."""
        return {
            "model": self.model,
            "data": str(self.data),
            "first_step": self.first_step,
            "runs": [each.record() for each in self.conditions],
        }


@dataclass(frozen=True)
class Predicted:
    """The predictions under one condition, one for each example."""

    condition: Condition
    predictions: Sequence[Prediction]
    count_tokens: Callable[[str], int]
    estimated: bool = False
    """Whether tokens are counted by estimate."""


@dataclass(frozen=True)
class Scored:
    """The figures of one set of predictions; `condition` is None where a file of predictions was scored."""

    row: TableRow
    metrics: Metrics
    related: RelatedMetrics
    condition: Condition | None = None

    def to_json(self, related: bool) -> dict[str, Any]:
        """Return the metrics as JSON values, with the related-work metrics if they are wanted."""
        how = {} if self.condition is None else self.condition.record()
        values = how | self.metrics.model_dump(mode="json")
        return values | ({"related_metrics": self.related.model_dump(mode="json")} if related else {})


def score_recorded(
    setting: str, predictions: Sequence[Prediction], space: ActionSpace, rules: Sequence[Rule] = RULES
) -> Scored:
    """Return the figures of predictions that were read from a file."""
    metrics = evaluate_predictions(predictions, space, rules=rules)
    row = table_row(setting, metrics, decoding="recorded")
    return Scored(row, metrics, measure_related(predictions, space))


def score_predicted(evaluation: Evaluation, predicted: Predicted) -> Scored:
    """Return the figures of a model's predictions under one condition."""
    condition, space = predicted.condition, evaluation.examples[0].space
    metrics = evaluate_predictions(predicted.predictions, space, rules=evaluation.rules)
    several = len(evaluation.conditions) > 1
    setting = f"{evaluation.setting}, {condition.label}" if several else evaluation.setting
    row = table_row(setting, metrics, model=evaluation.model, **condition.record())
    return Scored(row, metrics, measure_related(predicted.predictions, space), condition)


def begin_results(
    out: Path,
    record: Mapping[str, Any],
    *,
    force: bool,
    free: Collection[str] = (),
    same_versions: bool = False,
) -> None:
    """Write `settings.json`, so that the folder is this run's; what the same run left there stays.

    `record` is of `runs.make_record`; settings that are `free` may differ, and versions unless they are to be
    the `same_versions`. `force` begins anew and removes earlier results; an endpoint's completions, which
    were paid for, stay.

    Raises:
        ConfigError: the folder holds what another run wrote.
        DataError: it cannot be read or written.
    """
    folder = RunFolder(out)
    if force:
        _clear(out)
    elif folder.settings.exists() and (found := folder.list_differences(record, free, same_versions)):
        raise ConfigError(
            f"{out}: holds another run's results: {', '.join(found)}; give another --out, or --force to "
            "replace them"
        )
    folder.write_settings(record)


def _clear(out: Path) -> None:
    """Remove what an earlier run wrote: left there, a report would show it as this one's."""
    inside = {path.parent for name in ("metrics.json", PARTIAL) for path in out.glob(f"*/{name}")}
    for folder in (out, *inside):
        for name in _RESULTS:
            (folder / name).unlink(missing_ok=True)


def read_finished(condition: Condition, examples: Sequence[Example]) -> Sequence[Prediction] | None:
    """Return the predictions that the same run wrote before, in the examples' order; None where it has not.

    Raises:
        DataError: the file is not what it wrote.
    """
    path = condition.folder / PREDICTIONS
    if not path.exists():
        return None
    found = list(read_records(path, Prediction))
    steps = [(each.session_id, each.step) for each in example_outlines(examples)]
    if [(each.session_id, each.step) for each in found] != steps:
        raise DataError.at(path, None, "is not what this run wrote there; remove it, and it is made again")
    return found


def write_results(folder: Path, predictions: Sequence[Prediction], scored: Scored) -> None:
    """Write `predictions.jsonl`, `metrics.json` and `related_metrics.json`."""
    write_records(folder / PREDICTIONS, predictions)
    write_json(folder / "metrics.json", scored.metrics.model_dump(mode="json"))
    write_json(folder / "related_metrics.json", scored.related.model_dump(mode="json"))


def write_tables(out: Path, found: Sequence[Scored]) -> None:
    """Write `table.json` and `table.md`."""
    rows = [scored.row for scored in found]
    write_table(out / "table.json", rows)
    write_text(out / "table.md", "\n".join(to_markdown(grid) for grid in list_grids(rows)))

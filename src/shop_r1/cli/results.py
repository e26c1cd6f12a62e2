"""One evaluation: the ways in which a model is asked, and what is written and printed of its answers."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from shop_r1.cli.tell import tell_invalid
from shop_r1.cli.terminal.console import print_json, print_line, print_note
from shop_r1.cli.terminal.outputs import check_apart, check_folder
from shop_r1.errors import ConfigError, DataError
from shop_r1.runs import RunFolder

if TYPE_CHECKING:
    from shop_r1.datasets.examples import Example
    from shop_r1.evaluation.metrics import Metrics
    from shop_r1.evaluation.related_metrics import NeighbourMetrics
    from shop_r1.evaluation.tables import Grid, TableRow
    from shop_r1.records.actions import ActionSpace
    from shop_r1.records.results import Prediction


PREDICTIONS, PARTIAL = "predictions.jsonl", "predictions.partial.jsonl"
"""In a run's folder: all predictions, and those of a run that has not ended."""
CACHE = "completions.jsonl"
"""Where in the results' folder the completions of an endpoint are kept."""
_RESULTS = (
    *(PREDICTIONS, "metrics.json", "neighbours.json", "context.json", "requests.json"),
    *("table.json", "table.md"),
)


@dataclass(frozen=True)
class Run:
    """One way of asking the model: a context and a temperature, and where its files go.

    Attributes:
        context: `whole-session` or `latest-step`.
        temperature: of sampling, 0 for greedy; None where the model's own is left to an endpoint.
        folder: where its files go.
    """

    context: str
    temperature: float | None
    folder: Path

    @property
    def label(self) -> str:
        """The run's name in a path."""
        if self.temperature is None:
            return self.context
        return f"{self.context}-{'greedy' if self.temperature == 0 else f't{self.temperature:g}'}"


@dataclass(frozen=True)
class Job:
    """What one `evaluate` is to do.

    Attributes:
        model: a checkpoint's or an endpoint's name.
        data: the held-out sessions.
        out: the folder of the whole.
        first_step: steps before this one are given, not predicted.
        setting: the tables' name for it.
        runs: the ways of asking.
        examples: the steps to predict.
        force: whether another run's results in the folder may be replaced.
    """

    model: str
    data: Path
    out: Path
    first_step: int
    setting: str
    runs: tuple[Run, ...]
    examples: "Sequence[Example]"
    force: bool = False

    def record(self) -> dict[str, Any]:
        """Return what `settings.json` says of it beside the settings."""
        return {
            "model": self.model,
            "data": str(self.data),
            "first_step": self.first_step,
            "runs": [{"context": run.context, "temperature": run.temperature} for run in self.runs],
        }


@dataclass(frozen=True)
class Answered:
    """The predictions of one run.

    Attributes:
        run: how the model was asked.
        predictions: one for each example.
        count_tokens: how long a text is for the model.
        estimated: whether that is an estimate.
    """

    run: Run
    predictions: "Sequence[Prediction]"
    count_tokens: Callable[[str], int]
    estimated: bool = False


@dataclass(frozen=True)
class Scored:
    """What one run's predictions are worth."""

    row: "TableRow"
    metrics: "Metrics"
    neighbours: "NeighbourMetrics"
    run: Run | None = None


def score_runs(job: Job, ask: Callable[[Job], Iterable[Answered]]) -> list[Scored]:
    """Score each run, write its files as soon as it is done, and at the end the tables of all."""
    space = job.examples[0].space
    found = []
    for each in ask(job):
        run = each.run
        setting = job.setting if len(job.runs) == 1 else f"{job.setting}, {run.label}"
        decoding = None if run.temperature is None else "sampled" if run.temperature else "greedy"
        scored = score(setting, each.predictions, space, model=job.model, decoding=decoding)
        update = {"temperature": run.temperature, "context": run.context}
        scored = replace(scored, row=scored.row.model_copy(update=update), run=run)
        write_results(run.folder, each.predictions, scored)
        _tell_budget(job, each)
        if told := tell_invalid(scored.row, is_endpoint=each.estimated):
            print_note(told)
        found.append(scored)
    write_tables(job.out, found)
    return found


def check_results_folder(out: Path, inputs: Sequence[Path | str], force: bool) -> None:
    """Make sure, before long work, that an evaluation may be written to the folder.

    Raises:
        ConfigError: it holds an input, lies in one, or holds what no evaluation wrote.
    """
    if (out / "settings.json").exists():
        check_apart(out, inputs)
    else:
        check_folder(out, inputs, force=force, leftovers=(CACHE,))


def begin(
    out: Path,
    record: Mapping[str, Any],
    *,
    force: bool,
    free: Collection[str] = (),
    same_versions: bool = False,
) -> None:
    """Write `settings.json`, so that the folder is this run's; what the same run left there stays.

    Args:
        out: the folder of the whole.
        record: what `runs.make_record` returned.
        force: begin anew, whatever is there; answers that were paid for stay.
        free: settings that may differ.
        same_versions: whether predictions made with other versions are another run's.

    Raises:
        ConfigError: the folder holds something else, or what another run wrote.
        DataError: it cannot be read or written.
    """
    folder = RunFolder(out)
    check_results_folder(out, list(record["inputs"]), force)
    there = (out / "settings.json").exists()
    if there and not force and (found := folder.list_differences(record, free, same_versions)):
        raise ConfigError(
            f"{out}: holds another run's results: {', '.join(found)}; give another --out, or --force to "
            "replace them"
        )
    if force:
        _clear(out)
    folder.write_record(record)


def _clear(out: Path) -> None:
    """Remove what an earlier run wrote: left there, a report would show it as this one's."""
    for folder in (out, *(path.parent for path in out.glob("*/metrics.json")), *_unfinished(out)):
        for name in (*_RESULTS, PARTIAL):
            (folder / name).unlink(missing_ok=True)


def _unfinished(out: Path) -> list[Path]:
    return [path.parent for path in out.glob(f"*/{PARTIAL}")]


def read_finished(run: Run, examples: "Sequence[Example]") -> "Sequence[Prediction] | None":
    """Return the predictions that the same run wrote before, in the examples' order; None where it has not.

    Raises:
        DataError: the file is not what it wrote.
    """
    from shop_r1.datasets.examples import example_outlines
    from shop_r1.jsonl import read_records
    from shop_r1.records.results import Prediction

    path = run.folder / PREDICTIONS
    if not path.exists():
        return None
    found = list(read_records(path, Prediction))
    steps = [(each.session_id, each.step) for each in example_outlines(examples)]
    if [(each.session_id, each.step) for each in found] != steps:
        raise DataError.at(path, None, "is not what this run wrote there; remove it, and it is made again")
    return found


def score(
    setting: str,
    predictions: "Sequence[Prediction]",
    space: "ActionSpace",
    *,
    model: str | None = None,
    decoding: str | None = "recorded",
) -> Scored:
    """Return what the predictions are worth, by our metrics and by neighbouring papers'."""
    from shop_r1.evaluation.metrics import evaluate_predictions
    from shop_r1.evaluation.related_metrics import measure_neighbours
    from shop_r1.evaluation.tables import table_row

    metrics = evaluate_predictions(predictions, space)
    row = table_row(setting, metrics, model=model, decoding=decoding)
    return Scored(row, metrics, measure_neighbours(predictions, space))


def write_results(folder: Path, predictions: "Sequence[Prediction]", scored: Scored) -> None:
    """Write `predictions.jsonl`, `metrics.json` and `neighbours.json`."""
    from shop_r1.jsonl import write_json, write_records

    write_records(folder / PREDICTIONS, predictions)
    write_json(folder / "metrics.json", scored.metrics.model_dump(mode="json"))
    write_json(folder / "neighbours.json", scored.neighbours.model_dump(mode="json"))


def write_tables(out: Path, found: Sequence[Scored]) -> None:
    """Write `table.json` and `table.md`."""
    from shop_r1.evaluation.tables import to_markdown, write_table
    from shop_r1.jsonl import write_text

    rows = [scored.row for scored in found]
    write_table(out / "table.json", rows)
    write_text(out / "table.md", "\n".join(to_markdown(grid) for grid in grids_of(rows)))


def show(found: Sequence[Scored], *, as_json: bool, neighbours: bool) -> None:
    """Print the tables, or the metrics as JSON, with neighbouring papers' metrics if they are asked for."""
    from shop_r1.evaluation.related_metrics import neighbours_grid
    from shop_r1.evaluation.tables import to_text

    if as_json:
        values = [_as_json(scored, neighbours) for scored in found]
        print_json(values if len(values) > 1 else values[0], indent=1)
        return
    grids = grids_of([scored.row for scored in found])
    if neighbours:
        grids += [neighbours_grid(scored.row.setting, scored.neighbours) for scored in found]
    print_line("\n".join(to_text(grid) for grid in grids).rstrip("\n"))


def _as_json(scored: Scored, neighbours: bool) -> dict[str, Any]:
    run = scored.run
    values = {"context": run.context, "temperature": run.temperature} if run is not None else {}
    values |= scored.metrics.model_dump(mode="json")
    return values | ({"neighbours": scored.neighbours.model_dump(mode="json")} if neighbours else {})


def grids_of(rows: "Sequence[TableRow]") -> "list[Grid]":
    """Return the tables of some rows, the main one first."""
    from shop_r1.evaluation import tables

    grids = [tables.main_grid(rows), tables.per_type_grid(rows), tables.mix_grid(rows)]
    if len({row.temperature for row in rows}) > 1:
        grids.append(tables.temperature_grid(rows))
    if len({row.context for row in rows}) > 1:
        grids.append(tables.context_grid(rows))
    return grids


def _tell_budget(job: Job, answered: Answered) -> None:
    """Write `context.json`, what the pages took and what the budget cut, and say it."""
    from shop_r1.jsonl import write_json

    pages: dict[bytes, dict[str, Any]] = {}
    for example in job.examples:
        for step in example.session.steps[: example.step + 1]:
            # By digest: the pages of many sessions together need not fit in memory.
            digest = hashlib.sha256(step.page.html.encode()).digest()
            if digest not in pages:
                tokens = answered.count_tokens(step.page.html)
                pages[digest] = {"url": step.page.url, "tokens": tokens}
    predictions = answered.predictions
    prompts = [prediction.prompt_tokens or 0 for prediction in predictions]
    cut = sum(prediction.pages_cut or 0 for prediction in predictions)
    truncated = sum(bool(prediction.page_truncated) for prediction in predictions)
    targets = [each.target_cut for each in predictions if each.target_cut is not None]
    counts = {"prompts": len(prompts), "pages_cut": cut, "prompts_truncated": truncated}
    counts |= {"targets": len(targets), "targets_cut": sum(targets)}
    if answered.estimated:
        counts["tokens_estimated"] = True
    write_json(answered.run.folder / "context.json", counts | {"pages": list(pages.values())})
    lengths = [page["tokens"] for page in pages.values()]
    print_note(
        f"{len(pages)} pages of {median(lengths):,.0f} tokens{' (estimated)' if answered.estimated else ''} "
        f"at the median, {max(lengths):,} at most; "
        f"{len(prompts)} prompts of {median(prompts):,.0f} at the median, {max(prompts):,} at most; the "
        f"budget took {cut} earlier pages' bodies and part of the current page in {truncated} prompts"
    )
    if any(targets):
        print_note(
            f"{sum(targets):,} of {len(targets):,} targets, elements that the shopper acted on, are no "
            "longer in their prompt: a larger prompt.max_tokens, in training too, would keep more"
        )

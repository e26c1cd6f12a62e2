"""The report of a reproduction: its tables and figures, and a reader for the first seed's sessions."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from shop_r1.cli.reproduction.config import ReproductionConfig
from shop_r1.cli.reproduction.folder import output_path
from shop_r1.cli.reproduction.plan import row_stage
from shop_r1.cli.reproduction.results.figures import draw_figures
from shop_r1.cli.reproduction.results.records import Reproduction, RowResult, TableResult
from shop_r1.cli.reproduction.results.tables import HEADLINE, alert_names, find_paper, list_grids
from shop_r1.cli.reproduction.rows import TABLES, Row, list_rows
from shop_r1.datasets.session_files import read_sessions
from shop_r1.evaluation.metrics import evaluate_predictions
from shop_r1.evaluation.tables import table_row
from shop_r1.jsonl import read_records
from shop_r1.records.actions import SHOP
from shop_r1.records.results import Prediction, TableRow
from shop_r1.report.build import ReportInputs, ShownSessions, build_report
from shop_r1.report.evaluation_folder import choose_sessions

PICTURED = ("table2", "table4", "table5", "sizes", "map")
"""The first of these that was made has its rows drawn as pictures and their predictions shown."""


def write_report(folder: Path, found: Reproduction, title: str | None = None) -> Path:
    """Write `report/index.html` and return its path.

    Raises:
        DataError: it cannot be written, or the predictions are gone.
    """
    table = _pictured_table(found)
    rows = _rows_of(table, found)
    machine, crowd, seeds = found.machine, found.crowd, ", ".join(map(str, found.seeds))
    warning = "The quick version: its figures mean nothing. " if found.quick else ""
    inputs = ReportInputs(
        title=title or "Shop-R1: the paper's tables on the built-in store",
        summary=f"{warning}Every row over the seeds {seeds} on sessions of the {crowd} crowd. Figures of a "
        "world of rules say nothing about people.",
        about={"crowd": crowd, "seeds": seeds, "machine": machine.processor},
        settings={
            "command": found.command,
            "hours": f"{found.hours:.1f}",
            "number format": machine.number_format,
        },
        rows=tuple(_table_row(folder, found, table.table, row) for row in rows.values()),
        intervals=describe_intervals(len(found.seeds)),
        tables=tuple(list_grids(found)),
        plots=tuple(draw_figures(found).values()),
        warnings=tuple(_warnings(found.rows)),
        **dict(_shown_sessions(folder, found, rows)),
    )
    return build_report(folder / "report" / "index.html", inputs)


def describe_intervals(seeds: int) -> str:
    """Return what the pictures' legends say of the intervals of so many seeds.

    >>> describe_intervals(1), describe_intervals(3)
    ('bootstrap over sessions', 'over 3 seeds and their sessions')
    """
    return "bootstrap over sessions" if seeds == 1 else f"over {seeds} seeds and their sessions"


def _pictured_table(found: Reproduction) -> TableResult:
    return next((each for name in PICTURED if (each := found.find_table(name)) is not None), found.tables[0])


def _rows_of(table: TableResult, found: Reproduction) -> dict[str, Row]:
    config = ReproductionConfig.model_validate(found.settings)
    known = {row.key: row for rows in list_rows(TABLES, config).values() for row in rows}
    return {key: known[key] for key in table.rows}


def _predictions(folder: Path, found: Reproduction, row: Row, seed: int) -> Path:
    config = ReproductionConfig.model_validate(found.settings)
    return output_path(folder, row_stage(row, seed, config))


def _table_row(folder: Path, found: Reproduction, table: str, row: Row) -> TableRow:
    """Return a row as pictures take it: counts of all seeds, shares and intervals those over seeds."""
    predictions = [
        each
        for seed in found.seeds
        for each in read_records(_predictions(folder, found, row, seed), Prediction)
    ]
    metrics = evaluate_predictions(predictions, SHOP, bootstrap=2)
    result = found.row(row.key)
    shown = table_row(row.key, metrics, temperature=row.temperature, context=row.context)
    if result is None:
        return shown
    measured = result.measured.figures
    figures: Mapping[str, object] = {name: measured[name].mean for name in HEADLINE}
    per_type = {}
    for name, each in shown.per_type.items():
        mean = measured[f"exact/{name}"].mean
        per_type[name] = each.model_copy(update={"exact": mean.value, "exact_interval": mean})
    more = {"per_type": per_type, "paper": find_paper(table, result), "reweighted": None}
    return shown.model_copy(update={**figures, **more})


def _shown_sessions(folder: Path, found: Reproduction, rows: Mapping[str, Row]) -> ShownSessions:
    config, seed = ReproductionConfig.model_validate(found.settings), found.seeds[0]
    first = next(iter(rows.values()))
    sessions = list(read_sessions(output_path(folder, row_stage(first, seed, config).held_out)))
    held_out = row_stage(first, seed, config).held_out
    files = {
        key: _predictions(folder, found, row, seed)
        for key, row in rows.items()
        if row_stage(row, seed, config).held_out == held_out
    }
    lengths = [(session.session_id, len(session.steps)) for session in sessions]
    return choose_sessions(lengths, sessions.__getitem__, files)


def _warnings(rows: Sequence[RowResult]) -> list[str]:
    found = [f"{row.key}: {warning}" for row in rows for warning in row.warnings]
    return found + [f"{row.key}, in training: {names}" for row in rows if (names := alert_names(row))]

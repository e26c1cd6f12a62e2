"""The report of an evaluation: a verdict, pictures, tables, and a reader for sessions in one HTML file."""

from collections.abc import Mapping
from pathlib import Path

from shop_r1.jsonl import Record, write_text
from shop_r1.records.results import Grid, Plot, Prediction, TableRow
from shop_r1.records.sessions import Session
from shop_r1.report import pictures, verdict
from shop_r1.report.html_page import read_template, render_page
from shop_r1.report.session_view import Selection, view_sessions

_SCRIPTS = ("page_view.js", "session_list.js", "step_view.js", "predictions.js", "evaluation.js")


class ShownSessions(Record):
    """The sessions that the report's reader shows."""

    sessions: tuple[Session, ...] = ()
    predictions: Mapping[str, tuple[Prediction, ...]] = {}
    """For each setting, its predictions."""
    available: int | None = None
    """How many sessions could be shown, where only some of them are given."""
    unplaced: int = 0
    """Predictions that are not given, since they belong to no recorded step."""


class ReportInputs(ShownSessions):
    """All that a report shows."""

    title: str
    verdict: str = ""
    """What stands at the top where no rows give a verdict; such a page says nothing of sessions unless it has
    some."""
    summary: str = ""
    """A sentence or two under the verdict."""
    about: Mapping[str, str] = {}
    """What stands beside the verdict: model, data, date."""
    settings: Mapping[str, str] = {}
    """Name and value of what the run was made with."""
    rows: tuple[TableRow, ...] = ()
    """The rows of `table.json`: the pictures, the first table, and the alerts of their mixes of types."""
    intervals: str = "bootstrap over sessions"
    """How the rows' intervals were found, or what they cover: for the legends."""
    tables: tuple[Grid, ...] = ()
    """All further tables."""
    plots: tuple[Plot, ...] = ()
    warnings: tuple[str, ...] = ()
    """Alerts of the run, one sentence each; what a row says of its mix of types need not be among them."""


def build_report(path_out: Path, inputs: ReportInputs) -> Path:
    """Write the report and return its path; it appears whole or not at all, and needs no network to be read.

    Raises:
        DataError: the file cannot be written.
    """
    found = view_sessions(inputs.sessions, inputs.predictions)
    if inputs.available is not None:
        found = found._replace(available=inputs.available)
    found = found._replace(unplaced=found.unplaced + inputs.unplaced)
    write_text(path_out, _render(inputs, found))
    return path_out


def _render(inputs: ReportInputs, found: Selection) -> str:
    of_rows = tuple(told for row in inputs.rows for told in row.alerts)
    headline = verdict.headline_row(inputs.rows)
    mixes = pictures.draw_mixes(inputs.rows)
    grids = [grid for row in inputs.rows if (grid := pictures.draw_confusion(row)) is not None]
    grids.sort(key=lambda grid: headline is None or grid.label != headline.label)
    data = {
        "replay": found.view.model_dump(mode="json"),
        "page-style": read_template("tokens.css") + read_template("page.css"),
    }
    return render_page(
        "evaluation.html.jinja",
        inputs.title,
        styles=("pictures.css", "sessions.css"),
        scripts=_SCRIPTS if found.shown else (),
        data=data if found.shown else {},
        inputs=inputs,
        verdict=inputs.verdict if headline is None else verdict.say_verdict(headline, len(inputs.rows) > 1),
        details=None if headline is None else verdict.say_details(headline),
        headline=headline,
        warnings=list(dict.fromkeys([*inputs.warnings, *of_rows])),
        bars=pictures.draw_headline(inputs.rows) if inputs.rows else [],
        types=pictures.draw_types(inputs.rows),
        mixes=mixes,
        labels=pictures.list_labels(mixes),
        grids=grids,
        found=found,
    )

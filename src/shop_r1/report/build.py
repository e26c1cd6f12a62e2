"""The report: one self-contained HTML file with the tables, the curves and a reader for sessions."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from shop_r1.jsonl import Record, write_text
from shop_r1.records.results import Grid, Plot, Prediction, TableRow
from shop_r1.records.sessions import Session
from shop_r1.report.html_page import embed_json, environment, read_template
from shop_r1.report.replay import replay_sessions
from shop_r1.report.safe_page import clean_text
from shop_r1.report.seal import seal


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
    summary: str = ""
    """A sentence or two under the title."""
    settings: Mapping[str, str] = {}
    """Name and value of what the run was made with."""
    rows: tuple[TableRow, ...] = ()
    """The rows of `table.json`: the first table, and an alert for each that has collapsed."""
    tables: tuple[Grid, ...] = ()
    """All further tables."""
    plots: tuple[Plot, ...] = ()
    warnings: tuple[str, ...] = ()
    """Alerts of the run, one sentence each; what a row says of its collapse need not be among them."""


def build_report(path_out: Path, inputs: ReportInputs) -> Path:
    """Write the report and return its path; it appears whole or not at all, and needs no network to be read.

    Raises:
        DataError: the file cannot be written.
    """
    replay = replay_sessions(inputs.sessions, inputs.predictions)
    available = replay.available if inputs.available is None else inputs.available
    replay = replace(replay, available=available, unplaced=replay.unplaced + inputs.unplaced)
    script = read_template("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    collapsed = tuple(f"{row.label}: {row.collapse}" for row in inputs.rows if row.collapse)
    template = environment().get_template("report.html.jinja")
    html = template.render(
        inputs=inputs,
        warnings=list(dict.fromkeys([*inputs.warnings, *collapsed])),
        replay=replay,
        replay_json=embed_json(replay.data),
        script=script,
        script_hash=f"sha256-{digest}",
        style=read_template("report.css"),
        frame_style=embed_json(read_template("page.css")),
    )
    write_text(path_out, seal(clean_text(html)))
    return path_out

"""The report of a reproduction: pictures show figures over seeds, what they cover, and the paper's beside."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.reproduction.made_run import LEAVE, WRONG_CLICK, MadeRun
from tests.tiny import make_sessions

from shop_r1.cli.reproduction.folder import StageLog
from shop_r1.cli.reproduction.plan import Predict, Visits
from shop_r1.cli.reproduction.results import measure, report
from shop_r1.cli.reproduction.results.collect import collect_results
from shop_r1.cli.reproduction.rows import Table
from shop_r1.jsonl import write_records
from shop_r1.records.results import Interval, TableRow
from shop_r1.report.build import ReportInputs


@pytest.fixture
def log(tmp_path: Path) -> Iterator[StageLog]:
    with StageLog(tmp_path / "stages.jsonl") as opened:
        yield opened


def report_of(log: StageLog, seeds: int) -> tuple[str, Interval]:
    """Return the page of Table 2 over so many seeds, and Shop-R1's exact match on clicks."""
    made = MadeRun(log.path.parent, log, ["table2"], seeds=seeds)
    made.predict("whole-session-base-T0.6", [0, 0, 0][:seeds], WRONG_CLICK)
    made.predict("base-binary-T0.6", [0, 0, 0][:seeds], None)
    made.predict("whole-session-sft-450-T0.6", [80, 80, 86][:seeds], WRONG_CLICK)
    made.predict("sft-450-binary-T0.6", [0, 0, 0][:seeds], LEAVE)
    made.predict("sft-450-shop-r1-T0.6", [120, 160, 160][:seeds], WRONG_CLICK)
    for stage in made.folder.plan:
        if isinstance(stage, Visits):
            write_records(made.folder.path(stage), make_sessions())
    found = collect_results(made.folder, made.tables, "shop-r1 reproduce")
    row = found.row("shop-r1")
    assert row is not None
    return report.write_report(log.path.parent, found).read_text("utf-8"), row.measured.figures[
        "exact/click"
    ].mean


def test_the_legends_say_whether_the_intervals_cover_seeds(log: StageLog) -> None:
    page, _ = report_of(log, 3)
    assert "95 % interval, over 3 seeds and their sessions" in page
    assert "(over 3 seeds and their sessions)" in page
    assert "bootstrap over sessions" not in page


def test_of_one_seed_the_legends_say_that_sessions_alone_are_covered(log: StageLog) -> None:
    page, _ = report_of(log, 1)
    assert "95 % interval, bootstrap over sessions" in page


def test_the_pictures_of_each_type_have_the_interval_over_seeds(log: StageLog) -> None:
    page, clicks = report_of(log, 3)
    # 120, 160 and 160 of 200 right: seeds differ far more than sessions make them.
    assert clicks.value == pytest.approx(440 / 600) and clicks.high - clicks.low > 0.3
    picture = page.partition("<h3>Right action at click</h3>")[2].partition("</ul>")[0]
    value, bounds = str(clicks).split(" ", 1)
    assert f"<b>{value}</b> <span>{bounds}</span>" in picture


def pictured(log: StageLog, table: Table, monkeypatch: pytest.MonkeyPatch) -> dict[str, TableRow]:
    """Return the rows that the report of a made run of this table draws as pictures, by name."""
    built = list[ReportInputs]()
    monkeypatch.setattr(report, "build_report", lambda path, inputs: built.append(inputs))
    monkeypatch.setattr(report, "_shown_sessions", lambda *_: {})  # A made run has none.
    monkeypatch.setattr(measure, "BOOTSTRAP", 5)
    made = MadeRun(log.path.parent, log, [table], seeds=1, overrides=["map.page_sizes=[4]"])
    for stage in made.folder.plan:
        if isinstance(stage, Predict):
            made.predict(stage.name, [80], WRONG_CLICK)
    report.write_report(made.folder.out, collect_results(made.folder, made.tables, "shop-r1 reproduce"))
    return {row.setting: row for row in built[0].rows}


def test_rows_of_other_sizes_stand_beside_the_papers_models_of_those_sizes(
    log: StageLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pictured(log, "sizes", monkeypatch)
    papers = {name: row.paper.model for name, row in rows.items() if row.paper is not None}
    assert "0.5B" in papers["sft, small"] and "3B" in papers["sft, large"]


def test_ablations_stand_beside_the_papers(log: StageLog, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = pictured(log, "table4", monkeypatch)["no-format"].paper
    assert paper is not None and paper.exact == pytest.approx(0.0287)


def test_rows_of_the_map_have_none_of_the_paper_beside_them(
    log: StageLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {row.paper for row in pictured(log, "map", monkeypatch).values()} == {None}

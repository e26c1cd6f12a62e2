"""The report of a reproduction: pictures show figures over seeds, and say what their intervals cover."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.reproduction.made_run import LEAVE, WRONG_CLICK, MadeRun
from tests.tiny import make_sessions

from shop_r1.cli.reproduction.folder import StageLog
from shop_r1.cli.reproduction.plan import Visits
from shop_r1.cli.reproduction.results.collect import collect_results
from shop_r1.cli.reproduction.results.report import write_report
from shop_r1.jsonl import write_records
from shop_r1.records.results import Interval


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
    return write_report(log.path.parent, found).read_text("utf-8"), row.measured.figures["exact/click"].mean


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

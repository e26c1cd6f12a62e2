"""The page and the summary of a journey report, with all that comes from pages and models hostile."""

import re
from pathlib import Path

import pytest

from shop_r1.records.journeys import (
    Baseline,
    Change,
    Check,
    FrictionItem,
    JourneyFigure,
    JourneyReport,
    Replay,
    Said,
    SaidCluster,
    StageFigure,
)
from shop_r1.records.results import Interval
from shop_r1.report.journey.markdown import COMMENT_CHARS, ITEMS, code, render_summary
from shop_r1.report.journey.page import build_journey_page, render_journey
from shop_r1.report.seal import is_sealed

EVIL = '"><script>alert(1)</script> @everyone #1 ![x](http://evil.example/p.png) `` a|b \\| |\n<img src=x>'
SHARE = Interval(0.1, 0.25, 0.5)


def make_item(number: int = 0, **values: object) -> FrictionItem:
    given: dict[str, object] = {
        "kind": "dead_click",
        "place": f"/{number}{EVIL}",
        "thing": EVIL,
        "times": 4,
        "met": 4,
        "lost": 3,
        "lost_share": SHARE,
        "lost_elsewhere": SHARE,
        "replays": (
            Replay(session_id=EVIL, outcome="terminate", step=2, link="report/sessions/1.html#step-2"),
        ),
        "said": Said(
            visits=3,
            silent=1,
            clusters=(SaidCluster(visits=2, sentence=EVIL * 9, session_id=EVIL),),
            others=1,
            other_clusters=1,
        ),
    }
    return FrictionItem.model_validate(given | values)


@pytest.fixture
def found() -> JourneyReport:
    stages = [
        StageFigure(
            name=name,
            words=name,
            reached=8 - at,
            went_on=7 - at,
            left=1,
            circled=0,
            share=SHARE,
            of_before=SHARE,
        )
        for at, name in enumerate(("visit", "purchase"))
    ]
    change = Change(
        name="purchase",
        label="bought",
        before=SHARE,
        now=SHARE,
        difference=Interval(-0.3, -0.2, -0.01),
        level=0.95,
        p_adjusted=0.01,
        is_lower=True,
    )
    return JourneyReport(
        shop=EVIL,
        made_with={"policy": "scripted", "persona": EVIL},
        version=None,
        goal="purchase",
        funnel="pages",
        begun=9,
        counted=8,
        reached_goal=2,
        left_out={"no step": 1},
        verdict=f"2 of 8 visits reached the goal. Of the 6 that did not, 3 left on {EVIL}.",
        caution="That is association, not cause.",
        warnings=("one is in no figure", "no visit reached “<b>*x*</b>”"),
        stages=tuple(stages),
        figures=(
            JourneyFigure(name="purchase", label="bought", kind="share", visits=8, count=2, value=SHARE),
        ),
        friction=(make_item(), make_item(1, lost=0, said=Said(**_SILENT))),
        more_friction=0,
        baseline=Baseline(file="b.json", visits=9, changes=(change,), smallest_found=0.2),
        checks=(
            Check(name="steps", is_passed=True, sentence="steps 1.00, expected at least 1"),
            Check(name="purchase", is_passed=False, sentence="purchase 25.0 %, expected at least 30 %"),
        ),
    )


_SILENT: dict[str, object] = {"visits": 0, "silent": 4, "clusters": (), "others": 0, "other_clusters": 0}


def test_the_page_is_whole_and_loads_and_runs_nothing(found: JourneyReport, tmp_path: Path) -> None:
    path = build_journey_page(tmp_path / "journey.html", found)
    text = path.read_text("utf-8")
    assert is_sealed(path)
    assert "<script" not in text and "&lt;script&gt;alert(1)" in text and "script-src 'none'" in text
    assert "<img" not in text and not re.search(r'(?:src|href)="(?!#|report/sessions/)', text)
    assert 'href="report/sessions/1.html#step-2"' in text
    assert "Gate: failed" in text and found.checks[1].sentence in text
    assert "-20.0 [-30.0, -1.0]" in text and "association, not cause" in text
    assert "1 other was met by visits that all reached the goal" in text


def test_without_replays_no_link_leads_nowhere(found: JourneyReport) -> None:
    text = render_journey(found, has_replays=False)
    assert "report/sessions" not in text and "Step 2 of" in text


def test_a_report_without_gate_or_friction_has_no_such_part(found: JourneyReport) -> None:
    bare = found.model_copy(update={"checks": (), "baseline": None, "friction": (), "warnings": ()})
    text = render_journey(bare)
    assert "Gate:" not in text and "Every visit reached the goal." in text
    assert "gate" not in render_summary(bare).lower().replace("gateway", "")


def outside_code(text: str) -> str:
    """Return what of Markdown stands in no code span."""
    return re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)


def test_the_summary_shows_hostile_text_in_code_spans_alone(found: JourneyReport) -> None:
    text = render_summary(found)
    lines = outside_code(text).splitlines()
    shown = "\n".join(line for line in lines if not line.startswith(("<sub>", "<!-- made by")))
    assert not re.search(r"(?<!\\)<|@|#\d|https?:|!\[|evil", shown), shown
    assert r"no visit reached “\<b\>\*x\*\</b\>”." in shown  # a stage's words come from the user's own file


def test_the_summary_says_what_failed_first(found: JourneyReport) -> None:
    lines = render_summary(found).splitlines()
    assert lines[0].endswith("gate **failed**")
    assert lines[2] == "2 of 8 visits reached the goal (`purchase`): 25.0 % [10.0, 50.0]."
    gate = lines.index("| gate | |")
    assert lines[gate + 2] == "| `purchase 25.0 %, expected at least 30 %` | **failed** |"
    assert "| bought | -20.0 [-30.0, -1.0] |" not in lines  # beside its stage, not in a table of its own
    assert any(line.startswith("| purchase | 7 |") and "-20.0 [-30.0, -1.0]" in line for line in lines)


def test_every_row_of_a_table_has_the_columns_of_its_head(found: JourneyReport) -> None:
    rows = [line for line in render_summary(found).splitlines() if line.startswith("|")]
    widths = [len(re.split(r"(?<!\\)\|", row)) for row in rows]
    assert widths == [4] * 4 + [8] * 4 + [7] * 3


def test_the_summary_fits_a_comment_however_much_was_met(found: JourneyReport) -> None:
    many = tuple(make_item(number, place="/" + "x" * 9_000, thing="`" * 9_000) for number in range(200))
    text = render_summary(found.model_copy(update={"friction": many, "shop": "s" * 9_000}))
    assert len(text) < COMMENT_CHARS / 4
    assert text.count("clicked without effect") == ITEMS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "`plain`"),
        ("two\nlines", "`two lines`"),
        ("a`b", "`` a`b ``"),
        ("`", "`` ` ``"),
        ("a|b", r"`a\|b`"),
        (r"a\|b", r"`a\ \|b`"),
        ("", "`–`"),
        ("x" * 90, f"`{'x' * 79}…`"),
    ],
)
def test_code_spans_end_where_they_should(text: str, expected: str) -> None:
    assert code(text) == expected

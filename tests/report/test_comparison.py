from pathlib import Path

import pytest

from shop_r1.comparison.analysis import Question, compare_versions
from shop_r1.comparison.measures import measure_visit
from shop_r1.records.actions import click, terminate
from shop_r1.records.comparisons import EditUse, ShopperPlan, VersionComparison
from shop_r1.records.sessions import Page, Step
from shop_r1.report.comparison import build_comparison_page, render_comparison
from shop_r1.report.seal import is_sealed


@pytest.fixture
def found() -> VersionComparison:
    versions = {"store": "as it is", "evil": "<script>alert(1)</script>"}
    buys = [Step(page=Page(url="/product/mug", html="<page>\n$9.00"), action=click("buy_box.buy_now"))]
    leaves = [Step(page=Page(url="/search?q=mug", html="<page>"), action=terminate())]
    plan = [
        ShopperPlan(user_id=f"s{user}", order=("store", "evil"), segment=f"kind {user % 2}")
        for user in range(70)
    ]
    visits = {}
    for user, each in enumerate(plan):
        for version, bought in (("store", user % 7 == 0), ("evil", user % 2 == 0)):
            outcome = "purchase" if bought else "terminate"
            measured = measure_visit(each.user_id, version, buys if bought else leaves, outcome)
            visits[each.user_id, version] = measured
    return compare_versions(plan, visits, Question(versions=versions))


def test_the_page_has_verdict_interval_and_caution_and_loads_nothing(
    found: VersionComparison, tmp_path: Path
) -> None:
    path = build_comparison_page(tmp_path / "comparison.html", found)
    text = path.read_text("utf-8")
    assert is_sealed(path)
    assert found.verdict[0] in text and found.caution in text
    for each in found.differences:
        assert each.label in text
    assert "src=" not in text and "http" not in text.replace("http-equiv", "")
    assert "script-src 'none'" in text


def test_what_a_version_is_called_runs_nothing(found: VersionComparison) -> None:
    text = render_comparison(found)
    assert "<script>alert" not in text and "&lt;script&gt;alert(1)" in text


def test_intervals_are_drawn_within_the_picture(found: VersionComparison) -> None:
    import re

    places = [float(each) for each in re.findall(r"left:([\d.]+)%", render_comparison(found))]
    assert places and all(0 <= place <= 100 for place in places)


def test_a_small_segment_is_said_to_be_too_small(found: VersionComparison) -> None:
    small = found.segments[0].model_copy(update={"is_too_small": True, "differences": ()})
    assert "too small to be judged" in render_comparison(found.model_copy(update={"segments": (small,)}))


def test_the_page_says_on_how_many_pages_an_edit_held(found: VersionComparison) -> None:
    use = EditUse(version="evil", edit="1 hide <b>.x</b>", pages=3, undone=2, pages_seen=70)
    text = render_comparison(found.model_copy(update={"edits": (use,)}))
    assert "1 hide &lt;b&gt;.x&lt;/b&gt;" in text and "held on 3 of 70 pages, taken back on 2" in text

import json
from pathlib import Path

import pytest

from shop_r1.jsonl import write_records
from shop_r1.records.actions import click, terminate, type_and_submit
from shop_r1.records.sessions import Page, Session, Step
from shop_r1.shoppers.crowd import (
    OPERA_DECILES,
    OPERA_INPUTS,
    OPERA_NEXT,
    START,
    crowd_tables,
    describe_crowd,
    main,
)
from shop_r1.shoppers.queries import REAL_QUERIES, describe_queries
from shop_r1.shoppers.subtypes import END

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "opera" / "behaviour_stats.json"
QUERIES = SHARED.parents[1] / "webshop" / "goal_query_map.json"
HOME = Page(url="/", html='<input name="search_input" type="search">')
RESULTS = Page(url="/search?q=mug", html='<ul>\n<li><a name="results.a">Ora Mug</a>\n$9.00\n</ul>')
PRODUCT = Page(url="/product/ora-mug", html='<button name="buy_now">Buy now</button>')


def two_sessions() -> list[Session]:
    search = Step(page=HOME, action=type_and_submit("search_input", "mug"))
    look = Step(page=RESULTS, action=click("results.a"))
    buys = Session(
        session_id="a", outcome="purchase", steps=(search, look, Step(page=PRODUCT, action=click("buy_now")))
    )
    leaves = Session(
        session_id="b", outcome="terminate", steps=(search, Step(page=RESULTS, action=terminate()))
    )
    return [buys, leaves]


def test_a_crowd_is_counted() -> None:
    facts = describe_crowd(two_sessions())
    assert facts.mix == {"click": 2, "terminate": 1}
    assert facts.lengths == {3: 1, 1: 1}  # leaving is no click
    assert facts.outcomes == {"purchase": 1, "terminate": 1}
    assert facts.following == {
        START: {"search": 2},
        "search": {"product_link": 1, END: 1},
        "product_link": {"purchase": 1},
        "purchase": {END: 1},
    }


def test_the_tables_show_shares() -> None:
    tables = crowd_tables(describe_crowd(two_sessions()))
    assert "| click | 0.667 | 0.367 |" in tables  # 2 of 3; the paper's 690 of 1,879
    assert "| sessions that buy | 0.500 | 0.541 |" in tables
    assert "| clicks and searches, mean | 2.00 | 11.7 |" in tables


def test_a_file_is_described_and_a_bad_one_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_records(tmp_path / "s.jsonl", two_sessions())
    assert main([str(tmp_path / "s.jsonl")]) == 0
    assert "| `search` (n = 2)" in capsys.readouterr().out
    assert main([str(tmp_path / "none.jsonl")]) == 2
    assert main([]) == 2
    assert "none.jsonl" in capsys.readouterr().err


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
def test_opera_s_numbers_are_its_own() -> None:
    source = json.loads(SHARED.read_text("utf-8"))
    merged = ("input", "search")
    counts = source["click_types"]
    for last, shares in OPERA_NEXT.items():
        rows = merged if last == "search" else (last,)
        weight = sum(counts.get(row, 1) for row in rows)
        for kind, share in shares.items():
            columns = merged if kind == "search" else (kind,)
            expected = sum(
                counts.get(row, 1) * source["next_given_last"][row].get(column, 0)
                for row in rows
                for column in columns
            )
            assert share == pytest.approx(expected / weight, abs=0.001)
    assert list(OPERA_DECILES) == source["clicks_and_inputs_per_session"]["deciles"]
    assert {str(n): count for n, count in OPERA_INPUTS.items()} == source["inputs_per_session"]


@pytest.mark.skipif(not QUERIES.exists(), reason="needs ../shared")
def test_people_s_queries_are_as_they_were_measured() -> None:
    goals = json.loads(QUERIES.read_text("utf-8"))
    found = describe_queries([query.strip() for queries in goals.values() for query in queries])
    assert found == pytest.approx(REAL_QUERIES, abs=0.005)


def test_queries_are_counted() -> None:
    found = describe_queries(["red mugs", "a mug for my desk under $20"])
    assert found["words, mean"] == 4.5  # (2 + 7) / 2
    assert found["with a price"] == found["in the plural"] == found["one or two words"] == 0.5
    assert found["function words among all words"] == pytest.approx(3 / 9)  # a, for, my

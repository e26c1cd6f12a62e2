import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.importers.opera.make_opera import (
    Row,
    click,
    html,
    row,
    session_id,
    survey,
    typed,
    users,
    write_actions,
    write_opera,
    write_table,
)

from shop_r1.datasets.examples import list_examples
from shop_r1.errors import DataError
from shop_r1.importers.opera.rows import is_named, read_action, user_of
from shop_r1.importers.opera.sessions import OperaTally, import_opera
from shop_r1.importers.opera.tables import Split, Variant, find_tables
from shop_r1.records.actions import Action, terminate
from shop_r1.records.sessions import Session
from shop_r1.rewards.total import RewardConfig

OPERA = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "opera"

ANN, BOB = "324934a2-5d58-49d9-bae8-545fba660731", "7f0c8207-6a6f-49cd-9d7e-17987cfafcb9"
A, B = session_id(ANN, 1), session_id(BOB, 20)


def bring(
    folder: Path, variant: Variant = "filtered", split: Split = "train", *, require_targets: bool = False
) -> tuple[list[Session], OperaTally]:
    tally = OperaTally()
    tables = find_tables(folder, variant, split)
    return list(import_opera(tables, folder / "scratch", tally, require_targets=require_targets)), tally


def actions(session: Session) -> list[Action]:
    return [step.action for step in session.steps]


def test_a_session_is_what_a_person_did_in_order_of_time_wherever_its_rows_stand(tmp_path: Path) -> None:
    rows = [
        row(B, 1275, "terminate"),
        click(A, 90.5, "nav_bar.suggested_terms.bike_bottle_holder", "suggested_term"),
        typed(B, 1270, " green bar"),
        click(A, 90.25, "nav_bar.search_input", "search"),
        typed(A, 90.375, "Bike bott"),
    ]
    sessions, tally = bring(write_opera(tmp_path, rows))
    assert [session.session_id for session in sessions] == [A, B]
    search = "nav_bar.search_input"
    assert actions(sessions[0]) == [
        Action(type="click", name=search, click_type="search"),
        Action(type="input", name=search, text="Bike bott"),
        Action(type="click", name="nav_bar.suggested_terms.bike_bottle_holder", click_type="suggested_term"),
    ]
    assert actions(sessions[1]) == [Action(type="input", name=search, text=" green bar"), terminate()]
    for session in sessions:
        assert (session.source, session.space) == ("opera", "opera")
    assert tally.steps == {"click": 2, "input": 2, "terminate": 1}
    assert (tally.rows, tally.left_out, tally.off_page) == (5, {}, 0)
    assert tally.click_types == {
        search: {"search"},
        "nav_bar.suggested_terms.bike_bottle_holder": {"suggested_term"},
    }


@pytest.mark.parametrize("word", ["None", "nan", "<NA>", None])
def test_words_that_programs_write_for_nothing_count_as_missing(tmp_path: Path, word: str | None) -> None:
    rows = [
        click(A, 61, "a_1", "other", rationale=word, input_text=word),
        row(A, 62, "click", "a_2", rationale="None of these, so on.", click_type=word),
        row(A, 63, "input", "nav_bar.search_input", input_text=word),
    ]
    (session,), tally = bring(write_opera(tmp_path, rows))
    assert [step.rationale for step in session.steps] == [None, "None of these, so on."]
    assert session.steps[1].action.click_type is None
    assert (tally.rationales, tally.left_out) == (1, {"input without a text": 1})
    assert tally.nothings == ({} if word is None else {"rationale": 1, "input_text": 2, "click_type": 1})


@pytest.mark.parametrize(
    "kind", ["large_string", "string_view", "binary", "large_binary", "binary_view", "dictionary"]
)
def test_text_is_read_from_each_of_arrows_types_for_it(tmp_path: Path, kind: str) -> None:
    folder = write_opera(tmp_path, [typed(A, 61, "té"), row(A, 62, "terminate")])
    expected, _ = bring(folder)
    for file in folder.rglob("action/*.parquet"):
        table = pq.read_table(file)
        wanted = pa.dictionary(pa.int8(), pa.string()) if kind == "dictionary" else getattr(pa, kind)()
        columns = [pa.array(column.to_pylist()).cast(pa.string()).cast(wanted) for column in table.columns]
        pq.write_table(pa.table(columns, names=table.column_names), file)
    assert bring(folder)[0] == expected


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_timestamps_with_a_zone_are_read_and_those_without_are_refused(tmp_path: Path, unit: str) -> None:
    folder = write_opera(tmp_path, [typed(A, 61.25, "tea"), row(A, 62, "terminate")])
    expected, _ = bring(folder)
    for zone in ("UTC", None):
        for file in folder.rglob("action/*.parquet"):
            table = pq.read_table(file)
            times = pa.array([datetime.fromisoformat(str(text)) for text in table["timestamp"].to_pylist()])
            column = times.cast(pa.timestamp(unit, zone))
            place = table.column_names.index("timestamp")
            pq.write_table(table.set_column(place, "timestamp", column), file)
        if zone:
            assert bring(folder)[0] == expected
    with pytest.raises(DataError, match=r"the column timestamp is of type .*, times without a zone"):
        bring(folder)


def test_each_step_has_the_time_of_its_row_in_seconds(tmp_path: Path) -> None:
    rows = [click(A, 90.25, "a_1", "other"), click(A, 61, "a_2", "other")]
    (session,), _ = bring(write_opera(tmp_path, rows))
    minute = datetime(2025, 4, 14, 21, 1, 1, tzinfo=UTC).timestamp()
    assert [step.time for step in session.steps] == [minute, minute + 29.25]


def test_rows_of_one_time_stay_in_the_files_order(tmp_path: Path) -> None:
    names = ["a_1", "a_2", "a_3", "a_4", "a_5"]
    sessions, _ = bring(write_opera(tmp_path, [click(A, 61, name, "other") for name in names]))
    assert [step.action.name for step in sessions[0].steps] == names


def test_pages_addresses_and_names_are_as_recorded(tmp_path: Path) -> None:
    name = "product_options.color.button_list.3_99_with_38_percent_savings_3_99"
    huge = html(name, more="<p>" + "Süß & 你好 " * 70_000 + "</p>")
    assert len(huge) > 600_000
    rows = [click(A, 61, name, "product_option", simplified_html=huge, url="https://x.example/dp?URL_MASKED")]
    sessions, _ = bring(write_opera(tmp_path, [*rows, click(A, 62, "go_to_cart", "other")]))
    (step, _) = sessions[0].steps
    assert (step.page.html == huge, step.page.url) == (True, "https://x.example/dp?URL_MASKED")
    assert step.action == Action(type="click", name=name, click_type="product_option")
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    ("last", "outcome"),
    [
        (click(A, 70, "buybox.purchase_form.add_to_cart", "purchase"), "purchase"),
        (row(A, 70, "terminate"), "terminate"),
        (click(A, 70, "reviews.popover.close", "review"), None),
        (row(A, 70, "terminate", simplified_html=None), None),
    ],
)
def test_the_outcome_is_a_purchase_or_else_how_the_session_ends(
    tmp_path: Path, last: Row, outcome: str | None
) -> None:
    sessions, tally = bring(write_opera(tmp_path, [typed(A, 60, "mug"), last]))
    assert sessions[0].outcome == outcome
    assert tally.outcomes == {outcome or "unknown": 1}


def test_a_purchase_counts_even_where_its_row_cannot_be_used_and_the_session_goes_on(tmp_path: Path) -> None:
    rows = [
        click(A, 60, "add_to_cart", "purchase", simplified_html=""),
        typed(A, 61, "mug"),
        row(A, 62, "terminate"),
    ]
    sessions, tally = bring(write_opera(tmp_path, rows))
    assert (sessions[0].outcome, actions(sessions[0])[-1]) == ("purchase", terminate())
    assert tally.left_out == {"no page": 1}


def test_a_rationale_is_kept_where_a_person_gave_one(tmp_path: Path) -> None:
    given = ["I want to compare", None, "", "  \n", " buy it "]
    rows = [click(A, 60 + n, "reviews", "review", rationale=text) for n, text in enumerate(given)]
    sessions, tally = bring(write_opera(tmp_path, rows))
    found = [step.rationale for step in sessions[0].steps]
    assert found == ["I want to compare", None, None, None, "buy it"]
    assert tally.rationales == 2


# -- the full set ------------------------------------------------------------------------------------------


def test_a_run_of_scrolls_is_one_and_what_the_paper_leaves_out_is_counted(tmp_path: Path) -> None:
    rows = [
        row(A, 60, "scroll", simplified_html=html("first")),
        row(A, 61, "scroll", simplified_html=html("second"), rationale="look more"),
        row(A, 62, "scroll", simplified_html=html("third"), rationale="and more"),
        click(A, 63, "reviews", "review"),
        row(A, 64, "scroll"),
        row(A, 65, "navigation", navigation_type="back", simplified_html=None),
        row(A, 66, "scroll"),
        row(A, 67, "tab_activate"),
        row(A, 68, "tabActivate"),
        row(A, 69, "scroll"),
        row(B, 1270, "navigation"),
    ]
    sessions, tally = bring(write_opera(tmp_path, rows, variant="full"), "full")
    (session,) = sessions
    kinds = [action.type for action in actions(session)]
    assert kinds == ["scroll", "click", "scroll", "scroll", "scroll"]
    assert (session.steps[0].page.html, session.steps[0].rationale) == (html("first"), "look more")
    assert tally.scrolls_merged == 2
    assert tally.not_actions == {"navigation": 2, "tab_activate": 2}
    assert (tally.left_out, tally.empty_sessions, session.outcome) == ({}, 1, None)


def test_each_variant_has_its_own_types(tmp_path: Path) -> None:
    rows = [typed(A, 60, "mug"), row(A, 61, "scroll"), row(A, 62, "terminate"), row(A, 63, "hover")]
    write_opera(tmp_path, rows, variant="full")
    write_opera(tmp_path, rows, variant="filtered")
    for variant, kept in (("full", ["input", "scroll"]), ("filtered", ["input", "terminate"])):
        sessions, tally = bring(tmp_path, variant)  # type: ignore[arg-type]
        assert [action.type for action in actions(sessions[0])] == kept
        assert tally.left_out == {"unknown action_type": 2}


# -- what cannot be used -----------------------------------------------------------------------------------


def test_rows_that_cannot_be_used_are_counted_with_the_first_of_each_reason(tmp_path: Path) -> None:
    rows = [
        typed(A, 60, "mug"),
        row(None, 61, "click", "reviews"),
        row("", 61, "click", "reviews"),
        row(A, 62, "hover", "reviews"),
        row(A, 62, "click", "reviews", action_type=None),
        row(A, 63, "click", "reviews", simplified_html=None),
        row(A, 64, "click", "reviews", simplified_html="  "),
        row(A, 65, "click", "reviews", timestamp="yesterday"),
        row(A, 66, "click", "reviews", timestamp="2025-04-14T21:52:57"),
        row(A, 67, "click", "reviews", timestamp=None),
        row(A, 68, "click", None),
        row(A, 69, "click", " .. "),
        typed(A, 70, ""),
        typed(A, 71, " ?"),
        row(A, 72, "input", None, input_text="mug"),
        row(A, 73, "terminate"),
        row(A, 74, "terminate"),
    ]
    sessions, tally = bring(write_opera(tmp_path, rows))
    assert [action.type for action in actions(sessions[0])] == ["input", "terminate"]
    assert tally.left_out == {
        "no session_id": 2,
        "unknown action_type": 2,
        "no page": 2,
        "bad timestamp": 3,
        "click without a name": 2,
        "input without a text": 2,
        "input without a name": 1,
        "terminate that is not the last action": 1,
    }
    assert tally.rows == sum(tally.left_out.values()) + tally.steps.total()
    # The second file begins with row 8 of these: two of eight and nine rows.
    assert tally.examples["no page"] == "train-00000-of-00002.parquet, row 5"
    assert tally.examples["bad timestamp"].startswith("train-00000-of-00002.parquet, row 7: 'yesterday'; ")
    assert tally.examples["click without a name"] == "train-00001-of-00002.parquet, row 2: ''"


def test_targets_that_the_page_does_not_name_are_counted_and_left_out_when_asked(tmp_path: Path) -> None:
    rows = [
        click(A, 60, "here", "other"),
        click(A, 61, "gone", "other", simplified_html=html("here.gone", "gone.too")),
        row(A, 62, "terminate"),
    ]
    write_opera(tmp_path, rows)
    sessions, tally = bring(tmp_path)
    assert ([a.name for a in actions(sessions[0])], tally.off_page) == (["here", "gone", None], 1)
    assert tally.examples == {"target not on its page": "train-00001-of-00002.parquet, row 0: 'gone'"}
    sessions, tally = bring(tmp_path, require_targets=True)
    assert ([a.name for a in actions(sessions[0])], tally.off_page) == (["here", None], 0)
    assert tally.left_out == {"target not on its page": 1}


@pytest.mark.parametrize(
    ("page", "named"),
    [
        ('<div name="a.b_1">x</div>', True),
        ("<div\n name = 'a.b_1'>x</div>", True),
        ('<div name="a&#46;b_1">x</div>', True),
        ('<div data-name="a.b_1" name="c">x</div>', False),
        ('<div name="a.b_12">x</div>', False),
        ("a.b_1", False),
    ],
)
def test_a_name_is_looked_for_as_an_attribute(page: str, named: bool) -> None:
    assert is_named(page, "a.b_1") is named


def test_files_without_one_usable_row_are_an_error_that_says_why(tmp_path: Path) -> None:
    write_opera(tmp_path, [row(A, 60, "click", "reviews", simplified_html=None)] * 3)
    with pytest.raises(DataError, match="none of 3 rows of filtered actions gives a step; no page 3"):
        bring(tmp_path)


# -- people ------------------------------------------------------------------------------------------------


def test_users_are_those_of_the_session_table_and_have_their_persona(tmp_path: Path) -> None:
    rows = [typed(A, 60, "mug"), typed(B, 1270, "mug"), typed("odd", 90, "mug")]
    write_opera(tmp_path, rows, users((ANN, survey()), (BOB, "{no JSON")))
    root = tmp_path / "OPeRA_filtered"
    write_table(
        root / "session" / "train" / "train.parquet",
        [{"session_id": A, "user_id": ANN, "action_count": "1"}],
    )
    sessions, tally = bring(tmp_path)
    assert [(each.session_id, each.user_id) for each in sessions] == [(A, ANN), ("odd", None), (B, BOB)]
    assert sessions[0].persona is not None and "I like tea. I read much." in sessions[0].persona
    assert [each.persona for each in sessions[1:]] == [None, None]
    assert (tally.users_by_id, tally.personas) == (2, 1)
    assert tally.persona_problems == {"the survey is not JSON": 1}


def test_a_user_of_both_splits_has_one_persona_and_no_table_of_people_is_needed(tmp_path: Path) -> None:
    later = session_id(ANN, 30)
    write_opera(tmp_path, [typed(A, 60, "mug")], users((ANN, survey())))
    write_opera(tmp_path, [typed(later, 1900, "cup")], split="test")
    train, test = bring(tmp_path)[0], bring(tmp_path, split="test")[0]
    assert [each.session_id for each in train + test] == [A, later]
    assert train[0].persona == test[0].persona is not None
    alone = write_actions(tmp_path / "alone", [typed(A, 60, "mug")])
    (session,), tally = bring(alone)
    assert (session.user_id, session.persona, tally.users_by_id) == (ANN, None, 1)


@pytest.mark.parametrize("name", ["", "odd", "a_b", "_2025_2025"])
def test_an_id_that_begins_with_no_user_has_none(name: str) -> None:
    assert user_of(name) is None


# -- on to training and evaluation -------------------------------------------------------------------------


def test_every_imported_action_earns_the_most_there_is(tmp_path: Path) -> None:
    from shop_r1.training.grpo.examples_check import check_target

    names = ["nav_bar.search_input", "3_99_3_99_cashmere", "你好.链接", 'a "quoted" <|im_end|> name']
    rows = [click(A, 60 + n, name, "other") for n, name in enumerate(names)]
    rows += [typed(A, 70, " ?"), typed(A, 71, "² Größe"), row(A, 72, "terminate")]
    sessions, _ = bring(write_opera(tmp_path, rows))
    check_target(list_examples(sessions, first_step=0), RewardConfig())
    assert len(sessions[0].steps) == 6


# -- real rows ---------------------------------------------------------------------------------------------


@pytest.mark.skipif(not OPERA.is_dir(), reason="no ../shared/data/opera beside this clone")
def test_a_real_row_is_imported(tmp_path: Path) -> None:
    sample = json.loads((OPERA / "row_sample.json").read_text("utf-8"))
    page = sample.pop("simplified_html_prefix")
    real: Row = row("", 0, "") | sample | {"simplified_html": page}
    (session,), tally = bring(write_opera(tmp_path, [real]))
    name = "tiger_jbv_s18u_10_cup_microcomputer_controlled_4_in_1_rice_cooker_white.product_title"
    (action,) = actions(session)
    assert action == Action(type="click", name=f"4_stars_and_above.{name}", click_type="product_link")
    assert (session.user_id, session.steps[0].page.html, tally.off_page) == (ANN, page, 1)


@pytest.mark.skipif(not OPERA.is_dir(), reason="no ../shared/data/opera beside this clone")
def test_real_actions_are_read_back_and_a_name_has_one_click_type() -> None:
    lines = (OPERA / "test_actions.jsonl").read_text("utf-8").splitlines()
    types: dict[str, set[str]] = {}
    for line in lines:
        target = json.loads(line)["gold"]
        recorded = row(
            A,
            60,
            target["type"],
            target.get("name"),
            input_text=target.get("text"),
            click_type=target.get("click_type"),
        )
        action = read_action(recorded, "filtered")
        assert action.model_dump(exclude_none=True) == target
        if action.click_type is not None:
            types.setdefault(action.value("name"), set()).add(action.click_type)
    assert len(lines) == 77
    assert max(len(found) for found in types.values()) == 1

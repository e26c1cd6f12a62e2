"""The command over folders that `simulate` and `compare` wrote."""

import json
import unicodedata
from pathlib import Path

import pytest
from tests.shell import Shell

from shop_r1.jsonl import read_json, write_json, write_records
from shop_r1.records.actions import click, terminate
from shop_r1.records.journeys import JOURNEY_FILE, JOURNEY_PAGE, JOURNEY_SUMMARY, JourneyReport
from shop_r1.records.sessions import Page, Session, Step


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve scripted visits."""
    from shop_r1.cli.main import run

    out = tmp_path_factory.mktemp("journey") / "run"
    assert run(["simulate", "--shoppers", "12", "--seed", "2", "--out", str(out)]) == 0
    return out


def read(folder: Path) -> JourneyReport:
    return JourneyReport.model_validate(read_json(folder / JOURNEY_FILE))


def test_a_run_is_reported_with_replays_that_are_there(folder: Path, shell: Shell) -> None:
    code, text, err = shell("journey", folder)
    assert code == 0, err
    assert max(map(len, text.splitlines())) <= 80
    found = read(folder)
    assert found.shop == "the built-in store" and found.counted == 12
    assert found.made_with == {"policy": "scripted", "crowd": "focused", "max_seconds": "600.0"}
    assert [each.name for each in found.stages] == [
        "visit",
        "list",
        "product",
        "cart",
        "checkout",
        "purchase",
    ]
    links = [replay.link for each in found.friction for replay in each.replays]
    assert links and all((folder / link.partition("#")[0]).is_file() for link in links)
    page = (folder / JOURNEY_PAGE).read_text("utf-8")
    assert all(link in page for link in links)
    for replay in found.friction[0].replays:
        assert replay.session_id in (folder / replay.link.partition("#")[0]).read_text("utf-8")
    # A second run replaces its own files, and gives the same ones.
    before = {name: (folder / name).read_bytes() for name in (JOURNEY_FILE, JOURNEY_PAGE, JOURNEY_SUMMARY)}
    assert shell("journey", folder)[0] == 0
    assert before == {name: (folder / name).read_bytes() for name in before}


def test_the_funnel_is_the_reports(folder: Path, shell: Shell) -> None:
    assert shell("journey", folder)[0] == 0
    stages = {each.name: each.reached for each in read(folder).stages}
    lines = (folder / "sessions.jsonl").read_text("utf-8").splitlines()
    bought = sum('"outcome":"purchase"' in line for line in lines)
    assert stages["purchase"] == bought and stages["visit"] == 12


def test_a_condition_that_does_not_hold_ends_with_1_and_the_reason(folder: Path, shell: Shell) -> None:
    code, text, _ = shell("journey", folder, "--fail-under", "purchase=0.99", "--fail-over", "steps=99")
    assert code == 1
    failed = [line for line in text.splitlines() if line.startswith("Failed: ")]
    assert len(failed) == 1 and failed[0].startswith("Failed: purchase ")
    assert failed[0].endswith(", expected at least 99 %")
    assert "Passed: steps " in text
    assert "gate **failed**" in (folder / JOURNEY_SUMMARY).read_text("utf-8")
    code, text, _ = shell("journey", folder, "--fail-under", "purchase=0")
    assert code == 0 and "Failed" not in text


def test_json_alone_goes_to_stdout(folder: Path, shell: Shell) -> None:
    code, text, err = shell("journey", folder, "--json", "--fail-under", "purchase=0.99")
    assert err.startswith("Failed: purchase ")
    assert code == 1 and JourneyReport.model_validate(json.loads(text)) == read(folder)


def test_a_baseline_is_held_against_the_run(folder: Path, shell: Shell, tmp_path: Path) -> None:
    assert shell("journey", folder)[0] == 0
    baseline = tmp_path / "baseline.json"
    baseline.write_bytes((folder / JOURNEY_FILE).read_bytes())
    code, text, err = shell("journey", folder, "--baseline", baseline)
    assert code == 0, err
    assert "can pass unseen" in " ".join(text.split()) and max(map(len, text.splitlines())) <= 80
    # A baseline of 1,200 visits that all bought.
    values = read_json(baseline) | {"begun": 1200, "counted": 1200, "reached_goal": 1200}
    for stage in values["stages"]:
        stage["reached"] = 1200
    write_json(baseline, values)
    code, text, _ = shell("journey", folder, "--baseline", baseline)
    assert code == 1 and "Failed: purchase -" in text and "from the baseline's 100.0 %" in text
    assert max(map(len, text.splitlines())) <= 80
    write_json(baseline, values | {"made_with": {"policy": "random"}})
    code, _, err = shell("journey", folder, "--baseline", baseline)
    assert code == 2 and "is of other shoppers" in err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--fail-under", "purchase"), "expected NAME=NUMBER"),
        (("--fail-under", "purchse=0.3"), "did you mean purchase?"),
        (("--fail-under", "purchase=30"), "a share is between 0 and 1"),
        (("--goal", "chekout"), "did you mean checkout?"),
        (("--version", "b"), "--version is for comparisons"),
        (("--funnel", "none.toml"), "none.toml"),
        (("--baseline", "none.json"), "none.json"),
    ],
)
def test_invalid_input_ends_with_2_and_leaves_the_files(
    words: tuple[str, ...], problem: str, folder: Path, shell: Shell
) -> None:
    assert shell("journey", folder, "--no-replays")[0] == 0
    before = (folder / JOURNEY_FILE).read_bytes()
    code, _, err = shell("journey", folder, *words)
    assert code == 2 and problem in err
    assert (folder / JOURNEY_FILE).read_bytes() == before


def test_its_own_file_is_no_baseline_and_others_files_stay(
    folder: Path, shell: Shell, tmp_path: Path
) -> None:
    code, _, err = shell("journey", folder, "--baseline", folder / JOURNEY_FILE)
    assert code == 2 and "is read by this very command" in err
    run = tmp_path / "run"
    run.mkdir()
    (run / "sessions.jsonl").write_bytes((folder / "sessions.jsonl").read_bytes())
    (run / JOURNEY_SUMMARY).write_text("mine", "utf-8")
    code, _, err = shell("journey", run, "--no-replays")
    assert code == 2 and "journey.md: is there already; add --force" in err
    assert shell("journey", run, "--no-replays", "--force")[0] == 0
    assert read(run).made_with == {}  # nothing says who shopped


def test_a_given_funnel_is_used(folder: Path, shell: Shell, tmp_path: Path) -> None:
    funnel = tmp_path / "funnel.toml"
    funnel.write_text(
        '[[stage]]\nname = "found"\naddress = ["/search?q=*"]\n'
        '[[stage]]\nname = "looked"\nselector = [\'button[name="buy_box.buy_now"]\']\n',
        "utf-8",
    )
    code, text, err = shell(
        "journey", folder, "--funnel", funnel, "--fail-under", "looked=0.01", "--no-replays"
    )
    assert code == 0, err
    found = read(folder)
    assert found.goal == "looked" and [each.name for each in found.stages] == ["visit", "found", "looked"]
    assert found.stages[1].reached == 12 and "looked" in text


def test_of_a_comparison_one_version_is_chosen(shell: Shell, tmp_path: Path) -> None:
    variant, out = tmp_path / "no_ratings.toml", tmp_path / "run"
    variant.write_text("ratings = false\n", "utf-8")
    words = ("compare", "--variant", variant, "--shoppers", 3, "--out", out, "--processes", 1)
    assert shell(*words)[0] == 0
    code, _, err = shell("journey", out)
    assert code == 2 and "holds a comparison, and --version is not given; expected one of" in err
    assert shell("journey", out, "--version", "no_ratings", "--no-replays")[0] == 0
    found = read(out)
    assert (found.begun, found.version) == (3, "no_ratings")
    assert found.shop == "the built-in store, version no_ratings"
    assert all(
        replay.session_id.endswith("-no_ratings") for each in found.friction for replay in each.replays
    )


@pytest.mark.slow
def test_two_hundred_visits_of_the_built_in_store(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert shell("simulate", "--shoppers", 200, "--seed", 1, "--out", out)[0] == 0
    assert shell("journey", out, "--fail-under", "purchase=0.1")[0] == 0
    found = read(out)
    assert found.counted == 200 and not found.left_out
    ends = [each for each in found.friction if each.kind in ("left", "step_limit", "error_end")]
    # Each visit without a purchase ended in one place.
    assert sum(each.met for each in ends) == 200 - found.reached_goal
    assert found.friction[0].kind == "left" and found.friction[0].place == "/search"
    said = found.friction[0].said
    # Who leaves a list found no match, nothing good enough, or all too dear: three rules of the crowd.
    assert len(said.clusters) == 3 and said.other_clusters == 0 and said.silent == 0
    assert sum(each.visits for each in said.clusters) == found.friction[0].lost
    assert shell("journey", out, "--fail-under", "purchase=0.9")[0] == 1


def test_pages_and_rationales_do_nothing_to_a_terminal_or_a_page(shell: Shell, tmp_path: Path) -> None:
    evil = "\x1b[2J\u202e<script>alert(1)</script>`|"
    page = Page(url=f"https://shop.example/{evil}", html=f'<page>\n<a name="x">{evil}</a>')
    steps = (
        Step(page=page, action=click("x"), rationale=evil),
        Step(page=page, action=terminate(), rationale=evil),
    )
    sessions = [
        Session(session_id=f"{number}{evil}", outcome="terminate", steps=steps) for number in range(4)
    ]
    write_records(tmp_path / "sessions.jsonl", sessions)
    code, text, err = shell("journey", tmp_path)
    assert code == 0 and "clicked without effect" in text
    assert not any(unicodedata.category(each)[0] == "C" for each in (text + err).replace("\n", ""))
    page_text = (tmp_path / JOURNEY_PAGE).read_text("utf-8")
    assert "<script" not in page_text and "\x1b" not in page_text
    assert "\x1b" not in (tmp_path / JOURNEY_SUMMARY).read_text("utf-8")
    assert all(
        (tmp_path / each.link.partition("#")[0]).is_file() for each in read(tmp_path).friction[0].replays
    )

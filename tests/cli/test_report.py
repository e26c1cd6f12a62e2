"""`report` and `card` on the command line: what they read, and what they leave as it is."""

import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.shell import Shell
from tests.tiny import make_sessions

from shop_r1.datasets.parquet import ParquetSessions
from shop_r1.datasets.session_files import outlines, write_sessions
from shop_r1.jsonl import write_json, write_records
from shop_r1.records.results import Prediction
from shop_r1.records.sessions import Session
from shop_r1.report.evaluation_folder import choose_sessions
from shop_r1.report.seal import is_sealed, seal
from shop_r1.report.session_view import SESSIONS_SHOWN, view_sessions
from shop_r1.runs import RunFolder, make_record


def many_sessions(count: int) -> list[Session]:
    kinds = make_sessions()
    return [kinds[number % 4].model_copy(update={"session_id": f"visit-{number}"}) for number in range(count)]


def predictions_of(sessions: Sequence[Session]) -> list[Prediction]:
    return [
        Prediction(session_id=session.session_id, step=step, target=session.steps[step].action)
        for session in sessions
        for step in range(1, len(session.steps))
    ]


def write_evaluation(folder: Path, sessions: Path | None, predictions: Sequence[Prediction]) -> Path:
    settings = {} if sessions is None else {"data": str(sessions)}
    inputs = [] if sessions is None else [sessions]
    RunFolder(folder).write_settings(make_record(settings, inputs, command="evaluate"))
    write_records(folder / "predictions.jsonl", predictions)
    bounds = [0.1, 0.2, 0.3]
    row = {"setting": "a", "exact": bounds, "type_accuracy": bounds, "type_f1_macro": bounds, "n": 1}
    row |= {"decoding": "greedy", "unparsable": 0, "per_type": {}, "target_mix": {}, "predicted_mix": {}}
    write_json(folder / "table.json", [row])
    return folder


def test_of_many_sessions_only_those_shown_are_read_and_the_reader_shows_the_same(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = many_sessions(160)
    data = tmp_path / "s.parquet"
    write_sessions(data, sessions)
    stray = [
        Prediction(session_id="nobody", step=0, target=sessions[0].steps[0].action),
        Prediction(session_id="visit-30", step=99, target=sessions[0].steps[0].action),
    ]
    predictions = [*predictions_of(sessions[7:150]), *stray]
    files = {"model": tmp_path / "predictions.jsonl"}
    write_records(files["model"], predictions)
    read: list[int] = []
    one = ParquetSessions._read_session

    def count(self: ParquetSessions, number: int) -> Session:
        read.append(number)
        return one(self, number)

    monkeypatch.setattr(ParquetSessions, "_read_session", count)
    archive = ParquetSessions(data)
    lengths = [(each.session_id, len(each.actions)) for each in outlines(archive)]
    shown = choose_sessions(lengths, archive.__getitem__, files)
    assert read == list(range(7, 7 + SESSIONS_SHOWN))
    expected = view_sessions(sessions, {"model": predictions})
    found = view_sessions(shown.sessions, shown.predictions)
    assert found.view == expected.view
    assert (shown.available, shown.unplaced) == (expected.available, expected.unplaced) == (143, 2)

    out = write_evaluation(tmp_path / "run", data, predictions)
    assert shell("report", out)[0] == 0
    text = (out / "report" / "index.html").read_text("utf-8")
    assert "Shown: 100 of 143 sessions; 2 predictions belong to no recorded step" in text


def test_without_sessions_every_prediction_is_counted_as_not_shown(shell: Shell, tmp_path: Path) -> None:
    out = write_evaluation(tmp_path / "run", None, predictions_of(many_sessions(4)))
    assert shell("report", out)[0] == 0
    text = (out / "report" / "index.html").read_text("utf-8")
    assert "No recorded session was given to this report; 8 predictions are not shown" in text


def test_without_a_folder_the_newest_run_is_taken_and_named(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = shell("report")
    assert code == 2 and "no run was found in runs/" in err
    for time, name in enumerate(("newer", "older")):
        out = write_evaluation(Path("runs") / name, None, predictions_of(many_sessions(4)))
        os.utime(out / "table.json", (1000 - time, 1000 - time))
    code, text, err = shell("report")
    assert code == 0 and text.strip() == str(Path("runs") / "newer" / "report" / "index.html")
    assert f"The newest run is the evaluation in {Path('runs') / 'newer'}" in err


def test_nothing_that_is_not_known_is_told_as_none(shell: Shell, tmp_path: Path) -> None:
    recorded, out = tmp_path / "theirs.jsonl", tmp_path / "results"
    line = {"session_id": "s", "step_idx": 0, "gold": TARGETS[0], "pred": LEAVING}
    recorded.write_text(json.dumps(line), "utf-8")
    assert shell("evaluate", "--predictions", recorded, "--out", out)[0] == 0
    assert shell("report", out)[0] == 0
    html = (out / "report" / "index.html").read_text("utf-8")
    assert "<b>predictions</b> theirs.jsonl" in html
    assert re.search(r"\bNone\b", re.sub(r"<(style|script).*?</\1>", "", html, flags=re.DOTALL)) is None


def test_a_report_is_made_again_but_one_that_was_changed_by_hand_only_with_force(
    shell: Shell, tmp_path: Path
) -> None:
    out = write_evaluation(tmp_path / "run", None, predictions_of(many_sessions(4)))
    page = out / "report" / "index.html"
    assert shell("report", out)[0] == 0
    assert shell("report", out, "--title", "Another")[0] == 0
    assert "<h1>Another</h1>" in page.read_text("utf-8")
    page.write_text(page.read_text("utf-8").replace("Another", "My words"), "utf-8")
    code, _, err = shell("report", out)
    assert code == 2 and f"{page}: is there already; add --force" in err
    assert "My words" in page.read_text("utf-8")
    assert shell("report", out, "--force")[0] == 0
    assert "My words" not in page.read_text("utf-8")


def test_a_card_that_was_changed_by_hand_is_replaced_only_with_force(shell: Shell, tmp_path: Path) -> None:
    model = tmp_path / "model"
    RunFolder(model).write_settings(make_record({"model": "base"}, command="sft"))
    (model / "metrics.jsonl").write_text(json.dumps({"step": 2, "loss": 0.5}) + "\n")
    for _ in range(2):
        assert shell("card", model)[0] == 0
    card = model / "README.md"
    card.write_text(card.read_text("utf-8") + "\nTrained for my thesis.\n", "utf-8")
    code, _, err = shell("card", model)
    assert code == 2 and f"{card}: is there already; add --force" in err
    assert "my thesis" in card.read_text("utf-8")
    assert shell("card", model, "--force")[0] == 0
    assert "my thesis" not in card.read_text("utf-8")


def test_a_seal_fits_what_it_was_made_for_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    for text in ("", "a", "a\n", "ä\n\nb", seal("twice")):
        path.write_text(seal(text), "utf-8")
        assert is_sealed(path)
        content = path.read_bytes()
        for changed in (content + b"x", b"x" + content, content[:-1], content.replace(b"sha256", b"sha257")):
            path.write_bytes(changed)
            assert not is_sealed(path)


TARGETS = ({"type": "click", "name": "a"}, {"type": "type_and_submit", "name": "q", "text": "mug"})
LEAVING = {"type": "terminate"}


def test_a_report_shows_each_table_and_each_alert_once(shell: Shell, tmp_path: Path) -> None:
    recorded, out = tmp_path / "predictions.jsonl", tmp_path / "results"
    lines = [
        {"session_id": f"s{number}", "step_idx": place, "gold": target, "pred": LEAVING}
        for number in range(10)
        for place, target in enumerate(TARGETS)
    ]
    recorded.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    code, text, _ = shell("evaluate", "--predictions", recorded, "--out", out)
    assert (code, text.count("of the predictions are terminate")) == (0, 1)
    assert shell("report", out)[0] == 0
    html = (out / "report" / "index.html").read_text("utf-8")
    assert html.count("of the predictions are terminate") == 1
    titles = Counter(re.findall(r'<table aria-label="([^"]*)"', html))
    similar = "Exact to the letter and by similar meaning"
    assert titles == Counter(
        ["Results by setting", similar, "Per type of action", "Mix of predicted types, %"]
    )


def test_a_simulation_becomes_a_folder_of_pages_and_takes_no_options_of_evaluations(
    shell: Shell, tmp_path: Path
) -> None:
    write_records(tmp_path / "sessions.jsonl", many_sessions(3))
    page = tmp_path / "report" / "index.html"
    assert shell("report", tmp_path, "--title", "Autumn")[:2] == (0, f"{page}\n")
    assert "<h1>Autumn</h1>" in page.read_text("utf-8")
    assert len(list((tmp_path / "report" / "sessions").glob("*.html"))) == 3
    code, _, err = shell("report", tmp_path, "--training", tmp_path)
    assert code == 2 and "holds a simulation; --data and --training are for evaluations" in err

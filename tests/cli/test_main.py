import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import typer
from tests.importers.rrweb import snapshots as rrweb
from tests.shell import Shell
from tests.tiny import LEAVE, LOOK, SEARCH, make_session

from shop_r1.cli import main as cli
from shop_r1.cli import simplify as pages
from shop_r1.datasets.session_files import read_sessions
from shop_r1.errors import Terminated
from shop_r1.jsonl import read_records, write_records
from shop_r1.records.actions import type_and_submit
from shop_r1.records.results import Prediction
from shop_r1.records.sessions import ExampleRef, Session

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
TARGET = '{"type": "click", "name": "results.red_mug"}'
COMPLETION = '{"rationale": "I like it.", "action": {"type": "click", "name": "results.red_mug"}}'
PAGE = (
    "<!doctype html><title>Shop</title><body><script>x()</script>"
    '<nav><a href="/">Home</a></nav><main><h1>Mugs</h1><a href="/red">Red mug</a></main></body>'
)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.html"
    path.write_text(PAGE, "utf-8")
    return path


def session_line(**changes: Any) -> str:
    step = {"page": {"url": "/", "html": "<page></page>"}, "action": json.loads(TARGET), "rationale": "So."}
    last = {"page": {"url": "/x", "html": "<page>x</page>"}, "action": {"type": "terminate"}}
    return json.dumps({"session_id": "s", "outcome": "terminate", "steps": [step, last]} | changes)


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    path = tmp_path / "sessions.jsonl"
    path.write_text(f"{session_line()}\n{session_line(session_id='t')}\n", "utf-8")
    return path


def all_commands() -> Iterator[tuple[str, Any]]:
    def walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield path, command
        for name, each in (inner or {}).items():
            yield from walk(f"{path} {name}".strip(), each)

    yield from walk("", typer.main.get_command(cli.app))


COMMANDS = dict(all_commands())


def test_the_commands_are_those_of_the_design() -> None:
    assert set(COMMANDS) == {
        *("demo", "store", "simplify", "simulate", "sft", "grpo", "evaluate", "card", "score", "report"),
        *("doctor", "rationales"),
        *("data import pages", "data import opera", "data import log", "data import rrweb"),
        *("data validate", "data stats", "data split", "data balance", "data convert"),
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_with_an_example(name: str, shell: Shell) -> None:
    code, out, _ = shell(*name.split(), "--help")
    assert code == 0
    assert f"Example: shop-r1 {name}" in " ".join(out.split())
    for parameter in COMMANDS[name].params:
        assert parameter.help or parameter.name == "help", f"{name}: {parameter.name} has no help"


def test_help_needs_no_heavy_library() -> None:
    heavy = ("torch", "transformers", "trl", "sklearn", "scipy", "matplotlib", "numpy", "lxml", "starlette")
    code = (
        "import sys; from shop_r1.cli import main as cli; cli.run(['--help']); cli.run(['sft', '--help']);"
        f"sys.exit(str([name for name in {heavy!r} if name in sys.modules] or '') or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# -- score -------------------------------------------------------------------------------------------------


def test_score_gives_each_part_as_json(shell: Shell) -> None:
    code, out, err = shell("score", "--target", TARGET, "--response", COMPLETION, "--certainty", 26, "--json")
    assert (code, err) == (0, "")
    # Paper, Table 1: 0.5 + 0.3 + 0.2 + 1000 x 1 + 0.005 x 26
    expected = {"format": 0.5, "type": 0.3, "attribute": 0.2, "value": 1000.0, "rationale": 0.13}
    assert json.loads(out) == pytest.approx(expected | {"total": 1001.13})


def test_score_explains_each_part_within_80_columns(shell: Shell) -> None:
    _, out, _ = shell("score", "--target", TARGET, "--response", "It is this: " + COMPLETION)
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    parts = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert parts == ["part", "format", "type", "attribute", "value", "rationale", "total"]
    assert "out of format" in out
    starts = {line.index(line.split()[2]) for line in lines if len(line.split()) > 2 and line[0] != " "}
    assert len(starts) == 1  # the reasons stand under one another


def test_score_takes_settings_of_the_reward(shell: Shell) -> None:
    words = ("score", "action.dars_factor=10", "--target", TARGET, "--response", COMPLETION, "--json")
    assert json.loads(shell(*words)[1])["value"] == 10


def test_score_reads_a_file_line_by_line(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    line = {"response": COMPLETION, "target": json.loads(TARGET), "certainty": 10}
    path.write_text(f"{json.dumps(line)}\n{json.dumps(line | {'response': None})}\n", "utf-8")
    code, out, _ = shell("score", "--jsonl", path)
    assert code == 0
    assert [json.loads(each)["total"] for each in out.splitlines()] == pytest.approx([1001.05, 0.0])


def test_score_agrees_with_the_worked_out_cases(shell: Shell) -> None:
    path = SHARED / "data" / "score_cases.jsonl"
    if not path.exists():
        pytest.skip("no ../shared/data/score_cases.jsonl beside this clone")
    found = [json.loads(line) for line in shell("score", "--jsonl", path)[1].splitlines()]
    expected = [json.loads(line)["expected"] for line in path.read_text("utf-8").splitlines()]
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-6)


# -- simplify ----------------------------------------------------------------------------------------------


def test_simplify_prints_one_json_line_for_each_page(shell: Shell, page: Path) -> None:
    code, out, _ = shell("simplify", page, page, "--json")
    assert code == 0
    first, second = (json.loads(line) for line in out.splitlines())
    assert first == second
    assert set(first) == {"file", "html", "elements", "dropped"}
    assert [element.get("href") for element in first["elements"]] == ["/", "/red"]
    assert first["file"] == str(page)


def test_simplify_prints_the_page_and_a_summary(shell: Shell, page: Path) -> None:
    code, out, err = shell("simplify", page)
    assert code == 0
    assert out.startswith("<page")
    assert "2 elements that can be acted on; dropped: head 1, script_or_style 1" in " ".join(err.split())


def test_simplify_reads_stdin(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(PAGE.encode())))
    code, out, _ = shell("simplify", "-", "--json")
    assert (code, json.loads(out)["file"]) == (0, "-")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    code, out, err = shell("simplify", "-")
    assert (code, out) == (2, "")
    assert err.startswith("shop-r1: -: ")


def test_a_bad_page_among_several_is_named_and_the_good_ones_are_printed(
    shell: Shell, page: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.html"
    empty.write_bytes(b"")
    code, out, err = shell("simplify", page, empty, page, "--json")
    assert code == 2
    assert len(out.splitlines()) == 2
    assert err.startswith(f"shop-r1: {empty}: ") and err.count("\n") == 1


def test_simplify_says_what_it_dropped_with_examples(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # lines are counted, and a folder's name may be long
    page = Path("page.html")
    page.write_text("<p hidden>one</p><p hidden>two</p><script>x</script><p>seen")
    code, out, err = shell("simplify", page, "--explain")
    assert (code, out) == (0, "<page>\nseen\n")
    lines = err.splitlines()
    start = lines.index("hidden 2: hidden by attribute")
    assert lines[start + 1 : start + 3] == ['<p hidden="">one</p>', '<p hidden="">two</p>']
    assert max(map(len, lines)) <= 80
    record = json.loads(shell("simplify", page, "--explain", "--json")[1])
    assert record["examples"]["script_or_style"] == ["<script>x</script>"]


def test_simplify_fits_a_page_into_a_budget_and_says_what_it_cut(shell: Shell, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<ul>{''.join(f'<li><a href=/{i}>Mug {i}</a>' for i in range(300))}</ul>")
    code, out, err = shell("simplify", page, "--max-tokens", "400")
    assert code == 0
    assert 'name="mug_0"' in out
    assert 'name="mug_299"' in out
    assert " more\n" in out
    assert "of 400 tokens (estimate); cut: " in " ".join(err.split())
    record = json.loads(shell("simplify", page, "--max-tokens", "400", "--json")[1])
    assert record["cut"]["elements"] == 300 - len(record["elements"])


def test_simplify_counts_with_a_model_s_tokenizer(shell: Shell, tmp_path: Path, tiny: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<p>" + "words and more words " * 400)
    code, out, err = shell("simplify", page, "--max-tokens", "200", "--tokenizer", tiny)
    assert (code, "of 200 tokens" in err) == (0, True)
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    assert len(tokenizer(out, add_special_tokens=False)["input_ids"]) <= 201  # and the line's end
    assert shell("simplify", page, "--tokenizer", tiny)[0] == 2
    missing = shell("simplify", page, "--max-tokens", "9", "--tokenizer", tmp_path / "no")
    assert "cannot be loaded" in missing[2]


def test_simplify_uses_a_recipe(shell: Shell, tmp_path: Path) -> None:
    page, recipe = tmp_path / "page.html", tmp_path / "shop.toml"
    page.write_text("<div class=buy><button>Buy</button></div><p class=noise>Join us")
    recipe.write_text(
        'site = ["x"]\npage = "a product"\nhas = [".buy"]\n'
        '[[sections]]\nselector = ".buy"\nname = "buy_box"\n'
        '[[leave_out]]\nselector = ".noise"\nwhy = "an advertisement"\n'
    )
    code, out, err = shell("simplify", page, "--recipe", recipe)
    assert (code, out) == (0, '<page>\n<button name="buy_box.buy">Buy</button>\n')
    assert "recipe 1" in err
    code, _, err = shell("simplify", page, "--recipe", "amazon_search")
    assert (code, "does not fit this page" in err) == (2, True)
    assert "use amazon_product, amazon_search" in shell("simplify", page, "--recipe", "ebay")[2]


class _Site(BaseHTTPRequestHandler):
    """One page in an encoding that only its header names; all else is missing."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/mug" else 404)
        self.send_header("Content-Type", "text/html; charset=koi8-r")
        self.end_headers()
        self.wfile.write("<a href=/p>Кружка</a>".encode("koi8-r"))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_simplify_reads_addresses(shell: Shell) -> None:
    with HTTPServer(("127.0.0.1", 0), _Site) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        try:
            assert shell("simplify", f"{address}/mug")[1] == '<page>\n<a name="кружка">Кружка</a>\n'
            code, _, err = shell("simplify", f"{address}/none")
            assert (code, f"{address}/none: no page came: Not Found" in err) == (2, True)
        finally:
            server.shutdown()
    code, _, err = shell("simplify", f"{address}/mug")
    assert (code, "no page came: " in err) == (2, True)


def test_simplify_works_on_every_real_page(shell: Shell) -> None:
    files = sorted((SHARED / "data" / "pages").rglob("*.html"))[::10]
    if not files:
        pytest.skip("no ../shared/data/pages beside this clone")
    code, out, _ = shell("simplify", *files, "--json")
    assert (code, len(out.splitlines())) == (0, len(files))


# -- sessions ----------------------------------------------------------------------------------------------


def test_simulated_sessions_are_counted_and_valid(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "s.jsonl.zst"
    code, text, _ = shell("simulate", "--count", 3, "--seed", 5, "--out", out)
    assert code == 0
    sessions = list(read_records(out, Session))
    assert len(sessions) == 3
    assert f"3 sessions, {sum(len(each.steps) for each in sessions)} steps" in text
    assert shell("data", "validate", out)[0] == 0
    code, text, _ = shell("data", "stats", out)
    assert (code, text.splitlines()[0].split()) == (0, ["sessions", "3"])
    assert max(map(len, text.splitlines())) <= 80
    again = tmp_path / "again.jsonl"
    shell("simulate", "--count", 3, "--seed", 5, "--out", again)
    assert list(read_records(again, Session)) == sessions


PAGE_SEEN = '<page>\n<a name="results.red_mug">Red mug</a>'


def write_sessions(path: Path, *changes: dict[str, Any]) -> Path:
    """Write good sessions, each with its changes, an id of its own and two steps."""
    step = {"page": {"html": PAGE_SEEN}, "action": json.loads(TARGET)}
    lines = []
    for number, change in enumerate(changes):
        last = {"page": {"html": f"{PAGE_SEEN}\nVisit {number}"}, "action": {"type": "terminate"}}
        lines.append(session_line(session_id=f"s{number}", steps=[step, last], **change))
    path.write_text("\n".join(lines), "utf-8")
    return path


def test_validate_names_every_fault_with_its_line(shell: Shell, tmp_path: Path) -> None:
    path = write_sessions(tmp_path / "s.jsonl", {}, {}, {}, {})
    good = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([good[0], good[1][:60], good[0], session_line(steps=[]), good[3]]), "utf-8")
    code, out, err = shell("data", "validate", path)
    assert (code, err) == (1, "")
    faults, kinds, total = out.split("\n\n")
    assert [each.removeprefix(f"{path}:").split(":")[0] for each in faults.splitlines()] == ["2", "3", "4"]
    assert "also stands in line 1" in faults
    assert [each.split()[:2] for each in kinds.splitlines()] == [
        ["not-json", "1"],
        ["value", "1"],
        ["same-id", "1"],
    ]
    assert total == f"{path}: 3 sessions, 6 steps; 3 errors in 3 of 5 lines, no warnings\n"


def test_validate_shows_so_many_and_counts_all(shell: Shell, tmp_path: Path) -> None:
    path = write_sessions(tmp_path / "s.jsonl", *[{"outcome": "purchase"}] * 30)
    code, out, _ = shell("data", "validate", path, "--show", 2)
    assert (code, out.count("warning: outcome: purchase, and the last action is terminate")) == (0, 2)
    assert "… 28 more; --show 0 prints all" in out
    assert out.endswith("30 sessions, 60 steps; no errors, 30 warnings\n")
    assert shell("data", "validate", path, "--show", 0)[1].count("warning: outcome: ") == 30
    code, out, _ = shell("data", "validate", path, path, "--json")
    found = [json.loads(each) for each in out.splitlines()]
    assert (code, len(found)) == (0, 60)
    assert found[0] == {
        "file": str(path),
        "error": False,
        "line": 1,
        "field": "outcome",
        "kind": "outcome",
        "problem": "purchase, and the last action is terminate",
    }


def test_each_command_for_data_takes_parquet_and_writes_it(shell: Shell, tmp_path: Path) -> None:
    steps = [
        SEARCH.model_copy(update={"action": type_and_submit("search_input", f"mug {row}")})
        for row in range(12)
    ]
    sessions = [make_session(f"s{row}", step, LOOK, LEAVE, user=f"u{row}") for row, step in enumerate(steps)]
    jsonl, parquet = tmp_path / "s.jsonl", tmp_path / "s.parquet"
    write_records(jsonl, sessions)
    code, out, _ = shell("data", "convert", jsonl, parquet)
    assert (code, f"{parquet}: 12 sessions; " in out) == (0, True)
    assert shell("data", "convert", parquet, tmp_path / "back.jsonl")[0] == 0
    assert (tmp_path / "back.jsonl").read_bytes() == jsonl.read_bytes()
    found = [json.loads(shell("data", "stats", file, "--json")[1]) for file in (jsonl, parquet)]
    assert found[0] | {"file": ""} == found[1] | {"file": ""}
    checked = [shell("data", "validate", file)[1].replace(str(file), "") for file in (jsonl, parquet)]
    assert checked[0] == checked[1]
    for file in (jsonl, parquet):
        shell("data", "balance", file, "--out", tmp_path / f"{file.suffix[1:]}-rl.jsonl")
        shell("data", "split", file, "--out", tmp_path / f"{file.suffix[1:]}-split", "--test-sessions", 3)
    assert (tmp_path / "jsonl-rl.jsonl").read_bytes() == (tmp_path / "parquet-rl.jsonl").read_bytes()
    for side in ("train", "test"):
        split = [tmp_path / f"{form}-split" / f"{side}.{form}" for form in ("jsonl", "parquet")]
        assert list(read_sessions(split[0])) == list(read_sessions(split[1]))


def test_a_file_that_cannot_be_read_does_not_hide_the_next(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    code, out, err = shell("data", "validate", tmp_path / "none.jsonl", tmp_path / "empty.jsonl")
    assert (code, err) == (2, f"shop-r1: {tmp_path}/none.jsonl: cannot be read (No such file or directory)\n")
    assert "holds no sessions" in out
    assert shell("data", "validate", tmp_path / "empty.jsonl")[0] == 1


def test_stats_are_told_as_json_and_drawn(shell: Shell, tmp_path: Path, tiny: Path) -> None:
    path = write_sessions(tmp_path / "s.jsonl", {"user_id": "<b>ann</b>"}, {}, {})
    other = write_sessions(tmp_path / "t.jsonl", {}, {"user_id": "<b>ann</b>"})
    svg, html = tmp_path / "s.svg", tmp_path / "s.html"
    code, out, _ = shell("data", "stats", path, "--against", other, "--json", "--report", svg)
    found = json.loads(out)
    assert code == 0
    assert (found["sessions"], found["steps"], found["tokenizer"]) == (3, 6, "estimate")
    assert found["leaks"] == [
        {"other": str(other), "sessions": 2, "same_id": 2, "same_user": 1, "exact": 2, "near": 0}
    ]
    assert svg.read_text("utf-8").startswith("<svg")
    code, out, _ = shell(
        "data", "stats", path, "--tokenizer", tiny, "--max-tokens", 700, "--report", html, "--against", other
    )
    assert (code, "2 share an id, 1 share a user" in " ".join(out.split())) == (0, True)
    assert max(map(len, out.splitlines())) <= 80 or str(other) in out
    assert "Sessions: s.jsonl" in html.read_text("utf-8")
    from transformers import AutoTokenizer

    pages = [PAGE_SEEN] * 3 + [f"{PAGE_SEEN}\nVisit {number}" for number in range(3)]
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    counts = [len(tokenizer(each, add_special_tokens=False)["input_ids"]) for each in pages]
    (row,) = [each for each in out.splitlines() if each.startswith("tokens of a page")]
    assert row.split()[-1] == str(max(counts))


def test_a_split_is_written_told_and_repeated(shell: Shell, tmp_path: Path) -> None:
    path = write_sessions(tmp_path / "s.jsonl", *({"user_id": f"u{n // 2}"} for n in range(20)))
    out = tmp_path / "data"
    words = ("data", "split", path, "--out", out, "--test-sessions", 4, "--valid", "0.1")
    code, text, err = shell(*words)
    assert (code, err) == (0, "")
    assert [line.split()[:2] for line in text.splitlines()[1:5]] == [
        ["before", "20"],
        ["train", "14"],
        ["test", "4"],
        ["valid", "2"],
    ]
    assert "10 groups of users and duplicates; the largest has 2 sessions" in text
    sides = {each.name: list(read_records(each, Session)) for each in out.glob("*.jsonl")}
    assert {name: len(side) for name, side in sides.items()} == {
        "train.jsonl": 14,
        "test.jsonl": 4,
        "valid.jsonl": 2,
    }
    users = [{each.user_id for each in side} for side in sides.values()]
    assert not users[0] & users[1] and not users[0] & users[2] and not users[1] & users[2]
    before = (out / "test.jsonl").read_bytes()
    assert shell(*words)[0] == 0
    assert (out / "test.jsonl").read_bytes() == before
    code, _, err = shell(*words, "--seed", 1)
    assert (code, "holds another split: seed (0 there, 1 now)" in err) == (2, True)
    assert (out / "test.jsonl").read_bytes() == before
    _, _, err = shell("data", "split", path, "--out", tmp_path / "new", "--test-sessions", 3)
    assert "test: 1 session fewer than asked" in err


def test_balance_names_the_examples_that_grpo_learns_from(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    shell("simulate", "--count", 12, "--seed", 5, "--out", path)
    code, text, _ = shell("data", "balance", path, "--out", tmp_path / "rl.jsonl", "--method", "resample")
    assert code == 0
    _, before, after, told, _ = text.splitlines()
    counts = [[int(word) for word in line.split()[1::2]] for line in (before, after)]
    refs = list(read_records(tmp_path / "rl.jsonl", ExampleRef))
    assert len(refs) == sum(counts[1]) > sum(counts[0]) == len(set(refs))
    assert f"{len(refs)} examples, {sum(counts[0])} different ones" in told
    click, terminate, typed = counts[1]
    assert abs(click - 1.1 * terminate) <= 1 and abs(typed - 1.1 * terminate) <= 1


# -- evaluate ----------------------------------------------------------------------------------------------


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    target = {"type": "click", "name": "a"}
    rows = [target, {"type": "click", "name": "b"}, None, {"type": "input", "name": "a", "text": "x"}]
    lines = [
        json.dumps({"session_id": f"s{i % 2}", "step_idx": i, "gold": target, "pred": pred})
        for i, pred in enumerate(rows)
    ]
    path = tmp_path / "predictions.jsonl"
    path.write_text("\n".join(lines), "utf-8")
    return path


def test_evaluate_scores_a_file_of_predictions(shell: Shell, predictions: Path) -> None:
    code, out, _ = shell("evaluate", "--predictions", predictions, "--space", "opera", "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["n"], found["exact"], found["type_accuracy"], found["unparsable"]) == (4, 0.25, 0.5, 1)
    assert found["type_f1_macro"] == pytest.approx(2 * 1 * 0.5 / 1.5)  # precision 1, recall 0.5
    assert found["per_type"]["click"]["n"] == 4


def test_evaluate_prints_and_writes_the_table(shell: Shell, predictions: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    code, text, _ = shell(
        "evaluate", "--predictions", predictions, "--space", "opera", "--out", out, "--setting", "sft"
    )
    assert code == 0
    assert "25.0 [" in text and "16.76" in text  # the paper's SFT row beside it
    assert len(list(read_records(out / "predictions.jsonl", Prediction))) == 4
    assert json.loads((out / "table.json").read_text("utf-8"))[0]["exact"][1] == 0.25
    code, text, _ = shell("report", out)
    assert code == 0
    assert Path(text.strip()).read_text("utf-8").startswith("<!doctype html>")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a few thousand random weights that reads 3,000 tokens."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from shop_r1.prompts.render import render_system
    from shop_r1.records.actions import SHOP
    from shop_r1.training.pretraining.tokenizer import train_tokenizer

    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = train_tokenizer([render_system(SHOP)] * 3, 400, lines=0)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=400,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=3000,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    return folder


def test_a_plain_log_is_imported_and_what_is_left_out_is_told(shell: Shell, tmp_path: Path) -> None:
    lines = []
    for name, css in (("v0", "main a"), ("v1", "h2")):
        step = {"page": {"html": PAGE}, "action": {"type": "click", "target": {"css": css}}}
        lines.append(json.dumps({"session_id": name, "steps": [step]}))
    log, out = tmp_path / "log.jsonl", tmp_path / "sessions.jsonl"
    log.write_text("\n".join(lines), "utf-8")
    code, text, remarks = shell("data", "import", "log", log, "--out", out, "--recipe", "amazon_search")
    assert code == 0
    assert "invalid: log.jsonl:2: session 'v1', step 0 (click): the CSS path 'h2' matches no elements" in text
    assert f"{out}: 1 of 2 sessions, 1 steps\nelements found by: CSS path 1\nrecipes used: none" in text
    assert "1 of 2 sessions are left out" in remarks
    assert "Next: shop-r1 rationales" in text and "1 of 1 steps have no rationale" in remarks
    assert shell("data", "validate", out)[0] == 0


def test_the_steps_before_a_problem_of_a_plain_log_are_kept_on_request(shell: Shell, tmp_path: Path) -> None:
    found, gone = (
        {"page": {"html": PAGE}, "action": {"type": "click", "target": {"css": css}}}
        for css in ("main a", "h2")
    )
    log, out = tmp_path / "log.jsonl", tmp_path / "sessions.jsonl"
    steps = [found | {"rationale": "It is cheap."}, gone, gone]
    log.write_text(json.dumps({"session_id": "v0", "steps": steps}))
    code, text, remarks = shell("data", "import", "log", log, "--out", out, "--keep-until-error")
    assert code == 0
    assert text.count("invalid: log.jsonl:1: session 'v0', step") == 2
    assert "problems: element not found 2" in text
    assert f"{out}: 1 of 1 sessions, 1 steps" in text
    assert "0 of 1 sessions are left out; 1 end before their first problem" in " ".join(remarks.split())
    assert f"Next: shop-r1 data split {out}" in text


def test_recordings_are_imported_and_what_is_passed_over_is_told(shell: Shell, tmp_path: Path) -> None:
    recordings, out = Path(__file__).parents[1] / "importers" / "recordings", tmp_path / "sessions.jsonl"
    code, text, remarks = shell("data", "import", "rrweb", recordings, "--end", "terminate", "--out", out)
    # Six and eight actions, as record.mjs says, and each visit's end.
    assert (code, text.splitlines()) == (
        0,
        [
            f"{out}: 2 of 2 recordings, 16 steps",
            f"Next: shop-r1 rationales {out} --model NAME --out with.jsonl",
        ],
    )
    assert "passed over: clicks into a field 3" in remarks
    assert shell("data", "validate", out)[0] == 0


def test_masked_texts_are_told_and_refused_and_can_be_left_out(
    shell: Shell, tiny: Path, tmp_path: Path
) -> None:
    form = [
        rrweb.tag(10, "input", {"type": "search", "name": "q"}),
        rrweb.tag(11, "button", None, rrweb.text(12, "Go")),
    ]
    page = rrweb.document(
        rrweb.tag(9, "form", {"role": "search"}, *form),
        rrweb.tag(13, "a", {"href": "/m"}, rrweb.text(14, "Mugs")),
    )
    typing = [rrweb.entered(10, "***", userTriggered=True), rrweb.click(11)]
    events = [
        rrweb.meta("https://shop.example/"),
        rrweb.full(page),
        rrweb.click(13),
        *typing,
        rrweb.click(13),
    ]
    recording, out = rrweb.write(tmp_path / "a.json", events), tmp_path / "sessions.jsonl"
    code, told, remarks = shell("data", "import", "rrweb", recording, "--out", out)
    assert code == 0 and told.startswith(f"{out}: 1 of 1 recordings, 3 steps\n")
    assert "worth a look: masked texts 1" in remarks and "--masked drop" in remarks
    assert max(map(len, remarks.splitlines())) <= 80

    code, told, _ = shell("data", "validate", out)
    assert code == 1 and "masked-text" in told
    code, _, err = shell("evaluate", "--model", tiny, "--data", out, "--out", tmp_path / "run")
    assert code == 2 and "session a, step 1: the text '***' is a recorder's mask" in " ".join(err.split())

    code, told, remarks = shell(
        "data", "import", "rrweb", recording, "--masked", "drop", "--out", out, "--force"
    )
    assert code == 0 and told.startswith(f"{out}: 1 of 1 recordings, 2 steps\n")
    assert "passed over: masked texts 1" in remarks
    assert shell("data", "validate", out)[0] == 0


def test_saved_pages_go_through_to_the_report(shell: Shell, tiny: Path, tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    long = PAGE.replace("<h1>", "<p>much to read</p>" * 3000 + "<h1>")
    for name, text in (("short.html", PAGE), ("long.html", long)):
        (pages / name).write_text(text, "utf-8")
    moves = [{"site": "x", "from_file": f"{n}.html", "href": "/red", "text": ""} for n in ("short", "long")]
    (pages / "links.json").write_text(json.dumps([*moves, {"from_file": "none.html", "href": "/"}]), "utf-8")

    data, out = tmp_path / "moves.jsonl", tmp_path / "run"
    code, text, _ = shell("data", "import", "pages", pages, "--out", data)
    assert code == 0
    assert "left out: links.json, entry 2 (none.html): cannot be read" in text
    assert "2 of 3 moves" in text

    words = ("evaluate", "--model", tiny, "--data", data, "--out", out)
    code, _, err = shell(*words)
    assert code == 2 and "--first-step 0" in err
    code, text, err = shell(
        *words,
        "--first-step",
        0,
        "--temperature",
        0,
        "sampling.max_new_tokens=4",
        "prompt.max_completion_length=8",
    )
    assert code == 0
    told = " ".join(err.split())
    assert "Prompt budget: 3000 tokens" in told
    assert "part of the current page in 1 prompts" in told
    found = list(read_records(out / "predictions.jsonl", Prediction))
    assert [prediction.page_truncated for prediction in found] == [False, True]
    assert all(prediction.prompt_tokens and prediction.prompt_tokens <= 3000 for prediction in found)
    budget = json.loads((out / "context.json").read_text("utf-8"))
    assert (budget["prompts"], budget["prompts_truncated"]) == (2, 1)
    assert {page["url"] for page in budget["pages"]} == {"short.html", "long.html"}
    assert json.loads((out / "settings.json").read_text("utf-8"))["settings"]["prompt"]["max_tokens"] == 3000

    code, text, _ = shell("report", out)
    assert code == 0
    assert "long.html" in Path(text.strip()).read_text("utf-8")


def test_a_sweep_writes_one_folder_for_each_way_of_asking(
    shell: Shell, tiny: Path, sessions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "sweep"
    options = (
        "--temperature",
        0,
        "--temperature",
        0.7,
        "--context",
        "whole-session",
        "--context",
        "latest-step",
    )
    code, text, _ = shell(
        *("evaluate", "--model", tiny, "--data", sessions, "--out", out, *options, "--json"),
        "sampling.max_new_tokens=4",
    )
    assert code == 0
    labels = {
        f"{context}-{how}" for context in ("whole-session", "latest-step") for how in ("greedy", "t0.7")
    }
    assert {path.parent.name for path in out.glob("*/predictions.jsonl")} == labels
    assert [(row["context"], row["temperature"]) for row in json.loads(text)] == [
        *(("whole-session", 0.0), ("whole-session", 0.7), ("latest-step", 0.0), ("latest-step", 0.7)),
    ]
    code, text, _ = shell("report", out, "--data", sessions)
    assert code == 0


def test_both_stages_train_from_the_command_line(
    shell: Shell, tiny: Path, sessions: Path, tmp_path: Path
) -> None:
    told = tmp_path / "told.jsonl"
    write_records(
        told,
        [
            session.model_copy(
                update={"steps": tuple(s.model_copy(update={"rationale": "So."}) for s in session.steps)}
            )
            for session in read_records(sessions, Session)
        ],
    )
    sft, grpo = tmp_path / "sft", tmp_path / "grpo"
    code, text, _ = shell(
        *("sft", "--model", tiny, "--data", told, "--out", sft),
        *("max_steps=1", "gradient_accumulation_steps=1", "bf16=false", "prompt.max_completion_length=8"),
    )
    assert code == 0
    assert "SFT on 2 sessions, 4 completions" in text
    settings = json.loads((sft / "settings.json").read_text("utf-8"))
    assert settings["settings"]["max_steps"] == 1
    assert set(settings["inputs"]) == {str(told), str(tiny)}
    small = (
        "max_steps=1",
        "generation_batch_size=4",
        "num_generations=2",
        "max_completion_length=8",
        "bf16=false",
        "prompt.max_completion_length=8",
    )
    code, text, _ = shell("grpo", "--model", sft, "--data", told, "--out", grpo, *small)
    assert code == 0
    assert "2 steps: terminate 2" in text and "balanced (type_ratio 1.1): 2 steps" in text
    assert (grpo / "model.safetensors").exists()
    chosen, again = tmp_path / "rl.jsonl", tmp_path / "again"
    assert shell("data", "balance", told, "--out", chosen)[0] == 0
    chosen.write_text(chosen.read_text("utf-8") * 2, "utf-8")
    code, text, _ = shell(
        "grpo", "--model", sft, "--data", told, "--examples", chosen, "--out", again, *small
    )
    assert (code, f"chosen by {chosen}: 4 steps: terminate 4" in text) == (0, True)
    settings = json.loads((again / "settings.json").read_text("utf-8"))
    assert set(settings["inputs"]) == {str(told), str(sft), str(chosen)}


# -- what goes wrong ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("score", "needs --target and --response"),
        ("score --target nonsense --response x", "--target: "),
        (
            "score --target {target} --response x --space moon",
            "'moon' is unknown; expected one of shop, opera",
        ),
        ("score --target {target} --response x --certainty nan", "expected a finite number"),
        (
            "score --target {target} --response x --wrong",
            "No such option: --wrong",
        ),
        ("score --target {target} --response x moon", "'moon': expected at most one settings file"),
        ("score --target {target} --response x action.dars=moon", "action.dars: "),
        ("score --jsonl {empty}", "empty.jsonl: holds no lines"),
        ("score --jsonl {half}", "half.jsonl:2: "),
        ("score --jsonl {nothing}", "nothing.jsonl: cannot be read (No such file"),
        ("moon", "No such command 'moon'"),
        ("data", "Missing command"),
        ("data validate {sessions} {nothing}", "nothing.jsonl: cannot be read"),
        ("data stats {sessions} --max-tokens 99", "max_completion_length 256 must be below max_tokens 99"),
        ("data stats {sessions} --report {out}", "ends in .svg or .html"),
        ("data stats {sessions} --tokenizer {nothing}", "cannot be loaded"),
        ("data stats {sessions} --against {empty}", "empty.jsonl: holds no sessions"),
        ("data split {half} --out {out}", "half.jsonl:1: "),
        ("data split {empty} --out {out}", "empty.jsonl: holds no sessions"),
        (
            "data split {sessions} --out {out} --by moon",
            "--by 'moon' is unknown",
        ),
        ("data split {sessions} --out {out} --test-sessions 2", "2 sessions; expected more than the 2"),
        ("data split {sessions} --out {blocked} --test 0", "cannot be written"),
        (
            "data balance {sessions} --out {out}.jsonl --method moon",
            "'moon' is unknown; expected one of undersample",
        ),
        ("data balance {half} --out {out}.jsonl", "half.jsonl:1: "),
        ("data balance {sessions} --out {blocked}.jsonl", "cannot be written"),
        ("grpo --data {sessions} --out {out} --examples {nothing}", "nothing.jsonl: cannot be read"),
        ("grpo --data {sessions} --out {out} --examples {half}", "half.jsonl:1: "),
        ("data stats {empty}", "empty.jsonl: holds no sessions"),
        ("data stats {half}", "half.jsonl:1: "),
        ("data import pages {folder} --out {out}.jsonl", "links.json: cannot be read"),
        ("data import log {empty} --out {out}.jsonl", "empty.jsonl: holds no sessions"),
        ("data import log {half} --out {out}.jsonl", "half.jsonl:1: "),
        ("data import log {half} --out {out}.jsonl --recipe moon", "recipe 'moon': unknown"),
        ("data import rrweb {half} --out {out}.jsonl", "none of 1 recordings gives a session"),
        ("data import rrweb {folder} --out {out}.jsonl", "folder: holds no recordings"),
        ("data import rrweb {half} --out {out}.jsonl --space moon", "'moon' is unknown"),
        ("data import rrweb {half} --out {out}.jsonl --masked moon", "--masked 'moon' is unknown"),
        ("data import rrweb {half} --out {out}.jsonl --end moon", "--end 'moon' is unknown"),
        ("simplify {json}", "page.json: "),
        ("simplify {folder}", "cannot be read"),
        ("simplify {empty}", "empty.jsonl: "),
        ("store --port 99999", "port 99999: expected 0 to 65535"),
        ("store --port moon", "--port"),
        ("simulate --out {blocked}.jsonl", "cannot be written"),
        ("simulate --count 0 --out {out}.jsonl", "--count"),
        ("simulate --model {nothing} --out {out}.jsonl", "nothing.jsonl is not there"),
        ("simulate --out {out}.jsonl sampling.top_k=3", "settings are for models"),
        ("sft --data {sessions} --out {out} --model {nothing}", "nothing.jsonl is not there"),
        ("sft --data {sessions} --out {blocked} --model {tiny}", "cannot be written"),
        ("sft --data {sessions} --out {out} --model {tiny} num_train_epochs=-1", "num_train_epochs: "),
        ("sft --data {sessions} --out {out} --model {tiny} nonsense=1", "nonsense: "),
        ("sft --data {sessions} --out {out} --model {tiny}", "step 1 has no rationale"),
        ("sft {nothing} --data {sessions} --out {out}", "expected at most one settings file"),
        ("sft none.toml --data {sessions} --out {out}", "none.toml: cannot be read"),
        ("sft --data {half} --out {out}", "half.jsonl:1: "),
        ("grpo --data {empty} --out {out}", "empty.jsonl: holds no sessions"),
        ("grpo --data {sessions} --out {out} --model {folder}", "folder holds no checkpoint"),
        ("evaluate", "needs --model, --data and --out"),
        ("evaluate --predictions {empty}", "empty.jsonl: holds no predictions"),
        ("evaluate --predictions {half}", "half.jsonl:1: "),
        ("evaluate --predictions {half} --model base", "takes the place of"),
        ("evaluate --model {nothing} --data {sessions} --out {out}", "nothing.jsonl is not there"),
        ("evaluate --model {tiny} --data {empty} --out {out}", "empty.jsonl: holds no sessions"),
        ("evaluate --model {tiny} --data {sessions} --out {blocked}", "cannot be written"),
        ("evaluate --model {tiny} --data {sessions} --out {out} --context moon", "'moon' is unknown"),
        ("evaluate --model {tiny} --data {sessions} --out {out} --temperature -1", "--temperature"),
        ("report {nothing}", "no such folder"),
        ("report {folder}", "table.json: cannot be read"),
    ],
)
def test_bad_input_gets_one_sentence_and_leaves_nothing(
    words: str, problem: str, shell: Shell, sessions: Path, tiny: Path, tmp_path: Path
) -> None:
    folder, out = tmp_path / "folder", tmp_path / "out"
    folder.mkdir()
    files = {"empty": "", "half": f"{session_line()[:70]}\n{session_line()}"}
    paths = {name: tmp_path / f"{name}.jsonl" for name in (*files, "nothing")}
    for name, text in files.items():
        paths[name].write_text(text, "utf-8")
    case = {"response": COMPLETION, "target": json.loads(TARGET)}
    if words.startswith("score"):
        paths["half"].write_text(json.dumps(case) + "\n" + json.dumps(case)[:50], "utf-8")
    (tmp_path / "page.json").write_text('{"not": "a page"}', "utf-8")
    places = paths | {"folder": folder, "out": out, "blocked": paths["empty"] / "run"}
    places |= {"sessions": sessions, "tiny": tiny, "json": tmp_path / "page.json"}
    filled = [TARGET if word == "{target}" else word.format(**places) for word in words.split()]
    code, _, err = shell(*filled)
    last = err.rstrip("\n").split("\n")[-1]
    assert code == 2, err
    assert last.startswith("shop-r1: "), err
    assert problem in last
    assert "Traceback" not in err
    written = [path.name for path in out.rglob("*")] if out.exists() else []
    assert not out.with_name("out.jsonl").exists()
    assert set(written) <= {
        "settings.json",
        "metrics.jsonl",
        "prompts.json",
    }  # the record of a run that then failed


def test_a_good_file_stays_when_its_successor_fails(shell: Shell, tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "sessions.jsonl"
    out.write_text("good\n", "utf-8")
    code, _, err = shell(
        *("simulate", "--model", tiny, "--count", 1, "--out", out, "--force"),
        *("sampling.max_new_tokens=2", "prompt.max_completion_length=8"),
    )
    assert (code, out.read_text("utf-8")) == (2, "good\n")
    assert "every response of the model was invalid" in err
    assert list(tmp_path.iterdir()) == [out]


def test_a_busy_port_is_one_sentence(shell: Shell) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, out, err = shell("store", "--port", port)
    assert (code, out) == (2, "")
    assert err.startswith(f"shop-r1: 127.0.0.1:{port} cannot be used (Address already in use)")
    assert err.count("\n") == 1


def test_the_store_says_where_it_is_first(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shop_r1.store.serve.serve", lambda port, seed, host: None)
    code, out, _ = shell("store", "--port", 0)
    assert code == 0
    assert out.startswith("http://127.0.0.1:") and not out.startswith("http://127.0.0.1:0/")


@pytest.mark.parametrize(
    ("fault", "code", "told"),
    [
        (KeyboardInterrupt(), 130, "shop-r1: interrupted\n"),
        (Terminated(), 143, "shop-r1: ended by SIGTERM\n"),
        (OSError(28, "No space left on device"), 2, "shop-r1: No space left on device\n"),
        (
            RuntimeError("two\nlines"),
            1,
            "shop-r1: unexpected RuntimeError: two lines (set SHOP_R1_TRACEBACK=1 to see where)\n",
        ),
    ],
)
def test_other_faults_have_their_own_codes(
    fault: BaseException, code: int, told: str, shell: Shell, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(pages, "_show", fail)
    monkeypatch.delenv(cli.TRACEBACK, raising=False)
    assert shell("simplify", page) == (code, "", told)
    if code == 1:
        monkeypatch.setenv(cli.TRACEBACK, "1")
        assert "Traceback (most recent call last)" in shell("simplify", page)[2]


def run_outside(*words: str, **options: Any) -> "subprocess.Popen[bytes]":
    program = "import sys; from shop_r1.cli.main import main; main()"
    return subprocess.Popen([sys.executable, "-c", program, *words], stderr=subprocess.PIPE, **options)


def test_nobody_reading_on_is_no_fault(page: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = run_outside("simplify", str(page), "--json", stdout=writer)
    os.close(writer)
    assert done.communicate(timeout=60)[1] == b""
    assert done.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout_is_one_sentence(page: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run_outside("simplify", str(page), "--json", stdout=full)
        err = done.communicate(timeout=60)[1]
    assert (done.returncode, err) == (2, b"shop-r1: No space left on device\n")


def test_doctor_says_what_this_machine_can_run(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    code, out, _ = shell("doctor")
    assert code == 0
    assert "keys in the environment: OPENAI_API_KEY" in " ".join(out.split()) and "sk-secret" not in out
    assert max(map(len, out.splitlines())) <= 90
    for word in ("python", "device", "memory", "cores", "base checkpoint", "browser", "Qwen2.5-3B-Instruct"):
        assert word in out


def test_a_failed_start_does_not_touch_an_earlier_run(shell: Shell, sessions: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "settings.json").write_text("good", "utf-8")
    for command in ("sft", "grpo", "evaluate"):
        code, _, err = shell(command, "--data", sessions, "--out", out, "--model", tmp_path / "none")
        assert code == 2 and "is not there" in err
    assert (out / "settings.json").read_text("utf-8") == "good"


@pytest.mark.parametrize(
    ("package", "code", "message"),
    [
        ("torch", 2, "this needs the package torch, which is not installed: pip install 'shop-r1[train]'"),
        ("openai", 2, "pip install 'shop-r1[api]'"),
        ("shop_r1.gone", 1, "unexpected ModuleNotFoundError"),
    ],
)
def test_a_package_that_is_not_installed_is_named_with_the_extra_that_brings_it(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, package: str, code: int, message: str
) -> None:
    def halt(_: object) -> int:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)

    monkeypatch.setattr(cli, "_invoke", halt)
    found, out, err = shell("sft")
    assert (found, out) == (code, "") and message in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("evaluate --policy base", "--policy is now --model"),
        ("simulate --policy base --out x", "--policy is now --model"),
        ("doctor --config x.toml", "give the settings file alone"),
        ("simulat --out x", "Did you mean 'simulate'?"),
        (
            "data balance x --out y --method resampl",
            "--method 'resampl' is unknown; did you mean resample?",
        ),
        ("data split x --out y --by usr", "--by 'usr' is unknown; did you mean user?"),
        ("score --space shp --target {} --response x", "'shp' is unknown; did you mean shop?"),
        ("score actoin.dars=1 --target {} --response x", "actoin: no such setting; did you mean action?"),
        ("score action.kind=binry --target {} --response x", "'binry' is unknown; did you mean binary?"),
        ("doctor seed=1 --stage grop", "--stage 'grop' is unknown; did you mean grpo?"),
        ("sft --dta x --out y", "--data"),
        (
            "sft --learning-rate 1e-4",
            "--learning-rate is a setting, not an option: give it as learning_rate=VALUE",
        ),
        ("grpo --reward.action.dars_factor=3", "give it as reward.action.dars_factor=VALUE"),
        ("evaluate --price.input_usd 3", "give it as price.input_usd=VALUE"),
        ("sft --lr 1e-4", "No such option: --lr"),
        ("data split --seeed 3", "No such option: --seeed"),
        ("demo --seed 4294967296", "4294967295"),
    ],
)
def test_what_is_misspelt_or_has_another_name_now_is_suggested(
    words: str, message: str, shell: Shell
) -> None:
    code, out, err = shell(*words.split())
    assert (code, out) == (2, "")
    assert message in err and err.count("\n") == 1


def test_an_unknown_option_of_a_command_whose_packages_are_missing_is_told_as_one(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: str) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr("shop_r1.cli.terminal.settings_list.import_module", fail)
    code, _, err = shell("sft", "--learning-rate", "1")
    assert code == 2 and err == "shop-r1: No such option: --learning-rate (see shop-r1 sft --help)\n"


def test_a_split_names_sft_next_only_where_every_step_has_a_rationale(shell: Shell, tmp_path: Path) -> None:
    bare, full = tmp_path / "bare.jsonl", tmp_path / "full.jsonl"
    write_sessions(bare, *[{}] * 10)
    shell("simulate", "--count", 10, "--out", full)
    for path, command in ((bare, "rationales"), (full, "sft")):
        code, out, _ = shell("data", "split", path, "--out", tmp_path / path.stem)
        assert code == 0
        assert re.findall(r"^Next: shop-r1 (\w+)", out, re.MULTILINE) == [command]


def test_no_key_is_in_what_is_told_of_an_internal_error_or_its_traceback(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "sk-proj-aB3xYZq9wE7rT5yU1iO"

    def fail(*_: object) -> None:
        raise RuntimeError(f"header {secret!r}") from ValueError(f"b'Bearer {secret}\\n'")

    monkeypatch.setenv("OPENAI_API_KEY", f"{secret}\n")
    monkeypatch.setattr(cli, "_invoke", fail)
    for trace in ("", "1"):
        monkeypatch.setenv("SHOP_R1_TRACEBACK", trace)
        code, out, err = shell("doctor")
        assert code == 1 and "unexpected RuntimeError: header '[key]'" in err
        assert ("Traceback" in err) == bool(trace)
        assert "aB3xYZq9" not in out + err


def test_sigterm_ends_any_command_with_143(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = list[str]()

    def work(_: object) -> int:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            closed.append("closed")
        return 0

    monkeypatch.setattr(cli, "_invoke", work)
    assert shell("evaluate") == (143, "", "shop-r1: ended by SIGTERM\n")
    assert closed == ["closed"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

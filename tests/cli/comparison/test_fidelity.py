"""`fidelity`: what it prints and writes, and what it refuses."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from tests.shell import Shell

from shop_r1 import write_sessions
from shop_r1.fidelity.results import Fidelity
from shop_r1.records.actions import Action, click, terminate, type_and_submit
from shop_r1.records.sessions import Page, Session, Step
from shop_r1.report.seal import is_sealed

QUICK = ("--bootstrap", 30, "--splits", 5)
LIST = Page(
    url="https://shop.example/search?q=x",
    html='<input name="search_input">\n' + "\n".join(f'<a name="results.{name}">x</a>' for name in "abcde"),
)
PRODUCT = Page(url="https://shop.example/product/a", html='<button name="buy_now">Buy</button>')


def make_crowd(count: int, seed: int, buys: float, word: str = "mug") -> Iterable[Session]:
    rng = np.random.default_rng(seed)
    for number in range(count):
        steps = [(LIST, type_and_submit("search_input", f"red {word}"))] * int(rng.integers(1, 4))
        end: tuple[Page, Action] = (LIST, terminate())
        if rng.random() < buys:
            steps.append((LIST, click(f"results.{rng.choice(list('abc'))}")))
            end = (PRODUCT, click("buy_now"))
        yield Session(
            session_id=f"{seed}-{number}",
            user_id=f"{seed}-{number}",
            outcome="purchase" if end[0] is PRODUCT else "terminate",
            steps=tuple(Step(page=page, action=action) for page, action in [*steps, end]),
        )


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    simulated, real = tmp_path / "simulated.jsonl", tmp_path / "real.jsonl"
    write_sessions(simulated, make_crowd(30, seed=1, buys=0.2))
    write_sessions(real, make_crowd(40, seed=2, buys=0.8))
    return simulated, real


def test_it_prints_tables_within_80_columns(shell: Shell, files: tuple[Path, Path]) -> None:
    code, out, err = shell("fidelity", *files, *QUICK)
    assert code == 0 and "Written" not in err
    flat = " ".join(out.split())
    assert "30 sessions of 30 shoppers" in flat and "40 sessions of 40 shoppers" in flat
    assert "A classifier tells simulated from real sessions: AUC " in flat
    for title in ("How far the simulated crowd is", "What each crowd does", "What betrays the simulated"):
        assert title in out
    assert max(map(len, out.splitlines())) <= 80


def test_it_prints_json(shell: Shell, files: tuple[Path, Path]) -> None:
    code, out, _ = shell("fidelity", *files, *QUICK, "--json")
    found = Fidelity.model_validate(json.loads(out))
    assert code == 0 and found.calibration is None
    assert {each.name for each in found.beyond} >= {"outcomes", "funnel"}
    assert found.clicks_by == "names of elements"


def test_it_writes_figures_weights_and_a_report(
    shell: Shell, files: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "runs" / "fidelity"
    words = ("fidelity", *files, *QUICK, "--out", out)
    code, printed, err = shell(*words, "--calibrate", "--margin", "purchase")
    assert code == 0 and "fidelity.json, weights.json, report/index.html" in " ".join(err.split())
    assert "Calibration: the margins" in printed
    found = Fidelity.model_validate_json((out / "fidelity.json").read_text("utf-8"))
    assert found.calibration is not None and found.calibration.weights == {}
    weights = json.loads((out / "weights.json").read_text("utf-8"))["weights"]
    assert len(weights) == 30
    record = json.loads((out / "settings.json").read_text("utf-8"))
    assert (record["command"], len(record["inputs"])) == ("fidelity", 2)
    page = out / "report" / "index.html"
    assert is_sealed(page)
    html = page.read_text("utf-8")
    assert "<script" not in html and html.count("data:image/svg") >= 5
    assert "No recorded session" not in html
    code, _, err = shell(*words)
    assert code == 2 and "holds fidelity.json and 3 more" in err
    assert shell(*words, "--force")[0] == 0


def test_weights_of_a_calibration_are_taken(shell: Shell, files: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "fidelity"
    shell("fidelity", *files, *QUICK, "--out", out, "--calibrate", "--margin", "purchase")
    _, weighted, _ = shell("fidelity", *files, *QUICK, "--weights", out / "weights.json", "--json")
    _, plain, _ = shell("fidelity", *files, *QUICK, "--json")
    values = []
    for text in (weighted, plain):
        found = {each.name: each for each in Fidelity.model_validate_json(text).distances}
        outcomes = found["outcomes"].distance
        assert outcomes is not None
        values.append(outcomes.value)
    assert values[0] < 0.15 < 0.4 < values[1]
    code, _, err = shell("fidelity", files[1], files[0], *QUICK, "--weights", out / "weights.json")
    assert code == 2 and "40 of its sessions have no weight" in err


def test_what_the_logs_share_or_lack_is_told(shell: Shell, files: tuple[Path, Path], tmp_path: Path) -> None:
    few = tmp_path / "few.jsonl"
    write_sessions(few, make_crowd(5, seed=1, buys=0.5))
    _, out, _ = shell("fidelity", few, files[0], *QUICK)
    flat = " ".join(out.split())
    assert "Note: 5 session_ids in both files; expected logs that share no session." in flat
    assert "Note: the simulated log has 5 shoppers; a classifier needs 20" in flat
    assert "No classifier was fitted" in flat


def test_one_session_each_is_told_to_say_little(shell: Shell, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.jsonl" for name in ("simulated", "real")]
    for seed, path in enumerate(paths):
        write_sessions(path, make_crowd(1, seed=seed, buys=0.5))
    code, out, _ = shell("fidelity", *paths, *QUICK, "--out", tmp_path / "out")
    assert code == 0
    assert "the real log has 1 shopper; a classifier needs 20" in " ".join(out.split())
    assert "0 of 0 distances" in " ".join(out.split())


def test_hostile_text_stays_text(shell: Shell, files: tuple[Path, Path], tmp_path: Path) -> None:
    hostile = tmp_path / "hostile.jsonl"
    write_sessions(hostile, make_crowd(40, seed=3, buys=0.8, word="<script>alert(1)</script>"))
    out = tmp_path / "fidelity"
    assert shell("fidelity", hostile, files[1], *QUICK, "--out", out)[0] == 0
    html = (out / "report" / "index.html").read_text("utf-8")
    assert "<script>alert" not in html and "&lt;script&gt;alert(1)&lt;/script&gt;" in html


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--calibrate",), "--calibrate writes weights.json, so it needs --out DIR"),
        (("--out", "x", "--margin", "length"), "--margin is for --calibrate, which is not given"),
        (("--out", "x", "--calibrate", "--margin", "size"), "--margin 'size' is unknown"),
        (("--out", "x", "--calibrate", "--weights", "w.json"), "give one of the two"),
        (("--bootstrap", "1"), "--bootstrap"),
    ],
)
def test_what_means_nothing_together_is_refused(
    shell: Shell, files: tuple[Path, Path], words: tuple[str, ...], problem: str, tmp_path: Path
) -> None:
    given = [tmp_path / "out" if word == "x" else word for word in words]
    code, _, err = shell("fidelity", *files, *given)
    assert code == 2 and problem in err
    assert not (tmp_path / "out").exists()

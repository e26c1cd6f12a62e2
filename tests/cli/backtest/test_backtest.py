"""`backtest`: comparisons run or read, and held against what was measured on people."""

import json
from pathlib import Path

import pytest
from tests.shell import Shell

from shop_r1.records.backtests import Backtest
from shop_r1.records.comparisons import COMPARISON_FILE
from shop_r1.report.seal import is_sealed

EXPERIMENT = """
[[experiment]]
name = "{name}"
change = "ratings"
{how}
unit = "{unit}"
lift = {lift}
low = {low}
high = {high}
"""
VERSIONS = 'versions = ["store", "no_ratings.toml"]'


def experiment(name: str, how: str = VERSIONS, unit: str = "points", lift: float = 5.0) -> str:
    return EXPERIMENT.format(name=name, how=how, unit=unit, lift=lift, low=lift - 4, high=lift + 4)


@pytest.fixture
def past(tmp_path: Path) -> Path:
    (tmp_path / "no_ratings.toml").write_text("ratings = false\n", "utf-8")
    path = tmp_path / "past.toml"
    path.write_text(experiment("first"), "utf-8")
    return path


def test_comparisons_are_run_and_read_and_held_against_people(
    shell: Shell, past: Path, tmp_path: Path
) -> None:
    out, words = tmp_path / "out", ("backtest", past, "--shoppers", 3, "--processes", 1)
    code, text, err = shell(*words, "--out", out)
    assert code == 0, err
    assert max(map(len, text.splitlines())) <= 80
    flat = " ".join(text.split())
    assert "1 clear experiment tells little" in flat and "no promise for the next one" in flat
    found = Backtest.model_validate_json((out / "backtest.json").read_text("utf-8"))
    (held,) = found.experiments
    assert held.shoppers == 3 and held.predicted is not None and held.measured == (1, 5, 9)
    page = out / "backtest.html"
    assert is_sealed(page) and "data:image/svg" in page.read_text("utf-8")
    code, _, err = shell(*words, "--out", out)
    assert code == 2 and "--force" in err
    # One more with the same versions, whose visits are not run again, and one that reads a comparison.
    copy = tmp_path / "copy.json"
    copy.write_bytes((out / "experiments" / "first" / COMPARISON_FILE).read_bytes())
    again = experiment("again", unit="percent", lift=-40.0)
    read = experiment("read", how='comparison = "copy.json"', lift=-5.0)
    past.write_text(experiment("first") + again + read, "utf-8")
    code, text, err = shell(*words, "--out", out, "--resume", "--json")
    assert code == 0, err
    assert "visits/s" not in err and "2 of 3: again" in err
    figures = Backtest.model_validate(json.loads(text))
    first, second, third = figures.experiments
    assert first == held and second.folder == first.folder and third.folder is None
    assert third.predicted == first.predicted and second.unit == "percent"


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ('versions = ["store", "none.toml"]', "none.toml: cannot be read"),
        ('versions = ["store", "store"]', "experiment first: two versions are called store"),
        ('versions = ["store", "https://a.example"]', "expected two addresses as versions"),
        ('versions = ["https://a.example", "https://b.example"]', "--page-size is of the built-in store"),
        ('url = "https://a.example"\nversions = ["shop", "no_ratings.toml"]', "experiment first: "),
        ('url = "https://a.example"\ncomparison = "x.json"', "url is of versions"),
        ('comparison = "none.json"', "none.json"),
        ('comparison = "past.toml"', "is not JSON"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_a_visit(
    shell: Shell, past: Path, tmp_path: Path, how: str, problem: str
) -> None:
    past.write_text(experiment("first", how), "utf-8")
    code, _, err = shell("backtest", past, "--out", tmp_path / "out", "--page-size", 5)
    assert code == 2 and problem in " ".join(err.split())

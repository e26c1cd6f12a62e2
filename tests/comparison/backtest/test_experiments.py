from pathlib import Path

import pytest

from shop_r1.comparison.backtest.experiments import read_experiments
from shop_r1.errors import ShopR1Error

GOOD = {
    "name": '"ratings"',
    "versions": '["store", "no_ratings.toml"]',
    "unit": '"points"',
    "lift": "1.5",
    "low": "0.5",
    "high": "2.5",
}


def write(path: Path, *changes: dict[str, str]) -> Path:
    """Write experiments; a value of "" leaves the key out."""
    tables = []
    for each in changes:
        lines = [f"{key} = {value}" for key, value in (GOOD | each).items() if value]
        tables.append("\n".join(["[[experiment]]", *lines]))
    path.write_text("\n\n".join(tables), "utf-8")
    return path


def test_an_interval_of_another_level_is_stretched(tmp_path: Path) -> None:
    (found,) = read_experiments(write(tmp_path / "past.toml", {"level": "0.9", "high": "3.5"}))
    low, value, high = found.measured
    factor = 1.959964 / 1.644854
    assert (low, value, high) == pytest.approx((1.5 - factor, 1.5, 1.5 + 2 * factor), abs=1e-5)
    assert found.change == "other" and found.metric == "purchase"


def test_jsonl_is_read_as_toml_is(tmp_path: Path) -> None:
    path = tmp_path / "past.jsonl"
    path.write_text(
        '{"name": "a", "versions": ["https://a.example", "https://b.example"], "unit": "percent", '
        '"lift": 2, "low": -1, "high": 5}\n'
    )
    (found,) = read_experiments(path)
    assert found.measured == (-1, 2, 5) and found.versions == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"low": "3"}, "expected low <= lift <= high"),
        ({"low": "1.5", "high": "1.5"}, "low below high"),
        ({"low": "-101"}, "-100 to 100 percentage points"),
        ({"unit": '"percent"', "low": "-101"}, "nothing can fall by more than 100 %"),
        ({"unit": '"parts"'}, "unit: 'parts' is unknown"),
        ({"unit": ""}, "unit: is missing"),
        ({"unit": '"absolute"'}, "purchase is a share, and its unit absolute; expected points or percent"),
        ({"metric": '"steps"'}, "steps is a mean, and its unit points; expected absolute or percent"),
        ({"metric": '"sales"'}, "metric 'sales' is unknown"),
        ({"name": '"Über uns"'}, "name"),
        ({"versions": ""}, "expected one of the two"),
        ({"comparison": '"comparison.json"'}, "expected one of the two"),
        ({"version": '"calm"'}, "version is of a comparison.json"),
        ({"colour": '"red"'}, "colour"),
        ({"lift": "inf"}, "lift"),
    ],
)
def test_what_is_no_experiment_is_refused_with_its_place(
    tmp_path: Path, change: dict[str, str], problem: str
) -> None:
    with pytest.raises(ShopR1Error, match=r"past\.toml") as error:
        read_experiments(write(tmp_path / "past.toml", {"name": '"first"'}, change))
    assert problem in str(error.value)
    assert any(
        each in str(error.value) for each in ("experiment.1", "experiment.2", "experiment 2", "metric")
    )


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ShopR1Error, match=r"experiment 2 \(ratings\): another one has this name"):
        read_experiments(write(tmp_path / "past.toml", {}, {}))

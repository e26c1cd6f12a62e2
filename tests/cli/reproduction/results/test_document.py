"""The page of results: prose stays as it is, tables and figures come from the JSON."""

from pathlib import Path

import pytest
from recipes.reproduction_page import PAGE, RESULTS
from tests.cli.reproduction.made_run import WRONG_CLICK, MadeRun, predict_steps

from shop_r1.cli.reproduction.folder import StageLog
from shop_r1.cli.reproduction.results.collect import collect_results
from shop_r1.cli.reproduction.results.document import fill_page, read_runs, write_page
from shop_r1.cli.reproduction.results.records import Reproduction
from shop_r1.errors import DataError
from shop_r1.evaluation.metrics import evaluate_predictions
from shop_r1.evaluation.tables import table_row
from shop_r1.jsonl import read_json, write_json
from shop_r1.records.actions import SHOP
from shop_r1.records.results import write_table


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Reproduction:
    """The results of one run of Table 2."""
    with StageLog(tmp_path_factory.mktemp("run") / "stages.jsonl") as log:
        made = MadeRun(log.path.parent, log, ["table2"])
        for name, right in (("base-T0.6", 0), ("base-binary-T0.6", 0), ("sft-450-T0.6", 80)):
            made.predict(f"whole-session-{name}", [right, right, right], WRONG_CLICK)
        made.predict("sft-450-binary-T0.6", [80, 80, 80], WRONG_CLICK)
        made.predict("sft-450-shop-r1-T0.6", [160, 160, 160], WRONG_CLICK)
        return collect_results(made.folder, made.tables, "shop-r1 reproduce --only table2 --seeds 3")


@pytest.fixture
def folder(tmp_path: Path, results: Reproduction) -> Path:
    """A folder with those results."""
    write_json(tmp_path / "reproduction" / "focused.json", results.model_dump(mode="json"))
    return tmp_path / "reproduction"


def test_a_page_is_begun_with_all_parts_and_filled_again_without_a_change(folder: Path) -> None:
    page = folder.with_suffix(".md")
    write_page(page, folder)
    text = page.read_text("utf-8")
    # SFT: 80 of 200 steps of each type in each seed; Shop-R1 160. Zero-shot never.
    assert "| sft | 40.0 [" in text and "| shop-r1 | 80.0 [" in text
    assert "| paper, 3B | 16.76 | 22.25 | 24.52 |" in text
    assert "`shop-r1 reproduce --only table2 --seeds 3`" in text
    assert "| **RL alone fails** | exact 1.01, SFT's is 16.76 | **holds** |" in text
    assert "![" in text and (folder / "focused-table2.svg").read_text("utf-8").startswith("<svg")
    write_page(page, folder)
    assert page.read_text("utf-8") == text


def test_prose_stays_and_old_figures_are_replaced(folder: Path) -> None:
    page = folder.with_suffix(".md")
    write_page(page, folder)
    text = page.read_text("utf-8").replace("## Honest limits", "As the table shows.\n\n## Honest limits")
    page.write_text(text.replace("80.0", "99.9"), "utf-8")
    write_page(page, folder)
    assert page.read_text("utf-8") == text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<!-- effects -->", "", "no place for effects"),
        ("<!-- effects -->", "<!-- wandering/table2 -->", "a place for wandering/table2, of which there are"),
        ("To be written.", "", "says nothing under"),
    ],
)
def test_a_page_without_a_part_or_with_one_too_many_is_refused(
    folder: Path, old: str, new: str, message: str
) -> None:
    page = folder.with_suffix(".md")
    write_page(page, folder)
    page.write_text(page.read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(DataError, match=message):
        write_page(page, folder)


def test_effects_of_runs_that_judged_others_are_not_mixed_up(folder: Path) -> None:
    found = read_json(folder / "focused.json")
    found["effects"] = found["effects"][::-1][:-1]  # in another order, and all but the first
    write_json(folder / "other.json", found)
    page = folder.with_suffix(".md")
    write_page(page, folder)
    text = page.read_text("utf-8")
    assert "| **RL alone fails** | exact 1.01, SFT's is 16.76 | **holds** | **holds** |" in text
    assert "| **SFT is better than zero-shot** | exact 0.32 to 16.76 | **holds** | not judged |" in text


def test_rows_that_evaluate_wrote_are_a_run_of_their_own(folder: Path) -> None:
    metrics = evaluate_predictions(predict_steps(50, WRONG_CLICK), SHOP)
    write_table(folder / "smollm2.json", [table_row("shop-r1", metrics, model="smollm2-135m")])
    page = folder.with_suffix(".md")
    write_page(page, folder)
    text = page.read_text("utf-8")
    assert "<!-- smollm2/rows -->" in text and "| shop-r1 | 25.0 [" in text  # 50 of 200 of each type


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no \*.json"):
        write_page(tmp_path / "page.md", tmp_path)


def test_the_page_of_the_documentation_is_what_its_results_say() -> None:
    assert PAGE.exists() == any(RESULTS.glob("*.json"))
    if PAGE.exists():
        text = PAGE.read_text("utf-8")
        assert fill_page(text, read_runs(RESULTS), RESULTS.name, PAGE) == text, (
            "run python -m recipes.reproduction_page"
        )

"""Predictions to results: rows over seeds, differences to SFT, and the paper's effects judged."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.cli.reproduction.made_run import LEAVE, WRONG_CLICK, MadeRun

from shop_r1.cli.reproduction.folder import StageLog
from shop_r1.cli.reproduction.results import measure
from shop_r1.cli.reproduction.results.collect import collect_results, write_results
from shop_r1.cli.reproduction.results.effects import EFFECTS
from shop_r1.cli.reproduction.results.map_tables import groups_grid
from shop_r1.cli.reproduction.results.records import Curve, EffectResult, Reproduction, read_results
from shop_r1.cli.reproduction.results.tables import describe_steps, list_grids
from shop_r1.errors import DataError
from shop_r1.evaluation.tables import TEXT_WIDTH, to_text
from shop_r1.jsonl import write_records
from shop_r1.records.results import Prediction
from shop_r1.shoppers.misses import Miss
from shop_r1.training.health_checks import Alert

SFT_NAME, BINARY_NAME = "whole-session-sft-450-T0.6", "sft-450-binary-T0.6"
SHOP_R1_NAME = "sft-450-shop-r1-T0.6"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[StageLog]:
    with StageLog(tmp_path / "stages.jsonl") as opened:
        yield opened


def make_run(log: StageLog) -> MadeRun:
    """Table 2 as in the paper: of 200 steps of each type, SFT has about 80 right, Shop-R1 about 160."""
    made = MadeRun(log.path.parent, log, ["table2", "table3"])
    made.predict("whole-session-base-T0.6", [0, 0, 0], WRONG_CLICK)
    made.predict("base-binary-T0.6", [0, 0, 0], None)
    made.predict(SFT_NAME, [80, 80, 86], WRONG_CLICK)
    made.predict(BINARY_NAME, [0, 0, 0], LEAVE)
    made.predict(SHOP_R1_NAME, [160, 160, 166], WRONG_CLICK)
    return made


@pytest.fixture
def run(log: StageLog) -> MadeRun:
    """A run that a test may change."""
    return make_run(log)


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MadeRun]:
    """A run that no test changes."""
    with StageLog(tmp_path_factory.mktemp("run") / "stages.jsonl") as opened:
        yield make_run(opened)


@pytest.fixture(scope="module")
def found(unchanged: MadeRun) -> Reproduction:
    """Its results."""
    return results_of(unchanged)


def results_of(run: MadeRun) -> Reproduction:
    return collect_results(run.folder, run.tables, "shop-r1 reproduce")


def effect(found: Reproduction, words: str) -> EffectResult:
    return next(each for each in found.effects if words in each.effect)


def test_a_rows_figures_are_means_over_its_seeds(found: Reproduction) -> None:
    row = found.row("sft")
    assert row is not None
    exact = row.measured.figures["exact"]
    assert exact.per_seed == pytest.approx((80 / 200, 80 / 200, 86 / 200))
    assert exact.mean.value == pytest.approx(82 / 200)
    assert exact.mean.low < 80 / 200 < 86 / 200 < exact.mean.high
    assert (row.measured.steps, row.sft_sessions, row.reward) == (1800, 450, None)
    # All clicks are predicted as clicks, and so are the wrong ones of both other types.
    clicked = row.measured.figures["predicted/click"].per_seed
    assert clicked == pytest.approx(tuple((200 + 2 * (200 - right)) / 600 for right in (80, 80, 86)))


def test_the_natural_mix_weights_each_types_own_rates(found: Reproduction) -> None:
    mix = {"click": 0.7, "terminate": 0.1, "type_and_submit": 0.2}
    assert found.natural_mix["4"] == pytest.approx(mix)
    row = found.row("sft")
    assert row is not None
    # Type accuracy: clicks are always predicted as clicks, the other types only where all is right.
    expected = [0.7 + 0.3 * right / 200 for right in (80, 80, 86)]
    assert row.measured.figures["natural_mix/type_accuracy"].per_seed == pytest.approx(tuple(expected))


def test_the_number_of_steps_is_that_of_all_rows_of_a_table(found: Reproduction) -> None:
    sft = found.row("sft")
    assert sft is not None
    more = sft.model_copy(update={"measured": sft.measured.model_copy(update={"steps": 2100})})
    assert "3 seeds, 1,800 steps in" in describe_steps([sft])
    assert "3 seeds, 1,800 to 2,100 steps in" in describe_steps([more, sft])


def test_what_is_reachable_is_each_time_the_best_predictors_for_the_figure(found: Reproduction) -> None:
    (row,) = found.reachable
    values = {name: figure.mean.value for name, figure in row.measured.figures.items()}
    # Of 200 steps of each type 190 as whole actions and 195 as types; in the crowd's own mix 180 and 185.
    # What is not right is predicted as leaving, which is right where the shopper left.
    assert values["exact"] == pytest.approx((190 + 190 + 200) / 600)
    assert values["natural_mix/exact"] == pytest.approx(0.9 * 180 / 200 + 0.1)
    assert values["type_accuracy"] == pytest.approx((195 + 195 + 200) / 600)
    assert values["natural_mix/type_accuracy"] == pytest.approx(0.9 * 185 / 200 + 0.1)
    assert row.target_mix == pytest.approx({"click": 1 / 3, "type_and_submit": 1 / 3, "terminate": 1 / 3})


def test_differences_are_to_sft_and_adjusted_over_the_table(found: Reproduction) -> None:
    (table, _) = found.tables
    assert len(table.comparisons) == 4 * 3  # four other rows, three figures
    gained = next(each for each in table.comparisons if (each.setting, each.figure) == ("shop-r1", "exact"))
    assert gained.baseline == "sft"
    assert gained.difference.value == pytest.approx(80 / 200)  # of each type in each seed
    assert gained.gain is not None and gained.gain.value == pytest.approx(162 / 82 - 1)
    assert gained.p_adjusted is not None and gained.p_value < gained.p_adjusted


def test_the_papers_own_picture_holds_where_the_figures_are_like_its(found: Reproduction) -> None:
    assert effect(found, "SFT is better").verdict == "holds"
    assert effect(found, "RL alone").verdict == "holds"  # none against 41 %
    binary = effect(found, "Binary RL")
    assert [part.judgement and part.judgement.verdict for part in binary.parts] == ["holds"] * 3
    assert binary.verdict == "holds"
    shop_r1 = effect(found, "gains 65 %")
    assert shop_r1.parts[0].judgement is not None and shop_r1.parts[0].judgement.estimate is not None
    assert shop_r1.parts[0].judgement.estimate.value == pytest.approx(162 / 82)
    assert shop_r1.parts[1].judgement is not None and shop_r1.parts[1].judgement.verdict == "holds"


def test_a_binary_reward_that_gains_contradicts_the_paper(run: MadeRun) -> None:
    run.predict(BINARY_NAME, [100, 100, 106], LEAVE)
    found = effect(results_of(run), "Binary RL")
    first = found.parts[0].judgement
    assert first is not None and first.verdict == "does not"
    assert found.verdict == "does not"


def test_what_was_not_run_cannot_be_told(found: Reproduction) -> None:
    for words in ("Without SFT", "format reward", "DARS", "rationale", "latest step", "temperature"):
        told = effect(found, words)
        assert told.verdict == "cannot be told"
        assert all(part.judgement is None for part in told.parts)
    assert len(found.effects) == len(EFFECTS) == 10


def test_alerts_and_curves_of_training_stand_beside_a_row(run: MadeRun) -> None:
    place = next(path for path in run.folder.out.glob("seed-1/*/models/*sft-450-binary"))
    alert = Alert(step=20, alert="collapse", subject="terminate", message="the policy collapses")
    write_records(place / "alerts.jsonl", [alert, alert.model_copy(update={"step": 35})])
    other = Path(str(place).replace("seed-1", "seed-2"))
    vanishing = Alert(step=18, alert="vanishing", subject="click", message="hardly ever predicted")
    write_records(other / "alerts.jsonl", [alert.model_copy(update={"step": 12}), vanishing])
    (grid,) = (each for each in list_grids(results_of(run)) if each.title.endswith("alerts in training"))
    assert grid.rows == (
        ("sft+rl(binary)", "collapse terminate", "2 of 3", "12"),
        ("", "vanishing click", "1 of 3", "18"),
    )
    (other / "alerts.jsonl").unlink()
    write_records(place / "alerts.jsonl", [alert])
    row = results_of(run).row("sft+rl(binary)")
    assert row is not None
    ((seed, step, name),) = [(each.seed, each.step, each.alert) for each in row.alerts]
    assert (seed, step, name) == (1, 20, "collapse")
    exact = next(curve for curve in row.curves if curve.metric == "policy/exact")
    # 50 steps as 25 points, each the mean of two: (1 + 2) / 200 first, (49 + 50) / 200 last.
    assert len(exact.steps) == 25 and exact.steps[0] == 2
    assert (exact.means[0], exact.means[-1]) == pytest.approx((0.015, 0.495))


def test_the_results_are_read_as_they_were_written_and_fit_a_terminal(
    unchanged: MadeRun, found: Reproduction
) -> None:
    write_results(unchanged.folder, found)
    assert read_results(unchanged.folder.out / "results.json") == found
    text = (unchanged.folder.out / "tables.txt").read_text()
    assert max(map(len, text.splitlines())) <= TEXT_WIDTH
    assert "paper, 3B" in text and "27.72" in text
    for grid in list_grids(found):
        assert to_text(grid) in text
    assert found.hours == pytest.approx(len(unchanged.folder.plan) / 60)


def test_a_file_that_is_no_result_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"crowd": "focused"}')
    with pytest.raises(DataError, match=r"results.json: "):
        read_results(tmp_path / "results.json")


def test_the_map_compares_each_reward_with_the_sft_it_started_from(
    log: StageLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "BOOTSTRAP", 20)  # 28 rows
    made = MadeRun(log.path.parent, log, ["map"], seeds=2, overrides=["map.page_sizes=[4]"])
    for sessions, right in ((300, 10), (450, 20), (900, 50), (1400, 90)):
        made.predict(f"sft-{sessions}-T0.6", [right, right + 10])
        for reward in ("binary", "shop-r1", "no-dars", "no-format", "no-rationale", "remedy"):
            made.predict(f"sft-{sessions}-{reward}-T0.6", [right + 10, right + 20])
    found = collect_results(made.folder, made.tables, "shop-r1 reproduce --only map")
    (table,) = found.tables
    baselines = {each.setting: each.baseline for each in table.comparisons}
    assert baselines["binary, 300 sessions, pages of 4"] == "sft, 300 sessions, pages of 4"
    assert baselines["no-dars, 1400 sessions, pages of 4"] == "sft, 1400 sessions, pages of 4"
    assert {row.sft_sessions for row in found.rows} == {300, 450, 900, 1400}
    assert found.effects == ()  # They are about other rows.
    write_results(made.folder, found)
    assert {path.name for path in (made.folder.out / "figures").iterdir()} == {"map.svg", "map_steps.svg"}


def test_the_map_says_what_each_reward_does_over_all_starts_and_page_sizes(
    log: StageLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "BOOTSTRAP", 20)
    made = MadeRun(log.path.parent, log, ["map"], seeds=3, overrides=["map.sessions=[450, 900, 1400]"])
    for pages, more in ((4, 0), (8, 6)):
        for sessions, right in ((450, 40), (900, 50), (1400, 60)):
            start = f"pages-of-{pages}/predictions/medium-whole-session-sft-{sessions}"
            made.predict(f"{start}-T0.6", [right] * 3, WRONG_CLICK)
            for reward in ("shop-r1", "no-dars", "no-format", "no-rationale", "remedy"):
                made.predict(f"{start}-{reward}-T0.6", [right + 20 + more] * 3, WRONG_CLICK)
            made.predict(f"{start}-binary-T0.6", [0] * 3, LEAVE)
    found = collect_results(made.folder, made.tables, "shop-r1 reproduce --only map")
    pooled = {(each.setting, each.figure): each for each in found.tables[0].pooled}
    assert len(pooled) == 18
    # Of each type's 200 steps 20 more are right with pages of 4 and 26 with pages of 8: 23 in the mean.
    assert pooled["remedy", "exact"].difference.value == pytest.approx(23 / 200)
    # Leaving always is right on a third of the steps; SFT on 40, 50 and 60 of 200, 50 in the mean.
    assert pooled["binary", "exact"].difference.value == pytest.approx(1 / 3 - 50 / 200)
    (grid,) = (each for each in list_grids(found) if each.title.endswith("over all starts"))
    counts = {row[0]: row[-3:] for row in grid.rows}
    # SFT predicts a query or to leave at 40 to 60 of 200 steps, the remedy at 60 to 86: always under half.
    assert counts["remedy"] == ("18", "18", "0") and counts["binary"] == ("0", "18", "18")
    text = to_text(grid)
    assert "Of 18 runs each" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= TEXT_WIDTH


def test_the_map_says_which_groups_teach_nothing_and_which_types_are_given_up(found: Reproduction) -> None:
    leaves, shop = found.row("sft+rl(binary)"), found.row("shop-r1")
    assert leaves is not None and shop is not None
    # Ten points of a curve: a fifth of them are two.
    values = (0.8, 0.6, *[0.0] * 6, 0.9, 1.0)
    steps = tuple(range(5, 55, 5))
    curve = Curve(metric="policy/frac_zero_variance", steps=steps, means=values, lows=values, highs=values)
    rows = [leaves.model_copy(update={"curves": (curve,)}), shop.model_copy(update={"curves": ()})]
    grid = groups_grid("table2", rows)
    assert grid.rows == (
        ("sft+rl(binary)", "70.0", "95.0", "click 3, type_and_submit 3"),
        ("shop-r1", "–", "–", "–"),
    )


def test_the_way_to_the_ceiling_has_the_kinds_of_misses_beside_exact_match(
    log: StageLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def misses(made: Sequence[Prediction], *_: object) -> Counter[Miss]:
        right = sum(each.action == each.target for each in made)
        return Counter({Miss("right", False): right, Miss("wrong query", True): len(made) - right})

    monkeypatch.setattr(measure, "BOOTSTRAP", 20)
    monkeypatch.setattr(measure, "read_visits", lambda *_: [])
    monkeypatch.setattr(measure, "count_misses", misses)
    made = MadeRun(log.path.parent, log, ["ceiling"], seeds=2, overrides=["ceiling.sessions=[450, 1800]"])
    for sessions, right in ((450, 20), (1800, 90)):
        made.predict(f"sft-{sessions}-T0.6", [right, right + 20])
        made.predict(f"sft-{sessions}-remedy-T0.6", [right + 40, right + 60], WRONG_CLICK)
    found = collect_results(made.folder, made.tables, "shop-r1 reproduce --only ceiling")
    (table,) = found.tables
    baselines = {each.setting: each.baseline for each in table.comparisons}
    assert baselines == {f"remedy, {each} sessions": f"sft, {each} sessions" for each in (450, 1800)}
    row = found.row("remedy, 1800 sessions")
    # 130 and 150 of 200 of each type are right: 140 in the mean.
    assert row is not None and row.misses["right"] == pytest.approx(0.7)
    assert row.misses["wrong query"] == pytest.approx(0.3) and sum(row.misses.values()) == pytest.approx(1)
    write_results(made.folder, found)
    assert {path.name for path in (made.folder.out / "figures").iterdir()} == {"ceiling.svg"}
    text = (made.folder.out / "tables.txt").read_text()
    assert "1,800: remedy" in text and max(map(len, text.splitlines())) <= TEXT_WIDTH

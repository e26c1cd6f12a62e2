"""Rows and the stages behind them: what is shared, in which order, and what a second run is left to do."""

from itertools import combinations
from pathlib import Path

import pytest

from shop_r1.cli.reproduction.config import QUICK, ReproductionConfig
from shop_r1.cli.reproduction.plan import (
    Predict,
    Reachable,
    Rl,
    Sft,
    Stage,
    Start,
    Visits,
    make_plan,
    row_stage,
)
from shop_r1.cli.reproduction.rows import (
    MAIN,
    SHOP_R1,
    TABLES,
    WHOLE,
    Row,
    Table,
    check_tables,
    list_rows,
    reward_config,
)
from shop_r1.config import load_config
from shop_r1.errors import ConfigError
from shop_r1.evaluation.paper_figures import find_paper_row
from shop_r1.rewards.action import ActionRewardConfig
from shop_r1.rewards.total import RewardConfig
from shop_r1.training.settings import GrpoConfig

CONFIG = ReproductionConfig(training_sessions=450)
CONFIGS = Path(__file__).resolve().parents[3] / "configs" / "grpo"


def plan_of(*tables: Table, seeds: int = 1, config: ReproductionConfig = CONFIG) -> list[Stage]:
    rows = list_rows(tables, config)
    return make_plan(dict.fromkeys(row for found in rows.values() for row in found), range(seeds), config)


def count(plan: list[Stage], kind: type[Stage]) -> int:
    return sum(isinstance(stage, kind) for stage in plan)


def test_table_2_shares_one_sft_and_predicts_each_row_once() -> None:
    plan = plan_of("table2")
    kinds = {kind.__name__: count(plan, kind) for kind in (Visits, Reachable, Sft, Rl, Predict)}
    # Three RL rows, two of them from the one SFT checkpoint; training and held-out visits.
    assert kinds == {"Visits": 2, "Reachable": 1, "Sft": 1, "Rl": 3, "Predict": 5}


def test_the_whole_has_each_stage_once_though_tables_share_rows() -> None:
    plan = plan_of(*WHOLE)
    assert len(set(plan)) == len(plan) == len({stage.name for stage in plan})
    # SFT: three sizes, and the medium one in the latest-step context.
    assert count(plan, Sft) == 4
    # RL: 3 of Table 2, 5 more of Table 4, 1 in the other context, 2 sizes.
    assert count(plan, Rl) == 11
    # Table 2's 5, Table 4's 5 more, 1 context, 3 temperatures beside 0.6, 2 sizes of 3 rows.
    assert count(plan, Predict) == 5 + 5 + 1 + 3 + 6


def test_the_map_has_seven_rows_for_each_start_and_page_size() -> None:
    plan = plan_of("map")
    assert count(plan, Sft) == 4 * 2
    assert count(plan, Rl) == 4 * 2 * 6
    assert count(plan, Predict) == 4 * 2 * 7
    more = [stage for stage in plan if isinstance(stage, Sft) and len(stage.visits) == 2]
    assert {stage.sessions for stage in more} == {900, 1400}  # more than the 450 training sessions
    rl = [stage for stage in plan if isinstance(stage, Rl)]
    assert {stage.visits.part for stage in rl} == {"training"}


def test_the_maps_start_on_all_training_sessions_is_the_main_tables_sft() -> None:
    both, one = plan_of("table2", "map"), plan_of("map")
    # 450 sessions in both, so only the zero-shot and RL from the base checkpoint are added to the map.
    assert count(both, Sft) == count(one, Sft)
    assert count(both, Rl) == count(one, Rl) + 1


def test_the_way_to_the_ceiling_has_sft_on_more_and_more_sessions_with_rl_behind_each() -> None:
    plan = plan_of("ceiling")
    starts = [stage for stage in plan if isinstance(stage, Sft)]
    assert [stage.sessions for stage in starts] == [900, 3600, 14_400]
    assert {stage.visits[1].part for stage in starts} == {"much-more-training"}  # 450 are the training's
    rl = [stage for stage in plan if isinstance(stage, Rl)]
    assert [stage.start for stage in rl] == starts and {stage.reward for stage in rl} == {"remedy"}
    assert count(plan, Predict) == 6


@pytest.mark.parametrize("tables", [("table2",), WHOLE, ("map",), ("ceiling",)])
def test_each_stage_stands_behind_what_it_needs_and_one_seed_behind_the_other(
    tables: tuple[Table, ...],
) -> None:
    plan = plan_of(*tables, seeds=2)
    place = {stage: number for number, stage in enumerate(plan)}
    assert all(place[need] < place[stage] for stage in plan for need in stage.needs)
    seeds = [stage.name.split("/")[0] for stage in plan]
    assert seeds == sorted(seeds)
    assert len(plan) == 2 * len(plan_of(*tables))


def test_more_seeds_and_tables_only_add_stages() -> None:
    assert set(plan_of("table2")) < set(plan_of("table2", seeds=2)) < set(plan_of(*WHOLE, seeds=2))


def test_rl_from_the_base_checkpoint_needs_no_sft() -> None:
    stage = row_stage(Row("no-sft", has_sft=False, reward="shop-r1"), 3, CONFIG)
    assert isinstance(stage.model, Rl)
    assert stage.model.start == Start("medium")
    assert stage.model.needs == (Visits(3, 4, "training"),)


def test_the_latest_step_row_is_trained_and_evaluated_in_that_context() -> None:
    (_, row) = list_rows(["table5"], CONFIG)["table5"]
    stage = row_stage(row, 0, CONFIG)
    assert isinstance(stage.model, Rl) and isinstance(stage.model.start, Sft)
    assert (stage.context, stage.model.context, stage.model.start.context) == ("latest-step",) * 3


def test_all_rows_have_names_of_their_own() -> None:
    rows = dict.fromkeys(row for found in list_rows(TABLES, CONFIG).values() for row in found)
    for one, other in combinations(rows, 2):
        assert one.key != other.key


def test_the_rows_of_the_papers_tables_are_found_among_its_figures() -> None:
    for table in ("table2", "table4"):
        for row in list_rows([table], CONFIG)[table]:
            assert find_paper_row(row.name) is not None, row


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("binary", "sft_rl_binary_3b"),
        ("shop-r1", "paper_3b"),
        ("no-format", "no_format_3b"),
        ("no-rationale", "no_rationale_3b"),
        ("no-dars", "no_dars_3b"),
        ("binary-action", "binary_action_3b"),
    ],
)
def test_the_rewards_are_those_of_the_papers_settings_files(name: str, file: str) -> None:
    expected = load_config(GrpoConfig, CONFIGS / f"{file}.toml").reward
    assert reward_config(name, RewardConfig()) == expected  # type: ignore[arg-type]


def test_a_row_keeps_what_the_full_reward_has_otherwise() -> None:
    full = RewardConfig(certainty_weight=0.01, action=ActionRewardConfig(similarity_threshold=0.9))
    found = reward_config("no-dars", full)
    assert (found.certainty_weight, found.action.similarity_threshold) == (0.01, 0.9)
    assert found.action.dars is False and full.action.dars is True


def test_the_remedy_has_the_full_reward_and_settings_of_its_own() -> None:
    full = RewardConfig(certainty_weight=0.01)
    assert reward_config("remedy", full) == full
    config = load_config(ReproductionConfig, None, ["remedy.type_mix_weight=0.7", "grpo.max_steps=9"])
    found = config.remedy.apply(config.grpo)
    assert (found.type_mix_weight, found.max_steps, found.lr_scheduler_type) == (0.7, 80, "linear")
    assert found.beta == config.grpo.beta and config.grpo.type_mix_weight == 0
    none = config.remedy.model_copy(update={"learning_rate": None, "max_steps": None}).apply(config.grpo)
    assert (none.learning_rate, none.max_steps) == (config.grpo.learning_rate, 9)


def test_tables_come_in_the_papers_order_and_an_unknown_one_is_refused() -> None:
    assert check_tables(["table4", "table2", "table4"]) == ("table2", "table4")
    assert check_tables([]) == WHOLE and not {"map", "ceiling"} & set(WHOLE)
    with pytest.raises(ConfigError, match=r"--only 'table9' is unknown; expected one of table2, table3"):
        check_tables(["table9"])


def test_the_quick_version_has_the_same_rows_in_a_fraction_of_the_steps() -> None:
    quick = load_config(ReproductionConfig, None, QUICK)
    assert count(plan_of(*WHOLE, config=quick), Rl) == count(plan_of(*WHOLE), Rl)
    assert quick.grpo.max_steps * 10 < CONFIG.grpo.max_steps
    assert quick.warning and not CONFIG.warning


def test_the_main_rows_are_the_papers_five() -> None:
    assert [row.name for row in MAIN] == ["zero-shot", "rl(binary)", "sft", "sft+rl(binary)", "shop-r1"]
    assert SHOP_R1 in MAIN

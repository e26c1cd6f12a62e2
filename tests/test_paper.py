"""Table 1 and section 4.1, typed in by hand."""

import math

import pytest

from shop_r1.prompts.render import PromptConfig, render_completion
from shop_r1.records.actions import SHOP, Action, click, terminate, type_and_submit
from shop_r1.rewards.total import RewardConfig, score_completion


def test_section_4_1s_defaults() -> None:
    reward = RewardConfig()
    assert reward.certainty_weight == 0.005
    assert reward.action.dars_factor == 1000
    assert reward.action.similarity_threshold == 0.75
    assert PromptConfig().max_tokens == 32 * 1024
    assert PromptConfig().context == "whole-session"


@pytest.mark.parametrize(
    ("target", "type_part", "attribute", "value"),
    [
        (terminate(), 0.3, 0.0, 0.0),
        (click("a.b"), 0.3, 0.2, 1000.0),
        (type_and_submit("a.b", "c d"), 0.3, 0.1 + 0.1, 0.1 + 1000.0),
    ],
)
def test_table_1s_columns_for_a_perfect_completion(
    target: Action, type_part: float, attribute: float, value: float
) -> None:
    scored = score_completion(render_completion("Because.", target), target, certainty=26.0)
    assert scored.format == 0.5
    assert (scored.type, scored.attribute) == (type_part, attribute)
    assert scored.value == pytest.approx(value)
    assert scored.rationale == pytest.approx(0.13)  # Figure 1: α s = 0.005 · 26


def test_the_space_has_the_papers_three_actions() -> None:
    assert {kind.name: kind.fields for kind in SHOP.types} == {
        "click": ("name",),
        "type_and_submit": ("name", "text"),
        "terminate": (),
    }


def test_figure_1s_rationale_reward_rules_out_the_other_divergence() -> None:
    # KL(p || U) never passes log |V|; with Qwen2.5's 151,936 rows that is 11.93, and 26 is more.
    assert math.log(151_936) == pytest.approx(11.93, abs=0.005)
    assert 0.13 / RewardConfig().certainty_weight == pytest.approx(26)

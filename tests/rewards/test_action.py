import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop_r1.errors import DataError
from shop_r1.records.actions import (
    OPERA,
    SHOP,
    Action,
    ActionSpace,
    click,
    exact_match,
    terminate,
    type_and_submit,
)
from shop_r1.rewards.action import ActionRewardConfig, Part, score_action

PAPER = ActionRewardConfig()
BINARY = ActionRewardConfig(kind="binary")


def score(predicted: Action, target: Action, config: ActionRewardConfig = PAPER) -> dict[str, Part]:
    return score_action(predicted, target, SHOP, config)


def parts(scored: dict[str, Part]) -> tuple[float, float, float]:
    return scored["type"][0], scored["attribute"][0], scored["value"][0]


def test_the_right_click_earns_every_part_in_full() -> None:
    target = click("cart.checkout_button")
    assert parts(score(target, target)) == (0.3, 0.2, 1000.0)  # 1000 · 1


def test_a_similar_click_earns_its_similarity() -> None:
    # cart checkout button / cart checkout button now: 2·3 / (3 + 4) = 6/7, above 0.75.
    scored = score(click("cart.checkout_button_now"), click("cart.checkout_button"))
    assert parts(scored) == pytest.approx((0.3, 0.2, 6000 / 7))


def test_a_similarity_of_exactly_the_floor_earns_nothing() -> None:
    # menu, shoes, sale against menu, shoes, hats, boots, sale: 2·3 / (3 + 5) = 0.75.
    scored = score(click("menu.shoes_sale"), click("menu.shoes_hats_boots_sale"))
    assert parts(scored) == (0.3, 0.2, 0.0)
    lower = ActionRewardConfig(similarity_threshold=0.7)
    assert score(click("menu.shoes_sale"), click("menu.shoes_hats_boots_sale"), lower)["value"][0] == 750.0


def test_the_right_query_earns_a_tenth_for_the_input_and_dars_for_the_text() -> None:
    target = type_and_submit("header.search", "green tea")
    assert parts(score(target, target)) == pytest.approx((0.3, 0.2, 0.1 * 1 + 1000 * 1))


def test_each_field_present_earns_its_share() -> None:
    target = type_and_submit("header.search", "green tea")
    assert parts(score(type_and_submit("", "black coffee"), target)) == (0.3, 0.1, 0.0)
    assert parts(score(type_and_submit("header.search", ""), target)) == pytest.approx((0.3, 0.1, 0.1))
    assert parts(score(Action(type="type_and_submit"), target)) == (0.3, 0.0, 0.0)


def test_terminate_earns_its_type_alone() -> None:
    assert parts(score(terminate(), terminate())) == (0.3, 0.0, 0.0)


def test_the_wrong_type_earns_nothing_even_where_the_name_is_right() -> None:
    scored = score(click("header.search"), type_and_submit("header.search", "green tea"))
    assert parts(scored) == (0, 0, 0)
    assert scored["type"][1] == "0, since the type is click where the shopper chose type_and_submit"


def test_without_dars_the_similarity_stands_unscaled() -> None:
    target = type_and_submit("header.search", "green tea")
    plain = ActionRewardConfig(dars=False)
    assert score(target, target, plain)["value"][0] == pytest.approx(0.1 + 1)
    assert score(click("a_b"), click("a_b"), plain)["value"][0] == 1.0


def test_binary_earns_1_for_the_whole_action_and_else_nothing() -> None:
    target = type_and_submit("header.search", "green tea")
    assert parts(score(target, target, BINARY)) == (0, 0, 1)
    assert parts(score(type_and_submit("header.search", "Green tea"), target, BINARY)) == (0, 0, 0)
    assert parts(score(terminate(), terminate(), BINARY)) == (0, 0, 1)


def test_a_clicks_subtype_counts_where_both_have_one() -> None:
    product, other = (Action(type="click", name="a", click_type=kind) for kind in ("product_link", "other"))
    assert exact_match(product, product) and not exact_match(product, other)
    assert exact_match(click("a"), product) and exact_match(product, click("a"))


def test_missing_fields_and_subtypes_do_not_matter_to_an_exact_match() -> None:
    assert exact_match(click("a"), Action(type="click", name="a", click_type="other"))
    assert exact_match(Action(type="click"), click(""))
    assert not exact_match(click("a"), click("A"))
    assert not exact_match(None, terminate())


def test_another_space_needs_no_code() -> None:
    target = Action(type="input", name="search", text="lamp")
    assert parts(score_action(target, target, OPERA, PAPER)) == pytest.approx((0.3, 0.2, 1000.1))
    scroll = Action(type="scroll")
    assert parts(score_action(scroll, scroll, OPERA, PAPER)) == (0.3, 0.0, 0.0)


def test_a_target_outside_the_space_is_a_fault_that_lists_the_types() -> None:
    with pytest.raises(DataError, match="'scroll' is not in the shop space; expected one of click"):
        score(terminate(), Action(type="scroll"))


def test_each_part_says_why() -> None:
    scored = score(type_and_submit("", "green tea"), type_and_submit("header.search", "green tea"))
    assert {name: reason for name, (_, reason) in scored.items()} == {
        "type": "0.3, since the type type_and_submit is right",
        "attribute": "0.1, with text given, name empty",
        "value": "1000: name 0 (ROUGE-L 0 is not above 0.75), text 1000 × ROUGE-L 1",
    }


names = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=5).map(".".join)
actions = st.one_of(st.builds(click, names), st.builds(type_and_submit, names, names), st.builds(terminate))
configs = st.builds(
    ActionRewardConfig,
    kind=st.sampled_from(["hierarchical", "binary"]),
    dars=st.booleans(),
    similarity_threshold=st.floats(0, 1, exclude_max=True),
)


def total(scored: dict[str, Part]) -> float:
    return sum(parts(scored))


@given(actions, actions, configs)
def test_no_action_earns_more_than_the_target_itself_would(
    predicted: Action, target: Action, config: ActionRewardConfig
) -> None:
    fields = SHOP.kind(target.type)
    assert fields is not None
    if all(target.value(field) for field in fields.fields):
        assert total(score(predicted, target, config)) <= total(score(target, target, config)) + 1e-9


@given(names, names, names, configs)
def test_more_of_the_name_matching_never_earns_less(
    start: str, end: str, wrong: str, config: ActionRewardConfig
) -> None:
    target = click(f"{start}.{end}")
    nearer = click(f"{start}.{end}.x") if config.kind == "hierarchical" else target
    farther = click(f"{start}.{end}.x.y.{wrong}")
    assert total(score(nearer, target, config)) >= total(score(farther, target, config))


def test_a_space_of_ones_own_is_read_from_its_fields() -> None:
    only_click = ActionSpace("clicks", tuple(kind for kind in SHOP.types if kind.name == "click"))
    assert score_action(click("a"), click("a"), only_click, PAPER)["value"][0] == 1000.0


@pytest.mark.parametrize("blank", [" \t", "\u00a0", "\n", "\u3000 "])
def test_a_field_of_white_space_only_names_nothing(blank: str) -> None:
    assert parts(score(click(blank), click("results.red_mug"))) == (0.3, 0.0, 0.0)
    # The input's half of 0.2 and its 0.1 · ROUGE-L 1; of the text nothing.
    typed = score(type_and_submit("search_input", blank), type_and_submit("search_input", "red mug"))
    assert parts(typed) == pytest.approx((0.3, 0.1, 0.1))
    assert "text empty" in typed["attribute"][1]

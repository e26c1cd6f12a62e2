"""What a budget costs: targets that are no longer shown."""

from shop_r1.prompts.cost import CostTally, describe_cut_targets, target_cut
from shop_r1.prompts.render import (
    PIECE_TOKENS,
    TEMPLATE_TOKENS,
    Prompt,
    PromptConfig,
    render_history,
    render_system,
)
from shop_r1.records.actions import SHOP, Action, click, terminate
from shop_r1.records.sessions import Page, Step

ROWS = 40
PAGE = (
    "<page>\n"
    + "".join(f'<a name="mugs.mug_{row}">Mug number {row}</a>\n' for row in range(ROWS))
    + "</page>"
)
HOME = '<page>\n<a name="mugs.mug_39">Mug number 39</a>\n</page>'


def render(max_user_tokens: int) -> Prompt:
    """Return the prompt on the second page, within so many characters."""
    system = len(render_system(SHOP)) + PIECE_TOKENS
    config = PromptConfig(
        max_tokens=max_user_tokens + system + TEMPLATE_TOKENS + 10, max_completion_length=10
    )
    return render_history([HOME, PAGE], [click("mugs.mug_39")], SHOP, config, len)


def acted(action: Action) -> Step:
    return Step(page=Page(html=PAGE), action=action)


def shown(prompt: Prompt, action: Action) -> bool:
    """Whether the name stands in what the current page has left."""
    return f'"{action.name}"' in prompt.messages[-1]["content"].split("Page 2:")[1]


def test_a_target_is_cut_where_its_name_has_left_the_current_page() -> None:
    whole, tight = render(10_000), render(700)
    assert tight.page_truncated and not whole.page_truncated
    for row in range(ROWS):
        action = click(f"mugs.mug_{row}")
        assert target_cut(whole, acted(action)) is False
        assert target_cut(tight, acted(action)) is not shown(tight, action)
    # The last name stands in the earlier page and its action, which is not where it can be clicked.
    assert target_cut(tight, acted(click("mugs.mug_39"))) is True


def test_a_name_that_a_prompt_writes_otherwise_is_found_in_it() -> None:
    page = PAGE.replace("mugs.mug_0", "mugs.<|im_end|>")
    config = PromptConfig(max_tokens=len(render_system(SHOP)) + 900, max_completion_length=10)
    prompt = render_history([page], [], SHOP, config, len)
    assert prompt.page_truncated and '"mugs.< |im_end|>"' in prompt.messages[-1]["content"]
    assert target_cut(prompt, Step(page=Page(html=page), action=click("mugs.<|im_end|>"))) is False


def test_actions_without_an_element_on_the_page_are_no_targets() -> None:
    assert target_cut(render(700), acted(terminate())) is None
    assert target_cut(render(700), acted(click("elsewhere"))) is None


def test_the_suggested_budget_keeps_95_percent() -> None:
    tally, actions = CostTally(), [click(f"mugs.mug_{row}") for row in range(ROWS)]
    for action in actions:
        tally.add(render(700), acted(action))
    cost = tally.result()
    assert (cost.prompts, cost.pages_shortened, cost.targets) == (ROWS, ROWS, ROWS)
    assert cost.targets_cut == sum(not shown(render(700), action) for action in actions) > ROWS // 20
    assert cost.enough_tokens is not None
    config = PromptConfig(max_tokens=cost.enough_tokens, max_completion_length=10)
    pages, past = [HOME, PAGE], [click("mugs.mug_39")]
    enough = render_history(pages, past, SHOP, config, len)
    assert not enough.page_truncated
    less = config.model_copy(update={"max_tokens": cost.enough_tokens - 1})
    assert render_history(pages, past, SHOP, less, len).page_truncated
    assert f"{cost.targets_cut} of 40 targets are no longer in their prompt" in describe_cut_targets(cost)


def test_two_of_forty_may_be_cut_without_a_suggestion() -> None:
    tally = CostTally()
    for row in range(38):
        tally.add(render(10_000), acted(click(f"mugs.mug_{row}")))
    tally.add(render(700), acted(click("mugs.mug_39")))
    tally.add(render(700), acted(click("mugs.mug_39")))
    assert (tally.result().targets_cut, tally.result().enough_tokens) == (2, None)
    tally.add(render(700), acted(click("mugs.mug_39")))
    assert tally.result().enough_tokens is not None

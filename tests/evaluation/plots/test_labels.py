"""The plots as Chromium draws them: no label lies over another, none is cut off, and ink suits the scheme."""

from itertools import combinations
from typing import Any

import pytest
from playwright.sync_api import Browser

from shop_r1.datasets.statistics import Measure, Tally
from shop_r1.evaluation.metrics import evaluate_predictions
from shop_r1.evaluation.plots.results import plot_temperature
from shop_r1.evaluation.plots.rewards import RewardCurve, plot_rewards
from shop_r1.evaluation.plots.sessions import plot_panels, plot_statistics
from shop_r1.evaluation.tables import table_row
from shop_r1.pages.tokens import estimate_tokens
from shop_r1.prompts.render import PromptConfig
from shop_r1.records.actions import LIVE, SHOP, Action, click
from shop_r1.records.results import Prediction
from shop_r1.records.sessions import Page, Session, Step

BOXES = """() => {
  const view = document.querySelector("svg").getBoundingClientRect();
  return [...document.querySelectorAll("svg text")].map((text) => {
    const box = text.getBoundingClientRect();
    const inside = box.left >= view.left - 1 && box.right <= view.right + 1
      && box.top >= view.top - 1 && box.bottom <= view.bottom + 1;
    return {text: text.textContent, inside, fill: getComputedStyle(text).fill,
            box: [box.left, box.top, box.right, box.bottom]};
  });
}"""


def draw_temperatures(*values: float) -> str:
    predictions = [
        Prediction(session_id=f"s{at}", step=0, target=click("a"), action=click("a") if at % 3 else None)
        for at in range(9)
    ]
    metrics = evaluate_predictions(predictions, SHOP, bootstrap=20)
    return plot_temperature([table_row("shop-r1", metrics, temperature=value) for value in values])


def draw_rewards(steps: int, scale: float) -> list[str]:
    means = tuple(scale * ((at * 7) % 5 - 2) for at in range(steps))
    curve = RewardCurve(
        part="rationale",
        steps=tuple(range(1, steps + 1)),
        means=means,
        spreads=tuple(abs(each) for each in means),
    )
    return plot_rewards([curve])


def draw_sessions(count: int, length: int, max_tokens: int) -> list[str]:
    kinds = [
        Action(type=kind.name, **dict.fromkeys(kind.fields, "x"))
        for kind in LIVE.types
        if kind.name != "terminate"
    ]
    prompt = PromptConfig(max_tokens=max_tokens)
    tally, measure = Tally(prompt), Measure(estimate_tokens, prompt)
    for number in range(count):
        steps = [
            Step(page=Page(html="<page>\n" + "a word " * (40 * at + 10)), action=kinds[(number + at) % 7])
            for at in range(length)
        ]
        tally.add(measure(Session(session_id=f"s{number}", space="live", steps=tuple(steps))))
    name = "a/rather/long/path/of/sessions/" + "0123456789" * 6 + ".jsonl"
    found = tally.describe(name, "estimate", {})
    return [plot_statistics(tally, found), *(plot.svg for plot in plot_panels(tally, found))]


CASES = {
    "temperatures": [draw_temperatures(0.6, 1.2), draw_temperatures(0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)],
    "rewards": [*draw_rewards(1, 1), *draw_rewards(500, 1000), *draw_rewards(30, 0.0004)],
    "one session": draw_sessions(1, 1, 32768),
    "many sessions": draw_sessions(60, 9, 32768),
    "near the budget": draw_sessions(12, 8, 4000),
}


@pytest.mark.parametrize("case", CASES)
def test_no_label_lies_over_another_and_none_is_cut_off(chromium: Browser, case: str) -> None:
    page = chromium.new_page()
    for svg in CASES[case]:
        page.set_content(f"<body style='margin:40px'>{svg}</body>")
        labels: list[dict[str, Any]] = page.evaluate(BOXES)
        assert len(labels) > 3
        assert [each["text"] for each in labels if not each["inside"]] == []
        over = [(a["text"], b["text"]) for a, b in combinations(labels, 2) if overlap(a["box"], b["box"])]
        assert over == []
    page.close()


def overlap(first: list[float], second: list[float]) -> bool:
    """Return whether two boxes (left, top, right, bottom) share more than a pixel either way."""
    (left, right), (top, bottom) = (
        (max(first[at], second[at]), min(first[at + 2], second[at + 2])) for at in (0, 1)
    )
    return right - left > 1 and bottom - top > 1


@pytest.mark.parametrize(("scheme", "ink"), [("light", "rgb(51, 51, 51)"), ("dark", "rgb(214, 214, 214)")])
def test_the_ink_suits_the_scheme(chromium: Browser, scheme: Any, ink: str) -> None:
    page = chromium.new_page(color_scheme=scheme)
    page.set_content(CASES["temperatures"][0])
    assert {each["fill"] for each in page.evaluate(BOXES)} == {ink}
    grounds = page.evaluate(
        "[...document.querySelectorAll('#patch_1 path, #patch_2 path')]"
        ".map(each => getComputedStyle(each).fill)"
    )
    assert grounds and set(grounds) == {"none"}  # what lies below shows through
    page.close()

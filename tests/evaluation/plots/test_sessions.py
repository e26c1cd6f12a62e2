import re
import xml.etree.ElementTree as ET

from tests.tiny import LEAVE, make_session, make_sessions

from shop_r1.datasets.statistics import Measure, Statistics, Tally
from shop_r1.evaluation.plots.sessions import plot_panels, plot_statistics
from shop_r1.pages.tokens import estimate_tokens
from shop_r1.prompts.render import PromptConfig
from shop_r1.records.sessions import Session

SVG = "{http://www.w3.org/2000/svg}"


def count(
    sessions: list[Session], name: str = "s.jsonl", max_tokens: int = 32768
) -> tuple[Tally, Statistics]:
    prompt = PromptConfig(max_tokens=max_tokens)
    tally, measure = Tally(prompt), Measure(estimate_tokens, prompt)
    for session in sessions:
        tally.add(measure(session))
    return tally, tally.describe(name, "estimate", {})


def texts(svg: str) -> list[str]:
    return ["".join(each.itertext()) for each in ET.fromstring(svg).iter(f"{SVG}text")]


def test_the_drawing_is_svg_and_the_same_each_time() -> None:
    first, second = (plot_statistics(*count(make_sessions())) for _ in range(2))
    assert first == second
    shown = texts(first)
    for words in ("type_and_submit", "first action", "steps of a session", "tokens of a page"):
        assert words in shown
    assert "s.jsonl: 4 sessions, 12 steps; tokens: estimate" in shown
    assert "far to the right" in " ".join(shown)


def test_the_budget_is_drawn_where_prompts_come_near_it() -> None:
    sessions = make_sessions()
    longest = count(sessions)[1].spreads["prompt_tokens"].most
    shown = texts(plot_statistics(*count(sessions, max_tokens=longest + 200)))
    assert f"dashed: budget {longest - 56:,}" in shown


def test_hostile_names_stay_text() -> None:
    name = "</text><script>alert(1)</script>$\\frac{1}{2}$ & \x1b\x00.jsonl"
    svg = plot_statistics(*count(make_sessions(), name))
    root = ET.fromstring(svg)
    assert not list(root.iter(f"{SVG}script"))
    assert "<script" not in svg
    assert "\\frac{1}{2}" in " ".join(texts(svg))


def test_one_session_of_one_step_can_be_drawn() -> None:
    assert "1 session, 1 step;" in plot_statistics(*count([make_session("a", LEAVE)]))


def test_no_axis_counts_half_a_session_a_page_or_a_step() -> None:
    found = count([make_session("a", LEAVE)])
    ticks = [text for plot in plot_panels(*found)[1:] for text in texts(plot.svg)]
    ticks += texts(plot_statistics(*found))
    halves = [text for text in ticks if re.fullmatch(r"\d+\.\d+", text.replace("\u2212", "-"))]
    assert halves == []


def test_the_panels_are_the_same_four_plots_one_by_one() -> None:
    found = count(make_sessions())
    panels = plot_panels(*found)
    assert len(panels) == 4 and all(panel.caption for panel in panels)
    whole = set(texts(plot_statistics(*found)))
    for panel in panels:
        words = [text for text in texts(panel.svg) if any(map(str.isalpha, text))]
        assert words and set(words) <= whole

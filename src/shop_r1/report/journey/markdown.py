"""The journey report as a summary for a pull request: Markdown that fits a comment on GitHub.

What comes from pages and models is hostile: it stands in code spans, where nothing is a link, a mention, an
image or HTML.
"""

import re
from collections.abc import Iterable, Sequence

from shop_r1.records.journeys import FRICTION_WORDS, FrictionItem, JourneyReport, SaidCluster
from shop_r1.records.results import Interval, percent
from shop_r1.report.journey.page import bounds_words, change_words
from shop_r1.report.safe_page import clean_text
from shop_r1.report.seal import seal

COMMENT_CHARS = 65_536
"""GitHub's limit of a comment. What stands here is far below it, since all parts of it are cut."""
ITEMS, _CELL_MAX, _SENTENCE_MAX, _STAGES_MAX = 10, 80, 160, 20

_FIGURES = {"reached", "of all, 95 %", "left here", "in circles here", "change, points", "met", "lost"}
"""Columns that stand at the right."""


def render_summary(found: JourneyReport) -> str:
    """Return the summary, sealed by a comment at its end that no page shows."""
    state = "" if not found.checks else ": gate passed" if found.is_passed else ": gate **failed**"
    lines = [
        f"### Simulated shoppers in {code(found.shop)}{state}",
        "",
        f"{found.reached_goal:,} of {found.counted:,} visits reached the goal ({code(found.goal)})"
        + (f": {_goal_words(found)}." if found.counted else "."),
        *_gate(found),
        "",
        *_funnel(found),
        *_friction(found),
        "",
        *(f"- {_plain(text)}." for text in found.warnings),
        *([""] if found.warnings else []),
        "<sub>Lost: visits that met it and did not reach the goal. Association, not cause. Simulated "
        "shoppers are no evidence of what people will do.</sub>",
    ]
    return seal(clean_text("\n".join(lines)))


def code(text: str, most: int = _CELL_MAX) -> str:
    r"""Return a text as a code span, in one line and cut, also within a table.

    >>> print(code("@me <b> a|b `x`"))
    `` @me <b> a\|b `x` ``
    """
    shown = " ".join(clean_text(text).split()) or "–"
    shown = shown if len(shown) <= most else shown[: most - 1] + "…"
    shown = shown.replace("\\|", "\\ |").replace("|", "\\|")
    fence = "`" * (1 + max(map(len, re.findall(r"`+", shown)), default=0))
    space = " " if len(fence) > 1 else ""
    return f"{fence}{space}{shown}{space}{fence}"


def _goal_words(found: JourneyReport) -> str:
    figure = found.figure(found.goal) or found.figure("goal")
    return "–" if figure is None or figure.value is None else _share(figure.value)


def _gate(found: JourneyReport) -> list[str]:
    if not found.checks:
        return []
    lines = ["", "| gate | |", "|---|---|"]
    # Failed ones first: they are why somebody reads this.
    for check in sorted(found.checks, key=lambda each: each.is_passed):
        state = "passed" if check.is_passed else "**failed**"
        lines.append(f"| {code(check.sentence, 120)} | {state} |")
    return lines


def _funnel(found: JourneyReport) -> list[str]:
    before = {each.name: each for each in found.baseline.changes} if found.baseline is not None else {}
    head: Sequence[str] = ("stage", "reached", "of all, 95 %", "left here", "in circles here")
    rows = [[*head, "change, points"] if before else list(head)]
    for stage in found.stages[:_STAGES_MAX]:
        row = [_plain(stage.words), f"{stage.reached:,}", _share(stage.share)]
        row += ["–" if stage is found.stages[-1] else f"{stage.left:,}", f"{stage.circled:,}"]
        if before:
            change = before.get(stage.name)
            row.append("–" if change is None else change_words(change))
        rows.append(row)
    return _table(rows)


def _friction(found: JourneyReport) -> list[str]:
    items = [item for item in found.friction if item.lost][:ITEMS]
    if not items:
        return []
    rows = [["what visits met", "where", "met", "lost", "what was said there most"]]
    rows += [
        [_what(item), code(item.place), f"{item.met:,}", f"{item.lost:,}", _said(item.said.clusters)]
        for item in items
    ]
    return ["", *_table(rows)]


def _what(item: FrictionItem) -> str:
    return FRICTION_WORDS[item.kind] + (f": {code(item.thing)}" if item.thing else "")


def _said(clusters: Sequence[SaidCluster]) -> str:
    return f"{code(clusters[0].sentence, _SENTENCE_MAX)} ({clusters[0].visits:,})" if clusters else "–"


def _share(share: Interval) -> str:
    return f"{percent(share.value)} % {bounds_words(share)}"


def _table(rows: Iterable[Sequence[str]]) -> list[str]:
    head, *body = rows
    rule = ["---:" if each in _FIGURES else "---" for each in head]
    return [f"| {' | '.join(row)} |" for row in (head, rule, *body)]


def _plain(text: str) -> str:
    """Return a sentence of ours, which may hold a stage's words, as Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>#|~@])", r"\\\1", text)

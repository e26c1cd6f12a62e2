"""What `journey` prints: the funnel, what cost most, and the gate."""

from collections.abc import Sequence

from shop_r1.cli.terminal import console
from shop_r1.journey.gate import change_words, smallest_words
from shop_r1.journey.wording import item_words, share_words
from shop_r1.records.journeys import Baseline, FrictionItem, JourneyReport
from shop_r1.records.results import percent
from shop_r1.validation_messages import harmless

ITEMS = 8
"""Of what was met, printed."""
_WORDS_MAX, _PLACE_MAX = 46, 20


def print_journey(found: JourneyReport) -> None:
    """Print the report within 80 columns."""
    console.echo(f"{harmless(found.shop)}: {console.count_of(found.counted, 'visit')}")
    console.echo("")
    _print_funnel(found)
    _print_friction(found)
    if found.baseline is not None:
        _print_baseline(found.baseline)
    console.echo("")
    for sentence in (harmless(found.verdict), found.caution):
        console.echo_wrapped(sentence)
    for warning in found.warnings:
        console.note(f"Note: {harmless(warning)}.")


def print_checks(found: JourneyReport) -> None:
    """Print the gate, a line for each condition."""
    console.echo("")
    for check in found.checks:
        console.echo(f"{'Passed' if check.is_passed else 'Failed'}: {check.sentence}")


def _print_funnel(found: JourneyReport) -> None:
    rows: list[Sequence[str]] = [("stage", "reached", "share, 95 %", "went on", "left", "circles")]
    for stage in found.stages:
        is_last = stage is found.stages[-1]
        rows.append(
            (
                _cut(stage.words, 24),
                f"{stage.reached:,}",
                share_words(stage.share),
                "–" if is_last else f"{stage.went_on:,}",
                "–" if is_last else f"{stage.left:,}",
                f"{stage.circled:,}",
            )
        )
    _print_ruled(rows)


def _print_friction(found: JourneyReport) -> None:
    items = [item for item in found.friction if item.lost][:ITEMS]
    if not items:
        return
    console.echo("")
    rows: list[Sequence[str]] = [("what visits met, and where", "met", "lost")]
    rows += [
        (f"{_item(item)} · {_cut(harmless(item.place), _PLACE_MAX)}", f"{item.met:,}", f"{item.lost:,}")
        for item in items
    ]
    _print_ruled(rows)
    more = len([item for item in found.friction if item.lost]) - len(items) + found.more_friction
    if more:
        console.echo(f"and {more:,} more, in journey.json")
    _print_said(items[0])


def _print_said(item: FrictionItem) -> None:
    if not item.said.clusters:
        return
    console.echo("")
    console.echo_wrapped(f"What was said where visits {_item(item)} on {_cut(harmless(item.place), 40)}:")
    for cluster in item.said.clusters:
        sentence = _cut(harmless(cluster.sentence), 160)
        console.echo("\n".join(console.wrap(f"“{sentence}”", f"{cluster.visits:>6,}  ", " " * 8)))
    if item.said.others:
        console.echo(f"{item.said.others:>6,}  something else")


def _print_baseline(baseline: Baseline) -> None:
    console.echo("")
    rows: list[Sequence[str]] = [("share", "baseline", "now", "change", "interval, Holm", "p")]
    for change in baseline.changes:
        value, _, interval = change_words(change.difference).partition(" ")
        rows.append(
            (
                _cut(change.label, 24),
                f"{percent(change.before.value)} %",
                f"{percent(change.now.value)} %",
                value,
                interval,
                "<0.001" if change.p_adjusted < 0.001 else f"{change.p_adjusted:.3f}",
            )
        )
    _print_ruled(rows)
    console.echo_wrapped(smallest_words(baseline))


def _print_ruled(rows: Sequence[Sequence[str]]) -> None:
    rule = ["-" * max(map(len, column)) for column in zip(*rows, strict=True)]
    console.print_columns([rows[0], rule, *rows[1:]])


def _item(item: FrictionItem) -> str:
    return _cut(harmless(item_words(item)), _WORDS_MAX)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"

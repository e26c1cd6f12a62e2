"""The tables of a reproduction: text fits 80 columns, the paper's figures stand under ours."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from shop_r1.cli.reproduction.results.measure import NATURAL_MIX
from shop_r1.cli.reproduction.results.records import (
    PartResult,
    RaisedAlert,
    Reproduction,
    RowResult,
    TableResult,
)
from shop_r1.evaluation.paper_figures import ABLATIONS, CONTEXTS, MAIN, TEMPERATURE_EXACT, find_paper_row
from shop_r1.evaluation.seeds.comparisons import Comparison
from shop_r1.evaluation.similarity.rules import list_rules
from shop_r1.records.results import Grid, Interval, PaperRow, percent
from shop_r1.shoppers.misses import MissKind

TITLES = {
    "table2": "Table 2: the main results",
    "table3": "Table 3: per type of action",
    "table4": "Table 4: one part left out",
    "table5": "Table 5: context",
    "figure2": "Figure 2: sampling temperature",
    "sizes": "Table 2, model sizes",
    "map": "Map: items a page, sessions of SFT, reward",
    "ceiling": "Towards the ceiling: sessions of SFT",
}
MISSES: Mapping[MissKind, str] = {
    "right": "right",
    "invalid": "invalid",
    "left too early": "early",
    "left too late": "late",
    "wrong type": "type",
    "wrong query": "query",
    "wrong item among equals": "equals",
    "less likely item": "item",
}
"""How each kind of miss is called in a table."""
GIVEN_UP = 0.1
"""Of a type's share among shoppers' actions: a policy that predicts it less often has given it up. Ours."""
HEADLINE = ("exact", "type_accuracy", "type_f1_macro")
_HEADER = ("exact %", "type accuracy %", "macro F1 %")
_PAPER_SIZES = {"small": "0.5B", "medium": "1.5B", "large": "3B"}
"""The paper's model that a size stands beside in the table of sizes; elsewhere it is the 3B model."""


def list_grids(found: Reproduction) -> list[Grid]:
    """Return all tables, the main one first; Table 3's rows are Table 2's, per type."""
    grids = [grid for table in found.tables for grid in table_grids(found, table)]
    return [*grids, *([effects_grid(found)] if found.effects else [])]


def shown_grids(found: Reproduction) -> list[Grid]:
    """Return what a terminal shows: all of a single table, else the first grid of each; then the effects."""
    if len(found.tables) == 1:
        return list_grids(found)
    first = [table_grids(found, table)[0] for table in found.tables]
    return [*first, *([effects_grid(found)] if found.effects else [])]


def table_grids(found: Reproduction, table: TableResult) -> list[Grid]:
    """Return what belongs to one table: its figures, what is beside them, differences to SFT."""
    rows = [row for key in table.rows if (row := found.row(key)) is not None]
    best = [row for key in table.reachable if (row := found.row(key)) is not None]
    if table.table == "table3":
        return [per_type_grid([*rows, *best], TITLES["table3"])]
    grids = [headline_grid(table.table, rows, best), mix_grid(table.table, rows, best)]
    if table.table in ("table2", "table4", "sizes", "map", "ceiling"):
        grids.append(similar_grid(table.table, rows, best))
        grids.append(natural_grid(table.table, rows, best))
    if any(row.misses for row in rows):
        grids.append(miss_grid(table.table, rows))
    if table.pooled:
        grids[1:1] = [pooled_grid(table, rows), groups_grid(table.table, rows)]
    if table.comparisons:
        grids.append(comparison_grid(table, {row.key: row_label(table.table, row) for row in rows}))
    if any(row.alerts for row in rows):
        grids.append(alert_grid(table.table, rows))
    return grids


def headline_grid(table: str, rows: Sequence[RowResult], best: Sequence[RowResult]) -> Grid:
    """Return exact match, type accuracy and macro F1 with intervals, under each row the paper's."""
    lines = []
    for row in rows:
        lines.append((row_label(table, row), *(str(row.measured.figures[name].mean) for name in HEADLINE)))
        lines += list(_paper_lines(table, row))
    lines += [(row.key, *(str(row.measured.figures[name].mean) for name in HEADLINE)) for row in best]
    return Grid(title=TITLES[table], header=("row", *_HEADER), rows=tuple(lines), note=describe_steps(rows))


def describe_steps(rows: Sequence[RowResult]) -> str:
    """Return what the figures are over, and what their intervals cover."""
    measured, steps = rows[0].measured, sorted({row.measured.steps for row in rows})
    # Of the map, the rows of each page size have steps of their own.
    shown = f"{steps[0]:,}" if len(steps) == 1 else f"{steps[0]:,} to {steps[-1]:,}"
    seeds = "one seed" if len(measured.seeds) == 1 else f"{len(measured.seeds)} seeds"
    covers = measured.covers if len(measured.seeds) > 1 else "sessions, not other seeds"
    raised = any(row.alerts for row in rows)
    told = "" if raised else " No alert was raised in training."
    return (
        f"Means over {seeds}, {shown} steps in the paper's test mix of types. In brackets: 95 % "
        f"interval, which covers {covers}. Unparsable completions count as wrong.{told}"
    )


def alert_grid(table: str, rows: Sequence[RowResult]) -> Grid:
    """Return which alerts were raised in the rows' trainings, in how many of them, and from which step on."""
    lines = []
    for row in rows:
        for place, (name, raised) in enumerate(_group_alerts(row).items()):
            runs, first = len({each.seed for each in raised}), min(each.step for each in raised)
            label = "" if place else row_label(table, row)
            lines.append((label, name, f"{runs} of {len(row.measured.seeds)}", str(first)))
    note = "runs: in how many an alert was raised; step: the first at which it was, in any of them."
    title = f"{TITLES[table]}: alerts in training"
    return Grid(title=title, header=("row", "alert", "runs", "step"), rows=tuple(lines), note=note)


def alert_names(row: RowResult) -> str:
    """Return which alerts were raised in a row's training, each once with its first step."""
    found = _group_alerts(row).items()
    return ", ".join(f"{name} from step {min(each.step for each in raised)}" for name, raised in found)


def _group_alerts(row: RowResult) -> dict[str, list[RaisedAlert]]:
    found: dict[str, list[RaisedAlert]] = {}
    for alert in row.alerts:
        found.setdefault(f"{alert.alert} {alert.subject}".strip(), []).append(alert)
    return found


def row_label(table: str, row: RowResult) -> str:
    """Return a row's name in its table."""
    match table:
        case "sizes":
            return f"{row.size}: {row.name}"
        case "table5":
            return row.context
        case "figure2":
            return f"T {row.temperature:g}"
        case "map":
            return f"{row.page_size}, {row.sft_sessions}: {row.name}"
        case "ceiling":
            return f"{row.sft_sessions:,}: {row.name}"
    return row.name


def find_paper(table: str, row: RowResult) -> PaperRow | None:
    """Return the paper's row beside one of ours; None where it has none."""
    match table:
        case "table2" | "table3":
            return find_paper_row(row.name, MAIN)
        case "table4":
            return find_paper_row(row.name, ABLATIONS)
        case "table5":
            return find_paper_row(row.context, CONTEXTS)
        case "sizes":
            size = _PAPER_SIZES[row.size]
            return next((each for each in MAIN if size in each.model and each.setting == row.name), None)
    return None


def _paper_lines(table: str, row: RowResult) -> Iterator[tuple[str, ...]]:
    paper = find_paper(table, row)
    if paper is not None:
        of = _PAPER_SIZES[row.size] if table == "sizes" else "3B"
        yield (f"  paper, {of}", *(percent(getattr(paper, name), 2) for name in HEADLINE))
    elif table == "figure2" and row.temperature in TEMPERATURE_EXACT:
        yield ("  paper, 3B", percent(TEMPERATURE_EXACT[row.temperature], 2), "", "")


def mix_grid(table: str, rows: Sequence[RowResult], best: Sequence[RowResult]) -> Grid:
    """Return what stands beside the accuracies: the mix of predicted types, and what is unparsable."""
    figures = {name: f"predicted/{name}" for name in rows[0].target_mix} | {"unparsable": "unparsable"}
    lines = [("shoppers", *(percent(rows[0].target_mix.get(name)) for name in figures))]
    lines += [
        (_label(table, row), *(percent(_value(row, name)) for name in figures.values()))
        for row in (*rows, *best)
    ]
    title = f"{TITLES[table]}: predicted types, %"
    alerts = [f"{row.key}: {warning}" for row in rows for warning in row.warnings]
    return Grid(title=title, header=("row", *figures), rows=tuple(lines), alerts=tuple(alerts))


def similar_grid(table: str, rows: Sequence[RowResult], best: Sequence[RowResult]) -> Grid:
    """Return exact match beside the matches that let a typed text differ, each under its rule's name."""
    figures = {"exact %": "exact"} | {
        f"{rule.label} %": f"similar/{rule.name}"
        for rule in list_rules()
        if all(f"similar/{rule.name}" in row.measured.figures for row in rows)
    }
    lines = [
        (_label(table, row), *(_interval(row, name) for name in figures.values())) for row in (*rows, *best)
    ]
    note = "A typed text may differ by the rule: the same normalised words, or ROUGE-L (docs/metrics.md)."
    title = f"{TITLES[table]}: texts of similar meaning"
    return Grid(title=title, header=("row", *figures), rows=tuple(lines), note=note)


def miss_grid(table: str, rows: Sequence[RowResult]) -> Grid:
    """Return how the rows' predictions miss: each kind's share of the steps."""
    lines = [(row_label(table, row), *(percent(row.misses.get(kind)) for kind in MISSES)) for row in rows]
    note = (
        "Of all test steps. early, late: left too early or too late; type: another wrong type; query: a "
        "wrong query; equals: a wrong item about as likely as the likeliest; item: a less likely one."
    )
    title = f"{TITLES[table]}: kinds of misses, %"
    return Grid(title=title, header=("row", *MISSES.values()), rows=tuple(lines), note=note)


def _label(table: str, row: RowResult) -> str:
    return row.key if row.name == "reachable" else row_label(table, row)


def natural_grid(table: str, rows: Sequence[RowResult], best: Sequence[RowResult]) -> Grid:
    """Return the headline figures in the crowd's own mix of types."""
    lines = [
        (
            _label(table, row),
            *(str(row.measured.figures[f"{NATURAL_MIX}/{name}"].mean) for name in HEADLINE),
        )
        for row in (*rows, *best)
    ]
    note = "Each type's own rates, weighted with its share among all of the crowd's steps but the first."
    title = f"{TITLES[table]}: in the crowd's own mix of types"
    return Grid(title=title, header=("row", *_HEADER), rows=tuple(lines), note=note)


def comparison_grid(table: TableResult, labels: Mapping[str, str]) -> Grid:
    """Return how each row differs from its SFT row, in points, with adjusted p-values; labels by key."""
    keys = dict.fromkeys(each.setting for each in table.comparisons)
    found = {(each.setting, each.figure): each for each in table.comparisons}
    lines = []
    for key in keys:
        exact, f1 = found[key, "exact"], found[key, "type_f1_macro"]
        gain = "–" if exact.gain is None else f"{100 * exact.gain.value:+.0f} %"
        lines.append(
            (labels[key], signed(exact.difference), p_value(exact), gain, signed(f1.difference), p_value(f1))
        )
    note = (
        "Points of the test steps, the same steps of the same seeds in both; gain: the difference in exact "
        f"match over SFT's. p: of no difference, by Holm's procedure over the {len(table.comparisons)} "
        "comparisons of the table (exact, type accuracy and F1)."
    )
    header = ("row less SFT", "exact", "p", "gain", "F1", "p")
    title = f"{TITLES[table.table]}: differences to SFT"
    return Grid(title=title, header=header, rows=tuple(lines), note=note)


def pooled_grid(table: TableResult, rows: Sequence[RowResult]) -> Grid:
    """Return how each reward of the map differs from SFT over all its starts, and how many runs hold."""
    starts = {(row.sft_sessions, row.page_size): row for row in rows if row.name == "sft"}
    found = {(each.setting, each.figure): each for each in table.pooled}
    lines, runs = [], 0
    for name in dict.fromkeys(each.setting for each in table.pooled):
        exact, f1 = found[name, "exact"], found[name, "type_f1_macro"]
        pairs = [(row, starts[row.sft_sessions, row.page_size]) for row in rows if row.name == name]
        above = [each for row, start in pairs for each in _above(row, start)]
        least = [each for row, _ in pairs for each in _least_shares(row)]
        counts = sum(above), sum(each < 0.5 for each in least), sum(each < GIVEN_UP for each in least)
        runs = len(above)
        figures = (signed(exact.difference), p_value(exact), signed(f1.difference), p_value(f1))
        lines.append((name, *figures, *map(str, counts)))
    note = (
        f"The mean over {len(starts)} starts, in points. p: of no difference, by Holm's procedure over the "
        f"{len(table.pooled)} comparisons of this table (exact, type accuracy and F1). Of {runs} runs each: "
        "up, exact match and F1 are both above SFT's; <.5 and <.1, some type is predicted less than half "
        "and a tenth as often as shoppers choose it."
    )
    header = ("less SFT", "exact", "p", "F1", "p", "up", "<.5", "<.1")
    title = f"{TITLES[table.table]}: differences over all starts"
    return Grid(title=title, header=header, rows=tuple(lines), note=note)


def _above(row: RowResult, start: RowResult) -> list[bool]:
    """Return, seed by seed, whether exact match and macro F1 are both above the start's."""
    pairs = [
        zip(row.measured.figures[name].per_seed, start.measured.figures[name].per_seed, strict=True)
        for name in ("exact", "type_f1_macro")
    ]
    return [all(ours > sft for ours, sft in each) for each in zip(*pairs, strict=True)]


def _least_shares(row: RowResult) -> list[float]:
    """Return, seed by seed, how often the rarest type is predicted, as a share of how often it occurs."""
    return [min(each) for each in zip(*_shares(row).values(), strict=True)]


def _shares(row: RowResult) -> dict[str, list[float]]:
    """Return, seed by seed, how often each type is predicted, as a share of how often it occurs."""
    return {
        name: [each / occurs for each in row.measured.figures[f"predicted/{name}"].per_seed]
        for name, occurs in row.target_mix.items()
        if occurs
    }


def groups_grid(table: str, rows: Sequence[RowResult]) -> Grid:
    """Return which share of each reward's groups teaches nothing, and which types the policy gives up."""
    lines = []
    for row in rows:
        if row.reward is not None:
            runs = ", ".join(f"{name} {count}" for name, count in _given_up(row).items() if count)
            lines.append((row_label(table, row), *map(percent, _zero_variance(row)), runs or "–"))
    note = (
        "first, last: the share of zero-variance groups, in which all completions earn the same, in the "
        "first and in the last fifth of the steps. given up: types that are predicted less than a tenth as "
        f"often as shoppers choose them, and in how many of {len(rows[0].measured.seeds)} runs."
    )
    header = ("row", "first %", "last %", "given up")
    title = f"{TITLES[table]}: zero variance, and types given up"
    return Grid(title=title, header=header, rows=tuple(lines), note=note)


def _zero_variance(row: RowResult) -> tuple[float | None, float | None]:
    """Return the share of zero-variance groups in the first and the last fifth of RL's steps."""
    curve = next((each for each in row.curves if each.metric == "policy/frac_zero_variance"), None)
    if curve is None:
        return None, None
    fifth = max(1, len(curve.means) // 5)
    return fmean(curve.means[:fifth]), fmean(curve.means[-fifth:])


def _given_up(row: RowResult) -> dict[str, int]:
    """Return in how many runs each type is predicted less than `GIVEN_UP` times as often as it occurs."""
    return {name: sum(each < GIVEN_UP for each in shares) for name, shares in _shares(row).items()}


def signed(interval: Interval) -> str:
    """Return a difference with its interval in points.

    >>> signed(Interval(low=-0.012, value=0.03, high=0.07))
    '+3.0 [-1.2, +7.0]'
    """
    low, value, high = (f"{100 * each:+.1f}" for each in interval)
    return f"{value} [{low}, {high}]"


def p_value(found: Comparison) -> str:
    """Return the adjusted p-value with two digits."""
    p = found.p_value if found.p_adjusted is None else found.p_adjusted
    return "<.001" if p < 0.001 else f"{p:.2g}".replace("0.", ".", 1)


def per_type_grid(rows: Sequence[RowResult], title: str) -> Grid:
    """Return each type's figures, the paper's exact match beside (Table 3)."""
    lines = []
    for row in rows:
        paper = find_paper("table3", row)
        for place, name in enumerate(row.target_mix):
            figures = [_interval(row, f"exact/{name}"), percent(_value(row, f"type_accuracy/{name}"))]
            figures.append(percent(_value(row, f"type_f1/{name}")))
            figures.append(percent(paper.exact_per_type.get(name) if paper is not None else None))
            lines.append((row.key if place == 0 else "", name, *figures))
    header = ("row", "type", "exact %", "recall %", "F1 %", "paper %")
    note = (
        "recall: type accuracy on the steps of this type. paper: its exact accuracy with 3B (Table 3). "
        + describe_steps(rows)
    )
    return Grid(title=title, header=header, rows=tuple(lines), note=note)


def effects_grid(found: Reproduction) -> Grid:
    """Return the paper's effects, each with its verdict and the figures that it rests on.

    Those of which nothing was run are counted in the note.
    """
    lines: list[tuple[str, str, str]] = []
    run = [each for each in found.effects if any(part.judgement is not None for part in each.parts)]
    for effect in run:
        lines.append((effect.effect, "", effect.verdict))
        for part in effect.parts:
            verdict = "" if part.judgement is None else part.judgement.verdict
            lines.append((f"  {part.claim}", describe_part(part), verdict))
    note = (
        "An effect holds where the whole interval lies among the values that it claims, it does not where "
        "the whole interval lies outside, and else it cannot be told. The brackets that decide are 95 % "
        "intervals widened by Holm's procedure over all parts that were measured. Differences are in points, "
        "ratios plain."
    )
    if others := len(found.effects) - len(run):
        note += f" {others} further effects are about rows that were not run."
    header = ("effect", "measured", "verdict")
    return Grid(title="The paper's effects", header=header, rows=tuple(lines), note=note)


def describe_part(part: PartResult) -> str:
    """Return what was measured, with the interval that decides."""
    if part.judgement is None:
        return "not run"
    if part.judgement.adjusted is None:
        return "not defined"
    low, value, high = part.judgement.adjusted
    match part.how:
        case "ratio":
            return f"{value:.2f} [{low:.2f}, {high:.2f}]"
        case "share":
            return str(part.judgement.adjusted)
    return signed(part.judgement.adjusted)


def _value(row: RowResult, name: str) -> float | None:
    figure = row.measured.figures.get(name)
    return None if figure is None else figure.mean.value


def _interval(row: RowResult, name: str) -> str:
    figure = row.measured.figures.get(name)
    return "–" if figure is None else str(figure.mean)

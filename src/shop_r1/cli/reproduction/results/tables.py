"""The tables of a reproduction: text fits 80 columns, the paper's figures stand under ours."""

from collections.abc import Iterator, Mapping, Sequence

from shop_r1.cli.reproduction.results.labels import TITLES, p_value, row_label, signed
from shop_r1.cli.reproduction.results.map_tables import groups_grid, pooled_grid
from shop_r1.cli.reproduction.results.measure import NATURAL_MIX
from shop_r1.cli.reproduction.results.records import (
    PartResult,
    RaisedAlert,
    Reproduction,
    RowResult,
    TableResult,
)
from shop_r1.evaluation.paper_figures import ABLATIONS, CONTEXTS, MAIN, TEMPERATURE_EXACT, find_paper_row
from shop_r1.evaluation.similarity.rules import list_rules
from shop_r1.records.results import Grid, PaperRow, percent
from shop_r1.shoppers.misses import MissKind

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

"""The map's own tables: each reward over all starts, and what it learns from and gives up."""

from collections.abc import Sequence
from statistics import fmean

from shop_r1.cli.reproduction.results.labels import TITLES, p_value, row_label, signed
from shop_r1.cli.reproduction.results.records import RowResult, TableResult
from shop_r1.records.results import Grid, percent

GIVEN_UP = 0.1
"""Of a type's share among shoppers' actions: a policy that predicts it less often has given it up. Ours."""


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
    curve = row.curve("policy/frac_zero_variance")
    if curve is None:
        return None, None
    fifth = max(1, len(curve.means) // 5)
    return fmean(curve.means[:fifth]), fmean(curve.means[-fifth:])


def _given_up(row: RowResult) -> dict[str, int]:
    """Return in how many runs each type is predicted less than `GIVEN_UP` times as often as it occurs."""
    return {name: sum(each < GIVEN_UP for each in shares) for name, shares in _shares(row).items()}

"""How a reproduction's tables, rows, differences and p-values are written."""

from shop_r1.cli.reproduction.results.records import RowResult
from shop_r1.evaluation.seeds.comparisons import Comparison
from shop_r1.records.results import Interval

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

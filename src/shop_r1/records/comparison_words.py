"""The numbers of a comparison as people read them."""

from shop_r1.records.comparisons import Difference
from shop_r1.records.results import Interval, percent


def value_words(difference: Difference, value: float | None) -> str:
    """Return a version's mean, a share in per cent; a dash where there is none."""
    if value is None:
        return "–"
    return f"{percent(value)} %" if difference.kind == "share" else f"{value:,.2f}"


def change_words(difference: Difference, value: float) -> str:
    """Return a difference with its sign; of shares in points, which it does not say."""
    shown = f"{100 * value:+.1f}" if difference.kind == "share" else f"{value:+,.2f}"
    return shown if float(shown.replace(",", "")) else shown.replace("-", "+")


def interval_words(difference: Difference, interval: Interval | None) -> str:
    """Return an interval in brackets; a dash in them where it has no ends."""
    if interval is None:
        return "[–]"
    return f"[{change_words(difference, interval.low)}, {change_words(difference, interval.high)}]"


def p_words(p_value: float) -> str:
    """Return a p-value.

    >>> p_words(0.0312), p_words(0.0004)
    ('0.031', '<0.001')
    """
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"

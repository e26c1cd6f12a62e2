"""What an evaluation comes to, in two sentences."""

from collections.abc import Sequence

from shop_r1.records.results import Interval, TableRow


def headline_row(rows: Sequence[TableRow]) -> TableRow | None:
    """Return the row that a report is about: the last that is a model's; None where there is none.

    Not the best: picking it on the very steps that it is measured on would flatter it.
    """
    return next((row for row in reversed(rows) if row.setting != "reachable"), None)


def say_verdict(row: TableRow, is_named: bool = False) -> str:
    """Return how frequently the action is right, and at which type the most steps are lost.

    With `is_named`, it begins with the setting.
    """
    name = f"{row.label}: right" if is_named else "Right"
    return f"{name} action in {say_share(row.exact)}{_say_loss(row)}."


def say_details(row: TableRow) -> str:
    """Return the type accuracy, and how much could not be parsed."""
    types, f1 = say_share(row.type_accuracy), _bare(row.type_f1_macro)
    text = f"The type of action is right in {types}, macro F1 is {f1}."
    if row.unparsable:
        verb = "is unparsable and counts" if row.unparsable == 1 else "are unparsable and count"
        text += f" {row.unparsable:,} of {row.n:,} completions {verb} as wrong."
    return text


def say_share(share: Interval) -> str:
    r"""Return a share of steps with its interval, in whole per cent unless it is below ten.

    No line is broken within its figures.

    >>> say_share(Interval(low=0.25, value=0.338, high=0.43))
    '34\xa0% of steps [25,\xa043]'
    >>> say_share(Interval(low=0.0, value=0.037, high=0.082))
    '3.7\xa0% of steps [0.0,\xa08.2]'
    """
    value, bounds = _bare(share).split(" ", 1)
    return f"{value}\xa0% of steps {bounds}"


def _bare(share: Interval) -> str:
    decimals = 0 if share.value == 0 == share.high or share.value >= 0.1 else 1
    low, value, high = (f"{100 * each:.{decimals}f}" for each in share)
    return f"{value} [{low},\xa0{high}]"


def _say_loss(row: TableRow) -> str:
    lost = {name: round(each.n * (1 - each.exact)) for name, each in row.per_type.items()}
    if len(lost) < 2 or not any(lost.values()):
        return ""
    worst = max(lost, key=lambda name: lost[name])
    return f"; loses most at {worst} ({lost[worst]:,} of {row.per_type[worst].n:,} steps)"

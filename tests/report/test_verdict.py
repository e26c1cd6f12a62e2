import pytest

from shop_r1.records.results import Interval, TableRow, TypeMetrics
from shop_r1.report.verdict import headline_row, say_details, say_verdict


def make_type(n: int, exact: float) -> TypeMetrics:
    share = Interval(0.0, exact, 1.0)
    return TypeMetrics(
        n=n, predicted=n, exact=exact, exact_interval=share, type_accuracy=exact, precision=1, f1=1
    )


def make_row(exact: Interval, **more: object) -> TableRow:
    types = Interval(0.5, 0.6, 0.7)
    values = {"setting": "shop-r1", "exact": exact, "type_accuracy": types, "type_f1_macro": types, "n": 100}
    return TableRow.model_validate(values | more)


def plain(text: str) -> str:
    return text.replace("\xa0", " ")


def test_a_verdict_says_how_frequently_the_action_is_right_and_where_most_is_lost() -> None:
    types = {"click": make_type(60, 0.4), "terminate": make_type(40, 0.05)}  # 36 and 38 steps lost
    row = make_row(Interval(0.25, 0.338, 0.43), per_type=types)
    assert plain(say_verdict(row)) == (
        "Right action in 34 % of steps [25, 43]; loses most at terminate (38 of 40 steps)."
    )
    assert say_verdict(row, is_named=True).startswith("shop-r1: right action in 34")


@pytest.mark.parametrize(
    ("exact", "told"),
    [
        (Interval(0.0, 0.0, 0.0), "0 % of steps [0, 0]"),
        (Interval(0.0, 0.037, 0.082), "3.7 % of steps [0.0, 8.2]"),
        (Interval(0.0, 0.0, 0.03), "0.0 % of steps [0.0, 3.0]"),
        (Interval(1.0, 1.0, 1.0), "100 % of steps [100, 100]"),
    ],
)
def test_shares_have_a_decimal_only_where_they_are_small(exact: Interval, told: str) -> None:
    assert plain(say_verdict(make_row(exact))) == f"Right action in {told}."


def test_nothing_is_lost_where_all_is_right() -> None:
    types = {"click": make_type(60, 1.0), "terminate": make_type(40, 1.0)}
    assert plain(say_verdict(make_row(Interval(1, 1, 1), per_type=types))).endswith("[100, 100].")


def test_unparsable_completions_are_told() -> None:
    row = make_row(Interval(0.1, 0.2, 0.3), unparsable=1)
    assert plain(say_details(row)) == (
        "The type of action is right in 60 % of steps [50, 70], macro F1 is 60 [50, 70]. "
        "1 of 100 completions is unparsable and counts as wrong."
    )
    assert "completion" not in say_details(make_row(Interval(0.1, 0.2, 0.3)))


def test_the_headline_is_the_last_model_not_the_best_and_not_what_is_reachable() -> None:
    best, last, reachable = (
        make_row(Interval(0, value, 1), setting=name)
        for name, value in (("sft", 0.9), ("shop-r1", 0.3), ("reachable", 0.95))
    )
    assert headline_row([best, last, reachable]) is last
    assert headline_row([]) is None

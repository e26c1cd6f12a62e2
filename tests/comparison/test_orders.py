from collections import Counter

import pytest

from shop_r1.comparison.orders import balanced_orders


@pytest.mark.parametrize("names", [("a", "b"), ("a", "b", "c"), ("a", "b", "c", "d", "e")])
def test_each_version_is_met_at_each_place_equally_often(names: tuple[str, ...]) -> None:
    orders = balanced_orders(names, 60, seed=3)
    assert all(sorted(order) == sorted(names) for order in orders)
    for place in range(len(names)):
        assert set(Counter(order[place] for order in orders).values()) == {60 // len(names)}


def test_more_shoppers_only_add_orders_and_another_seed_gives_others() -> None:
    assert balanced_orders(("a", "b"), 41, 1)[:20] == balanced_orders(("a", "b"), 20, 1)
    assert balanced_orders(("a", "b"), 40, 1) != balanced_orders(("a", "b"), 40, 2)

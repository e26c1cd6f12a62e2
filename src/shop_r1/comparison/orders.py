"""Who meets which version when: balanced, and the same for the same seed."""

import random
from collections.abc import Sequence


def balanced_orders(versions: Sequence[str], shoppers: int, seed: int) -> list[tuple[str, ...]]:
    """Return each shopper's order of the versions.

    Of every block of as many shoppers as there are versions, each version is met at each place once; which
    shopper of a block has which order is drawn. A larger number of shoppers only adds orders.

    >>> balanced_orders(["a", "b"], 4, seed=0)
    [('a', 'b'), ('b', 'a'), ('b', 'a'), ('a', 'b')]
    """
    count = len(versions)
    turned = [(*versions[place:], *versions[:place]) for place in range(count)]
    orders: list[tuple[str, ...]] = []
    for block in range(-(-shoppers // count)):
        rng = random.Random(f"shop-r1 orders {seed}-{block}")
        orders += rng.sample(turned, count)
    return orders[:shoppers]

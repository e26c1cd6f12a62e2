"""Who meets which version when, as visits."""

from collections.abc import Mapping

from shop_r1.cli.comparison.options import CompareOptions
from shop_r1.cli.simulation.policies import Deciders
from shop_r1.cli.simulation.shops import Shop
from shop_r1.comparison.orders import balanced_orders
from shop_r1.records.comparisons import ShopperPlan
from shop_r1.simulation.loop import Visit


def plan_shoppers(options: CompareOptions, deciders: Deciders) -> list[ShopperPlan]:
    """Return the shoppers; shopper `k` depends on the seed and `k` alone."""
    base = options.base
    orders = balanced_orders(list(options.versions), base.shoppers, base.seed)
    return [
        ShopperPlan(
            user_id=f"{deciders.names[1]}-{_key(base.seed, index)}",
            order=order,
            segment=deciders.segment_of(_key(base.seed, index)),
        )
        for index, order in enumerate(orders)
    ]


def plan_visits(
    options: CompareOptions, shops: Mapping[str, Shop], deciders: Deciders, plan: list[ShopperPlan]
) -> list[Visit]:
    """Return the visits, shopper by shopper in each one's order.

    A shopper's visits have one key, so that it is the same shopper with the same stream of random numbers.
    """
    return [
        Visit(
            key := _key(options.base.seed, index),
            f"{deciders.names[0]}-{key}-{version}",
            shopper.user_id,
            persona=deciders.persona_of(key),
            start=shops[version].start,
            source=shops[version].source,
            space=deciders.space.name,
            version=version,
        )
        for index, shopper in enumerate(plan)
        for version in shopper.order
    ]


def _key(seed: int, index: int) -> str:
    return f"{seed}-{index:05d}"

"""How far the verdicts of `shop-r1 compare` can be trusted, on scripted shoppers whose truth is known.

A pool of shoppers meets the store as it is twice, the second time with other random numbers, and once without
ratings. Experiments are drawn from the pool with replacement, so the pool's own differences are the truth
that intervals have to cover. Its difference among the quality-minded is set against the exact expectation of
their choice rule.

`python -m benchmarks.comparison [shoppers] [experiments]` writes `benchmarks/results/comparison.json`.
"""

import asyncio
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

import numpy as np

from shop_r1.cli.pipeline.stores import create_store
from shop_r1.comparison.analysis import Question, compare_versions
from shop_r1.comparison.looking import LOOK_EVERY, Looks
from shop_r1.comparison.measures import measure_visit
from shop_r1.comparison.metrics import METRICS
from shop_r1.drivers.in_process import InProcessDriver
from shop_r1.records.comparisons import ShopperPlan, VersionComparison, VisitMeasures
from shop_r1.shoppers.expectation import run_expect
from shop_r1.shoppers.focused.choices import choices
from shop_r1.shoppers.persona import Intent, Persona, intents_of, persona_grid
from shop_r1.shoppers.scripted import ScriptedPolicy
from shop_r1.simulation.loop import Visit, run_session
from shop_r1.statistics.paired import pair_up
from shop_r1.store.kinds import KINDS
from shop_r1.store.variants import StoreVariant

RESULTS = Path(__file__).parent / "results" / "comparison.json"
HIDDEN = StoreVariant(name="no_ratings", ratings=False)
INTENTS = 24
SIZES = (60, 200)
"""Shoppers of an experiment."""
Visits = dict[tuple[str, str], VisitMeasures]


class Shopper(NamedTuple):
    """One shopper of the pool: who it is, and its visits to the store, to it again, and without ratings."""

    is_quality_minded: bool
    store: VisitMeasures
    again: VisitMeasures
    no_ratings: VisitMeasures


def draw_intents(seed: int = 0) -> list[Intent]:
    """Return the world's intents, each as likely: one of every other kind."""
    rng = random.Random(seed)
    found = []
    for kind in KINDS[:: len(KINDS) // INTENTS][:INTENTS]:
        intents, shares = zip(*intents_of(kind), strict=True)
        found.append(rng.choices(intents, weights=shares)[0])
    return found


def exact_purchases() -> dict[str, dict[str, float]]:
    """Return the exact share that buys, of all and of the quality-minded, by version."""
    grid, found = persona_grid(), {}
    of_quality = grid.prior * grid.quality_driven
    for variant in (StoreVariant(), HIDDEN):
        expected = run_expect(create_store(variant=variant), draw_intents(), 20)
        chances = np.mean([each.purchase for each in expected], axis=0)
        found[variant.name] = {
            "all": float(chances @ grid.prior),
            "quality_minded": float(chances @ of_quality / of_quality.sum()),
            "left_out": max(each.left_out for each in expected),
        }
    return found


def visit_all(numbers: Sequence[int]) -> list[Shopper]:
    """Return the shoppers of these numbers after their visits."""
    return asyncio.run(_visit_all(numbers))


async def _visit_all(numbers: Sequence[int]) -> list[Shopper]:
    grid, intents = persona_grid(), draw_intents()
    stores = [create_store(), create_store(variant=HIDDEN)]
    drivers = [InProcessDriver(each) for each in stores]
    found = []
    for number in numbers:
        rng = random.Random(f"pool {number}")
        persona = rng.choices(grid.personas, weights=grid.prior.tolist())[0]
        intent = rng.choice(intents)
        visits = [
            await _visit(drivers[place], persona, intent, key)
            for place, key in ((0, f"{number}"), (0, f"{number} again"), (1, f"{number}"))
        ]
        found.append(Shopper(persona.quality_weight > 1, *visits))
    for driver in drivers:
        await driver.close()
    return found


async def _visit(driver: InProcessDriver, persona: Persona, intent: Intent, key: str) -> VisitMeasures:
    policy = ScriptedPolicy(lambda history, page: choices(persona, intent, history, page))
    session = await run_session(policy, driver, Visit(key, key))
    return measure_visit(key, "", session.steps, session.outcome or "error")


def make_pool(shoppers: int) -> list[Shopper]:
    """Return a pool of so many shoppers, made by as many processes as there are cores."""
    batches = [range(start, min(start + 50, shoppers)) for start in range(0, shoppers, 50)]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as executor:
        return [each for batch in executor.map(visit_all, batches) for each in batch]


def draw(
    pool: Sequence[Shopper], count: int, versions: tuple[str, str], seed: int
) -> tuple[list[ShopperPlan], Visits]:
    """Return an experiment: so many shoppers of the pool, with replacement, and their visits."""
    rng = random.Random(seed)
    plan, visits = [], Visits()
    for place, shopper in enumerate(rng.choices(pool, k=count)):
        plan.append(ShopperPlan(user_id=str(place), order=versions))
        for version in versions:
            visits[str(place), version] = getattr(shopper, version)
    return plan, visits


def experiment(
    pool: Sequence[Shopper], count: int, versions: tuple[str, str], seed: int
) -> VersionComparison:
    """Return the results of one."""
    plan, visits = draw(pool, count, versions, seed)
    return compare_versions(plan, visits, Question(versions=dict.fromkeys(versions, ""), seed=seed % 50))


def true_differences(pool: Sequence[Shopper]) -> dict[str, float]:
    """Return the pool's own differences of the version without ratings, by metric."""
    found = {}
    for name, metric in METRICS.items():
        pairs = [(metric.value(each.store), metric.value(each.no_ratings)) for each in pool]
        known = [second - first for first, second in pairs if first is not None and second is not None]
        if known:
            found[name] = fmean(known)
    return found


def measure_coverage(pool: Sequence[Shopper], count: int, experiments: int) -> dict[str, Any]:
    """Return by metric how often its interval, where it has ends, holds the truth, and how often it has."""
    truth, covered, with_ends = true_differences(pool), Counter[str](), Counter[str]()
    for seed in range(experiments):
        for each in experiment(pool, count, ("store", "no_ratings"), seed).differences:
            if each.difference is not None:
                with_ends[each.metric] += 1
                covered[each.metric] += each.difference.low <= truth[each.metric] <= each.difference.high
    return {
        name: {"covered": covered[name] / seen, "with_ends": seen / experiments, "truth": truth[name]}
        for name, seen in with_ends.items()
    }


def measure_no_difference(pool: Sequence[Shopper], count: int, experiments: int) -> dict[str, Any]:
    """Return how often a difference is found where there is none, in the ways of looking."""
    wrong = Counter[str]()
    for seed in range(experiments):
        versions = ("store", "again") if seed % 2 else ("again", "store")
        found = experiment(pool, count, versions, seed)
        primary, *others = found.differences
        wrong["primary"] += primary.finding in ("more", "less")
        wrong["any_other_by_holm"] += any(each.finding in ("more", "less") for each in others)
        wrong["any_other_unadjusted"] += any(each.p_value < 0.05 for each in others)
        wrong["stop_when_certain"] += stop_at(pool, count, versions, seed) is not None
        wrong["peeking"] += _peek(pool, count, versions, seed)
    return {name: number / experiments for name, number in sorted(wrong.items())}


def stop_at(pool: Sequence[Shopper], count: int, versions: tuple[str, str], seed: int) -> int | None:
    """Return after how many shoppers a comparison with looks is certain; None where it never is."""
    plan, visits = draw(pool, count, versions, seed)
    looks = Looks(plan, Question(versions=dict.fromkeys(versions, ""), stops_early=True, planned=count))
    seen = Visits()
    for place in range(count):
        for version in versions:
            seen[str(place), version] = visits[str(place), version]
        if (place + 1) % LOOK_EVERY == 0 and looks.look(seen):
            return place + 1
    return None


def _peek(pool: Sequence[Shopper], count: int, versions: tuple[str, str], seed: int) -> bool:
    """Return whether an interval for one look leaves 0 out at any of many looks."""
    plan, visits = draw(pool, count, versions, seed)
    first, second = ([float(visits[each.user_id, version].purchase) for each in plan] for version in versions)
    return any(
        pair_up("share", first[:size], second[:size]).p_value < 0.05
        for size in range(LOOK_EVERY, count + 1, LOOK_EVERY)
    )


def measure_stopping(pool: Sequence[Shopper], count: int, experiments: int) -> dict[str, Any]:
    """Return how often, and after how many shoppers, the known difference is certain."""
    stops = [stop_at(pool, count, ("store", "no_ratings"), seed) for seed in range(experiments)]
    found = [each for each in stops if each is not None]
    once = [
        experiment(pool, count, ("store", "no_ratings"), seed).differences[0].finding == "more"
        for seed in range(min(experiments, 100))
    ]
    return {
        "found": len(found) / experiments,
        "median_shoppers": median(found) if found else None,
        "found_with_a_fixed_number": fmean(once),
    }


def among_quality_minded(pool: Sequence[Shopper]) -> dict[str, Any]:
    """Return the pool's difference in purchases among the quality-minded, with its interval."""
    chosen = [each for each in pool if each.is_quality_minded]
    first, second = (
        [float(getattr(each, version).purchase) for each in chosen] for version in ("store", "no_ratings")
    )
    found = pair_up("share", first, second)
    return {"shoppers": len(chosen), "difference": list(found.interval()), "p_value": found.p_value}


def main(shoppers: int, experiments: int) -> None:
    """Measure all of it, print it, and write it."""
    started = time.perf_counter()
    exact = exact_purchases()
    effect = exact["no_ratings"]["quality_minded"] - exact["store"]["quality_minded"]
    pool = make_pool(shoppers)
    print(f"{shoppers} shoppers, 3 visits each: {time.perf_counter() - started:.0f} s with the exact tree")
    found = {
        "shoppers": shoppers,
        "experiments": experiments,
        "intents": INTENTS,
        "exact": exact,
        "exact_difference_quality_minded": effect,
        "measured_quality_minded": among_quality_minded(pool),
        "coverage": {str(size): measure_coverage(pool, size, experiments) for size in SIZES},
        "no_difference": {str(size): measure_no_difference(pool, size, experiments) for size in SIZES},
        "stopping": {str(size): measure_stopping(pool, size, experiments) for size in SIZES},
        "seconds": round(time.perf_counter() - started),
    }
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    main(*(given + [1200, 500][len(given) :]))

"""What `shop-r1 backtest` says where the truth is known, on scripted shoppers.

Nine changes of the built-in store have an exact effect on purchases, from the choice rule of the focused
crowd. Past experiments are that effect plus noise of a known size. Predictions are paired visits of shoppers
of the same kind, drawn from a pool with replacement, so that the pool's own effects are the truth for both
sides of the repetitions; the exact effects are set against one backtest. A crowd that is wrong by a known
amount is made by moving what was measured.

`python -m benchmarks.backtest [shoppers] [repetitions]` writes `benchmarks/results/backtest.json`.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from benchmarks.comparison import draw_intents

from shop_r1.cli.pipeline.stores import create_store
from shop_r1.comparison.analysis import Question, compare_versions
from shop_r1.comparison.backtest.experiments import PastExperiment
from shop_r1.comparison.backtest.scoring import hold, score
from shop_r1.comparison.measures import measure_visit
from shop_r1.drivers.in_process import InProcessDriver
from shop_r1.records.backtests import Backtest
from shop_r1.records.comparisons import ShopperPlan, VersionComparison, VisitMeasures
from shop_r1.shoppers.expectation import run_expect
from shop_r1.shoppers.focused.choices import choices
from shop_r1.shoppers.persona import persona_grid
from shop_r1.shoppers.scripted import ScriptedPolicy
from shop_r1.simulation.loop import Visit, run_session
from shop_r1.store.variants import StoreVariant

RESULTS = Path(__file__).parent / "results" / "backtest.json"
STORE = "store"
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "no_ratings": {"ratings": False},
    "by_price": {"ranking": "price"},
    "by_rating": {"ranking": "rating"},
    "by_popularity": {"ranking": "popularity"},
    "delivered": {"prices": "delivered"},
    "badge": {"delivery_badge": True},
    "no_filters": {"filters": "none"},
    "three_a_page": {"page_size": 3},
    "twelve_a_page": {"page_size": 12},
}
NOISE = 1.0
"""Standard error of what is measured on people, in points."""
INTENTS = 2
"""What the shoppers want, each as likely."""
SHOPPERS = 400
"""Of each comparison of the repetitions."""
WRONG = (0.0, 3.0)
"""By how much the crowd is wrong in each experiment, in points: the standard deviation."""
Pool = list[dict[str, VisitMeasures]]


def variants() -> dict[str, StoreVariant]:
    """Return all versions by name, the store as it is first."""
    changed = {name: StoreVariant(name=name, **values) for name, values in CHANGES.items()}
    return {STORE: StoreVariant(), **changed}


def exact_purchases() -> dict[str, float]:
    """Return the exact share of the crowd that buys in each version."""
    prior, intents, found = persona_grid().prior, draw_intents()[:INTENTS], {}
    for name, variant in variants().items():
        expected = run_expect(create_store(variant=variant), intents, 20)
        found[name] = float(np.mean([each.purchase @ prior for each in expected]))
    return found


async def make_pool(count: int) -> Pool:
    """Return so many shoppers' visits to every version."""
    grid, intents = persona_grid(), draw_intents()[:INTENTS]
    drivers = {name: InProcessDriver(create_store(variant=each)) for name, each in variants().items()}
    pool: Pool = []
    for number in range(count):
        rng = random.Random(f"backtest {number}")
        persona = rng.choices(grid.personas, weights=grid.prior.tolist())[0]
        intent = rng.choice(intents)
        visits = {}
        for name, driver in drivers.items():
            policy = ScriptedPolicy(partial(choices, persona, intent))
            key = f"{number}"
            session = await run_session(policy, driver, Visit(key, key))
            visits[name] = measure_visit(key, name, session.steps, session.outcome or "error")
        pool.append(visits)
    for driver in drivers.values():
        await driver.close()
    return pool


def compare(shoppers: Sequence[Mapping[str, VisitMeasures]], name: str) -> VersionComparison:
    """Return the comparison of one version with the store as it is."""
    plan = [ShopperPlan(user_id=str(place), order=(STORE, name)) for place in range(len(shoppers))]
    visits = {
        (str(place), version): shopper[version]
        for place, shopper in enumerate(shoppers)
        for version in (STORE, name)
    }
    question = Question(versions=dict.fromkeys((STORE, name), ""), metrics=("purchase",))
    return compare_versions(plan, visits, question)


def measured(name: str, truth: float, rng: np.random.Generator) -> PastExperiment:
    """Return a past experiment with this true effect, in points."""
    lift = truth + rng.normal(0, NOISE)
    low, high = lift - 1.959964 * NOISE, lift + 1.959964 * NOISE
    return PastExperiment(
        name=name, change=name, comparison="x", unit="points", lift=lift, low=low, high=high
    )


def run_backtest(
    pool: Pool, truth: Mapping[str, float], seed: int, size: int, wrong: float = 0.0
) -> Backtest:
    """Return a backtest of all changes with shoppers drawn from the pool; all of it where `size` is 0."""
    rng, chooser = np.random.default_rng(seed), random.Random(seed)
    held = []
    for name in CHANGES:
        shoppers = chooser.choices(pool, k=size) if size else pool
        experiment = measured(name, truth[name] + wrong * rng.standard_normal(), rng)
        held.append(hold(experiment, compare(shoppers, name), name))
    return score("made", held)


def summarize(found: Sequence[Backtest]) -> dict[str, Any]:
    """Return the figures over many backtests."""
    errors = [each.errors[0] for each in found]
    covered = [each.direction.share for each in found if each.direction.share is not None]
    sure = [each.reliability[0] for each in found if each.reliability[0].right.of]
    return {
        "backtests": len(found),
        "agrees_within_both": fmean(each.agreement.count / each.agreement.of for each in found),
        "measured_within_ours": fmean(each.coverage.count / each.coverage.of for each in found),
        "measured_within_ours_expected": fmean(each.coverage_expected or 0.0 for each in found),
        "clear_experiments": fmean(each.direction.of for each in found),
        "direction_right": fmean(each.value for each in covered),
        "median_error": median(each.value for each in errors),
        "median_error_by_chance": median(each.perfect or 0.0 for each in errors),
        "median_error_above_the_95th_percentile": fmean(
            each.value > (each.perfect_most or 0.0) for each in errors
        ),
        "rank_correlation": median(each.correlation or 0.0 for each in errors),
        "sure_and_right": sum(each.right.count for each in sure)
        / max(1, sum(each.right.of for each in sure)),
        "sure_claimed": fmean(each.claimed or 0.0 for each in sure) if sure else None,
    }


def main(shoppers: int, repetitions: int) -> None:
    """Measure all of it, print it, and write it."""
    started = time.perf_counter()
    exact = exact_purchases()
    print(json.dumps(exact), flush=True)
    effects = {name: 100 * (exact[name] - exact[STORE]) for name in CHANGES}
    pool = asyncio.run(make_pool(shoppers))
    shares = {name: 100 * fmean(each[name].purchase for each in pool) for name in variants()}
    own = {name: shares[name] - shares[STORE] for name in CHANGES}
    once = run_backtest(pool, effects, 0, 0)
    found = {
        "shoppers": shoppers,
        "of_a_comparison": SHOPPERS,
        "noise_points": NOISE,
        "exact_effects": effects,
        "effects_of_the_pool": own,
        "exact_within_the_pool_s_interval": sum(
            each.predicted is not None and each.predicted.low <= effects[each.name] <= each.predicted.high
            for each in once.experiments
        ),
        "once": {"verdict": list(once.verdict), "few": once.few},
        "repetitions": {
            f"{wrong:g}": summarize(
                [run_backtest(pool, own, seed, SHOPPERS, wrong) for seed in range(repetitions)]
            )
            for wrong in WRONG
        },
        "seconds": round(time.perf_counter() - started),
    }
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    main(*(given + [150, 200][len(given) :]))

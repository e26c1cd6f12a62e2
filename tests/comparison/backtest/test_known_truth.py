"""A backtest on the built-in store, whose shoppers' lifts are known exactly."""

import random

import numpy as np
import pytest
from benchmarks.backtest import Pool, compare, measured
from tests.shoppers.test_variants import FINE, visit

from shop_r1.cli.pipeline.stores import create_store
from shop_r1.comparison.backtest.scoring import hold, score
from shop_r1.records.comparisons import VisitMeasures
from shop_r1.shoppers.expectation import run_expect
from shop_r1.shoppers.persona import Crowd, Intent, Market, persona_grid
from shop_r1.store.kinds import KINDS
from shop_r1.store.variants import StoreVariant

SHOPPERS = 25
NOUNS = ("kettle", "bowl", "cushion", "knife")


def measures(name: str, bought: bool, steps: int) -> VisitMeasures:
    values = dict.fromkeys(("searches", "refinements", "filters"), 0)
    return VisitMeasures(
        user_id="x",
        version=name,
        outcome="purchase" if bought else "terminate",
        goal=bought,
        add_to_cart=bought,
        checkout=bought,
        purchase=bought,
        steps=steps,
        pages_to_goal=None,
        left_at="purchase" if bought else "search",
        seconds_per_step=None,
        revenue=None,
        **values,
    )


def effect(intent: Intent, variant: StoreVariant) -> tuple[float, Pool]:
    """Return the exact lift in points among quality-minded shoppers, and visits of some of them."""
    grid = persona_grid()
    place = [place for place, each in enumerate(grid.personas) if each == FINE]
    crowd = Crowd([grid.personas[each] for each in place], np.ones(1))
    stores = [create_store(seed=1, variant=each) for each in (StoreVariant(), variant)]
    exact = [float(run_expect(store, [intent], 20, crowd)[0].purchase[0]) for store in stores]
    pool: Pool = []
    for index in range(SHOPPERS):
        found = [visit(store, FINE, intent, random.Random(index)) for store in stores]
        names = ("store", "changed")
        pool.append({name: measures(name, *each) for name, each in zip(names, found, strict=True)})
    return 100 * (exact[1] - exact[0]), pool


@pytest.mark.slow
def test_past_experiments_of_the_very_crowd_agree_and_have_its_directions() -> None:
    market, rng, held, truths = Market(KINDS), np.random.default_rng(3), [], []
    for noun in NOUNS:
        truth, pool = effect(market.by_noun[noun][0][0], StoreVariant(name="changed", ratings=False))
        truths.append(truth)
        held.append(hold(measured(noun, truth, rng), compare(pool, "changed"), noun))
    # What hiding the ratings does to these four intents, exactly, in points.
    assert [round(truth) for truth in truths] == [-75, -56, 90, 0]
    found = score("made", held)
    assert [each.direction for each in held] == ["right", "right", "right", "not clear"]
    assert [each.is_sure for each in held] == [True, True, True, False]
    assert found.agreement.count == found.agreement.of == len(NOUNS)

"""The forecast of the wandering crowd against an enumeration of every persona and want, one at a time."""

import random
from collections import defaultdict

import numpy as np
import pytest

from shop_r1.cli.pipeline.stores import create_store
from shop_r1.drivers.in_process import InProcessDriver
from shop_r1.errors import DataError
from shop_r1.records.actions import Action, click
from shop_r1.records.sessions import Session
from shop_r1.shoppers.persona import Market
from shop_r1.shoppers.scripted import ScriptedPolicy
from shop_r1.shoppers.subtypes import subtype
from shop_r1.shoppers.wandering.belief import Forecaster
from shop_r1.shoppers.wandering.people import Wanderers, Wants, wanderer_grid
from shop_r1.shoppers.wandering.rule import choices
from shop_r1.simulation.loop import Limits, run_sessions
from shop_r1.store.kinds import KINDS, Kind

# Two kinds of the store with few of its words, and a dozen personas: 34 wants, 408 hypotheses.
SMALL = Market(
    [
        Kind("Mug", "Kitchen", (("Large", "Small"), ("Red",), ("Ceramic", "Glass")), "Pack", 600, 2500),
        Kind("Rug", "Home", (("Soft", "Round"), ("Grey",), ("Wool", "Cotton")), "Size", 3000, 18_000),
    ]
)


def small_crowd() -> Wanderers:
    grid = wanderer_grid()
    places = range(5, len(grid), len(grid) // 11)
    prior = grid.prior[list(places)]
    return Wanderers([grid.personas[place] for place in places], prior / prior.sum())


@pytest.fixture(scope="module")
def small_world() -> tuple[list[Session], Wanderers, Wants]:
    """Return sessions of shoppers drawn from the small crowd."""
    crowd, wants = small_crowd(), Wants(SMALL)
    every, shares = wants.all

    def policy(key: str) -> ScriptedPolicy:
        rng = random.Random(key)
        persona = rng.choices(crowd.personas, weights=crowd.prior.tolist())[0]
        want = rng.choices(every, weights=shares.tolist())[0]
        return ScriptedPolicy(lambda history, page: choices(persona, want, history, page, wants))

    driver = InProcessDriver(create_store("wandering", 5, page_size=4, seed=1))
    names = ("small", "small")
    sessions = run_sessions(policy, driver, 60, 3, names=names, limits=Limits(max_steps=60))
    return list(sessions), crowd, wants


def enumerate_next(session: Session, crowd: Wanderers, wants: Wants) -> list[dict[Action, float]]:
    """Return P(action | session so far) of each step, summed over every persona and want."""
    every, shares = wants.all
    weights = {
        (persona, want): float(prior * share)
        for persona, prior in zip(crowd.personas, crowd.prior, strict=True)
        for want, share in zip(every, shares, strict=True)
    }
    found = []
    for index, step in enumerate(session.steps):
        chances: dict[Action, float] = defaultdict(float)
        after = {}
        for (persona, want), weight in weights.items():
            taken = 0.0
            for choice in choices(persona, want, session.steps[:index], step.page, wants):
                chances[choice.action] += weight * float(choice.probability[0])
                taken += float(choice.probability[0]) * (choice.action == step.action)
            if taken > 0:
                after[persona, want] = weight * taken
        total = sum(chances.values())
        found.append({action: chance / total for action, chance in chances.items() if chance > 0})
        weights = after
    return found


@pytest.mark.parametrize("entry", ["search", "nav_bar", "cart_side_bar", "product_link"])
def test_the_forecast_equals_brute_force_however_the_visit_begins(
    entry: str, small_world: tuple[list[Session], Wanderers, Wants]
) -> None:
    sessions, crowd, wants = small_world
    begun = [session for session in sessions if subtype(session.steps[0]) == entry]
    chosen = sorted(begun, key=lambda session: -len({step.page.url for step in session.steps}))[:2]
    forecaster = Forecaster(wants, crowd)
    for session in chosen:
        short = session.model_copy(update={"steps": session.steps[:9]})
        expected = enumerate_next(short, crowd, wants)
        forecasts = list(forecaster.forecast(short))
        assert [forecast.step for forecast in forecasts] == list(range(1, len(short.steps)))
        for forecast in forecasts:
            assert forecast.actions == pytest.approx(expected[forecast.step], abs=1e-12)
    assert len(chosen) == 2


def test_another_market_s_session_is_refused_with_its_place(
    small_world: tuple[list[Session], Wanderers, Wants],
) -> None:
    sessions, _, wants = small_world
    steps = list(sessions[0].steps)
    steps[0] = steps[0].model_copy(update={"action": click("cookies.ok")})
    stranger = sessions[0].model_copy(update={"steps": tuple(steps)})
    with pytest.raises(DataError, match=r"step 0: no scripted shopper would click cookies\.ok"):
        list(Forecaster(wants).forecast(stranger))


def test_personas_and_wants_are_distributions() -> None:
    wants, shares = Wants(Market(KINDS)).all
    assert np.isclose(shares.sum(), 1) and len(set(wants)) == len(wants)
    grid = wanderer_grid()
    assert np.isclose(grid.prior.sum(), 1) and len(set(grid.personas)) == len(grid)

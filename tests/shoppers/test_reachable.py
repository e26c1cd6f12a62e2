from collections import Counter, defaultdict
from collections.abc import Callable

import numpy as np
import pytest

from shop_r1.errors import DataError
from shop_r1.records.actions import Action, click, terminate
from shop_r1.records.sessions import Session, Step
from shop_r1.shoppers.facts import read_page
from shop_r1.shoppers.focused.belief import forecast_session, possible_intents
from shop_r1.shoppers.focused.choices import choices
from shop_r1.shoppers.persona import Crowd, Intent, Market, persona_grid
from shop_r1.shoppers.reachable import reachable_predictions, type_weights
from shop_r1.store.kinds import KINDS


def enumerate_next(
    session: Session, index: int, crowd: Crowd, intents: list[tuple[Intent, float]]
) -> dict[Action, float]:
    """Return P(action | session so far) by summing over every persona and intent, one at a time."""
    weights: dict[Action, float] = defaultdict(float)
    for persona, prior in zip(crowd.personas, crowd.prior, strict=True):
        for intent, share in intents:
            weight = float(prior) * share
            for step in range(index):
                weight *= sum(
                    float(choice.probability[0])
                    for choice in choices(persona, intent, session.steps[:step], session.steps[step].page)
                    if choice.action == session.steps[step].action
                )
                if weight == 0:
                    break
            else:
                for choice in choices(persona, intent, session.steps[:index], session.steps[index].page):
                    weights[choice.action] += weight * float(choice.probability[0])
    total = sum(weights.values())
    return {action: weight / total for action, weight in weights.items() if weight > 0}


def test_the_forecast_equals_brute_force_over_a_small_grid(sessions: list[Session]) -> None:
    grid = persona_grid()
    places = range(0, len(grid), 18)
    crowd = Crowd(tuple(grid.personas[p] for p in places), np.array([float(grid.prior[p]) for p in places]))
    checked = 0
    for session in sessions[:40]:
        noun = session.steps[0].action.value("text").split()
        market = Market([kind for kind in KINDS if kind.noun.lower() in noun])
        intents = [
            pair for pairs in market.by_noun.values() for pair in pairs
        ]  # all, not only the consistent
        try:
            forecasts = list(forecast_session(session, market, crowd))
        except DataError:
            continue  # the small grid lacks this shopper
        for forecast in forecasts[:2]:
            if checked < 8:
                expected = enumerate_next(session, forecast.step, crowd, intents)
                assert forecast.actions == pytest.approx(expected, abs=1e-12)
                checked += 1
    assert checked == 8


def test_forecasts_sum_to_one_and_never_exclude_what_happened(
    sessions: list[Session], market: Market
) -> None:
    for session in sessions:
        forecasts = list(forecast_session(session, market))
        assert [f.step for f in forecasts] == list(range(1, len(session.steps)))
        for forecast in forecasts:
            assert sum(forecast.actions.values()) == pytest.approx(1)
            assert forecast.actions[forecast.target] > 0
            assert sum(forecast.types.values()) == pytest.approx(1)


def test_all_intents_that_may_begin_with_a_query_are_considered(
    sessions: list[Session], market: Market
) -> None:
    persona = persona_grid().personas[0]
    for session in sessions[:3]:
        first = session.steps[0]
        considered = {intent for intent, _ in possible_intents(first.action, market)}
        for intents in market.by_noun.values():
            for intent, _ in intents:
                options = choices(persona, intent, [], first.page)
                if any(choice.action == first.action for choice in options):
                    assert intent in considered


def always(action: Action) -> Callable[[list[Step], Step], Action]:
    return lambda history, step: action


def first_item(history: list[Step], step: Step) -> Action:
    """Click the first listed product, buy on a product's page, else leave."""
    page = read_page(step.page.url, step.page.html)
    if page.kind == "results" and page.items:
        return click(page.items[0].name)
    return click(page.names["buy now"]) if "buy now" in page.names else terminate()


def matching_item(history: list[Step], step: Step) -> Action:
    """Click the first product whose title holds the query's words; leave when there is none; buy."""
    page = read_page(step.page.url, step.page.html)
    wanted = set(page.query) - {"cheap", "best"}
    matches = [item for item in page.items if wanted <= set(item.words)]
    if page.kind == "results":
        return click(matches[0].name) if matches else terminate()
    return click(page.names["buy now"]) if "buy now" in page.names else terminate()


@pytest.mark.parametrize("guess", [always(terminate()), first_item, matching_item])
def test_no_simple_predictor_beats_the_reachable_one(
    guess: Callable[[list[Step], Step], Action], sessions: list[Session], market: Market
) -> None:
    best = reachable_predictions(sessions, market)
    steps = [(list(s.steps[:i]), s.steps[i]) for s in sessions for i in range(1, len(s.steps))]
    exact = sum(guess(history, step) == step.action for history, step in steps) / len(steps)
    types = sum(guess(history, step).type == step.action.type for history, step in steps) / len(steps)
    assert len(best.exact) == len(best.types) == len(steps)
    assert sum(p.action == p.target for p in best.exact) / len(steps) > exact
    hits = sum(p.action is not None and p.action.type == p.target.type for p in best.types)
    assert hits / len(steps) > types


def test_what_came_true_is_near_what_was_to_be_expected(sessions: list[Session], market: Market) -> None:
    # If the inference is exact, the share that came true differs from its expectation by chance only:
    # at most 4 standard errors of sqrt(p (1 - p) / n).
    best = reachable_predictions(sessions, market)
    share = sum(p.action == p.target for p in best.exact) / len(best.exact)
    error = (best.expected_exact * (1 - best.expected_exact) / len(best.exact)) ** 0.5
    assert abs(share - best.expected_exact) < 4 * error


def test_probabilities_are_calibrated(sessions: list[Session], market: Market) -> None:
    """Of the actions given 0.4 to 0.6, about half are taken; of those given 0.8 or more, most."""
    taken: Counter[str] = Counter()
    given: Counter[str] = Counter()
    for session in sessions:
        for forecast in forecast_session(session, market):
            for action, probability in forecast.actions.items():
                band = "middle" if 0.4 <= probability <= 0.6 else "high" if probability >= 0.8 else "low"
                given[band] += 1
                taken[band] += action == forecast.target
    assert taken["high"] / given["high"] > 0.8
    assert taken["low"] / given["low"] < 0.25


def test_a_stranger_s_session_is_refused_with_its_place(sessions: list[Session], market: Market) -> None:
    steps = list(sessions[0].steps)
    steps[1] = steps[1].model_copy(update={"action": click("footer.help")})
    stranger = sessions[0].model_copy(update={"steps": tuple(steps)})
    with pytest.raises(DataError, match=r"step 1: no scripted shopper would click footer\.help"):
        reachable_predictions([stranger], market)
    with pytest.raises(DataError, match="no step to predict"):
        reachable_predictions([], market)


def test_types_are_weighed_so_that_they_come_in_a_mix() -> None:
    # 6 clicks, 3 searches, 1 end; wanted 1 : 1 : 2. Each type's weight times its count is its share of 10.
    types = ["click"] * 6 + ["type_and_submit"] * 3 + ["terminate"]
    weights = type_weights(types, {"click": 1, "type_and_submit": 1, "terminate": 2})
    assert weights == pytest.approx({"click": 2.5 / 6, "type_and_submit": 2.5 / 3, "terminate": 5.0})


def test_in_a_mix_of_ends_alone_the_best_predictor_names_the_end(
    sessions: list[Session], market: Market
) -> None:
    best = reachable_predictions(sessions[:20], market, mix={"terminate": 1})
    assert {p.action for p in best.exact} == {terminate()}
    assert best.expected_exact == pytest.approx(1)


def test_in_the_mix_as_it_is_nothing_changes(sessions: list[Session], market: Market) -> None:
    plain = reachable_predictions(sessions[:20], market)
    counts = Counter(prediction.target.type for prediction in plain.exact)
    assert reachable_predictions(sessions[:20], market, mix=counts).exact == plain.exact

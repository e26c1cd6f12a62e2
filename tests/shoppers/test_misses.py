import pytest

from shop_r1.errors import DataError
from shop_r1.records.actions import Action, click, terminate, type_and_submit
from shop_r1.records.results import Prediction
from shop_r1.records.sessions import Session
from shop_r1.shoppers.forecasts import Forecast
from shop_r1.shoppers.misses import MISS_KINDS, Miss, count_misses, miss_of
from shop_r1.shoppers.persona import Market
from shop_r1.shoppers.reachable import reachable_predictions

RED, BLUE, GREY = click("results.red"), click("results.blue"), click("results.grey")
MUGS, MUG = type_and_submit("search_input", "mugs"), type_and_submit("search_input", "mug")
CHANCES = {RED: 0.3, BLUE: 0.28, GREY: 0.12, MUG: 0.2, terminate(): 0.1}


@pytest.mark.parametrize(
    ("predicted", "target", "kind", "is_avoidable"),
    [
        (None, RED, "invalid", True),
        (RED, RED, "right", False),
        (GREY, GREY, "right", False),
        (RED, BLUE, "wrong item among equals", False),  # the likeliest of all: nobody could know
        (BLUE, RED, "wrong item among equals", True),  # 0.28 is over 0.9 x 0.3 = 0.27, yet below 0.3
        (GREY, RED, "less likely item", True),
        (click("nowhere"), RED, "less likely item", True),
        (MUGS, MUG, "wrong query", True),
        (terminate(), RED, "left too early", True),
        (RED, terminate(), "left too late", False),
        (MUG, RED, "wrong type", True),
        (RED, MUG, "wrong type", False),
    ],
)
def test_each_miss_has_its_kind(
    predicted: Action | None, target: Action, kind: str, is_avoidable: bool
) -> None:
    miss = miss_of(predicted, Forecast(1, target, CHANCES))
    assert (miss.kind, miss.is_avoidable) == (kind, is_avoidable)
    assert miss.kind in MISS_KINDS


def test_the_best_predictor_s_misses_are_never_avoidable(sessions: list[Session], market: Market) -> None:
    some = sessions[:30]
    best = reachable_predictions(some, market)
    counts = count_misses(best.exact, some, market)
    assert counts.total() == len(best.exact)
    assert not any(miss.is_avoidable for miss in counts)
    right = sum(prediction.action == prediction.target for prediction in best.exact)
    assert counts[Miss("right", False)] == right > 0


def test_a_prediction_of_another_step_is_refused(sessions: list[Session], market: Market) -> None:
    stranger = Prediction(session_id="else", step=1, target=RED, action=RED)
    with pytest.raises(DataError, match="session else, step 1: predicted, but not a step"):
        count_misses([stranger], sessions[:2], market)

import random

from tests.comparison.conftest import Measure

from shop_r1.comparison.analysis import Question
from shop_r1.comparison.looking import Looks
from shop_r1.records.comparisons import ShopperPlan, VisitMeasures

QUESTION = Question(versions={"a": "", "b": ""}, stops_early=True, planned=200)


def run_looks(
    measure: Measure, chances: tuple[float, float], seed: int, question: Question = QUESTION
) -> Looks:
    """Return the looks at 200 shoppers, as many visits as were made."""
    rng = random.Random(seed)
    plan = [ShopperPlan(user_id=f"shopper-{user}", order=("a", "b")) for user in range(200)]
    looks, visits = Looks(plan, question), dict[tuple[str, str], VisitMeasures]()
    for user in range(200):
        for version, chance in zip("ab", chances, strict=True):
            bought = rng.random() < chance
            visits[f"shopper-{user}", version] = measure(user, version, purchase=bought)
        if looks.look(visits):
            break
    looks.look(visits)
    return looks


def test_a_clear_difference_ends_the_comparison_early(measure: Measure) -> None:
    looks = run_looks(measure, (0.2, 0.6), seed=1)
    assert looks.is_certain


def test_no_difference_is_never_certain_in_nearly_all_runs(measure: Measure) -> None:
    certain = [run_looks(measure, (0.3, 0.3), seed).is_certain for seed in range(40)]
    assert sum(certain) <= 4


def test_shoppers_count_in_the_order_of_the_plan(measure: Measure) -> None:
    plan = [ShopperPlan(user_id=f"shopper-{user}", order=("a", "b")) for user in range(30)]
    looks = Looks(plan, QUESTION)
    visits = {(f"shopper-{user}", name): measure(user, name) for user in range(30) for name in "ab"}
    del visits["shopper-12", "b"]
    assert looks.complete(visits) == 12
    assert not looks.look(visits)
    assert looks.summary(visits).shoppers == 12

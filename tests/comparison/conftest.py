from collections.abc import Callable

import pytest

from shop_r1.records.comparisons import VisitMeasures

Measure = Callable[..., VisitMeasures]


@pytest.fixture
def measure() -> Measure:
    """Return what makes the measures of a visit: what is not given is of one that left from a list."""

    def make(user: int, version: str, **values: object) -> VisitMeasures:
        is_bought = bool(values.get("purchase", False))
        found: dict[str, object] = {
            "user_id": f"shopper-{user}",
            "version": version,
            "outcome": "purchase" if is_bought else "terminate",
            "goal": is_bought,
            "add_to_cart": is_bought,
            "checkout": is_bought,
            "purchase": is_bought,
            "steps": 3,
            "searches": 1,
            "refinements": 0,
            "filters": 0,
            "pages_to_goal": 3 if is_bought else None,
            "left_at": "purchase" if is_bought else "search",
            "seconds_per_step": None,
            "revenue": 10.0 if is_bought else 0.0,
        }
        return VisitMeasures.model_validate(found | values)

    return make

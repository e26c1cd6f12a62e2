"""The metrics of a comparison: names, words, and what of a visit each is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shop_r1.config import suggest
from shop_r1.errors import ConfigError
from shop_r1.records.comparisons import MetricKind, VisitMeasures


@dataclass(frozen=True)
class Metric:
    """One metric."""

    name: str
    label: str
    """In words."""
    kind: MetricKind
    value: Callable[[VisitMeasures], float | None]
    """Of a visit; None where it has none."""
    has_bound: bool = True
    """Whether it is at most the visit's limit of steps."""


def _left_at(*kinds: str) -> Callable[[VisitMeasures], float | None]:
    return lambda visit: float(visit.left_at in kinds)


_ALL = (
    Metric("purchase", "purchases", "share", lambda visit: float(visit.purchase)),
    Metric("goal", "goal reached", "share", lambda visit: float(visit.goal)),
    Metric("add_to_cart", "put into the cart", "share", lambda visit: float(visit.add_to_cart)),
    Metric("checkout", "checkout reached", "share", lambda visit: float(visit.checkout)),
    Metric("steps", "steps", "mean", lambda visit: float(visit.steps)),
    Metric("searches", "searches", "mean", lambda visit: float(visit.searches)),
    Metric("refinements", "searches again", "mean", lambda visit: float(visit.refinements)),
    Metric("filters", "filters and sorts", "mean", lambda visit: float(visit.filters)),
    Metric(
        "pages_to_goal",
        "pages to the goal",
        "mean",
        lambda visit: None if visit.pages_to_goal is None else float(visit.pages_to_goal),
    ),
    Metric("left_at_search", "left from a list", "share", _left_at("search")),
    Metric("left_at_product", "left from a product", "share", _left_at("product")),
    Metric("left_at_cart", "left from the cart", "share", _left_at("cart", "checkout")),
    Metric(
        "seconds_per_step", "seconds a step", "mean", lambda visit: visit.seconds_per_step, has_bound=False
    ),
    Metric("revenue", "revenue", "mean", lambda visit: visit.revenue, has_bound=False),
)
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _ALL}
"""By name, in the order of tables."""


def find_metrics(names: Sequence[str], primary: str) -> tuple[Metric, ...]:
    """Return the metrics of these names, all where there is none, the primary one first.

    Raises:
        ConfigError: a name is none of `METRICS`.
    """
    for name in (*names, primary):
        if name not in METRICS:
            raise ConfigError(f"metric {name!r} is unknown; {suggest(name, list(METRICS))}")
    chosen = names or METRICS
    return (METRICS[primary], *(METRICS[name] for name in METRICS if name in chosen and name != primary))

"""Figures over all shoppers."""

from collections.abc import Iterable
from statistics import fmean

from shop_r1.records.page_kinds import STAGES
from shop_r1.simulation.watch.views import ShopperView, StageView


def funnel(views: Iterable[ShopperView]) -> tuple[StageView, ...]:
    """Return, for each stage in order, how many shoppers came this far and how many ended there."""
    placed = [(STAGES.index(view.stage), view.state == "done") for view in views if view.stage is not None]
    return tuple(
        StageView(
            stage=stage,
            reached=sum(place >= at for place, _ in placed),
            left=sum(place == at and is_done for place, is_done in placed) if stage != "purchase" else 0,
        )
        for at, stage in enumerate(STAGES)
    )


def seconds_left(views: Iterable[ShopperView], steps_per_s: float | None) -> float | None:
    """Return a guess of the seconds left: visits to come are as long as those that have ended.

    None before the first visit has ended, and while no step is made.
    """
    views = list(views)
    lengths = [view.steps for view in views if view.state == "done" and view.steps]
    if not lengths or not steps_per_s:
        return None
    length = fmean(lengths)
    steps = sum(max(1.0, length - view.steps) for view in views if view.state != "done")
    return round(steps / steps_per_s, 1)


def added(costs: Iterable[float | None]) -> float | None:
    """Return the sum of the costs that are known; None where none is."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known else None

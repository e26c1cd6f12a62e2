"""Moments of all visits, ranked by how many visits they may have cost."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shop_r1.journey.moments import Moment
from shop_r1.journey.said import gather_said
from shop_r1.journey.visits import RecordedVisit
from shop_r1.records.journeys import FrictionItem, FrictionKind, Replay
from shop_r1.statistics.proportions import wilson

REPLAYS = 3
"""Shown of each item."""
Key = tuple[FrictionKind, str, str]
"""Kind, place and thing of moments that are one item."""


@dataclass(frozen=True)
class MetVisit:
    """A visit with what it met, and whether it reached the goal."""

    visit: RecordedVisit
    moments: tuple[Moment, ...]
    is_goal: bool


def rank_friction(visits: Sequence[MetVisit]) -> list[FrictionItem]:
    """Return what was met, the item first that most visits met which did not reach the goal.

    Among equals the one goes first whose visits reached it less often, then by kind, place and thing.
    """
    met: dict[Key, dict[int, list[Moment]]] = defaultdict(dict)
    for at, each in enumerate(visits):
        for moment in each.moments:
            met[moment.kind, moment.place, moment.thing].setdefault(at, []).append(moment)
    lost = sum(not each.is_goal for each in visits)
    items = [_item(key, found, visits, lost) for key, found in met.items()]
    return sorted(
        items, key=lambda each: (-each.lost, -each.lost_share.value, each.kind, each.place, each.thing)
    )


def _item(key: Key, found: Mapping[int, list[Moment]], visits: Sequence[MetVisit], lost: int) -> FrictionItem:
    kind, place, thing = key
    cost = [at for at in found if not visits[at].is_goal]
    elsewhere = len(visits) - len(found)
    shown = (cost or list(found))[:REPLAYS]
    said = [(visits[at].visit.session_id, found[at][0].said) for at in cost or found]
    return FrictionItem(
        kind=kind,
        place=place,
        thing=thing,
        times=sum(map(len, found.values())),
        met=len(found),
        lost=len(cost),
        lost_share=wilson(len(cost), len(found)),
        lost_elsewhere=wilson(lost - len(cost), elsewhere) if elsewhere else None,
        replays=tuple(_replay(visits[at].visit, found[at][0]) for at in shown),
        said=gather_said(said),
    )


def _replay(visit: RecordedVisit, moment: Moment) -> Replay:
    step = moment.step + 1
    return Replay(
        session_id=visit.session_id, outcome=visit.outcome, step=step, link=f"{visit.replay}#step-{step}"
    )

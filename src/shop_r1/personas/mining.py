"""From a log to a file of personas and intents: groups of like sessions, and their first queries."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from shop_r1.errors import DataError
from shop_r1.personas import wording
from shop_r1.personas.clusters import STRUCTURE, Groups, choose_groups, group
from shop_r1.personas.entries import Persona, ShopperFile
from shop_r1.personas.features import Seen, Table, tabulate
from shop_r1.personas.queries import Queries, collect_queries
from shop_r1.personas.wording import Summary

_EXAMPLES = 3


@dataclass(frozen=True)
class Mined:
    """What was found in a log."""

    file: ShopperFile
    summaries: tuple[Summary, ...]
    """Of each persona's sessions."""
    everybody: Summary
    queries: Queries
    """Of the whole log."""
    own_queries: tuple[Queries, ...]
    """Of each persona's sessions."""
    silhouette: float | None
    """Of the groups; None for one."""
    tried: dict[int, float]
    """The mean silhouette by the number of groups, of those that are large enough; empty where it was
    given."""
    constant: tuple[str, ...]
    """Features that do not vary in this log."""
    warnings: tuple[str, ...] = field(default=())


def mine(log: Sequence[Seen], least: int, count: int | None = None, seed: int = 0) -> Mined:
    """Return the personas and intents of a log.

    `least` is how many shoppers at least have to share what is said of them, or have typed a query. Without
    a count, the number of groups is that with the highest mean silhouette among 2 to 8 whose groups all have
    so many shoppers.

    Raises:
        DataError: the log has fewer shoppers than that, or one of `count` groups has.
    """
    table = tabulate(log)
    shoppers = len({seen.visit.cluster for seen in log})
    if shoppers < least:
        raise DataError(f"the log has {_shoppers(shoppers)}; expected {least} or more (--min-shoppers)")
    tried: dict[int, float] = {}
    if count is None:
        groups, tried = choose_groups(table.values, lambda found: _fewest(found, log) >= least, seed)
    else:
        groups = _given(table, log, count, least, seed)
    queries = collect_queries(log, least)
    members = [
        [seen for seen, own in zip(log, groups.labels, strict=True) if own == k] for k in range(groups.count)
    ]
    summaries = tuple(wording.summarize(each) for each in members)
    names = wording.name_groups(groups.centers, table.names, [each.buys for each in summaries])
    personas = tuple(
        Persona(
            name=name,
            who=wording.describe(own, log),
            budget=wording.budget(own, least),
            patience=wording.patience(own, least),
            weight=round(len(own) / len(log), 6),
            sessions=len(own),
            examples=_nearest(table, groups, place, log),
        )
        for place, (name, own) in enumerate(zip(names, members, strict=True))
    )
    return Mined(
        file=ShopperFile(persona=personas, intent=queries.intents),
        summaries=summaries,
        everybody=wording.summarize(log),
        queries=queries,
        own_queries=tuple(collect_queries(each, least) for each in members),
        silhouette=groups.silhouette,
        tried=tried,
        constant=table.constant,
        warnings=tuple(_warn(groups, log)),
    )


def _given(table: Table, log: Sequence[Seen], count: int, least: int, seed: int) -> Groups:
    unlike = len(np.unique(table.values, axis=0))
    if count > unlike:
        raise DataError(f"the log has {unlike} unlike sessions, too few for {count} groups")
    groups = group(table.values, count, seed)
    if (fewest := _fewest(groups, log)) < least:
        raise DataError(
            f"of {count} groups the smallest has {_shoppers(fewest)}, and what is said of fewer than {least} "
            f"may be "
            "personal; expected fewer --groups, or another --min-shoppers"
        )
    return groups


def _shoppers(count: int) -> str:
    return f"{count} shopper{'' if count == 1 else 's'}"


def _fewest(groups: Groups, log: Sequence[Seen]) -> int:
    """Return how many shoppers the smallest group has."""
    who: list[set[str]] = [set() for _ in range(groups.count)]
    for seen, place in zip(log, groups.labels, strict=True):
        who[place].add(seen.visit.cluster)
    return min(map(len, who))


def _nearest(table: Table, groups: Groups, place: int, log: Sequence[Seen]) -> tuple[int, ...]:
    """Return the numbers of the sessions that are nearest to the middle of their group."""
    own = np.flatnonzero(groups.labels == place)
    distances = ((table.values[own] - groups.centers[place]) ** 2).sum(axis=1)
    return tuple(log[own[each]].number for each in np.argsort(distances, kind="stable")[:_EXAMPLES])


def _warn(groups: Groups, log: Sequence[Seen]) -> list[str]:
    found = []
    if groups.silhouette is not None and groups.silhouette < STRUCTURE:
        found.append(
            f"the mean silhouette is {groups.silhouette:.2f}, below {STRUCTURE}: these groups are cuts "
            f"through one "
            "crowd rather than kinds of shoppers"
        )
    if groups.count == 1:
        found.append("no split into groups that are large enough was found: all sessions are one persona")
    if unknown := sum(seen.visit.outcome == "unknown" for seen in log):
        found.append(
            f"how {unknown} of {len(log)} sessions ended is not known; they count as visits that left"
        )
    return found

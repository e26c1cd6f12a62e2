"""The sample-ratio check: whether visits were lost in one version more than in another."""

from collections import Counter
from collections.abc import Mapping, Sequence

from scipy import stats

from shop_r1.records.comparisons import Balance, ShopperPlan, VisitMeasures

SUSPICIOUS = 0.01
"""A p-value below it says that a version loses more visits. Ours, as experiments on people have it."""

Visits = Mapping[tuple[str, str], VisitMeasures]
"""By user id and version."""


def check_balance(plan: Sequence[ShopperPlan], versions: Sequence[str], visits: Visits) -> Balance:
    """Return whether visits that do not count are as many in each version.

    Shoppers met all versions, so what tells them apart are those who lost their visit to one of two alone:
    an exact binomial test (McNemar's).
    """
    counted = {
        version: {user for user, each in _of(visits, version) if each.is_counted} for version in versions
    }
    first, *others = versions
    p_values = [1.0]
    for version in others:
        lost, kept = len(counted[first] - counted[version]), len(counted[version] - counted[first])
        if lost + kept:
            p_values.append(float(stats.binomtest(lost, lost + kept).pvalue) * len(others))
    p_value = min(p_values)
    return Balance(
        planned=len(plan),
        counted={version: len(users) for version, users in counted.items()},
        lost={
            version: dict(Counter(each.outcome for _, each in _of(visits, version) if not each.is_counted))
            for version in versions
        },
        first={version: sum(each.order[0] == version for each in plan) for version in versions},
        p_value=p_value,
        is_even=p_value >= SUSPICIOUS,
    )


def _of(visits: Visits, version: str) -> list[tuple[str, VisitMeasures]]:
    return [(user, each) for (user, other), each in visits.items() if other == version]

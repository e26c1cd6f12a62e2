"""What a family of estimates says together of how much seeds differ: more than each knows alone.

With three seeds each estimate knows its variance by two degrees of freedom, and a family of twenty claims
cannot be judged at all: Student's factor is then 20. But how much more seeds differ than their sessions make
them, phi = σ² / V, is alike in kind for all: so each estimate's S² / V is drawn towards the family's, as
moderated t-statistics do with variances (G. K. Smyth, Linear models and empirical Bayes methods for assessing
differential expression in microarray experiments, Statistical Applications in Genetics and Molecular Biology
3, 2004): a prior phi ~ d0 phi0 / χ²(d0), fitted to the family by its moments, adds d0 degrees of freedom.
Ours: phi is at least 1 in the end, and d0 is at most what as many differences from one shared baseline can
give.

What is promised is coverage on average over the family. A member whose seeds differ much more than all the
others' gets too narrow an interval; its own, without the family, stands beside (`Judgement.alone`).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import optimize, special

from shop_r1.evaluation.bootstrap import Floats
from shop_r1.evaluation.seeds.estimates import Estimate

FAMILY_MIN = 4
"""Estimates that a prior is fitted to at least; fewer stay as they are. Ours."""


_NOTHING = 1e-12
"""A ratio of variances under this is 0: seeds that do not differ at all have no logarithm."""


def pool_seeds(family: Sequence[Estimate | None]) -> list[Estimate | None]:
    """Return the estimates with their variance over seeds drawn towards the family's, in the order given.

    Those of one seed, and those whose sessions make no variance, stay as they are, as does a family whose
    estimates have different numbers of seeds.
    """
    members = [each for each in family if each is not None and _can_be_pooled(each)]
    if len(members) < FAMILY_MIN or len({each.seeds for each in members}) > 1:
        return list(family)
    degrees = members[0].seeds - 1
    ratios = np.array([each.between / each.within for each in members])
    added, typical = fit_prior(ratios, degrees)
    added = min(added, most_degrees(len(members), degrees))
    return [
        _moderate(each, added, typical) if each is not None and _can_be_pooled(each) else each
        for each in family
    ]


def fit_prior(variances: Floats, degrees: int) -> tuple[float, float]:
    """Return d0 and s0² of the prior d0 s0² / χ²(d0) of which the sample variances are made (Smyth, 6.2).

    The variances have `degrees` degrees of freedom each. d0 is infinite where they differ no more than those
    degrees explain.
    """
    logs = np.log(np.maximum(variances, max(1e-5 * np.median(variances), _NOTHING)))
    logs = logs - special.digamma(degrees / 2) + np.log(degrees / 2)
    excess = float(logs.var(ddof=1) - special.polygamma(1, degrees / 2))
    if excess <= 0:
        return np.inf, float(np.exp(logs.mean()))
    half = float(optimize.brentq(lambda x: special.polygamma(1, x) - excess, 1e-6, 1e9))
    return 2 * half, float(np.exp(logs.mean() + special.digamma(half) - np.log(half)))


def most_degrees(count: int, degrees: int) -> float:
    """Return how well `count` variances of differences from one shared baseline know a common variance.

    Any two of them correlate by 1/2, their squares by 1/4, so that the mean of the sample variances has
    count · degrees / (1 + (count - 1) / 4) degrees of freedom.
    """
    return count * degrees / (1 + (count - 1) / 4)


def _can_be_pooled(each: Estimate) -> bool:
    return each.resamples is None and each.within > 0


def _moderate(each: Estimate, added: float, typical: float) -> Estimate:
    own = each.seeds - 1
    between = (added * typical * each.within + own * each.between) / (added + own)
    return replace(each, between=between, degrees=added + own)

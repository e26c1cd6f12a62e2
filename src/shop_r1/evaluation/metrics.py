"""The paper's metrics on predictions: exact match, type accuracy and macro F1, with intervals and per type.

Definitions, all over steps:

- exact: the whole action equals the shopper's on its type's fields (`actions.exact_match`);
- similar: exact, or only a typed text differs and is of similar meaning by a named rule (`similarity.rules`);
  a figure for each rule, beside the exact one;
- type accuracy: the action's type equals the shopper's;
- macro F1: the mean, over the types that occur among the shoppers' actions, of F1 on the type alone. A type
  that is predicted but never true lowers the recall of the true ones and gets no F1 of its own;
- a completion that is not an action of the space counts in every denominator, as wrong and as `unparsable`, a
  predicted label that is never true.

Intervals: 95 %, percentile bootstrap over sessions (steps of one session are not independent). Where all
steps are right, or all wrong, it has no width: read it beside the number of steps.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from shop_r1.errors import ConfigError, DataError
from shop_r1.evaluation.bootstrap import (
    Counts,
    Floats,
    Resampled,
    find_bounds,
    headline_figures,
    resample_counts,
)
from shop_r1.evaluation.invalid_responses import count_invalid, describe_invalid
from shop_r1.evaluation.similarity.rules import Rule, list_rules, match_texts, types_text
from shop_r1.jsonl import Record
from shop_r1.prompts.parse import Parse
from shop_r1.records.actions import ActionSpace, exact_match
from shop_r1.records.results import Interval, Prediction, Reweighted, Similar, Summary, TypeMetrics
from shop_r1.statistics.resampling import resample_clusters

UNPARSABLE = "unparsable"
"""The predicted label of a completion that is no action of the space."""
PAPER_TEST_MIX: Mapping[str, int] = {"click": 690, "type_and_submit": 677, "terminate": 512}
"""How many test steps of each type the paper's accuracies are over (Appendix C)."""
COLLAPSE_SHARE = 0.8
"""Predicting one type at least this often can be a collapse. Ours; the paper's 0.5B model is at 0.9."""
COLLAPSE_EXCESS = 0.25
"""It is one when the type is also predicted this much more often than shoppers do it. Ours."""
VANISHING_PART = 0.25
"""A type has vanished from the predictions at less than this part of its share among shoppers. Ours."""
VANISHING_SHARE = 0.05
"""Types that shoppers choose more rarely than this are not looked at. Ours."""
VANISHING_STEPS = 10
"""Nor are those of fewer steps: of ten, chance leaves two or fewer in one of 360 sets at most. Ours."""


class Metrics(Record):
    """What a set of predictions is worth; shares in [0, 1]."""

    n: int
    """Steps."""
    sessions: int
    exact: float
    type_accuracy: float
    type_f1_macro: float
    intervals: Summary
    """The same three with 95 % intervals over sessions; [0, value, 1] where there is only one session."""
    per_type: Mapping[str, TypeMetrics]
    """For each type that occurs among the shoppers' actions."""
    target_mix: Mapping[str, float]
    """Share of each type of the space among the shoppers' actions."""
    predicted_mix: Mapping[str, float]
    """Share of each type of the space, and of `unparsable`, among the predictions."""
    unparsable: int
    """Steps without a prediction that is an action of the space."""
    invalid: Mapping[str, int] = {}
    """The same by reason, the commonest first."""
    parse: Parse = "strict"
    """`lenient` where any completion was parsed so, after a think part and a code fence were taken away."""
    unwrapped: int = 0
    """Completions from which lenient parsing took something."""
    confusion: Mapping[str, Mapping[str, int]]
    """Steps by the shopper's type, then by the predicted one."""
    reweighted: Reweighted | None = None
    """In the paper's test mix; None where a type of that mix never occurs here."""
    similar: Mapping[str, Similar] = {}
    """Exact match that lets a typed text differ, by the rule's name."""


RULES = list_rules()
"""The rules of similar meaning, unless others are given."""


def evaluate_predictions(
    predictions: Sequence[Prediction],
    space: ActionSpace,
    *,
    bootstrap: int = 1000,
    seed: int = 0,
    rules: Sequence[Rule] = RULES,
) -> Metrics:
    """Return the metrics of the predictions, with intervals.

    >>> from shop_r1 import SHOP, Action, Prediction, evaluate_predictions
    >>> bought, left = Action(type="click", name="buy_box.buy_now"), Action(type="terminate")
    >>> predictions = [
    ...     Prediction(session_id="1", step=0, target=bought, action=bought),
    ...     Prediction(session_id="2", step=0, target=left, action=bought),
    ... ]
    >>> metrics = evaluate_predictions(predictions, SHOP)
    >>> metrics.exact, metrics.type_accuracy, round(metrics.type_f1_macro, 3)
    (0.5, 0.5, 0.333)

    Args:
        predictions: one for each step.
        space: a predicted type outside it counts as unparsable.
        bootstrap: resamples of the sessions, at least 1.
        seed: of the resampling.
        rules: by which a typed text counts as one of similar meaning.

    Raises:
        DataError: there is no prediction, or a shopper's action is outside the space.
        ConfigError: `bootstrap` is below 1.
    """
    if not predictions:
        raise DataError("there are no predictions to evaluate; expected at least one step")
    if bootstrap < 1:
        raise ConfigError(f"bootstrap is {bootstrap}; expected at least 1 resample")
    counts = count_predictions(predictions, space, rules)
    n, sessions = len(predictions), len(counts.confusion)
    totals = resample_clusters(sessions, bootstrap, seed)
    found, mix = resample_counts(counts, totals), paper_mix(counts.types)
    reweighted = None if mix is None else resample_counts(counts, totals, list(mix.values()))
    intervals = Summary(**_headline(found, sessions))
    confusion = counts.confusion.sum(axis=0)
    target = dict(zip(counts.types, confusion.sum(axis=1).tolist(), strict=True))
    predicted = dict(zip(counts.labels, confusion.sum(axis=0).tolist(), strict=True))
    return Metrics(
        n=n,
        sessions=sessions,
        **{name: interval.value for name, interval in intervals},
        intervals=intervals,
        per_type=_per_type(counts, totals),
        target_mix={name: target.get(name, 0) / n for name in space.type_names},
        predicted_mix={label: steps / n for label, steps in predicted.items()},
        unparsable=int(predicted[UNPARSABLE]),
        invalid=count_invalid(predictions, space),
        parse="lenient" if any(each.parse == "lenient" for each in predictions) else "strict",
        unwrapped=sum(each.unwrapped is not None for each in predictions),
        confusion={
            name: dict(zip(counts.labels, row, strict=True))
            for name, row in zip(counts.types, confusion.astype(int).tolist(), strict=True)
        },
        reweighted=reweighted and Reweighted(**_headline(reweighted, sessions), mix=mix or {}),
        similar={rule.name: _similar(rule, counts, found, reweighted, space) for rule in rules},
    )


def count_predictions(
    predictions: Sequence[Prediction], space: ActionSpace, rules: Sequence[Rule] = RULES
) -> Counts:
    """Return the predictions as counts; the sessions stand in the order in which they first occur.

    Raises:
        DataError: a shopper's action is outside the space.
    """
    labels = (*space.type_names, UNPARSABLE)
    rows = {name: row for row, name in enumerate(dict.fromkeys(each.session_id for each in predictions))}
    confusion = np.zeros((len(rows), len(labels), len(labels)))
    exact = np.zeros((len(rows), len(labels)))
    for each in predictions:
        if space.kind(each.target.type) is None:
            raise DataError(
                f"session {each.session_id}, step {each.step}: target.type is {each.target.type!r}; "
                f"the space {space.name} has {', '.join(space.type_names)}"
            )
        action = each.valid_action(space)
        place = rows[each.session_id], labels.index(each.target.type)
        confusion[*place, labels.index(UNPARSABLE if action is None else action.type)] += 1
        exact[place] += exact_match(action, each.target)
    similar = {name: exact.copy() for name in (rule.name for rule in rules)}
    for name, alike in match_texts(predictions, space, rules).items():
        for each, counts in zip(predictions, alike, strict=True):
            similar[name][rows[each.session_id], labels.index(each.target.type)] += counts
    occurring = np.flatnonzero(confusion.any(axis=(0, 2))).tolist()
    types = [labels[column] for column in occurring]
    kept = {name: each[:, occurring] for name, each in similar.items()}
    return Counts(types, labels, occurring, confusion[:, occurring], exact[:, occurring], kept)


def paper_mix(types: Sequence[str]) -> dict[str, float] | None:
    """Return the share of each type in the paper's test mix; None unless they are just that mix's types."""
    if set(types) != set(PAPER_TEST_MIX):
        return None
    return {name: PAPER_TEST_MIX[name] / sum(PAPER_TEST_MIX.values()) for name in types}


def find_collapse(metrics: Metrics) -> str | None:
    """Return a sentence when the predictions have collapsed to one type of action, else None.

    They have when one type makes up at least `COLLAPSE_SHARE` of the predictions and `COLLAPSE_EXCESS` more
    than of the shoppers' actions; or when so many of them are no valid response at all.
    """
    if metrics.unparsable >= COLLAPSE_SHARE * metrics.n:
        measured = "nothing" if metrics.unparsable == metrics.n else "hardly anything"
        return f"WARNING, {measured} is measured: {describe_invalid(metrics.invalid, metrics.n)}"
    for name, share in metrics.predicted_mix.items():
        real = metrics.target_mix.get(name, 0.0)
        if name != UNPARSABLE and share >= COLLAPSE_SHARE and share - real >= COLLAPSE_EXCESS:
            return f"{share:.0%} of the predictions are {name}, but only {real:.0%} of the shoppers' actions"
    return None


def find_vanishing(metrics: Metrics) -> str | None:
    """Return a sentence that names the types which the predictions have lost, else None.

    A type is lost when its share of the predictions that are an action is less than `VANISHING_PART` of its
    share among the shoppers' actions, that being at least `VANISHING_SHARE` and `VANISHING_STEPS` steps.
    """
    parsed = 1 - metrics.unparsable / metrics.n
    lost = [
        f"{metrics.predicted_mix.get(name, 0.0) / parsed:.1%} of the predicted actions are {name}, of the "
        f"shoppers' {real:.0%}"
        for name, real in metrics.target_mix.items()
        if parsed > 0
        and real >= VANISHING_SHARE
        and real * metrics.n >= VANISHING_STEPS
        and metrics.predicted_mix.get(name, 0.0) / parsed < VANISHING_PART * real
    ]
    return f"hardly ever predicted: {'; '.join(lost)}" if lost else None


def _per_type(counts: Counts, totals: Floats) -> dict[str, TypeMetrics]:
    confusion = counts.confusion.sum(axis=0)
    steps, hits = totals @ counts.confusion.sum(axis=2), totals @ counts.exact  # each (1 + B, T)
    found = {}
    for place, (name, column) in enumerate(zip(counts.types, counts.columns, strict=True)):
        right, n, predicted = confusion[place, column], confusion[place].sum(), confusion[:, column].sum()
        # Of the resamples that hold the type at all; the sample itself stays first.
        drawn = steps[:, place] > 0
        exact = find_bounds(hits[drawn, place] / steps[drawn, place], totals.shape[1])
        found[name] = TypeMetrics(
            n=int(n),
            predicted=int(predicted),
            exact=exact.value,
            exact_interval=exact,
            type_accuracy=float(right / n),
            precision=float(right / predicted) if predicted else 0.0,
            f1=float(2 * right / (n + predicted)),
        )
    return found


def _headline(found: Resampled, sessions: int) -> dict[str, Interval]:
    return {name: find_bounds(each, sessions) for name, each in headline_figures(found).items()}


def _similar(
    rule: Rule, counts: Counts, found: Resampled, reweighted: Resampled | None, space: ActionSpace
) -> Similar:
    def bounds(each: Resampled) -> Interval:
        return find_bounds(each.similar[rule.name].sum(axis=1) / each.steps, len(counts.confusion))

    typed = [place for place, name in enumerate(counts.types) if types_text(name, space)]
    hits, exact = (each[:, typed].sum() for each in (counts.similar[rule.name], counts.exact))
    steps = int(counts.confusion[:, typed].sum())
    return Similar(
        label=rule.label,
        threshold=rule.threshold,
        share=bounds(found),
        reweighted=None if reweighted is None else bounds(reweighted),
        typed_steps=steps,
        typed_exact=int(exact),
        typed_similar=int(hits),
    )

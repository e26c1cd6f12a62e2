"""The metrics of related work on the same predictions, so that those papers' figures can stand beside ours.

Lu et al. (arXiv 2503.20749), Customer-R1 (2510.07230), the OPeRA benchmark, and PAARS (2503.24228).
`docs/metrics.md` has each formula. As in `evaluation.metrics`, a completion that is no action of the space
counts in every denominator: as wrong, as the label `unparsable`, as an empty text.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import log

import numpy as np

from shop_r1.errors import DataError
from shop_r1.evaluation.bootstrap import f1_scores
from shop_r1.evaluation.click_types import PURCHASE, click_type
from shop_r1.evaluation.metrics import UNPARSABLE, predicted_label
from shop_r1.jsonl import Record
from shop_r1.records.actions import TERMINATE, Action, ActionSpace, exact_match
from shop_r1.records.results import Grid, Prediction, percent
from shop_r1.rewards.rouge import rouge_l

NEITHER = "neither"
"""The predicted outcome where the last step's prediction neither purchases nor terminates."""
SMOOTHING = 0.5
"""Added to each label's count before a KL divergence, which else is infinite where a model never does what
shoppers do (Krichevsky and Trofimov's half). Ours: PAARS does not say how it deals with that."""


class Figure(Record):
    """One figure and how much it was computed on."""

    value: float | None
    """None where the predictions do not carry what it needs."""
    n: int
    """Steps, clicks, typed texts or sessions that it is over, as its definition says."""


class RelatedMetrics(Record):
    """What related papers measure. Shares, F1 and ROUGE-L in [0, 1]; KL in nats, at least 0."""

    session_exact: Figure
    """Mean over sessions of the share of the session's steps predicted exactly. n: sessions. Lu et al."""
    outcome_f1_purchase: Figure
    """F1 of `purchase` on each session's last step, if that is a purchase or terminates; None without a
    purchase. n: such sessions. Lu et al."""
    outcome_f1_weighted: Figure
    """F1 of `purchase` and of `terminate` on the same steps, weighted by how often each is true. n: such
    sessions. Customer-R1, OPeRA."""
    fine_type_f1_macro: Figure
    """Mean F1 over the labels that occur among shoppers' actions, where a click's label is its subtype and
    any other action's is its type. n: steps. Customer-R1."""
    type_f1_macro: Figure
    """Mean F1 over the types that occur among shoppers' actions. n: steps. OPeRA; also in `Metrics`."""
    type_f1_weighted: Figure
    """F1 of each type, weighted by how often it is true. n: steps. OPeRA."""
    click_type_f1_weighted: Figure
    """F1 of each subtype on the steps where shoppers click, weighted by how often it is true; anything but
    a click is wrong there. n: clicks. OPeRA."""
    click_types_recorded: int
    """Shoppers' clicks whose subtype the data gives; the others' is read from the element's name."""
    text_exact: Figure
    """Share of shoppers' typed texts predicted to the letter; the input's name does not count. n: texts."""
    text_rouge_l: Figure
    """Mean ROUGE-L of the predicted text with the typed one, 0 where no text was predicted. n: texts."""
    rationale_rouge_l: Figure
    """Mean ROUGE-L of the predicted rationale with the recorded one, 0 where the completion is unparsable. n:
    steps with a recorded rationale. OPeRA."""
    type_kl: Figure
    """KL divergence of the types that shoppers choose from those predicted, smoothed. n: steps. PAARS."""
    type_total_variation: Figure
    """Half the summed differences of the same two distributions, not smoothed. n: steps. Ours, beside KL."""
    outcome_kl: Figure
    """As `type_kl`, over outcomes. n: sessions as in `outcome_f1_weighted`. PAARS."""
    outcome_total_variation: Figure
    """As `type_total_variation`, over outcomes. n: the same sessions."""


def measure_related(predictions: Sequence[Prediction], space: ActionSpace) -> RelatedMetrics:
    """Return the related-work metrics of these predictions; arguments as `evaluate_predictions`.

    Raises:
        DataError: there is no prediction.
    """
    if not predictions:
        raise DataError("there are no predictions to evaluate; expected at least one step")
    target = [each.target.type for each in predictions]
    predicted = [predicted_label(each, space) for each in predictions]
    real, chosen = _outcomes(predictions, space)
    clicks = [each for each in predictions if click_type(each.target) is not None]
    return RelatedMetrics(
        session_exact=_session_exact(predictions, space),
        outcome_f1_purchase=_f1(real, chosen, "macro", [PURCHASE]),
        outcome_f1_weighted=_f1(real, chosen, "weighted"),
        fine_type_f1_macro=_f1(*_fine_labels(predictions, space), "macro"),
        type_f1_macro=_f1(target, predicted, "macro"),
        type_f1_weighted=_f1(target, predicted, "weighted"),
        click_type_f1_weighted=_f1(*_fine_labels(clicks, space), "weighted"),
        click_types_recorded=sum(each.target.click_type is not None for each in clicks),
        **_text_figures(predictions, space),
        type_kl=_kl(target, predicted),
        type_total_variation=_total_variation(target, predicted),
        outcome_kl=_kl(real, chosen),
        outcome_total_variation=_total_variation(real, chosen),
    )


def find_outcome(action: Action, target: Action | None = None) -> str | None:
    """Return how a session ends with this as its last action: purchase, terminate, or None for neither."""
    if action.type == TERMINATE.name:
        return TERMINATE.name
    return PURCHASE if click_type(action, target) == PURCHASE else None


def _outcomes(predictions: Sequence[Prediction], space: ActionSpace) -> tuple[list[str], list[str]]:
    """Return the real and the predicted outcome of each session whose last step has one."""
    last: dict[str, Prediction] = {}
    for each in predictions:
        if each.session_id not in last or each.step >= last[each.session_id].step:
            last[each.session_id] = each
    real, chosen = [], []
    for each in last.values():
        outcome = find_outcome(each.target)
        if outcome is not None:
            action = _valid_action(each, space)
            real.append(outcome)
            chosen.append((action and find_outcome(action, each.target)) or NEITHER)
    return real, chosen


def _fine_labels(predictions: Sequence[Prediction], space: ActionSpace) -> tuple[list[str], list[str]]:
    """Return the shopper's and the predicted label of each step: a click's subtype, else the type."""
    target, predicted = [], []
    for each in predictions:
        action = _valid_action(each, space)
        target.append(_fine_label(each.target))
        predicted.append(UNPARSABLE if action is None else _fine_label(action, each.target))
    return target, predicted


def _fine_label(action: Action, target: Action | None = None) -> str:
    subtype = click_type(action, target)
    return action.type if subtype is None else f"{action.type}.{subtype}"


def _valid_action(prediction: Prediction, space: ActionSpace) -> Action | None:
    return None if predicted_label(prediction, space) == UNPARSABLE else prediction.action


def _session_exact(predictions: Sequence[Prediction], space: ActionSpace) -> Figure:
    sessions: dict[str, list[bool]] = {}
    for each in predictions:
        hit = exact_match(_valid_action(each, space), each.target)
        sessions.setdefault(each.session_id, []).append(hit)
    return _mean(sum(hits) / len(hits) for hits in sessions.values())


def _text_figures(predictions: Sequence[Prediction], space: ActionSpace) -> Mapping[str, Figure]:
    typed = [
        (each.target.value("text"), action.value("text") if action else "", action is not None)
        for each in predictions
        if each.target.text
        for action in [_valid_action(each, space)]
    ]
    reasons = [(each.target_rationale, each.rationale or "") for each in predictions if each.target_rationale]
    return {
        "text_exact": _mean(float(valid and real == found) for real, found, valid in typed),
        "text_rouge_l": _mean(rouge_l(found, real) for real, found, _ in typed),
        "rationale_rouge_l": _mean(rouge_l(found, real) for real, found in reasons),
    }


def _mean(values: Iterable[float]) -> Figure:
    found = list(values)
    return Figure(value=sum(found) / len(found) if found else None, n=len(found))


def _f1(
    target: Sequence[str], predicted: Sequence[str], average: str, labels: Sequence[str] | None = None
) -> Figure:
    """Return the mean F1 over the labels that are true at least once, of these or of all.

    `average` is `macro`, or `weighted` by how often each label is true.
    """
    true, chosen = Counter(target), Counter(predicted)
    hits = Counter(one for one, other in zip(target, predicted, strict=True) if one == other)
    kept = sorted(set(true) & set(true if labels is None else labels))
    if not kept:
        return Figure(value=None, n=len(target))
    right, support, times = (np.array([each[name] for name in kept], float) for each in (hits, true, chosen))
    weights = support if average == "weighted" else None
    value = np.average(f1_scores(right, support, times), weights=weights)
    return Figure(value=float(value), n=len(target))


def _kl(target: Sequence[str], predicted: Sequence[str]) -> Figure:
    if not target:
        return Figure(value=None, n=0)
    real, chosen = _shares(target, predicted, SMOOTHING)
    value = sum(p * log(p / q) for p, q in zip(real, chosen, strict=True))
    return Figure(value=max(value, 0.0), n=len(target))  # equal distributions can come out at -1e-17


def _total_variation(target: Sequence[str], predicted: Sequence[str]) -> Figure:
    if not target:
        return Figure(value=None, n=0)
    real, chosen = _shares(target, predicted, 0.0)
    return Figure(value=sum(abs(p - q) for p, q in zip(real, chosen, strict=True)) / 2, n=len(target))


def _shares(target: Sequence[str], predicted: Sequence[str], added: float) -> tuple[list[float], list[float]]:
    """Return the share of each label that occurs in either, among the real and among the predicted ones."""
    labels = sorted({*target, *predicted})
    real, chosen = (
        [(Counter(found)[label] + added) / (len(found) + added * len(labels)) for label in labels]
        for found in (target, predicted)
    )
    return real, chosen


_ROWS: tuple[tuple[str, str, str, str], ...] = (
    ("session_exact", "exact, mean of sessions, %", "Lu et al.", "sessions"),
    ("outcome_f1_purchase", "outcome F1, purchase, %", "Lu et al.", "sessions"),
    ("outcome_f1_weighted", "outcome F1, weighted, %", "Customer-R1, OPeRA", "sessions"),
    ("fine_type_f1_macro", "fine type F1, macro, %", "Customer-R1", "steps"),
    ("type_f1_macro", "type F1, macro, %", "OPeRA", "steps"),
    ("type_f1_weighted", "type F1, weighted, %", "OPeRA", "steps"),
    ("click_type_f1_weighted", "click type F1, weighted, %", "OPeRA", "clicks"),
    ("text_exact", "typed text, exact, %", "", "texts"),
    ("text_rouge_l", "typed text, ROUGE-L, %", "", "texts"),
    ("rationale_rouge_l", "rationale, ROUGE-L, %", "OPeRA", "steps"),
    ("type_kl", "types, KL, nats", "PAARS", "steps"),
    ("type_total_variation", "types, total variation, %", "", "steps"),
    ("outcome_kl", "outcomes, KL, nats", "PAARS", "sessions"),
    ("outcome_total_variation", "outcomes, total variation, %", "", "sessions"),
)
"""Field, what the table calls it, who measures it, what its n counts."""


def related_grid(setting: str, metrics: RelatedMetrics) -> Grid:
    """Return one setting's related-work metrics as a table."""
    rows = []
    for field, title, source, unit in _ROWS:
        figure: Figure = getattr(metrics, field)
        known = figure.value is not None and title.endswith("nats")
        shown = f"{figure.value:.3f}" if known else percent(figure.value)
        rows.append((title, source, shown, f"{figure.n} {unit}"))
    note = (
        f"A dash: the data do not carry it. {metrics.click_types_recorded} of "
        f"{metrics.click_type_f1_weighted.n} clicks have a recorded subtype."
    )
    header = ("metric", "measured by", "value", "over")
    return Grid(title=f"Related-work metrics: {setting}", header=header, rows=tuple(rows), note=note)

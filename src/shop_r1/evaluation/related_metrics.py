"""The metrics of related work on the same predictions, so that those papers' figures can stand beside ours.

Lu et al. (arXiv 2503.20749), Customer-R1 (2510.07230), the OPeRA benchmark, and PAARS (2503.24228).
`docs/metrics.md` has each formula. As in `evaluation.metrics`, a completion that is no action of the space
counts in every denominator: as wrong, as the label `unparsable`, as an empty text.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from shop_r1.evaluation.bootstrap import Floats, f1_scores
from shop_r1.evaluation.metrics import UNPARSABLE
from shop_r1.jsonl import Record
from shop_r1.records.actions import CLICK, TERMINATE, Action, ActionSpace, exact_match
from shop_r1.records.click_types import PURCHASE, click_type
from shop_r1.records.results import Grid, Prediction, percent
from shop_r1.rewards.rouge import rouge_l

Labels = tuple[str, str]
"""The real label and the predicted one."""
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
    """Return the related-work metrics of these predictions; arguments as `evaluate_predictions`."""
    steps = [(each.target, each.valid_action(space)) for each in predictions]
    types = [(target.type, action.type if action else UNPARSABLE) for target, action in steps]
    fine = [(_fine_label(target), _fine_label(action, target)) for target, action in steps]
    clicks = [labels for labels, (target, _) in zip(fine, steps, strict=True) if target.type == CLICK.name]
    outcomes = list(_outcomes(predictions, space))
    type_kl, type_total_variation = _compare_mixes(types)
    outcome_kl, outcome_total_variation = _compare_mixes(outcomes)
    hits: dict[str, list[bool]] = {}
    for each, (target, action) in zip(predictions, steps, strict=True):
        hits.setdefault(each.session_id, []).append(exact_match(action, target))
    typed = [(target.text, action and action.value("text")) for target, action in steps if target.text]
    reasons = [(each.target_rationale, each.rationale) for each in predictions if each.target_rationale]
    return RelatedMetrics(
        session_exact=_mean(sum(session) / len(session) for session in hits.values()),
        outcome_f1_purchase=_f1(outcomes, "macro", [PURCHASE]),
        outcome_f1_weighted=_f1(outcomes, "weighted"),
        fine_type_f1_macro=_f1(fine, "macro"),
        type_f1_macro=_f1(types, "macro"),
        type_f1_weighted=_f1(types, "weighted"),
        click_type_f1_weighted=_f1(clicks, "weighted"),
        click_types_recorded=sum(
            target.type == CLICK.name and target.click_type is not None for target, _ in steps
        ),
        text_exact=_mean(float(real == found) for real, found in typed),
        text_rouge_l=_mean(rouge_l(found or "", real) for real, found in typed),
        rationale_rouge_l=_mean(rouge_l(found or "", real) for real, found in reasons),
        type_kl=type_kl,
        type_total_variation=type_total_variation,
        outcome_kl=outcome_kl,
        outcome_total_variation=outcome_total_variation,
    )


def find_outcome(action: Action | None, target: Action | None = None) -> str | None:
    """Return how a session ends with this as its last action: purchase, terminate, or None for neither."""
    if action is not None and action.type == TERMINATE.name:
        return TERMINATE.name
    return PURCHASE if action is not None and click_type(action, target) == PURCHASE else None


def _outcomes(predictions: Sequence[Prediction], space: ActionSpace) -> Iterator[Labels]:
    """Yield the real and the predicted outcome of each session whose last step has one."""
    last = {each.session_id: each for each in sorted(predictions, key=lambda each: each.step)}
    for each in last.values():
        if outcome := find_outcome(each.target):
            yield outcome, find_outcome(each.valid_action(space), each.target) or NEITHER


def _fine_label(action: Action | None, target: Action | None = None) -> str:
    """Return a click's subtype, any other action's type, and `unparsable` for none."""
    if action is None:
        return UNPARSABLE
    subtype = click_type(action, target)
    return action.type if subtype is None else f"{action.type}.{subtype}"


def _mean(values: Iterable[float]) -> Figure:
    found = list(values)
    return Figure(value=sum(found) / len(found) if found else None, n=len(found))


def _f1(pairs: Sequence[Labels], average: str, labels: Iterable[str] | None = None) -> Figure:
    """Return the mean F1 over the labels that are true at least once, of these or of all.

    `average` is `macro`, or `weighted` by how often each label is true.
    """
    true, chosen = _count_labels(pairs)
    hits = Counter(real for real, found in pairs if real == found)
    kept = sorted(true.keys() & (true if labels is None else labels))
    if not kept:
        return Figure(value=None, n=len(pairs))
    right, support, times = (np.array([each[name] for name in kept], float) for each in (hits, true, chosen))
    weights = support if average == "weighted" else None
    value = np.average(f1_scores(right, support, times), weights=weights)
    return Figure(value=float(value), n=len(pairs))


def _compare_mixes(pairs: Sequence[Labels]) -> tuple[Figure, Figure]:
    """Return how far the mix of predicted labels is from the real one: smoothed KL, and total variation."""
    n = len(pairs)
    if not n:
        return Figure(value=None, n=0), Figure(value=None, n=0)
    true, chosen = _count_labels(pairs)
    labels = sorted(true | chosen)
    real, found = (np.array([counts[label] for label in labels], float) for counts in (true, chosen))
    kl, variation = kl_divergence(real, found), total_variation(real, found)
    return Figure(value=kl, n=n), Figure(value=variation, n=n)


def kl_divergence(real: Floats, found: Floats) -> float:
    """Return KL(real || found) in nats, at least 0, of two mixes given as (K) counts, each smoothed.

    Both hold something.
    """
    p, q = ((counts + SMOOTHING) / (counts.sum() + SMOOTHING * len(counts)) for counts in (real, found))
    return max(float(np.sum(p * np.log(p / q))), 0.0)  # Equal mixes can come out at -1e-17.


def total_variation(real: Floats, found: Floats) -> float:
    """Return half the summed differences of two mixes given as (K) counts, in [0, 1]; both hold something."""
    return float(np.abs(real / real.sum() - found / found.sum()).sum() / 2)


def _count_labels(pairs: Sequence[Labels]) -> tuple[Counter[str], Counter[str]]:
    return Counter(real for real, _ in pairs), Counter(found for _, found in pairs)


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

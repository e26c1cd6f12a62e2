"""Results: how one completion was scored, what a model predicted, and the rows of the paper's tables."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import ValidationError

from shop_r1.errors import DataError
from shop_r1.jsonl import Record, read_json, write_json
from shop_r1.records.actions import Action, ActionSpace
from shop_r1.validation_messages import describe_problems


class RewardBreakdown(Record):
    """One completion's reward, part by part (paper, Table 1)."""

    format: float
    type: float
    attribute: float
    value: float
    rationale: float
    total: float
    reasons: Mapping[str, str] = {}
    """For each part, one sentence that says why it is what it is."""


class Prediction(Record):
    """What a model predicted at one step, beside what the shopper did."""

    session_id: str
    step: int
    """The step's index in its session, from 0."""
    target: Action
    target_rationale: str | None = None
    """The rationale in the session, by the shopper or a writer of rationales; None where there is none."""
    completion: str | None = None
    """The model's raw text; None where the file records actions only."""
    action: Action | None = None
    """The predicted action; None when the completion is an invalid response."""
    rationale: str | None = None
    failure: str | None = None
    """Why the completion is an invalid response."""
    parse: Literal["lenient"] | None = None
    """`lenient` where a think part and a code fence were taken away before parsing, if there were any; None
    is strict, as in training."""
    unwrapped: tuple[Literal["think", "fence"], ...] | None = None
    """What lenient parsing took away from this completion; None where it took nothing."""
    prompt_tokens: int | None = None
    pages_cut: int | None = None
    """How many of the prompt's pages lost their body to the token budget."""
    page_truncated: bool | None = None
    """Whether the current page was shortened to fit the token budget."""
    target_cut: bool | None = None
    """Whether that took the element away that the shopper acted on; None where there is no such element."""
    reward: RewardBreakdown | None = None

    def valid_action(self, space: ActionSpace) -> Action | None:
        """Return the predicted action, or None where it is none of the space."""
        return self.action if self.action is not None and space.kind(self.action.type) else None


def percent(share: float | None, decimals: int = 1) -> str:
    """Return a share in per cent (`27.7`); a dash for None.

    >>> percent(0.2772), percent(0.2772, 2), percent(1.0), percent(None)
    ('27.7', '27.72', '100.0', '–')
    """
    return "–" if share is None else f"{100 * share:.{decimals}f}"


class Interval(NamedTuple):
    """A value with its 95 % interval, each in [0, 1] for shares; in JSON `[low, value, high]`."""

    low: float
    value: float
    high: float

    def __str__(self) -> str:
        """Return the share and its interval in per cent.

        >>> str(Interval(low=0.25, value=0.2772, high=0.31))
        '27.7 [25.0, 31.0]'
        """
        return f"{percent(self.value)} [{percent(self.low)}, {percent(self.high)}]"


class Summary(Record):
    """The three headline figures, as shares in [0, 1] with their intervals."""

    exact: Interval
    type_accuracy: Interval
    type_f1_macro: Interval


class Reweighted(Summary):
    """The figures that a test set with another mix of types would give (each type's own rates kept)."""

    mix: Mapping[str, float]
    """Share of each type in that mix."""


class Similar(Record):
    """Exact match that lets a typed text differ, by one rule; docs/metrics.md has the rules.

    A step counts where the action is exact, or where it types into the same field a text of similar meaning.
    """

    label: str
    """What tables call the rule."""
    threshold: float | None = None
    """The similarity that a text has to exceed; None where the rule has none."""
    share: Interval
    """Of all steps."""
    reweighted: Interval | None = None
    """The same in the paper's test mix; None where a type of that mix never occurs."""
    typed_steps: int
    """Steps at which shoppers typed a text."""
    typed_exact: int
    """Those of them predicted exactly."""
    typed_similar: int
    """Those of them that count, the exact ones among them."""


class TypeMetrics(Record):
    """The figures of one type of action; shares in [0, 1]."""

    n: int
    """Steps at which shoppers did this."""
    predicted: int
    """Steps at which this type was predicted."""
    exact: float
    """Share of the n steps predicted exactly."""
    exact_interval: Interval
    type_accuracy: float
    """Share of the n steps whose type was predicted (recall)."""
    precision: float
    """Share of the predictions of this type that were right; 0 where there is none."""
    f1: float


class PaperRow(Record):
    """One row of one of the paper's tables; every figure a share in [0, 1]."""

    source: str
    """The table or figure."""
    model: str
    setting: str
    exact: float
    type_accuracy: float
    type_f1_macro: float
    exact_per_type: Mapping[str, float] = {}
    type_accuracy_per_type: Mapping[str, float] = {}
    note: str = ""


class TableRow(Record):
    """One setting's figures: a row of `table.json`. Shares in [0, 1]."""

    setting: str
    exact: Interval
    type_accuracy: Interval
    type_f1_macro: Interval
    per_type: Mapping[str, TypeMetrics] = {}
    predicted_mix: Mapping[str, float] = {}
    target_mix: Mapping[str, float] = {}
    n: int
    """Steps."""
    sessions: int | None = None
    unparsable: int = 0
    invalid: Mapping[str, int] = {}
    """The unparsable ones by reason, the commonest first."""
    parse: Literal["strict", "lenient"] = "strict"
    """`lenient` where a think part and a code fence were taken away before parsing."""
    unwrapped: int = 0
    """Completions from which lenient parsing took something."""
    confusion: Mapping[str, Mapping[str, int]] = {}
    """Steps by the shopper's type, then by the predicted one, `unparsable` among them."""
    model: str | None = None
    decoding: str | None = None
    """How the completions were drawn: `greedy`, `sampled`, or what else is known of it; None where nothing
    is."""
    temperature: float | None = None
    """Of sampling, 0 for greedy; None where it is not known."""
    context: str = "whole-session"
    reweighted: Reweighted | None = None
    """The same in the paper's test mix."""
    similar: Mapping[str, Similar] = {}
    """Exact match that lets a typed text differ, by the rule's name."""
    collapse: str | None = None
    """What `evaluation.metrics.find_collapse` says."""
    vanishing: str | None = None
    """What `evaluation.metrics.find_vanishing` says."""
    paper: PaperRow | None = None
    """The paper's row for this setting, where it has one."""
    note: str | None = None

    @property
    def label(self) -> str:
        """The setting as tables show it: one that was parsed leniently says so."""
        return self.setting if self.parse == "strict" else f"{self.setting} (parse={self.parse})"

    @property
    def alerts(self) -> tuple[str, ...]:
        """What is wrong with the mix of predicted types, each under the row's label."""
        return tuple(f"{self.label}: {told}" for told in (self.collapse, self.vanishing) if told)


def write_table(path: Path, rows: Iterable[TableRow]) -> None:
    """Write the rows as a JSON list; the file appears whole or not at all."""
    write_json(path, [row.model_dump(mode="json", exclude_none=True) for row in rows])


def read_table(path: Path) -> list[TableRow]:
    """Return the rows of a `table.json`.

    Raises:
        DataError: the file cannot be read, is not a list, or a row is not such a row.
    """
    values = read_json(path)
    if not isinstance(values, list):
        raise DataError.at(path, None, f"is a JSON {type(values).__name__}; expected a list of rows")
    rows = []
    for number, value in enumerate(values):
        try:
            rows.append(TableRow.model_validate(value))
        except ValidationError as error:
            raise DataError.at(path, None, f"row {number}: {describe_problems(error)}") from None
    return rows


class Grid(Record):
    """A table ready to be shown: cells as text, the first column is the line's name."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    alerts: tuple[str, ...] = ()
    """Sentences that a report shows above all its tables; in text and Markdown they follow the note."""


class Plot(Record):
    """A plot ready to be shown."""

    svg: str
    """One `<svg>` element; its `<title>` and `<desc>` become the image's text for those who cannot see it."""
    caption: str = ""
    group: str = ""
    """Plots of one group stand together under its name, with the caption of the first."""

"""What shoppers' journeys through one version of a shop came to: `journey.json`."""

from typing import Literal

from pydantic import Field

from shop_r1.jsonl import Record
from shop_r1.records.results import Interval

JOURNEY_FILE, JOURNEY_PAGE, JOURNEY_SUMMARY = "journey.json", "journey.html", "journey.md"
"""Beside the files of a simulation: the results; the same as a page; a summary for a pull request."""

FrictionKind = Literal[
    "left",
    "step_limit",
    "error_end",
    "circle",
    "dead_click",
    "blocked_click",
    "unreachable",
    "empty_search",
    "http_error",
    "page_error",
    "failed_action",
]
"""Where visits ended (the first three, one of which each visit without a purchase has), and what they met."""
FRICTION_WORDS: dict[FrictionKind, str] = {
    "left": "left",
    "step_limit": "reached the step limit",
    "error_end": "ended in an error",
    "circle": "went round in circles",
    "dead_click": "clicked without effect",
    "blocked_click": "clicked in vain, a request was refused here",
    "unreachable": "clicked on what is covered, hidden or disabled",
    "empty_search": "searched without results",
    "http_error": "got an error page (HTTP)",
    "page_error": "met a script error, a crash or no answer",
    "failed_action": "could not act",
}
"""What shoppers did or met, as a sentence about them has it."""


class StageFigure(Record):
    """One stage of the funnel; all counts are visits."""

    name: str
    words: str
    reached: int
    """Came as far as this, or further."""
    went_on: int
    """Of these, the ones that reached the next stage; 0 at the last."""
    left: int
    """Of these, the ones that came no further; 0 at the last, where they came to the end."""
    circled: int
    """Went round in circles when this was the furthest stage that they had reached."""
    share: Interval
    """Reached, of all visits that count."""
    of_before: Interval | None
    """Reached, of the visits that reached the stage before; None at the first, or where none did."""


class JourneyFigure(Record):
    """One figure of all visits, which a gate may be about."""

    name: str
    label: str
    kind: Literal["share", "mean"]
    visits: int
    """That have it."""
    count: int | None
    """Of a share, the visits of which it is true."""
    value: Interval | None
    """With its 95 % interval: Wilson's of a share, Student's of a mean; None where no visit has it."""


class Replay(Record):
    """A moment in a visit."""

    session_id: str
    outcome: str
    step: int = Field(ge=1)
    link: str
    """The visit's page in the report of the simulation at this step, relative to the run's folder."""


class SaidCluster(Record):
    """Visits whose shoppers said much the same."""

    visits: int
    sentence: str
    """The one that is nearest to all others: model output, so hostile."""
    session_id: str
    """Who said it."""


class Said(Record):
    """What shoppers said where it happened; a visit counts once for each item."""

    visits: int
    """That said something."""
    silent: int
    """That said nothing."""
    clusters: tuple[SaidCluster, ...]
    """The largest first."""
    others: int
    """Visits in clusters that are not listed."""
    other_clusters: int


class FrictionItem(Record):
    """One thing that visits met in one place."""

    kind: FrictionKind
    place: str
    """The page's address without its host, `*` for what names one product; page content, so hostile."""
    thing: str
    """What it was about, such as an element's label or a status; empty where the kind says all. Hostile."""
    times: int
    met: int
    """Visits that met it."""
    lost: int
    """Of these, the ones that did not reach the goal: what it may have cost."""
    lost_share: Interval
    """Of the visits that met it."""
    lost_elsewhere: Interval | None
    """The share that did not reach the goal among all other visits; None where there is no other."""
    replays: tuple[Replay, ...]
    """At most three, of visits that did not reach the goal where there are any."""
    said: Said


class Check(Record):
    """One condition of a gate."""

    name: str
    is_passed: bool
    sentence: str
    """What was found and expected."""


class Change(Record):
    """One share beside the baseline's."""

    name: str
    label: str
    before: Interval
    now: Interval
    difference: Interval
    """Now less before, with Newcombe's interval of the level that Holm's procedure gives it."""
    level: float
    p_adjusted: float
    is_lower: bool
    """Whether that interval lies below 0."""


class Baseline(Record):
    """An earlier report beside this one."""

    file: str
    visits: int
    changes: tuple[Change, ...]
    smallest_found: float
    """The least fall of the goal's share that so many visits find with 80 % power, alone."""


class JourneyReport(Record):
    """The results: `journey.json`."""

    format: Literal[1] = 1
    shop: str
    made_with: dict[str, str]
    """The settings that say who shopped and how long: what a baseline must have alike."""
    version: str | None
    """Of a comparison, the version whose visits these are."""
    goal: str
    funnel: str
    """What the stages were found by: `pages`, or the rules as they were given."""
    begun: int
    """Visits in the folder."""
    counted: int
    """Visits with a step that came to an end; `error` is one."""
    reached_goal: int
    left_out: dict[str, int]
    """Visits that do not count, by outcome."""
    verdict: str
    caution: str
    warnings: tuple[str, ...]
    stages: tuple[StageFigure, ...]
    figures: tuple[JourneyFigure, ...]
    friction: tuple[FrictionItem, ...]
    """What cost most first."""
    more_friction: int
    """Items that cost least and are not listed."""
    baseline: Baseline | None = None
    checks: tuple[Check, ...] = ()
    """Of the gate; empty where none was asked for."""

    @property
    def is_passed(self) -> bool:
        """Whether every condition of the gate holds; True where there is none."""
        return all(check.is_passed for check in self.checks)

    def figure(self, name: str) -> JourneyFigure | None:
        """Return the figure of this name."""
        return next((each for each in self.figures if each.name == name), None)

"""From recorded visits to the journey report."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shop_r1.comparison.measures import measure_visit
from shop_r1.comparison.metrics import METRICS
from shop_r1.config import suggest
from shop_r1.errors import ConfigError, DataError
from shop_r1.journey.friction import MetVisit, rank_friction
from shop_r1.journey.funnel import FOUND_FUNNEL, Funnel
from shop_r1.journey.moments import find_moments
from shop_r1.journey.visits import RecordedVisit
from shop_r1.journey.wording import CAUTION, verdict_sentences, warning_sentences
from shop_r1.patterns import is_pattern, matches
from shop_r1.records.comparisons import VisitMeasures
from shop_r1.records.journeys import (
    FRICTION_WORDS,
    FrictionKind,
    JourneyFigure,
    JourneyReport,
    StageFigure,
)
from shop_r1.statistics.proportions import student, wilson

FRICTION_MAX = 200
"""Items that a report lists. Ours."""


@dataclass(frozen=True)
class JourneyQuestion:
    """What a report asks."""

    funnel: Funnel = FOUND_FUNNEL
    goal: str | None = None
    """A stage's name or an address with `*`; None: the last stage."""
    shop: str = ""
    """In words."""
    made_with: Mapping[str, str] = field(default_factory=dict)
    """`JourneyReport.made_with`."""
    version: str | None = None

    @property
    def goal_name(self) -> str:
        """The goal.

        Raises:
            ConfigError: it is neither a stage nor an address.
        """
        names = [stage.name for stage in self.funnel.stages]
        goal = names[-1] if self.goal is None else self.goal
        if goal not in names[1:] and not is_pattern(goal):
            raise ConfigError(
                f"--goal {goal!r} is no stage; {suggest(goal, names[1:])}, or an address with *"
            )
        return goal

    def is_reached(self, visit: RecordedVisit, furthest: int) -> bool:
        """Return whether a visit that came so far in the funnel reached the goal."""
        stage = self.funnel.index(self.goal_name)
        if stage is not None:
            return furthest >= stage
        return any(matches(self.goal_name, step.page.url) for step in visit.steps)


@dataclass(frozen=True)
class _Told:
    """A visit that counts, with all that is known of it."""

    met: MetVisit
    reached: int
    """Its furthest stage, from 0."""
    circled: frozenset[int]
    """The furthest stages so far at which it went round in circles."""
    measures: VisitMeasures


def report_journeys(visits: Sequence[RecordedVisit], question: JourneyQuestion) -> JourneyReport:
    """Return the report on all visits of a run; they are taken in the order of their ids.

    Raises:
        ConfigError: the goal is none.
        DataError: no visit counts.
    """
    goal = question.goal_name  # before the visits are looked at
    counted = sorted((each for each in visits if each.is_counted), key=lambda each: each.session_id)
    left_out = Counter(each.outcome for each in visits if not each.is_counted)
    if not counted:
        found = ", ".join(f"{name} {count}" for name, count in left_out.items()) or "no visit"
        raise DataError(
            f"no visit took a step and came to an end; the run has {found}; expected finished visits"
        )
    told = [_tell(each, question) for each in counted]
    ranked = rank_friction([each.met for each in told])
    friction = tuple(ranked[:FRICTION_MAX])
    stages = tuple(_stages(told, question.funnel))
    reached = sum(each.met.is_goal for each in told)
    figures = tuple(_figures(told, question.funnel))
    return JourneyReport(
        shop=question.shop,
        made_with=dict(question.made_with),
        version=question.version,
        goal=goal,
        funnel=question.funnel.rules,
        begun=len(visits),
        counted=len(counted),
        reached_goal=reached,
        left_out=dict(left_out),
        verdict=verdict_sentences(goal, reached, len(counted), friction),
        caution=CAUTION,
        warnings=tuple(warning_sentences(counted, left_out, stages, friction)),
        stages=stages,
        figures=figures,
        friction=friction,
        more_friction=len(ranked) - len(friction),
    )


def _tell(visit: RecordedVisit, question: JourneyQuestion) -> _Told:
    furthest = question.funnel.furthest(visit)
    moments = tuple(find_moments(visit, question.funnel.empty_search))
    is_goal = question.is_reached(visit, furthest[-1])
    measures = measure_visit(visit.user_id or visit.session_id, "", visit.steps, visit.outcome)
    return _Told(
        met=MetVisit(visit, moments, is_goal),
        reached=furthest[-1],
        circled=frozenset(furthest[each.step] for each in moments if each.kind == "circle"),
        measures=measures.model_copy(update={"goal": is_goal}),
    )


def _stages(told: Sequence[_Told], funnel: Funnel) -> list[StageFigure]:
    reached = [sum(each.reached >= at for each in told) for at in range(len(funnel.stages))]
    after = [*reached[1:], 0]
    found = []
    for at, stage in enumerate(funnel.stages):
        is_last = at == len(funnel.stages) - 1
        before = reached[at - 1] if at else 0
        found.append(
            StageFigure(
                name=stage.name,
                words=stage.words,
                reached=reached[at],
                went_on=after[at],
                left=0 if is_last else reached[at] - after[at],
                circled=sum(at in each.circled for each in told),
                share=wilson(reached[at], len(told)),
                of_before=wilson(reached[at], before) if before else None,
            )
        )
    return found


def _figures(told: Sequence[_Told], funnel: Funnel) -> list[JourneyFigure]:
    """Return the stages, the metrics of a comparison and the kinds of friction; each name once."""
    found = {
        stage.name: _share(stage.name, stage.words, [each.reached >= at for each in told])
        for at, stage in enumerate(funnel.stages)
        if at
    }
    for name, metric in METRICS.items():
        values = [value for each in told if (value := metric.value(each.measures)) is not None]
        if name in found:
            continue
        if metric.kind == "share":
            found[name] = _share(name, metric.label, [bool(value) for value in values])
        else:
            found[name] = _mean(name, metric.label, values)
    for kind, words in FRICTION_WORDS.items():
        found.setdefault(kind, _share(kind, words, [_has_met(each, kind) for each in told]))
    return list(found.values())


def _has_met(told: _Told, kind: FrictionKind) -> bool:
    return any(moment.kind == kind for moment in told.met.moments)


def _share(name: str, label: str, values: Sequence[bool]) -> JourneyFigure:
    count, visits = sum(values), len(values)
    value = wilson(count, visits) if visits else None
    return JourneyFigure(name=name, label=label, kind="share", visits=visits, count=count, value=value)


def _mean(name: str, label: str, values: Sequence[float]) -> JourneyFigure:
    value = student(list(values)) if len(values) > 1 else None
    return JourneyFigure(name=name, label=label, kind="mean", visits=len(values), count=None, value=value)

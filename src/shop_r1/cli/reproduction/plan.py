"""The stages behind the rows: what each needs, in which order, none of them twice."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from shop_r1.cli.reproduction.config import ReproductionConfig, Size
from shop_r1.cli.reproduction.rows import RewardName, Row
from shop_r1.prompts.render import Context

Part = Literal["training", "more-training", "held-out", "much-more-training"]
"""Of a seed's shoppers: those that SFT and RL learn from, those that only a stronger SFT learns from too (of
the map, or on the way to the ceiling), and those that are predicted."""


@dataclass(frozen=True)
class Visits:
    """Scripted shoppers visit the store; of those held out, the test steps are drawn."""

    seed: int
    page_size: int
    part: Part

    @property
    def place(self) -> str:
        """Where all that belongs to the seed and the page size stands."""
        return f"seed-{self.seed}/pages-of-{self.page_size}"

    @property
    def name(self) -> str:
        """The stage's name, which is its output's place too."""
        return f"{self.place}/visits/{self.part}"

    @property
    def title(self) -> str:
        """What is done, for people."""
        return f"visits of scripted shoppers, {self.part.replace('-', ' ')}"

    @property
    def needs(self) -> "tuple[Stage, ...]":
        """What has to be done before."""
        return ()


@dataclass(frozen=True)
class Reachable:
    """What the best possible predictor says at the test steps."""

    held_out: Visits

    @property
    def name(self) -> str:
        """The stage's name."""
        return f"{self.held_out.place}/predictions/reachable"

    @property
    def title(self) -> str:
        """What is done, for people."""
        return "the best reachable predictions, by exact inference"

    @property
    def needs(self) -> "tuple[Stage, ...]":
        """What has to be done before."""
        return (self.held_out,)


@dataclass(frozen=True)
class Start:
    """A checkpoint that is there before anything is trained; no stage."""

    size: Size

    @property
    def slug(self) -> str:
        """Its part of file names."""
        return "base"

    @property
    def title(self) -> str:
        """What it is called."""
        return "the base checkpoint"


@dataclass(frozen=True)
class Sft:
    """The cold start."""

    size: Size
    context: Context
    sessions: int
    """It learns from the first of the visits."""
    visits: tuple[Visits, ...]

    @property
    def slug(self) -> str:
        """Its part of file names."""
        return f"sft-{self.sessions}"

    @property
    def name(self) -> str:
        """The stage's name, which is its checkpoint's place too."""
        return f"{self.visits[0].place}/models/{self.size}-{self.context}-{self.slug}"

    @property
    def title(self) -> str:
        """What is done, for people."""
        return f"SFT on {self.sessions} sessions{_unusual(self.size, self.context)}"

    @property
    def needs(self) -> "tuple[Stage, ...]":
        """What has to be done before."""
        return self.visits


@dataclass(frozen=True)
class Rl:
    """GRPO, always on the steps of all training sessions."""

    start: Start | Sft
    reward: RewardName
    context: Context
    visits: Visits

    @property
    def size(self) -> Size:
        """Of the model."""
        return self.start.size

    @property
    def slug(self) -> str:
        """Its part of file names."""
        return f"{self.start.slug}-{self.reward}"

    @property
    def name(self) -> str:
        """The stage's name, which is its checkpoint's place too."""
        return f"{self.visits.place}/models/{self.size}-{self.context}-{self.slug}"

    @property
    def title(self) -> str:
        """What is done, for people."""
        of = "the base checkpoint" if isinstance(self.start, Start) else f"SFT on {self.start.sessions}"
        return f"GRPO with the reward {self.reward}, from {of}{_unusual(self.size, self.context)}"

    @property
    def needs(self) -> "tuple[Stage, ...]":
        """What has to be done before."""
        return (self.visits,) if isinstance(self.start, Start) else (self.start, self.visits)


Model = Start | Sft | Rl


@dataclass(frozen=True)
class Predict:
    """A checkpoint's predictions at the test steps."""

    model: Model
    context: Context
    temperature: float
    held_out: Visits

    @property
    def name(self) -> str:
        """The stage's name; its file of predictions has it too."""
        of = f"{self.model.size}-{self.context}-{self.model.slug}"
        return f"{self.held_out.place}/predictions/{of}-T{self.temperature:g}"

    @property
    def title(self) -> str:
        """What is done, for people."""
        match self.model:
            case Start():
                of = "zero-shot"
            case Sft():
                of = f"SFT on {self.model.sessions}"
            case Rl():
                of = f"{self.model.reward} from {self.model.start.slug}"
        return f"predictions, {of}{_unusual(self.model.size, self.context)}, T {self.temperature:g}"

    @property
    def needs(self) -> "tuple[Stage, ...]":
        """What has to be done before."""
        return (self.held_out,) if isinstance(self.model, Start) else (self.model, self.held_out)


Stage = Visits | Reachable | Sft | Rl | Predict


def stage_seed(stage: Stage) -> int:
    """Return which seed a stage belongs to.

    >>> stage_seed(Visits(3, 4, "training"))
    3
    """
    return int(stage.name.partition("/")[0].removeprefix("seed-"))


def _unusual(size: Size, context: Context) -> str:
    """Return what is unlike the main table's."""
    parts = [text for text, usual in ((size, "medium"), (context, "whole-session")) if text != usual]
    return "".join(f", {part}" for part in parts)


def row_stage(row: Row, seed: int, config: ReproductionConfig) -> Predict:
    """Return the predictions that a row is made of, for one seed; all else follows from what they need."""
    page_size = row.page_size or config.page_size
    training, held_out = Visits(seed, page_size, "training"), Visits(seed, page_size, "held-out")
    start: Start | Sft = Start(row.size)
    if row.has_sft:
        start = _row_sft(row, training, config)
    model = start if row.reward is None else Rl(start, row.reward, row.context, training)
    return Predict(model, row.context, row.temperature, held_out)


def _row_sft(row: Row, training: Visits, config: ReproductionConfig) -> Sft:
    sessions = row.sessions or config.training_sessions
    part: Part = "much-more-training" if row.to_ceiling else "more-training"
    visits: tuple[Visits, ...] = (training,)
    if sessions > config.training_sessions:
        visits = (training, replace(training, part=part))
    return Sft(row.size, row.context, sessions, visits)


def reachable_stage(row: Row, seed: int, config: ReproductionConfig) -> Reachable:
    """Return the best possible predictions on the steps of a row."""
    return Reachable(row_stage(row, seed, config).held_out)


def make_plan(rows: Iterable[Row], seeds: Sequence[int], config: ReproductionConfig) -> list[Stage]:
    """Return the stages of all rows and seeds in the order in which they are run.

    Each stands once, behind all that it needs. One seed is finished before the next begins, so that a run
    that is stopped early leaves whole tables.
    """
    plan: dict[Stage, None] = {}  # A dictionary keeps its order.

    def add(stage: Stage) -> None:
        for need in stage.needs:
            add(need)
        plan.setdefault(stage)

    kept = list(rows)
    for seed in seeds:
        for row in kept:
            add(reachable_stage(row, seed, config))
            add(row_stage(row, seed, config))
    return list(plan)


def list_goals(plan: Iterable[Stage]) -> list[Stage]:
    """Return the stages whose outputs the results are made of; the others only serve these."""
    return [
        stage
        for stage in plan
        if isinstance(stage, Predict | Reachable) or (isinstance(stage, Visits) and stage.part == "held-out")
    ]

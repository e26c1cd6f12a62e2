"""A reproduction's folder: where each stage's output is, which are done, and how long they took."""

import json
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import Field

from shop_r1 import __version__
from shop_r1.cli.reproduction.config import ReproductionConfig
from shop_r1.cli.reproduction.plan import (
    Model,
    Part,
    Predict,
    Reachable,
    Rl,
    Sft,
    Stage,
    Start,
    Visits,
    list_goals,
)
from shop_r1.cli.reproduction.rows import reward_config
from shop_r1.config import Config
from shop_r1.evaluation.metrics import PAPER_TEST_MIX
from shop_r1.evaluation.predict import PredictConfig
from shop_r1.jsonl import AppendedFile, Record, parse_record
from shop_r1.models.checkpoint import resolve_model
from shop_r1.models.sampling import Sampling
from shop_r1.runs import digest_file
from shop_r1.training.settings import WATCHING, GrpoConfig, SftConfig

STAGES = "stages.jsonl"
"""Which stages were run, in a reproduction's folder."""


class StageTime(Record):
    """One line of `stages.jsonl`: a stage that begins, has ended, or was interrupted and goes on later."""

    stage: str
    digest: str
    """Of the stage's settings and of the stages that it needs."""
    seconds: float = Field(ge=0)
    """Since it began or went on; 0 where it begins."""
    done: bool


class StageLog(AppendedFile):
    """The stages that were run, as they begin and end; held by one run at a time."""

    LINE, ELSEWHERE, BEGINNING = "stage", "another --out", b'{"'

    def __init__(self, path: Path) -> None:
        """Read what is there, and lock the file until `close`.

        Raises:
            DataError: another run holds it, it cannot be opened, or a line that is not the last is broken.
        """
        self.times: list[StageTime] = []
        super().__init__(path)

    def add(self, time: StageTime) -> None:
        """Write a line; when this returns, it is on the disk.

        Raises:
            DataError: it cannot be written; what was there before stays whole.
        """
        self._append(time.model_dump_json().encode() + b"\n")
        os.fsync(self._file.fileno())
        self.times.append(time)

    def _read(self) -> None:
        for number, text, _ in self._whole_lines():
            self.times.append(parse_record(text, StageTime, self.path, number))


def output_path(out: Path, stage: Stage) -> Path:
    """Return where in a reproduction's folder a stage's output is."""
    ending = {Visits: ".jsonl.zst", Predict: ".jsonl", Reachable: ".jsonl"}.get(type(stage), "")
    return out / f"{stage.name}{ending}"


class ReproductionFolder:
    """What is in the folder, and with which settings each stage is run."""

    def __init__(
        self, out: Path, config: ReproductionConfig, log: StageLog, plan: Sequence[Stage] = ()
    ) -> None:
        self.out, self.config, self.log, self.plan = out.resolve(), config, log, plan
        self._digests: dict[Stage, str] = {}

    @property
    def seeds(self) -> tuple[int, ...]:
        """The plan's seeds, in its order."""
        return tuple(dict.fromkeys(each.seed for each in self.plan if isinstance(each, Visits)))

    def path(self, stage: Stage) -> Path:
        """Return a stage's output: a file of sessions or of predictions, or a checkpoint's folder."""
        return output_path(self.out, stage)

    def beside(self, stage: Stage, what: str) -> Path:
        """Return a further file of a stage: `what` with its ending, behind the stage's name."""
        return self.out / f"{stage.name}.{what}"

    def checkpoint(self, model: Model) -> str:
        """Return a model's checkpoint, as `model=` takes it."""
        return self.config.checkpoint(model.size) if isinstance(model, Start) else str(self.path(model))

    def settings(self, stage: Sft | Rl) -> SftConfig | GrpoConfig:
        """Return the settings that the command `sft` or `grpo` would be given."""
        config = self.config
        if isinstance(stage, Sft):
            base: SftConfig | GrpoConfig = config.sft
            more: dict[str, Any] = {"model": config.checkpoint(stage.size), "seed": stage.visits[0].seed}
        else:
            base = config.remedy.apply(config.grpo) if stage.reward == "remedy" else config.grpo
            more = {"model": self.checkpoint(stage.start), "seed": stage.visits.seed}
            more["reward"] = reward_config(stage.reward, config.grpo.reward)
        prompt = base.prompt.model_copy(update={"context": stage.context})
        return base.model_copy(update=more | {"prompt": prompt})

    def predict_config(self, stage: Predict) -> PredictConfig:
        """Return how predictions are made."""
        return PredictConfig(
            prompt=self.config.sft.prompt.model_copy(update={"context": stage.context}),
            sampling=Sampling(
                temperature=stage.temperature, max_new_tokens=self.config.grpo.max_completion_length
            ),
            bf16=self.config.bf16,
            seed=stage.held_out.seed,
        )

    def digest(self, stage: Stage) -> str:
        """Return the digest of all on which a stage's output depends."""
        if stage not in self._digests:
            values = [__version__, stage.name, self._stage_settings(stage), *map(self.digest, stage.needs)]
            self._digests[stage] = sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
        return self._digests[stage]

    def _stage_settings(self, stage: Stage) -> Mapping[str, Any]:
        config = self.config
        match stage:
            case Visits():
                return visit_settings(stage, config)
            case Reachable():
                return {"mix": dict(PAPER_TEST_MIX)}
            case Sft():
                of_start = self._start_digests[config.checkpoint(stage.size)]
                return _changed(self.settings(stage), {*WATCHING, "model"}) | {"from": of_start}
            case Rl():
                of_start = self._start(stage.start)
                return _changed(self.settings(stage), {*WATCHING, "model"}) | {"from": of_start}
            case Predict():
                return _changed(self.predict_config(stage)) | {"of": self._start(stage.model)}

    def _start(self, model: Model) -> str:
        """Return the digest of a model that is there from the start; a stage's model has its stage's."""
        return self._start_digests[self.config.checkpoint(model.size)] if isinstance(model, Start) else ""

    @cached_property
    def _start_digests(self) -> "_StartDigests":
        return _StartDigests()

    def note(self, stage: Stage, seconds: float, *, done: bool) -> None:
        """Write to the log that a stage begins, was interrupted, or is done, after so many seconds.

        Raises:
            DataError: the log cannot be written.
        """
        digest = self.digest(stage)
        self.log.add(StageTime(stage=stage.name, digest=digest, seconds=round(seconds, 2), done=done))

    def is_done(self, stage: Stage) -> bool:
        """Return whether the stage's output is there, and the last run of the stage wrote it so.

        A run with other settings, finished or not, leaves its output in the same place.
        """
        path = self.path(stage)
        there = any(path.glob("*.safetensors")) if isinstance(stage, Sft | Rl) else path.exists()
        last = next((each for each in reversed(self.log.times) if each.stage == stage.name), None)
        return there and last is not None and last.done and last.digest == self.digest(stage)

    def was_done(self, stage: Stage) -> bool:
        """Return whether the stage was finished with these settings, whether or not its output is kept."""
        digest = self.digest(stage)
        return any(each.digest == digest for each in self.log.times if each.done)

    def list_missing(self) -> list[Stage]:
        """Return the stages that are still to be run, in the plan's order.

        A stage that is done, or whose output nothing is left to need, is none of them.
        """
        needed, missing = set(list_goals(self.plan)), list[Stage]()
        for stage in reversed(self.plan):
            if stage in needed and not self.is_done(stage):
                missing.insert(0, stage)
                needed.update(stage.needs)
        return missing

    def seconds(self, stage: Stage) -> float:
        """Return how long the stage took when it was last finished, in all its parts; 0 if it never was."""
        return self._seconds(stage)[0]

    def seconds_begun(self, stage: Stage) -> float:
        """Return how long the stage, interrupted and not finished since, was at work."""
        return self._seconds(stage)[1]

    def _seconds(self, stage: Stage) -> tuple[float, float]:
        digest, finished, begun = self.digest(stage), 0.0, 0.0
        for each in self.log.times:
            if each.digest == digest:
                begun += each.seconds
                if each.done:
                    finished, begun = begun, 0.0
        return finished, begun


class _StartDigests(dict[str, str]):
    """By a checkpoint's name, the digest of its files; of a name on a hub, the name."""

    def __missing__(self, name: str) -> str:
        path = Path(resolve_model(name))
        self[name] = digest_file(path) if path.is_dir() else name
        return self[name]


def _changed(config: Config, left_out: set[str] | None = None) -> dict[str, Any]:
    """Return the settings that are not their class's defaults.

    So a setting that a later version adds, and that is off by default, leaves what was done before as it is.
    """
    return config.model_dump(mode="json", exclude=left_out, exclude_defaults=True)


def visit_settings(stage: Visits, config: ReproductionConfig) -> dict[str, Any]:
    """Return what visits depend on: the shop, the shoppers and how many there are."""
    counts = {
        "training": config.training_sessions,
        "held-out": config.held_out_sessions,
        "more-training": max(0, max_sessions(config) - config.training_sessions),
        "much-more-training": max(0, max(config.ceiling.sessions) - config.training_sessions),
    }
    values: dict[str, Any] = {
        "crowd": config.crowd,
        "catalogue_seed": config.catalogue_seed,
        "page_size": stage.page_size,
        "seed": shopper_seed(stage),
        "count": counts[stage.part],
    }
    return values | ({"test_steps": config.test_steps} if stage.part == "held-out" else {})


def max_sessions(config: ReproductionConfig) -> int:
    """Return how many sessions the strongest SFT of the map learns from."""
    return max(config.map.sessions)


_PARTS: tuple[Part, ...] = ("training", "more-training", "held-out")
_FAR = 2**32
"""Above the seeds of the other parts, which stay what they were before there was the fourth one."""


def shopper_seed(stage: Visits) -> int:
    """Return the seed of some visits' shoppers: another for each seed and part, the same for all pages.

    >>> shopper_seed(Visits(2, 4, "training")), shopper_seed(Visits(2, 4, "held-out"))
    (6, 8)
    >>> shopper_seed(Visits(2, 4, "much-more-training")) - 2**32
    2
    """
    if stage.part not in _PARTS:
        return _FAR + stage.seed
    return len(_PARTS) * stage.seed + _PARTS.index(stage.part)

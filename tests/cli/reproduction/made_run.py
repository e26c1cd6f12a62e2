"""A finished run without any training: predictions that are right a given number of times."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shop_r1.cli.reproduction.config import ReproductionConfig
from shop_r1.cli.reproduction.folder import ReproductionFolder, StageLog, StageTime
from shop_r1.cli.reproduction.plan import Predict, Reachable, Rl, Sft, Visits, make_plan
from shop_r1.cli.reproduction.rows import Row, Table, list_rows
from shop_r1.cli.reproduction.stages import BEST_OF_TEST, BEST_TYPES, BEST_TYPES_OF_TEST, TYPE_COUNTS
from shop_r1.config import load_config
from shop_r1.jsonl import write_json, write_records
from shop_r1.records.actions import Action
from shop_r1.records.results import Prediction

CLICK = Action(type="click", name="results.red_mug")
QUERY = Action(type="type_and_submit", name="search_input", text="red mug")
LEAVE = Action(type="terminate")
TARGETS = (CLICK, QUERY, LEAVE)
WRONG_CLICK = Action(type="click", name="results.blue_cup")
STEPS = 600
"""Of each seed, 200 of each type, two in each session."""
REACHABLE = {BEST_OF_TEST: 190, BEST_TYPES_OF_TEST: 195, BEST_TYPES: 185}
"""How many of each type's 200 steps the best predictors have right; the one for whole actions, in the crowd's
own mix, 180."""


def predict_steps(right: int, otherwise: Action | None) -> list[Prediction]:
    """Return predictions, so many of each type right and the others as given; None is unparsable."""
    found = []
    for number in range(STEPS):
        target = TARGETS[number % 3]
        action = target if number // 3 < right else otherwise
        failure = None if action else "not JSON"
        session = f"session-{number // 2}"
        found.append(
            Prediction(session_id=session, step=1 + number % 2, target=target, action=action, failure=failure)
        )
    return found


class MadeRun:
    """A run's folder with all that its results are read from."""

    def __init__(
        self,
        out: Path,
        log: StageLog,
        tables: Sequence[Table],
        seeds: int = 3,
        overrides: Sequence[str] = (),
    ) -> None:
        self.config = load_config(ReproductionConfig, None, ["training_sessions=450", *overrides])
        self.tables: Mapping[Table, tuple[Row, ...]] = list_rows(tables, self.config)
        rows = dict.fromkeys(row for found in self.tables.values() for row in found)
        plan = make_plan(rows, range(seeds), self.config)
        self.folder = ReproductionFolder(out, self.config, log, plan)
        for stage in plan:
            log.add(StageTime(stage=stage.name, digest=self.folder.digest(stage), seconds=60.0, done=True))
            if isinstance(stage, Visits) and stage.part == "held-out":
                counts = {"click": 70, "terminate": 10, "type_and_submit": 20}
                write_json(self.folder.beside(stage, TYPE_COUNTS), counts)
            if isinstance(stage, Reachable):
                write_records(self.folder.path(stage), predict_steps(180, LEAVE))
                for name, right in REACHABLE.items():
                    write_records(self.folder.beside(stage, name), predict_steps(right, LEAVE))
            if isinstance(stage, Sft | Rl):
                self._write_training(self.folder.path(stage), isinstance(stage, Rl))

    def _write_training(self, place: Path, is_rl: bool) -> None:
        place.mkdir(parents=True)
        lines: list[dict[str, Any]] = [{"step": step, "loss": 1.0} for step in range(1, 51)]
        if is_rl:
            for line in lines:
                line |= {"policy/exact": line["step"] / 100, "policy/frac_zero_variance": 0.5}
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        (place / "metrics.jsonl").write_text(text)

    def predict(self, name: str, right: Sequence[int], otherwise: Action | None = LEAVE) -> None:
        """Let the rows whose predictions' file is named so be right so often, seed by seed."""
        stages = [
            stage for stage in self.folder.plan if isinstance(stage, Predict) and stage.name.endswith(name)
        ]
        for stage, count in zip(stages, right, strict=True):
            write_records(self.folder.path(stage), predict_steps(count, otherwise))

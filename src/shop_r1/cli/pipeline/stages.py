"""One run of the demo: its folder, and which of its stages are done."""

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from shop_r1 import __version__
from shop_r1.cli.pipeline.config import PROMPT, TEMPERATURE, DemoConfig
from shop_r1.cli.terminal import console
from shop_r1.datasets.examples import list_examples
from shop_r1.evaluation.predict import PredictConfig, predict
from shop_r1.evaluation.prediction_log import PredictionLog
from shop_r1.models.checkpoint import BASE_CHECKPOINT, load_model
from shop_r1.models.sampling import Sampling
from shop_r1.prompts.render import Context
from shop_r1.records.results import Prediction
from shop_r1.records.sessions import Session
from shop_r1.runs import CHECKPOINTS, RunFolder, digest_stage, make_record
from shop_r1.training.settings import GrpoConfig, SftConfig

STAGES = 6


class DemoRun:
    """One run of the demo.

    Each stage leaves files in the folder and a marker with the digest of what it was made from; a stage whose
    marker still fits is not run again, and one that was interrupted goes on where it was.
    """

    def __init__(self, out: Path, config: DemoConfig) -> None:
        self.out, self.config = out, config
        self.training, self.held_out = out / "sessions.jsonl.zst", out / "held_out.jsonl.zst"
        trained = {"sft": out / "sft", "sft+rl(binary)": out / "binary", "shop-r1": out / "shop-r1"}
        self.checkpoints = {"zero-shot": BASE_CHECKPOINT, **trained}
        self._folder = RunFolder(out)
        self._digest = hashlib.sha256(f"{__version__}{config.model_dump_json()}".encode()).hexdigest()
        self._stages = 0

    def write_settings(self, force: bool = False) -> None:
        """Write what the run is made with to `settings.json`.

        Raises:
            DataError: the folder has another run's, and `force` is not given.
        """
        record = make_record(self.config, seed=self.config.seed)
        if self._folder.settings.exists() and not force:
            self._folder.check_settings(record)
        self._folder.write_settings(record)

    def stage(self, name: str, title: str, action: Callable[[], None]) -> None:
        """Run one stage unless an earlier run finished it with the same settings."""
        self._stages += 1
        digest = hashlib.sha256(f"{self._digest}{name}".encode()).hexdigest()
        if self._folder.stage_done(name, digest):
            console.note(f"{self._stages}/{STAGES} {title}: done in an earlier run")
            return
        console.note(f"{self._stages}/{STAGES} {title}")
        started = time.monotonic()
        action()
        self._folder.finish_stage(name, digest)
        console.note(f"    took {time.monotonic() - started:.0f} s")

    @contextmanager
    def checkpoint_folder(self, name: str, command: str, config: SftConfig | GrpoConfig) -> Iterator[Path]:
        """Give a checkpoint's folder, with the settings that the command itself would write.

        What an interrupted training resumes from is removed at the end: with other settings it begins anew.
        """
        folder = self.out / name
        inputs = [self.training, *([] if config.model == "base" else [Path(config.model)])]
        RunFolder(folder).write_settings(make_record(config, inputs, config.seed, command=command))
        yield folder
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)

    def predict_config(
        self, temperature: float = TEMPERATURE, context: Context = "whole-session"
    ) -> PredictConfig:
        """Return how predictions are made at a temperature and in a context."""
        return PredictConfig(
            prompt=PROMPT.model_copy(update={"context": context}),
            sampling=Sampling(temperature=temperature, max_new_tokens=self.config.grpo.max_completion_length),
            bf16=self.config.bf16,
            seed=self.config.seed,
        )

    def predict(
        self, setting: str, checkpoint: Path, sessions: Sequence[Session], config: PredictConfig
    ) -> list[Prediction]:
        """Return a checkpoint's predictions; none that an interrupted run made is made again."""
        identity = digest_stage(config, [checkpoint], demo=self._digest, sessions=len(sessions))
        partial = self.out / "predictions" / f"{identity[:16]}.partial.jsonl"
        how = f"T {config.sampling.temperature:g}"
        if config.prompt.context != "whole-session":
            how = config.prompt.context
        with console.progress(f"{setting}, {how}") as move, PredictionLog(partial, identity) as log:
            return predict(load_model(str(checkpoint)), list_examples(sessions), config, move, log)

    def drop_partial(self) -> None:
        """Remove what an interrupted stage was to go on from; the stage is done."""
        for path in (self.out / "predictions").glob("*.partial.jsonl"):
            path.unlink()

    def predictions_file(self, setting: str) -> Path:
        """Return where a setting's predictions are."""
        name = setting.replace("+", "_").replace("(", "_").replace(")", "")
        return self.out / "predictions" / f"{name}.jsonl"

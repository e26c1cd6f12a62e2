"""How long the stages that are left will take: from what stages of the same kind took here."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from shop_r1.cli.pipeline.config import SECONDS, DemoConfig
from shop_r1.cli.reproduction.folder import ReproductionFolder, visit_settings
from shop_r1.cli.reproduction.plan import Predict, Reachable, Rl, Sft, Stage, Visits
from shop_r1.models.checkpoint import BASE_CHECKPOINT, resolve_model
from shop_r1.shoppers.crowd_kinds import CrowdName

STEPS_A_SESSION = 1.8
"""Test steps that share one session's prompt, about: 200 sessions of the demo's crowd give 370. Ours."""
REACHABLE_SECONDS: Mapping[CrowdName, float] = {"focused": 0.02, "wandering": 0.3}
"""What exact inference over one held-out session takes. Ours, measured beside the demo's stages."""


class TimeLeft:
    """Estimates for one run.

    Before the first stage of a kind has ended, the demo's measured figures stand in, scaled by the model's
    size and, once any stage has ended, by how far this machine is from them.
    """

    def __init__(self, folder: ReproductionFolder, rate: float) -> None:
        """Take the machine's `models.precision.product_rate`, in FLOP/s."""
        self._folder, self._rate = folder, rate

    def estimate(self, missing: Iterable[Stage]) -> float:
        """Return about how many seconds these stages take, less what interrupted ones have taken already."""
        ratios = self._measured_ratios()
        usual = ratios.get(None, 1.0)
        total = 0.0
        for stage in missing:
            expected = ratios.get(type(stage), usual) * self._units(stage)
            total += max(0.0, expected - self._folder.seconds_begun(stage))
        return total

    def _measured_ratios(self) -> dict[type[Stage] | None, float]:
        """Return, for each kind of stage that has ended and (under None) for all, measured over expected."""
        measured: dict[type[Stage] | None, float] = defaultdict(float)
        expected: dict[type[Stage] | None, float] = defaultdict(float)
        for stage in self._folder.plan:
            if self._folder.was_done(stage):
                for kind in (type(stage), None):
                    measured[kind] += self._folder.seconds(stage)
                    expected[kind] += self._units(stage)
        return {kind: measured[kind] / value for kind, value in expected.items() if value > 0}

    def _units(self, stage: Stage) -> float:
        """Return what a stage would take on a machine for which the demo's figures are exact, in seconds."""
        config = self._folder.config
        match stage:
            case Visits():
                return float(visit_settings(stage, config)["count"]) * self._each("shopping")
            case Reachable():
                return config.held_out_sessions * REACHABLE_SECONDS[config.crowd]
            case Sft():
                passes = stage.sessions * config.sft.num_train_epochs
                return passes * self._each("sft", _scale(config.checkpoint(stage.size)))
            case Rl():
                grpo = config.remedy.apply(config.grpo) if stage.reward == "remedy" else config.grpo
                share = grpo.generation_batch_size / DemoConfig().grpo.generation_batch_size
                steps = grpo.max_steps * share
                return steps * self._each("grpo", _scale(config.checkpoint(stage.size)))
            case Predict():
                sessions = min(config.held_out_sessions, config.test_steps / STEPS_A_SESSION)
                return sessions * self._each("predicting", _scale(config.checkpoint(stage.model.size)))

    def _each(self, kind: str, scale: float = 1.0) -> float:
        seconds, gflop = SECONDS[kind]
        return seconds + scale * gflop * 1e9 / self._rate


def _scale(checkpoint: str) -> float:
    """Return how many times larger than the base checkpoint a model is; 1 where it is not on this machine."""
    folder = Path(resolve_model(checkpoint))
    bytes_there = sum(path.stat().st_size for path in folder.glob("*.safetensors")) if folder.is_dir() else 0
    base = sum(path.stat().st_size for path in BASE_CHECKPOINT.glob("*.safetensors"))
    return bytes_there / base if bytes_there else 1.0


def describe_time(seconds: float) -> str:
    """Return a time in words, as precise as an estimate can be.

    >>> describe_time(29), describe_time(100), describe_time(6100)
    ('half a minute', '2 min', '1 h 42 min')
    """
    if seconds < 45:
        return "half a minute"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"

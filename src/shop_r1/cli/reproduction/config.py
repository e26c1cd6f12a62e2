"""The reproduction's settings, and the quick version's."""

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from shop_r1.cli.pipeline.config import GRPO, SFT
from shop_r1.config import Config
from shop_r1.models.precision import Bf16
from shop_r1.prompts.render import PromptConfig
from shop_r1.shoppers.crowd_kinds import CrowdName
from shop_r1.training.grpo.advantages import Balance
from shop_r1.training.settings import GrpoConfig, SftConfig

Size = Literal["small", "medium", "large"]
"""Of the model. `medium` has all rows and stands beside the paper's 3B in its tables."""
SIZES: tuple[Size, ...] = ("small", "medium", "large")


PROMPT = PromptConfig(max_tokens=8192, max_completion_length=96)
"""The whole of every session of both crowds with up to 8 products a page, which have at most 7,785 tokens (in
150 sessions of the wandering crowd). A budget that cuts earlier pages costs far more than it saves: step t's
prompt is then no beginning of step t+1's any more, and a session's tree grows from 5,000 tokens to 50,000."""


def _each_once(values: tuple[float, ...]) -> tuple[float, ...]:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise ValueError(f"{twice[0]} stands there more than once; give it once, since each makes rows")
    return values


Counts = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1), AfterValidator(_each_once)]
"""Numbers of sessions or of products, from 1, each once."""


class ModelsConfig(Config):
    """The checkpoint that each size starts from: a name or a folder, as `--model` takes it."""

    small: str = "base-small"
    medium: str = "base"
    large: str = "base-large"


class MapConfig(Config):
    """Settings of `--only map`: when does the reward's shape matter? All ours."""

    sessions: Counts = (300, 450, 900, 1400)
    """Of SFT, a start of RL each: from about 10 % exact by the paper's 17 to the demo's 30."""
    page_sizes: Counts = (4, 8)
    """Products on a page of results."""


class CeilingConfig(Config):
    """Settings of `--only ceiling`: how near to what is reachable does more training come? All ours."""

    sessions: Counts = (900, 3600, 14_400)
    """Sessions of SFT, a row each and one with RL (the remedy) behind it."""
    size: Size = "medium"
    """Of the model."""


class RemedyConfig(Config):
    """What the rows `remedy` set otherwise than the Shop-R1 row, against types that vanish.

    Ours, found by experiment (docs/training.md).
    """

    type_mix_weight: float = Field(default=1.0, ge=0)
    """As in `grpo`: holds the policy's mix of types to the data's."""
    advantage_balance: Balance = "none"
    """As in `grpo`."""
    dynamic_sampling: int = Field(default=0, ge=0)
    """As in `grpo`."""
    learning_rate: float | None = Field(default=2e-4, gt=0)
    """Of GRPO; none: that of `grpo`."""
    lr_scheduler_type: str | None = "linear"
    """As in `grpo`; none: that of `grpo`. A learning rate that falls lets the shares of types settle."""
    max_steps: int | None = Field(default=80, ge=1)
    """Of GRPO; none: those of `grpo`. As much learning as 40 steps at the full rate."""

    def apply(self, config: GrpoConfig) -> GrpoConfig:
        """Return GRPO's settings with the remedy's over them."""
        return config.model_copy(update={name: value for name, value in self if value is not None})


class ReproductionConfig(Config):
    """Settings of `shop-r1 reproduce`, fitted to 2.5 hours on two CPU cores; all ours."""

    crowd: CrowdName = "focused"
    """The shoppers (docs/crowd.md)."""
    catalogue_seed: int = 1
    """Of the store's goods. The base checkpoint's tokenizer and pretraining used 101 to 130."""
    page_size: int = Field(default=4, ge=1)
    """Products on a page of results; the map has page sizes of its own."""
    training_sessions: int = Field(default=900, ge=10)
    """Visits of each seed that SFT and GRPO learn from; SFT is then about as strong as the paper's."""
    held_out_sessions: int = Field(default=200, ge=2)
    """Visits of each seed from which the test steps are drawn."""
    test_steps: int = Field(default=600, ge=3)
    """Test steps of each seed at most, drawn by type in the ratio of the paper's test set (Appendix C)."""
    models: ModelsConfig = ModelsConfig()
    """The checkpoint of each model size."""
    sft: SftConfig = SFT.model_copy(update={"prompt": PROMPT})
    """The cold start of every row that has one; `model`, `seed` and the context follow from the row."""
    grpo: GrpoConfig = GRPO.model_copy(update={"prompt": PROMPT})
    """Every RL row: its `reward` is the Shop-R1 row's, and the others switch one part of it off or take the
    binary one. Else as in the demo."""
    temperatures: Annotated[
        tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1), AfterValidator(_each_once)
    ] = (0.6, 0.8, 1.0, 1.2)
    """Of the sweep (paper, Figure 2)."""
    map: MapConfig = MapConfig()
    """Of `--only map`."""
    ceiling: CeilingConfig = CeilingConfig()
    """Of `--only ceiling`."""
    remedy: RemedyConfig = RemedyConfig()
    """Of the rows `remedy` of the map and the ceiling: the Shop-R1 reward with these settings of GRPO."""
    keep_models: bool = True
    """Whether trained weights stay when no stage that is left needs them; without them a row that is added
    later trains what it starts from once more."""
    bf16: Bf16 = "auto"
    """The number format of every stage that does not set its own: see `TrainConfig.bf16`."""
    seed: int = Field(default=0, ge=0, lt=2**24)
    """The first seed; further ones count up from it. Each has its own shoppers, training order and
    sampling."""
    quick: bool = False
    """Whether this is the small version, whose figures mean nothing."""

    @property
    def warning(self) -> str:
        """What stands before the figures of the small version; empty for the whole one."""
        told = "The quick version: it shows that every stage runs; its figures mean nothing. "
        return told if self.quick else ""

    def checkpoint(self, size: Size) -> str:
        """Return the checkpoint that a size starts from."""
        return str(getattr(self.models, size))

    def with_format(self, bf16: bool) -> "ReproductionConfig":
        """Return the settings with a number format for each stage that leaves its own open."""
        update: dict[str, Any] = {"bf16": bf16}
        for name, stage in (("sft", self.sft), ("grpo", self.grpo)):
            if stage.bf16 == "auto":
                update[name] = stage.model_copy(update={"bf16": bf16})
        return self.model_copy(update=update)


FREE_SETTINGS = frozenset(
    {"temperatures", "map", "ceiling", "remedy", "keep_models", "sft.cluster", "grpo.cluster"}
)
"""What a later run in the same folder may set otherwise: it adds rows, and changes none that are there."""

QUICK = (
    "quick=true",
    "training_sessions=60",
    "held_out_sessions=24",
    "test_steps=30",
    "temperatures=[0.6, 1.2]",
    "map.sessions=[30, 60, 90]",
    "ceiling.sessions=[30, 90]",
    "sft.warmup_steps=2",
    "grpo.max_steps=2",
    "remedy.max_steps=2",
    "grpo.generation_batch_size=16",
    "grpo.per_device_train_batch_size=16",
)
"""What `--quick` sets: every stage with its real parts, in a few minutes. Ours."""

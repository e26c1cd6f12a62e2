"""The rows of the paper's tables as data: from which checkpoint, with which reward, asked how."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

from shop_r1.cli.pipeline.config import BINARY, TEMPERATURE
from shop_r1.cli.reproduction.config import SIZES, ReproductionConfig, Size
from shop_r1.errors import ConfigError
from shop_r1.prompts.render import Context
from shop_r1.rewards.total import RewardConfig

Table = Literal["table2", "table3", "table4", "table5", "figure2", "sizes", "map", "ceiling"]
"""What `--only` takes."""
TABLES: tuple[Table, ...] = get_args(Table)
WHOLE: tuple[Table, ...] = tuple(each for each in TABLES if each not in ("map", "ceiling"))
"""What is made where no table is named; the other two take a night of their own."""

RewardName = Literal["binary", "shop-r1", "no-format", "no-rationale", "no-dars", "binary-action", "remedy"]
"""Of an RL row: the binary baseline (Table 2), the paper's, or this with one part otherwise (Table 4); the
remedy has the paper's reward and settings of GRPO of its own."""
MAP_REWARDS: tuple[RewardName, ...] = ("binary", "shop-r1", "no-dars", "no-format", "no-rationale", "remedy")
"""The map's RL rows. The rationale reward is self-certainty, so no-rationale is without certainty."""


@dataclass(frozen=True)
class Row:
    """One row of a table: all that distinguishes it from the others."""

    name: str
    """As in `evaluation.paper_figures`, where the paper has the row."""
    size: Size = "medium"
    has_sft: bool = True
    reward: RewardName | None = None
    """Of RL; None for a row without RL."""
    context: Context = "whole-session"
    """Of training and of evaluation."""
    temperature: float = TEMPERATURE
    """Of evaluation."""
    sessions: int | None = None
    """Of SFT, in the map and on the way to the ceiling; None: all training sessions."""
    page_size: int | None = None
    """Of the store in the map; None: the reproduction's."""

    @property
    def to_ceiling(self) -> bool:
        """Whether the row is one on the way to the ceiling."""
        return self.sessions is not None and self.page_size is None

    @property
    def key(self) -> str:
        """The row's name among all rows, with what is unlike the main table's.

        >>> Row("sft", size="small").key, Row("shop-r1", temperature=0.8).key
        ('sft, small', 'shop-r1, T 0.8')
        """
        parts = [self.name]
        if self.size != "medium":
            parts.append(self.size)
        if self.context != "whole-session":
            parts.append(self.context)
        if self.temperature != TEMPERATURE:
            parts.append(f"T {self.temperature:g}")
        if self.sessions is not None:
            parts.append(f"{self.sessions} sessions")
        if self.page_size is not None:
            parts.append(f"pages of {self.page_size}")
        return ", ".join(parts)


ZERO_SHOT, SFT = Row("zero-shot", has_sft=False), Row("sft")
SHOP_R1 = Row("shop-r1", reward="shop-r1")
MAIN = (
    ZERO_SHOT,
    Row("rl(binary)", has_sft=False, reward="binary"),
    SFT,
    Row("sft+rl(binary)", reward="binary"),
    SHOP_R1,
)
"""Tables 2 and 3."""
ABLATIONS = (
    Row("no-sft", has_sft=False, reward="shop-r1"),
    Row("no-format", reward="no-format"),
    Row("no-rationale", reward="no-rationale"),
    Row("no-dars", reward="no-dars"),
    Row("binary-action", reward="binary-action"),
    SHOP_R1,
)
"""Table 4."""
CONTEXTS = (SHOP_R1, Row("shop-r1", reward="shop-r1", context="latest-step"))
"""Table 5."""


_TO_CEILING: tuple[tuple[str, RewardName | None], ...] = (("sft", None), ("remedy", "remedy"))


def list_rows(tables: Sequence[Table], config: ReproductionConfig) -> Mapping[Table, tuple[Row, ...]]:
    """Return the rows of each of the tables, in the paper's order of tables."""
    rows: dict[Table, tuple[Row, ...]] = {
        "table2": MAIN,
        "table3": MAIN,
        "table4": ABLATIONS,
        "table5": CONTEXTS,
        "figure2": tuple(Row("shop-r1", reward="shop-r1", temperature=each) for each in config.temperatures),
        "sizes": tuple(
            Row(row.name, size, row.has_sft, row.reward)
            for size, row in product(SIZES, (ZERO_SHOT, SFT, SHOP_R1))
        ),
        "map": tuple(
            row
            for page_size, sessions in product(config.map.page_sizes, config.map.sessions)
            for row in _map_rows(page_size, sessions)
        ),
        "ceiling": tuple(
            Row(name, config.ceiling.size, reward=reward, sessions=sessions)
            for sessions in config.ceiling.sessions
            for name, reward in _TO_CEILING
        ),
    }
    return {table: rows[table] for table in TABLES if table in tables}


def _map_rows(page_size: int, sessions: int) -> list[Row]:
    rewards: list[RewardName | None] = [None, *MAP_REWARDS]
    return [
        Row("sft" if reward is None else reward, reward=reward, sessions=sessions, page_size=page_size)
        for reward in rewards
    ]


def check_tables(given: Sequence[str]) -> tuple[Table, ...]:
    """Return the tables that were asked for, those of `WHOLE` where none was.

    Raises:
        ConfigError: there is no such table.
    """
    for each in given:
        if each not in TABLES:
            raise ConfigError(f"--only {each!r} is unknown; expected one of {', '.join(TABLES)}")
    return tuple(table for table in TABLES if table in given) or WHOLE


def reward_config(name: RewardName, full: RewardConfig) -> RewardConfig:
    """Return what completions earn in a row, from the Shop-R1 row's reward."""
    action: dict[str, object] = {}
    parts: dict[str, object] = {}
    match name:
        case "binary":
            return BINARY
        case "shop-r1" | "remedy":
            return full
        case "no-format":
            parts = {"use_format": False}
        case "no-rationale":
            parts = {"use_rationale": False}
        case "no-dars":
            action = {"dars": False}
        case "binary-action":
            action = {"kind": "binary"}
    return full.model_copy(update=parts | {"action": full.action.model_copy(update=action)})

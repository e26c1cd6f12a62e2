"""The built-in store as a gymnasium environment, `shop_r1/Store-v0`; importing this module registers it.

An action is a completion as a model writes it, one JSON object with `rationale` and `action`, read by the
parser of training and evaluation; an episode is a visit as `shop-r1 simulate` records it.
"""

import operator
from collections.abc import Mapping
from typing import Any, ClassVar, SupportsIndex

import gymnasium
from gymnasium.spaces import Dict

from shop_r1.config import suggest
from shop_r1.environments.loop_thread import LoopThread
from shop_r1.environments.stores import Variant, open_store, read_version
from shop_r1.environments.tasks import FITTING, ShopTask, check_goal, draw_task, own_task
from shop_r1.environments.texts import MAX_ACTION_CHARACTERS, fit_page, list_names, text_space, to_ascii
from shop_r1.environments.visit import StoreVisit, Turn
from shop_r1.errors import ConfigError
from shop_r1.records.sessions import Session
from shop_r1.simulation.loop import Limits, Visit
from shop_r1.store.catalogue import Catalogue

STORE_ID = "shop_r1/Store-v0"
MAX_TASK_CHARACTERS = 8_192
RENDER_MODES = ("ansi", "html")
OPTIONS = ("task", "persona", "intent", "variant")
"""What `reset(options=...)` takes: a task's number, texts of one's own, a version of the store."""
_TASKS = 2**31
"""Numbers that tasks are drawn from. Ours."""

Observation = dict[str, str]


class StoreEnv(gymnasium.Env[Observation, str]):
    """Visits of the built-in store, each with a task: a shopper and what it came for.

    Observation: `page`, the simplified page; `elements`, the names on it that can be acted on, as a JSON
    list; `task`, who the shopper is and what it came for. All are ASCII (`texts.to_ascii`).

    Reward: 1 with the step that reaches the goal, else 0. The episode terminates with the goal, with a
    purchase, with leaving, and after too many errors or invalid completions in a row; it is truncated at
    `max_steps`. An invalid completion changes nothing and takes no step.
    """

    metadata: ClassVar = {"render_modes": list(RENDER_MODES), "render_fps": 1}

    def __init__(
        self,
        *,
        goal: str = FITTING,
        variant: Variant = None,
        catalogue_seed: int = 0,
        page_size: int = 6,
        limits: Limits | None = None,
        max_page_characters: int = 32_768,
        render_mode: str | None = None,
    ) -> None:
        """Make the environment; nothing is built before the first reset.

        Args:
            goal: `fitting_purchase`, a goal of `shop-r1 compare` (`product`, `cart`, `checkout`, `purchase`)
                or an address with `*`.
            variant: a version of the store, its TOML file, or None for the store as it is.
            catalogue_seed: of the products.
            page_size: products on a page.
            limits: when a visit ends by itself.
            max_page_characters: longer pages are shortened as for a model, which `info` says.
            render_mode: `ansi` for the simplified page, `html` for the page as the store sent it.

        Raises:
            ConfigError: a goal or a mode is unknown.
        """
        check_goal(goal)
        if render_mode not in (None, *RENDER_MODES):
            raise ConfigError(f"render_mode {render_mode!r} is unknown; expected ansi, html or None")
        self.render_mode = render_mode
        self._goal, self._variant = goal, variant
        self._catalogue_seed, self._page_size = catalogue_seed, page_size
        self._limits, self._max_page_characters = limits or Limits(), max_page_characters
        self.observation_space = Dict(
            {
                "page": text_space(max_page_characters),
                # A name in the list has its quotes, comma and space, less than the page needs for it; escapes
                # of JSON are at most twice as long as HTML's references.
                "elements": text_space(2 * max_page_characters),
                "task": text_space(MAX_TASK_CHARACTERS),
            }
        )
        self.action_space = text_space(MAX_ACTION_CHARACTERS)
        self._loop: LoopThread | None = None
        self._visit: StoreVisit | None = None
        self._turn: Turn | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin a visit; the task is drawn from the seed, or is what the options say (`OPTIONS`).

        Raises:
            ConfigError: an option is unknown or cannot be used.
        """
        super().reset(seed=seed)
        given = check_options(options)
        drawn = int(self.np_random.integers(_TASKS))
        number = drawn if given.get("task") is None else operator.index(given["task"])
        version = read_version(given.get("variant", self._variant))
        app = open_store(version, self._catalogue_seed, self._page_size)
        task = own_task(
            draw_task(number, app.state.catalogue, self._goal), given.get("persona"), given.get("intent")
        )
        if len(to_ascii(task.text)) > MAX_TASK_CHARACTERS:
            raise ConfigError(f"persona and intent take more than {MAX_TASK_CHARACTERS} characters")
        loop = self._loop = self._loop or LoopThread()
        if self._visit is not None:
            loop.run(self._visit.close())
        visit = Visit(
            f"{number}", f"gym-{number}", f"shopper-{number}", persona=task.text, version=version.name
        )
        self._visit = StoreVisit(app, task, self._limits, visit)
        self._turn = loop.run(self._visit.open())
        return self._observe(self._turn, task)

    def step(self, action: str) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Take a completion; return what is seen then, the reward, whether the visit is over, and why.

        Raises:
            gymnasium.error.ResetNeeded: no visit is under way.
        """
        if self._visit is None or self._loop is None or self._turn is None or self._turn.has_ended:
            raise gymnasium.error.ResetNeeded("no visit is under way; call reset() first")
        self._turn = turn = self._loop.run(self._visit.act(str(action)))
        is_truncated = turn.outcome == "max_steps" and not turn.is_reached
        observation, info = self._observe(turn, self._visit.task)
        return observation, float(turn.is_reached), turn.has_ended and not is_truncated, is_truncated, info

    def render(self) -> str | None:
        """Return the page in the mode that was asked for; None without one."""
        if self.render_mode is None or self._turn is None or self._visit is None:
            return None
        return self._turn.seen.page.html if self.render_mode == "ansi" else self._visit.html

    def close(self) -> None:
        """End the visit and its thread."""
        if self._loop is not None:
            if self._visit is not None:
                self._loop.run(self._visit.close())
            self._loop.close()
        self._loop = self._visit = self._turn = None

    @property
    def task(self) -> ShopTask | None:
        """The task under way; None before the first reset."""
        return self._visit.task if self._visit is not None else None

    @property
    def catalogue(self) -> Catalogue:
        """The products of the store as it is made by default; versions differ in how they show them."""
        found: Catalogue = open_store(
            read_version(self._variant), self._catalogue_seed, self._page_size
        ).state.catalogue
        return found

    def session(self) -> Session | None:
        """Return the visit so far as a session, to be written, evaluated and shown; None without a step."""
        return self._visit.session() if self._visit is not None else None

    def _observe(self, turn: Turn, task: ShopTask) -> tuple[Observation, dict[str, Any]]:
        page, is_shortened = fit_page(turn.seen.page.html, self._max_page_characters)
        observation = {"page": page, "elements": list_names(page), "task": to_ascii(task.text)}
        assert self._visit is not None
        info = {
            "url": turn.seen.page.url,
            "task_number": -1 if task.number is None else task.number,
            "goal": task.goal,
            "variant": self._visit.visit.version or "",
            "steps": len(self._visit.steps),
            "is_reached": turn.is_reached,
            "outcome": turn.outcome or "",
            "error": turn.error or (self._visit.reason if turn.outcome == "error" else None) or "",
            "invalid": turn.invalid or "",
            "is_shortened": is_shortened,
        }
        return observation, info


def check_options(options: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the options of a reset.

    Raises:
        ConfigError: one is unknown, or of another kind than it has to be.
    """
    given = options or {}
    for name, value in given.items():
        if name not in OPTIONS:
            raise ConfigError(f"options[{name!r}] is unknown; {suggest(name, OPTIONS)}")
        if name == "task" and value is not None and not _is_number(value):
            raise ConfigError(f"options['task'] is {value!r}; expected a number of 0 or more")
        if name in ("persona", "intent") and value is not None and not isinstance(value, str):
            raise ConfigError(f"options[{name!r}] is a {type(value).__name__}; expected a text")
    return given


def _is_number(value: object) -> bool:
    return isinstance(value, SupportsIndex) and not isinstance(value, bool) and operator.index(value) >= 0


if STORE_ID not in gymnasium.registry:
    gymnasium.register(id=STORE_ID, entry_point="shop_r1.environments.gym:StoreEnv")

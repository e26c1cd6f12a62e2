"""Recorded sessions as a gymnasium environment, `shop_r1/Recorded-v0`; importing this module registers it.

Its steps are those that were recorded, so no action changes what comes next: the reward says how near the
completion is to what the shopper did.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
from gymnasium.spaces import Dict

from shop_r1.datasets.session_files import read_sessions
from shop_r1.environments.texts import MAX_ACTION_CHARACTERS, text_space, to_ascii
from shop_r1.errors import ConfigError, DataError
from shop_r1.pages.tokens import estimate_tokens
from shop_r1.prompts.render import PromptConfig, render_prompt
from shop_r1.records.actions import find_space
from shop_r1.records.sessions import Session
from shop_r1.rewards.total import PAPER_REWARD, PARTS, RewardConfig, score_completion

RECORDED_ID = "shop_r1/Recorded-v0"
MAX_SYSTEM_CHARACTERS = 16_384


class RecordedEnv(gymnasium.Env[dict[str, str], str]):
    """Sessions, a session an episode, a step a step; a session's first step is given (paper, Eq. 1).

    Observation: `system` and `prompt`, the two messages that models are trained with, in ASCII
    (`texts.to_ascii`). Action: a completion. Reward: the total of the Shop-R1 reward; self-certainty, which
    is not known here, earns nothing. The parts are in `info`.
    """

    metadata: ClassVar = {"render_modes": ["ansi"], "render_fps": 1}

    def __init__(
        self,
        sessions: Path | str | Sequence[Session],
        *,
        prompt: PromptConfig | None = None,
        reward: RewardConfig = PAPER_REWARD,
        max_prompt_characters: int = 131_072,
        render_mode: str | None = None,
    ) -> None:
        """Read the sessions; those of one step, which ask nothing, are left out and counted in `left_out`.

        Args:
            sessions: a file of them, or the sessions.
            prompt: how prompts are built; tokens are estimated.
            reward: what a completion earns; the paper's by default.
            max_prompt_characters: of the observation's space; a longer prompt is an error.
            render_mode: `ansi` for the prompt.

        Raises:
            ConfigError: the mode is unknown.
            DataError: the file cannot be read, or no session has two steps.
        """
        if render_mode not in (None, "ansi"):
            raise ConfigError(f"render_mode {render_mode!r} is unknown; expected ansi or None")
        self.render_mode = render_mode
        found = list(read_sessions(sessions)) if isinstance(sessions, Path | str) else list(sessions)
        self.sessions = tuple(session for session in found if len(session.steps) > 1)
        self.left_out = len(found) - len(self.sessions)
        if not self.sessions:
            raise DataError(f"none of the {len(found)} sessions has two steps; expected one that has")
        self._prompt, self._reward = prompt or PromptConfig(), reward
        self.observation_space = Dict(
            {"system": text_space(MAX_SYSTEM_CHARACTERS), "prompt": text_space(max_prompt_characters)}
        )
        self.action_space = text_space(MAX_ACTION_CHARACTERS)
        self._max_characters = max_prompt_characters
        self._session: Session | None = None
        self._step = 0
        self._shown: dict[str, str] = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, str], dict[str, Any]]:
        """Begin a session, drawn from the seed, or that of `options["session"]`, counted from 0.

        Raises:
            ConfigError: there is no such session, or an option is unknown.
            DataError: a prompt is longer than the observation's space.
        """
        super().reset(seed=seed)
        given, drawn = options or {}, int(self.np_random.integers(len(self.sessions)))
        number = given.get("session", drawn)
        if given.keys() - {"session"} or number not in range(len(self.sessions)):
            raise ConfigError(
                f"options are {given}; expected session, from 0 to {len(self.sessions) - 1}, or none"
            )
        self._session, self._step = self.sessions[number], 1
        self._shown = self._show(self._session)
        return dict(self._shown), self._info(self._session)

    def step(self, action: str) -> tuple[dict[str, str], float, bool, bool, dict[str, Any]]:
        """Score a completion against what the shopper did, and go on to the next recorded step.

        Raises:
            DataError: a prompt is longer than the observation's space.
            gymnasium.error.ResetNeeded: no session is under way.
        """
        session = self._session
        if session is None:
            raise gymnasium.error.ResetNeeded("no session is under way; call reset() first")
        target = session.steps[self._step].action
        scored = score_completion(str(action), target, find_space(session.space), self._reward)
        info = self._info(session) | {part: getattr(scored, part) for part in PARTS}
        is_last = self._step + 1 == len(session.steps)
        if is_last:
            self._session = None
        else:
            self._step += 1
            self._shown = self._show(session)
        return dict(self._shown), scored.total, is_last, False, info

    def render(self) -> str | None:
        """Return the prompt; None without a mode."""
        return self._shown.get("prompt") if self.render_mode is not None else None

    def _show(self, session: Session) -> dict[str, str]:
        prompt = render_prompt(session, self._step, find_space(session.space), self._prompt, estimate_tokens)
        system, user = (to_ascii(message["content"]) for message in prompt.messages)
        limits = {"system": MAX_SYSTEM_CHARACTERS, "prompt": self._max_characters}
        for (name, limit), text in zip(limits.items(), (system, user), strict=True):
            if len(text) > limit:
                raise DataError(
                    f"session {session.session_id}, step {self._step}: its {name} has {len(text)} "
                    f"characters; expected {limit} or fewer: raise max_prompt_characters, "
                    "or lower prompt.max_tokens"
                )
        return {"system": system, "prompt": user}

    def _info(self, session: Session) -> dict[str, Any]:
        return {"session_id": session.session_id, "step": self._step}


if RECORDED_ID not in gymnasium.registry:
    gymnasium.register(id=RECORDED_ID, entry_point="shop_r1.environments.recorded:RecordedEnv")

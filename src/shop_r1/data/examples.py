"""SFT and RL examples, built when they are read: an example is (session, step), never a stored prompt."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from shop_r1.actions import ActionSpace, find_space
from shop_r1.data.balance import draw_balanced
from shop_r1.errors import DataError
from shop_r1.jsonl import parse_record, read_lines
from shop_r1.prompts.render import Prompt, PromptConfig, render_prompt
from shop_r1.sessions import ExampleRef, Session

FIRST_SCORED_STEP = 1
"""Steps before this one are given, not predicted: a session's first action follows from nothing that can be
seen. Paper 4.1: there is at least one observed <context, action> pair before the first prediction."""


@dataclass(frozen=True)
class Example:
    """One step of one session: what RL samples replies for, and what evaluation predicts."""

    session: Session
    step: int

    @property
    def space(self) -> ActionSpace:
        """The action space of its session."""
        return find_space(self.session.space)

    @property
    def action_type(self) -> str:
        """The type of the action that the shopper took."""
        return self.session.steps[self.step].action.type


def list_examples(sessions: Sequence[Session], first_step: int = FIRST_SCORED_STEP) -> list[Example]:
    """Return an example for each step from `first_step` on, in order."""
    return [Example(session, step) for session in sessions for step in range(first_step, len(session.steps))]


def split_sessions(
    sessions: Sequence[Session], held_out: int, seed: int
) -> tuple[list[Session], list[Session]]:
    """Return (training, held-out) sessions, shuffled with the seed; all of a user's sessions on one side.

    Raises:
        DataError: fewer than `held_out` + 1 sessions, or too few users to leave any for training.
    """
    if len(sessions) <= held_out:
        raise DataError(f"{len(sessions)} sessions; expected more than the {held_out} to hold out")
    users: dict[str, list[Session]] = {}
    for session in sessions:
        users.setdefault(session.user_id or session.session_id, []).append(session)
    order = sorted(users)
    random.Random(seed).shuffle(order)
    training: list[Session] = []
    test: list[Session] = []
    for user in order:
        (test if len(test) < held_out else training).extend(users[user])
    if not training:
        raise DataError(
            f"holding out {held_out} of {len(sessions)} sessions leaves none for training, since all of a "
            f"user's sessions stay together and there are {len(users)} users; hold out fewer"
        )
    return training, test


def balance_examples(examples: Sequence[Example], skew: float, seed: int) -> list[Example]:
    """Return a seeded sample in which every other type is `skew` times as frequent as `terminate`.

    None is used twice: types that have too many are thinned out. Paper 4.1: click and type_and_submit each
    occur about 10 % more often, that is a skew of 1.1.

    Raises:
        DataError: there is no `terminate` to measure by.
    """
    by_type: dict[str, list[Example]] = {}
    for example in examples:
        by_type.setdefault(example.action_type, []).append(example)
    return draw_balanced(by_type, skew, seed)


def read_examples(path: Path, sessions: Sequence[Session]) -> list[Example]:
    """Return the examples that a file of `ExampleRef` names, in its order, one that stands twice twice.

    Raises:
        DataError: the file cannot be read, or names a session or a step that is not there.
    """
    by_id = {session.session_id: session for session in sessions}
    chosen = []
    for number, line in read_lines(path):
        ref = parse_record(line, ExampleRef, path, number)
        session = by_id.get(ref.session_id)
        if session is None or ref.step >= len(session.steps):
            there = f"it has steps 0 to {len(session.steps) - 1}" if session else "there is no such session"
            raise DataError.at(
                path, number, f"names step {ref.step} of session {ref.session_id!r}, but {there}"
            )
        chosen.append(Example(session, ref.step))
    if not chosen:
        raise DataError.at(path, None, "holds no examples; expected what `shop-r1 data balance` wrote")
    return chosen


def count_types(examples: Sequence[Example]) -> Mapping[str, int]:
    """Return how often each type of action is to be predicted."""
    return Counter(example.action_type for example in examples)


class Tokenizing(Protocol):
    """What turns messages and replies into tokens; `llm.local.LocalModel` does."""

    def prompt_ids(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """Return the chat's token ids up to where the assistant's reply begins."""

    def reply_ids(self, reply: str) -> list[int]:
        """Return the reply's token ids, with the token that ends the turn."""

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the text has."""


@dataclass(frozen=True)
class Rendered:
    """One example's prompt, as text and as tokens."""

    prompt: Prompt
    ids: list[int]


def renderer(tokens: Tokenizing, config: PromptConfig) -> Callable[[Example], Rendered]:
    """Return the function that renders an example's prompt; it remembers how long pages are."""
    count = lru_cache(maxsize=50_000)(tokens.count_tokens)

    def render(example: Example) -> Rendered:
        prompt = render_prompt(example.session, example.step, example.space, config, count)
        return Rendered(prompt, tokens.prompt_ids(prompt.messages))

    return render

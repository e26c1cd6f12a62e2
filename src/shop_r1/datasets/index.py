"""The index of a file of sessions: where each session stands, and its outline, in columns."""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from shop_r1.datasets.outlines import DIGEST_BYTES, SessionOutline, outline
from shop_r1.datasets.text import Frames
from shop_r1.records.actions import SPACES, Action
from shop_r1.records.sessions import Session

KINDS = {kind.name: kind for space in SPACES.values() for kind in space.types}
"""Every type of action, by name."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Texts:
    """Many texts in one.

    Attributes:
        joined: one after the other.
        ends: (n,) where each ends, in characters.
    """

    joined: str
    ends: Numbers

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Return the texts, joined."""
        found = list(texts)
        return cls("".join(found), np.array(list(accumulate(map(len, found))), np.int64))

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, number: int) -> str:
        start = int(self.ends[number - 1]) if number else 0
        return self.joined[start : int(self.ends[number])]

    def __iter__(self) -> Iterator[str]:
        return (self[number] for number in range(len(self)))


@dataclass(frozen=True)
class Index:
    """Where n sessions with s steps in all stand in a file with f zstd frames, and what they are.

    Attributes:
        frames: (f + 1, 2) where each frame begins, in bytes of the file and of the text, and the last ends;
            (0, 2) for a plain file.
        starts: (n,) where each session's line begins, in bytes of the text.
        lengths: (n,) of the lines in bytes, with what ends them.
        lines: (n,) their numbers, from 1.
        counts: (n,) steps.
        spaces: (n,) numbers of action spaces, as in `space_names`.
        characters: (n,) of html.
        digests: (n, 8) bytes of `digest_session`.
        ids: n session ids.
        actions: (s,) numbers of distinct actions.
        told: (s,) 1 where there is a rationale.
        kinds: of each distinct action the number of its type, as in `type_names`.
        names: of each distinct action the name, empty without.
        texts: of each distinct action the text, empty without.
        space_names: action spaces.
        type_names: types of action.
    """

    frames: Numbers
    starts: Numbers
    lengths: Numbers
    lines: Numbers
    counts: Numbers
    spaces: Numbers
    characters: Numbers
    digests: NDArray[np.uint8]
    ids: Texts
    actions: Numbers
    told: Numbers
    kinds: Numbers
    names: Texts
    texts: Texts
    space_names: tuple[str, ...] = tuple(SPACES)
    type_names: tuple[str, ...] = tuple(KINDS)
    _known: dict[int, Action] = field(default_factory=dict, init=False, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def firsts(self) -> Numbers:
        """(n,) where each session's steps begin in the columns of steps."""
        return np.cumsum(self.counts) - self.counts

    def action(self, number: int) -> Action:
        """Return a distinct action."""
        if number not in self._known:
            kind = KINDS[self.type_names[self.kinds[number]]]
            values = {"name": self.names[number], "text": self.texts[number]}
            self._known[number] = Action(type=kind.name, **{name: values[name] for name in kind.fields})
        return self._known[number]

    def outline(self, number: int) -> SessionOutline:
        """Return a session's outline."""
        steps = slice(int(self.firsts[number]), int(self.firsts[number] + self.counts[number]))
        return SessionOutline(
            session_id=self.ids[number],
            space=self.space_names[self.spaces[number]],
            actions=tuple(map(self.action, self.actions[steps].tolist())),
            told=tuple(map(bool, self.told[steps].tolist())),
            html_characters=int(self.characters[number]),
            digest=self.digests[number].tobytes(),
        )


class IndexBuilder:
    """Takes sessions in the file's order, and makes their index."""

    def __init__(self) -> None:
        self._columns: dict[str, array[int]] = {
            name: array("q")
            for name in ("starts", "lengths", "lines", "counts", "spaces", "characters", "actions", "told")
        }
        self._digests = bytearray()
        self._ids: list[str] = []
        self._distinct: dict[Action, int] = {}
        self._spaces = list(SPACES)

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, session: Session, start: int, length: int, line: int) -> None:
        """Take the next session, whose line begins at byte `start` of the text."""
        found = outline(session)
        values = {
            "starts": start,
            "lengths": length,
            "lines": line,
            "counts": len(found.actions),
            "spaces": self._spaces.index(found.space),
            "characters": found.html_characters,
        }
        for name, value in values.items():
            self._columns[name].append(value)
        for action, told in zip(found.actions, found.told, strict=True):
            number = self._distinct.setdefault(action, len(self._distinct))
            self._columns["actions"].append(number)
            self._columns["told"].append(told)
        self._digests += found.digest
        self._ids.append(found.session_id)

    def finish(self, frames: Frames) -> Index:
        """Return the index of all sessions so far, in a file with these frames."""
        types = list(KINDS)
        columns: Any = {name: np.array(values, np.int64) for name, values in self._columns.items()}
        return Index(
            frames=np.array(frames, np.int64).reshape(-1, 2),
            digests=np.frombuffer(bytes(self._digests), np.uint8).reshape(-1, DIGEST_BYTES),
            ids=Texts.of(self._ids),
            kinds=np.array([types.index(action.type) for action in self._distinct], np.int64),
            names=Texts.of(action.value("name") for action in self._distinct),
            texts=Texts.of(action.value("text") for action in self._distinct),
            **columns,
        )

"""The shoppers of a run: who each is and what it comes for, drawn evenly by weight.

Shopper `k` gets the point (u + k a) modulo 1 of the plane, with u from the seed and a = ((√5 - 1) / 2,
√2 - 1). Its first part chooses the persona, its second the intent. Multiples of such numbers lie more evenly
than random ones (an additive recurrence, or Kronecker sequence), so that few shoppers are near the weights
too, while any shopper depends on the seed and its number alone, and over seeds each is chosen as often as
its weight says.
"""

import math
import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

from shop_r1.errors import ConfigError
from shop_r1.personas.entries import ENDINGS, Intent, Persona, read_shoppers

_STEPS = ((math.sqrt(5) - 1) / 2, math.sqrt(2) - 1)
"""Ours: of 1,000 shoppers each persona's and intent's number is within 3 of its share."""


@dataclass(frozen=True)
class Drawn:
    """One shopper: what is known of it, None for nothing."""

    persona: Persona | None
    who: str | None
    what_for: str | None
    query: str | None


@dataclass(frozen=True)
class ShopperMix:
    """Who shops in a run: texts that hold for all, and personas and intents that are drawn."""

    seed: int = 0
    who: str | None = None
    what_for: str | None = None
    query: str | None = None
    personas: tuple[Persona, ...] = ()
    intents: tuple[Intent, ...] = ()

    @property
    def is_varied(self) -> bool:
        """Whether shoppers differ."""
        return bool(self.personas or self.intents)

    def draw(self, index: int) -> Drawn:
        """Return shopper number `index`, from 0; it depends on the seed and its number alone."""
        first, second = ((start + index * step) % 1 for start, step in zip(*self._points, strict=True))
        persona = self.personas[_choose(self._persona_ends, first)] if self.personas else None
        intent = self.intents[_choose(self._intent_ends, second)] if self.intents else None
        return Drawn(
            persona,
            self.who if persona is None else persona.text,
            _first(*(each.what_for for each in (intent, persona) if each), self.what_for),
            _first(*(each.query for each in (intent, persona) if each), self.query),
        )

    @cached_property
    def _points(self) -> tuple[tuple[float, float], tuple[float, float]]:
        rng = random.Random(f"shop-r1 mix {self.seed}")
        return (rng.random(), rng.random()), _STEPS

    @cached_property
    def _persona_ends(self) -> tuple[float, ...]:
        return _ends([each.weight for each in self.personas])

    @cached_property
    def _intent_ends(self) -> tuple[float, ...]:
        return _ends([each.weight for each in self.intents])


def _first(*values: str | None) -> str | None:
    return next((value for value in values if value is not None), None)


def _ends(weights: Sequence[float]) -> tuple[float, ...]:
    """Return where each one's part of [0, 1] ends."""
    total = sum(weights)
    return tuple(end / total for end in accumulate(weights))


def _choose(ends: Sequence[float], point: float) -> int:
    """Return whose part the point lies in.

    >>> _choose((0.25, 1.0), 0.2), _choose((0.25, 1.0), 0.25)
    (0, 1)
    """
    return min(bisect_right(ends, point), len(ends) - 1)


def is_file(text: str | None) -> bool:
    """Return whether an option's value names a file of personas and intents, by its ending."""
    return text is not None and text.endswith(ENDINGS) and "\n" not in text


def make_mix(persona: str | None, intent: str | None, query: str | None, seed: int) -> ShopperMix:
    """Return the shoppers of a run from the values of `--persona`, `--intent` and `--query`.

    Each is a text, or a file that it is drawn from: the personas of a file, its intents, or their queries
    alone.

    Raises:
        ConfigError: a file cannot be read, lacks what it is asked for, or two of them say the same thing.
        DataError: a JSONL file is no such file.
    """
    if is_file(intent) and query is not None:
        raise ConfigError("--intent FILE says what is searched for first, too; leave out --query")
    personas = _personas_of(persona) if is_file(persona) else ()
    intents: tuple[Intent, ...] = ()
    if is_file(intent):
        intents = _intents_of("--intent", str(intent), needs_query=False)
    elif is_file(query):
        intents = _intents_of("--query", str(query), needs_query=True)
    own = [each.name for each in personas if each.what_for is not None or each.query is not None]
    if own and (intent is not None or query is not None):
        raise ConfigError(
            f"{persona}: persona {own[0]} says itself what it comes for; leave out --intent and --query, or "
            f"its "
            "what_for and query"
        )
    return ShopperMix(
        seed=seed,
        who=None if is_file(persona) else persona,
        what_for=None if is_file(intent) else intent,
        query=None if is_file(query) else query,
        personas=personas,
        intents=intents,
    )


def _personas_of(persona: str | None) -> tuple[Persona, ...]:
    found = read_shoppers(Path(str(persona))).persona
    if not found:
        raise ConfigError(f"--persona {persona}: has no persona, only intents; give it to --intent")
    return found


def _intents_of(option: str, text: str, *, needs_query: bool) -> tuple[Intent, ...]:
    found = read_shoppers(Path(text)).intent
    if needs_query:
        found = tuple(Intent(query=each.query, weight=each.weight) for each in found if each.query)
    if not found:
        what = "intent with a query" if needs_query else "intent"
        raise ConfigError(f"{option} {text}: has no {what}; expected [[intent]] tables")
    return found

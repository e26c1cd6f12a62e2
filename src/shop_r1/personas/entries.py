"""Files of personas and intents: who shops, what for, with which budget and patience, and how many are so."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from shop_r1.config import Config, load_config
from shop_r1.errors import DataError
from shop_r1.jsonl import parse_record, read_lines, write_records, write_text

JSONL_ENDINGS = (".jsonl", ".jsonl.zst", ".jsonl.gz")
ENDINGS = (".toml", *JSONL_ENDINGS)
"""What `--persona`, `--intent` and `--query` take for a file, not for a text."""


class Intent(Config):
    """What some shoppers come for."""

    what_for: str | None = Field(None, min_length=1, max_length=2_000)
    """In words."""
    query: str | None = Field(None, min_length=1, max_length=200)
    """What is searched for first."""
    weight: float = Field(1.0, gt=0, allow_inf_nan=False)
    """How many come for it, in any unit."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.what_for is None and self.query is None:
            raise ValueError("says neither what_for nor query; expected one of the two, or both")
        return self


class Persona(Config):
    """Some shoppers."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$")
    """What results call them; a comparison's segments are called so."""
    who: str = Field(min_length=1, max_length=2_000)
    """Who they are, in words, as a model is told."""
    what_for: str | None = Field(None, min_length=1, max_length=2_000)
    """What they come for; None: that is drawn from a file's intents, or nothing is said."""
    query: str | None = Field(None, min_length=1, max_length=200)
    """What they search for first."""
    budget: float | None = Field(None, gt=0, allow_inf_nan=False)
    """The most that they pay, in the shop's currency."""
    patience: int | None = Field(None, ge=1)
    """Steps after which they give up."""
    weight: float = Field(1.0, gt=0, allow_inf_nan=False)
    """How many are so, in any unit."""
    sessions: int | None = Field(None, ge=1)
    """Of a persona that was mined: how many sessions of the log are so."""
    examples: tuple[int, ...] = ()
    """Their numbers in the log's file, from 1: those nearest to the middle."""

    @property
    def text(self) -> str:
        """What a model is told of it, without what it comes for.

        >>> print(Persona(name="student", who="A student.", budget=25, patience=6).text)
        A student.
        You pay at most 25, in the shop's currency.
        You give up after about 6 steps if you have not found what you want.
        """
        lines = [self.who.strip()]
        if self.budget is not None:
            lines.append(f"You pay at most {self.budget:g}, in the shop's currency.")
        if self.patience is not None:
            steps = "1 step" if self.patience == 1 else f"{self.patience} steps"
            lines.append(f"You give up after about {steps} if you have not found what you want.")
        return "\n".join(lines)


class ShopperFile(Config):
    """A file of personas and intents."""

    persona: tuple[Persona, ...] = ()
    """Each a table `[[persona]]`."""
    intent: tuple[Intent, ...] = ()
    """Each a table `[[intent]]`."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [each.name for each in self.persona]
        if twice := [name for place, name in enumerate(names) if name in names[:place]]:
            raise ValueError(f"two personas are called {twice[0]}; give each a name of its own")
        if not names and not self.intent:
            raise ValueError("has no persona and no intent; expected [[persona]] or [[intent]] tables")
        return self


def read_shoppers(path: Path) -> ShopperFile:
    """Return the personas and intents of a TOML file, or of a JSONL file, where what has `who` is a persona.

    Raises:
        ConfigError: the TOML file cannot be read or is none; the message names the entry and the key.
        DataError: so is the JSONL file; the message names the line.
    """
    if not path.name.endswith(JSONL_ENDINGS):
        return load_config(ShopperFile, path)
    personas: list[Persona] = []
    intents: list[Intent] = []
    for number, line in read_lines(path):
        if _has_who(line):
            personas.append(parse_record(line, Persona, path, number))
        else:
            intents.append(parse_record(line, Intent, path, number))
    try:
        return ShopperFile(persona=tuple(personas), intent=tuple(intents))
    except ValueError as error:
        raise DataError.at(path, None, str(error).splitlines()[1].partition("[type=")[0].strip()) from None


def _has_who(line: str) -> bool:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(values, dict) and "who" in values


def write_shoppers(path: Path, found: ShopperFile, comments: Sequence[str] = ()) -> None:
    """Write the file; it appears whole or not at all. A TOML file begins with the comments.

    Raises:
        DataError: it cannot be written.
    """
    if path.name.endswith(JSONL_ENDINGS):
        write_records(path, [*found.persona, *found.intent])
        return
    tables = [_table("persona", each) for each in found.persona]
    tables += [_table("intent", each) for each in found.intent]
    head = "".join(f"# {' '.join(line.split())}\n" for line in comments)
    write_text(path, f"{head}\n" * bool(head) + "\n\n".join(tables) + "\n")


def _table(name: str, entry: Persona | Intent) -> str:
    values = entry.model_dump(mode="json", exclude_none=True)
    lines = [f"{key} = {_toml(value)}" for key, value in values.items() if value != []]
    return "\n".join([f"[[{name}]]", *lines])


def _toml(value: object) -> str:
    """Return a value as TOML, whose strings, numbers and lists are JSON's but for one character.

    >>> _toml("two words"), _toml([1, 2]), _toml(0.25)
    ('"two words"', '[1, 2]', '0.25')
    """
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

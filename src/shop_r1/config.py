"""Settings: typed, frozen, from TOML, with `key=value` overrides; unknown keys are refused."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from shop_r1.errors import ConfigError
from shop_r1.validation_messages import list_problems


class Config(BaseModel):
    """Base of every settings class: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    RENAMED: ClassVar[Mapping[str, str]] = {}
    """Former keys, each with what is given in its place; a former key is refused with that."""


ConfigT = TypeVar("ConfigT", bound=Config)


@dataclass(frozen=True)
class Setting:
    """One setting, or one table of settings."""

    path: str
    """Its key with those of the tables that it stands in, as `reward.action.dars_factor`."""
    field: FieldInfo
    """Its type, bounds and docstring."""
    default: Any
    """None for a table."""
    table: type[Config] | None = None
    """The class of a table's settings."""


def list_settings(schema: type[Config], defaults: Config | None = None, table: str = "") -> Iterator[Setting]:
    """Yield the settings of a class in its order, each table before what is in it.

    `defaults` are a table's where they are those of an instance; `table` stands before each key, with a dot.
    """
    for name, field in schema.model_fields.items():
        value = field.get_default(call_default_factory=True) if defaults is None else getattr(defaults, name)
        inner = type(value) if isinstance(value, Config) else _table_class(field)
        if inner is not None:
            yield Setting(table + name, field, None, inner)
            yield from list_settings(inner, value if isinstance(value, Config) else None, f"{table}{name}.")
        else:
            yield Setting(table + name, field, value)


def _table_class(field: FieldInfo) -> type[Config] | None:
    """Return the class of a table, also of one that may be left out; a list of tables is none."""
    is_union = get_origin(field.annotation) in (Union, UnionType)
    kinds = get_args(field.annotation) if is_union else (field.annotation,)
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Config)), None)


def load_config(
    schema: type[ConfigT],
    path: Path | None = None,
    overrides: Sequence[str] = (),
    under: Mapping[str, Any] | None = None,
) -> ConfigT:
    """Return settings: the schema's defaults, over them `under`, a TOML file's values, then the overrides'.

    An override is `key=value`; dots reach into tables, and a value is read as TOML where it is valid TOML
    (`8`, `true`, `[1, 2]`), else as a string.

    Raises:
        ConfigError: the file is missing or not TOML, a key is unknown, or a value is out of range.
    """
    values = read_toml(path) if path is not None else {}
    for override in overrides:
        _apply_override(values, override)
    values = _lay_over(under or {}, values)
    # Of a table that is given, what is not given is as in its default, which may not be that of its class.
    given = ((name, field) for name, field in schema.model_fields.items() if name in values)
    tables = {name: field.get_default(call_default_factory=True) for name, field in given}
    try:
        return schema.model_validate(_lay_over(tables, values))
    except ValidationError as error:
        source = str(path) if path is not None else "settings"
        raise ConfigError(f"{source}: {_describe_settings(error, schema)}") from None


def suggest(given: str, known: Sequence[str]) -> str:
    """Return what to use in place of a misspelt name: the nearest, or where none is near, all.

    >>> suggest("colocat", ["none", "colocate"]), suggest("x", ["none", "colocate"])
    ('did you mean colocate?', 'expected one of none, colocate')
    """
    near = get_close_matches(given, known, n=1)
    return f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"


def _describe_settings(error: ValidationError, schema: type[Config]) -> str:
    """Return the problems on one line; a misspelt key comes with the key that was probably meant."""
    choices = {
        ".".join(map(str, each["loc"])): each["ctx"]["expected"]
        for each in error.errors(include_url=False)
        if each["type"] == "literal_error" and isinstance(each["input"], str)
    }
    tables = {"": schema}
    tables |= {f"{each.path}.": each.table for each in list_settings(schema) if each.table is not None}
    renamed = {before + old: new for before, table in tables.items() for old, new in table.RENAMED.items()}
    texts = []
    for problem in list_problems(error, schema):
        if problem.place in renamed:
            texts.append(f"{problem.place}: is now {renamed[problem.place]}")
        elif problem.kind == "unknown-field" and problem.place[: problem.place.rfind(".") + 1] in tables:
            texts.append(f"{problem.place}: no such setting; {_suggest_key(problem.place, schema)}")
        elif problem.place in choices:
            found = problem.message.partition("; ")[0].removeprefix("is ")
            known = [each.strip(" '") for each in choices[problem.place].replace(" or ", ", ").split(",")]
            texts.append(f"{problem.place}: {found} is unknown; {suggest(found.strip(chr(39)), known)}")
        else:
            texts.append(str(problem))
    return "; ".join(texts)


def _suggest_key(path: str, schema: type[Config]) -> str:
    """Return which key was probably meant: of the same table, or of that name in another."""
    table, _, key = path.rpartition(".")
    places: dict[str, list[str]] = {}  # of each key, by its last part
    for setting in list_settings(schema):
        places.setdefault(setting.path.rpartition(".")[2], []).append(setting.path)
    start = f"{table}." if table else ""
    beside = [name for name, paths in places.items() if start + name in paths]
    near = [start + name for name in get_close_matches(key, beside, n=1)]
    near = (
        near
        or places.get(key)
        or [each for name in get_close_matches(key, places, n=1) for each in places[name]]
    )
    if near:
        return f"did you mean {' or '.join(near)}?"
    where = f"{table} has" if table else "there are"
    return f"{where} {', '.join(beside)}"


def _lay_over(under: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values, filled up table by table from those under them."""
    found = dict(under) | dict(values)
    for name, value in values.items():
        if isinstance(value, dict) and isinstance(under.get(name), dict | Config):
            found[name] = _lay_over(dict(under[name]), value)
    return found


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds.

    Raises:
        ConfigError: it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); expected a TOML settings file"
        ) from None
    except UnicodeDecodeError as error:
        line = 1 + error.object.count(b"\n", 0, error.start)
        raise ConfigError(f"{path}:{line}: is not UTF-8 text; expected a TOML settings file") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise ConfigError(f"override {override!r}: expected key=value, for instance training.seed=3")
    *tables, last = key.strip().split(".")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise ConfigError(f"override {override!r}: {table} is a value, not a table")
    values[last] = _parse_value(text.strip())


def _parse_value(text: str) -> object:
    try:
        values = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return values["value"] if len(values) == 1 else text  # More than one: the text holds a line of its own.

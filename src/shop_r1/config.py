"""Settings: typed, frozen, from TOML, with `key=value` overrides; unknown keys are refused."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from shop_r1.errors import ConfigError


class Config(BaseModel):
    """Base of every settings class: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


ConfigT = TypeVar("ConfigT", bound=Config)


def load_config(
    schema: type[ConfigT],
    path: Path | None = None,
    overrides: Sequence[str] = (),
    under: Mapping[str, Any] | None = None,
) -> ConfigT:
    """Return settings: the schema's defaults, then `under`, then the file's values, then the overrides'.

    Args:
        schema: the settings class.
        path: a TOML file, or None for the defaults alone.
        overrides: `key=value` strings; dots reach into tables, and a value is read as TOML where it is
            valid TOML (`8`, `true`, `[1, 2]`), else as a string.
        under: values that count where neither file nor overrides have one.

    Raises:
        ConfigError: the file is missing or not TOML, a key is unknown, or a value is out of range.
    """
    values = _read_toml(path) if path is not None else {}
    for override in overrides:
        _apply_override(values, override)
    values = _lay_over(under or {}, values)
    defaults = {
        name: field.get_default(call_default_factory=True) for name, field in schema.model_fields.items()
    }
    try:
        return schema.model_validate(_fill_tables(defaults, values))
    except ValidationError as error:
        source = str(path) if path is not None else "settings"
        raise ConfigError(f"{source}: {describe_validation(error)}") from None


def _lay_over(under: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values, filled up table by table from those under them."""
    found = dict(under) | dict(values)
    for name, value in values.items():
        if isinstance(value, dict) and isinstance(under.get(name), dict):
            found[name] = _lay_over(under[name], value)
    return found


def _fill_tables(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values, each table among them filled up from the default of that table as a whole.

    Else changing one key of a table would put its other keys back to the defaults of the table's class.
    """
    filled = dict(values)
    for name, value in values.items():
        default = defaults.get(name)
        if isinstance(default, Config) and isinstance(value, dict):
            whole = dict(default)
            filled[name] = whole | _fill_tables(whole, value)
    return filled


def describe_validation(error: ValidationError) -> str:
    """Return the faults of a failed validation on one line, each as `field: what was wrong`."""
    faults = []
    for fault in error.errors(include_url=False):
        field = ".".join(str(part) for part in fault["loc"]) or "record"
        found = "" if fault["type"] == "missing" else f" (found {_shorten(fault['input'])})"
        faults.append(f"{field}: {fault['msg']}{found}")
    return "; ".join(faults)


def _shorten(value: object, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); expected a TOML settings file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
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

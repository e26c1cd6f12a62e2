"""A version's TOML file, read so that what is wrong is said with the number of its edit."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from shop_r1.config import suggest
from shop_r1.drivers.edits.page_variant import MAX_IMAGE_BYTES, AnyEdit, Image, PageVariant
from shop_r1.errors import ConfigError, DataError, file_errors
from shop_r1.validation_messages import describe_problems, show

KINDS: Mapping[str, type[BaseModel]] = {
    get_args(kind.model_fields["do"].annotation)[0]: kind for kind in get_args(get_args(AnyEdit)[0])
}
"""The kinds of edits by what they do."""
KEYS = frozenset(PageVariant.model_fields) - {"name"}
"""What tells such a file from one of the built-in store's versions."""


def build_page_variant(values: Mapping[str, Any], path: Path, name: str) -> PageVariant:
    """Return the version that a file's values are; `name` is what it is called where they give none.

    Raises:
        ConfigError: they are none; the message says the file, the number of the edit from 1, what was found
            and what was expected.
    """
    given = dict(values)
    edits = given.pop("edits", [])
    if not isinstance(edits, list) or not all(isinstance(each, dict) for each in edits):
        raise ConfigError(f"{path}: edits is {show(edits)}; expected tables, each under a line [[edits]]")
    found = [_build_edit(each, number, path) for number, each in enumerate(edits, 1)]
    try:
        return PageVariant.model_validate({"name": name, **given, "edits": found})
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe_problems(error, PageVariant, whole='')}") from None


def _build_edit(values: Mapping[str, Any], number: int, path: Path) -> BaseModel:
    place, given = f"{path}: edit {number}", values.get("do")
    if not isinstance(given, str):
        raise ConfigError(f"{place}: do is {show(given)}; expected one of {', '.join(KINDS)}")
    if given not in KINDS:
        raise ConfigError(f"{place}: do is {show(given)}; {suggest(given, list(KINDS))}")
    kind = KINDS[given]
    try:
        edit = kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{place} ({given}): {describe_problems(error, kind, whole='')}") from None
    return _with_content(edit, place, path.parent) if isinstance(edit, Image) else edit


def _with_content(edit: Image, place: str, folder: Path) -> Image:
    file = folder / edit.file
    try:
        with file_errors(file):
            content = file.read_bytes()
    except DataError as error:
        raise ConfigError(f"{place} (image): file {error}") from None
    if not 0 < len(content) <= MAX_IMAGE_BYTES:
        raise ConfigError(
            f"{place} (image): {file} holds {len(content):,} bytes; expected a picture of at most "
            f"{MAX_IMAGE_BYTES:,}"
        )
    return edit.model_copy(update={"content": content})

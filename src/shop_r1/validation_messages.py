"""What is wrong in a value that does not fit its schema, in our words.

pydantic's own sentences speak of inputs, tuples and validators, which nobody who writes a log or a settings
file has heard of; none of them reaches a user.
"""

import re
import types
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from rapidfuzz import process

Kind = Literal["not-json", "missing", "unknown-field", "value"]
WHOLE = "record"
"""The place of what is wrong with a record as a whole."""

_SHOWN_CHARS = 60
_PROBLEMS_SHOWN = 8
_FIELDS_SHOWN = 12
_LIKE = 70
"""Percent of likeness from which a name is taken for a misspelt one; rapidfuzz's ratio. Ours."""
_PLACED = re.compile(r"(steps\.\d+)[ :] ?(.*)", re.DOTALL)
_UNION_LABEL = re.compile(
    r"(str|int|float|bool|bytes|none|[a-z-]+\[.*\]|(function|constrained|lax-or)-.*)", re.S
)
_BREAKS_OFF = re.compile(r"EOF while parsing (an?|the) \w+")
_POSITION = re.compile(r"at line (\d+) column (\d+)")

_EXPECTED: Mapping[str, str] = {
    "a string": "string_type string_sub_type",
    "a whole number": "int_type int_parsing int_from_float",
    "a whole number that is not that large": "int_parsing_size",
    "a number": "float_type float_parsing decimal_type decimal_parsing",
    "a finite number": "finite_number",
    "true or false": "bool_type bool_parsing",
    "null": "none_required",
    "a list": "list_type tuple_type set_type frozen_set_type iterable_type named_tuple_type",
    "an object": "dict_type mapping_type model_type model_attributes_type dataclass_type",
    "text in UTF-8": "string_unicode bytes_invalid_encoding",
    "a number above {gt}": "greater_than",
    "a number of at least {ge}": "greater_than_equal",
    "a number below {lt}": "less_than",
    "a number of at most {le}": "less_than_equal",
    "a multiple of {multiple_of}": "multiple_of",
    "text of {min_length} or more characters": "string_too_short bytes_too_short",
    "text of {max_length} or fewer characters": "string_too_long bytes_too_long",
    "text of the form {pattern}": "string_pattern_mismatch",
    "{expected}": "literal_error enum",
}
_PHRASES = {kind: phrase for phrase, kinds in _EXPECTED.items() for kind in kinds.split()}
"""What each of pydantic's types of error expected; its context fills the braces."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    place: str
    """For instance `steps.2.action.name`; `WHOLE` for all of it."""
    kind: Kind
    message: str
    """What was found, and what was expected."""

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


def list_problems(error: ValidationError, schema: type[BaseModel] | None = None) -> list[Problem]:
    """Return all that a failed validation found, in order; with a schema, a problem names its fields."""
    details = error.errors(include_url=False)
    deeper = {each["loc"][:depth] for each in details for depth in range(len(each["loc"]))}
    # pydantic counts only the items that are right, so a list of wrong ones is too short besides.
    details = [each for each in details if each["type"] != "too_short" or each["loc"] not in deeper]
    return list(_merge_unions((each["loc"], _describe(each, schema)) for each in details))


def describe_problems(
    error: ValidationError, schema: type[BaseModel] | None = None, whole: str = f"{WHOLE}: "
) -> str:
    """Return the first problems on one line, each as `field: what was wrong`; arguments as `list_problems`.

    `whole` stands before those of the record as a whole.
    """
    problems = list_problems(error, schema)
    found, more = problems[:_PROBLEMS_SHOWN], len(problems) - _PROBLEMS_SHOWN
    texts = [f"{whole}{each.message}" if each.place == WHOLE else str(each) for each in found]
    return "; ".join([*texts, f"and {more} more"] if more > 0 else texts)


def show(value: object) -> str:
    """Return the value, quoted, escaped and cut short; what somebody wrote cannot steer a terminal.

    >>> show("a"), show(7), show({"a": [1]})
    ("'a'", '7', '{"a": [1]}')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value[: 2 * _SHOWN_CHARS]) if isinstance(value, str) else ascii(value)
    if isinstance(value, dict | list | tuple):
        text = text.replace("'", '"')
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"


def list_counts(counts: Mapping[str, int]) -> str:
    """Return how often each thing was counted, the most frequent first, without what never was.

    >>> list_counts({"click": 1, "terminate": 3})
    'terminate 3, click 1'
    """
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {count}" for name, count in ordered if count)


def _describe(error: ErrorDetails, schema: type[BaseModel] | None) -> Problem:
    place = ".".join(_plain(part) for part in error["loc"]) or WHOLE
    kind, found, context = error["type"], error["input"], error.get("ctx", {})
    match kind:
        case "json_invalid":
            return Problem(place, "not-json", f"is not JSON ({_json_problem(context)}); expected an object")
        case "missing":
            expected = _type_at(schema, error["loc"])
            return Problem(place, "missing", f"is missing; expected {expected}")
        case "extra_forbidden":
            return Problem(place, "unknown-field", _unknown_field(error, schema))
        case "value_error" | "assertion_error":
            return _own_words(place, str(context.get("error", "is refused")), found)
        case "too_short" | "too_long":
            least = kind == "too_short"
            limit = f"at {'least' if least else 'most'} {context['min_length' if least else 'max_length']}"
            return Problem(place, "value", f"holds {context['actual_length']}; expected {limit}")
    limits = {
        name: int(limit) if isinstance(limit, float) and limit.is_integer() else limit
        for name, limit in context.items()
    }
    expected = _PHRASES.get(kind, "another value").format_map(limits)
    return Problem(place, "value", f"is {show(found)}; expected {expected}")


def _own_words(place: str, message: str, found: object) -> Problem:
    """Return what one of our own checks said."""
    if match := _PLACED.fullmatch(message):  # a session's check says itself at which step
        place, message = (match[1] if place == WHOLE else f"{place}.{match[1]}"), match[2]
    elif isinstance(found, str | int | float) and "found" not in message:
        message = f"{message} (found {show(found)})"
    return Problem(place, "value", message)


def _json_problem(context: Mapping[str, Any]) -> str:
    text = _BREAKS_OFF.sub("it breaks off", str(context.get("error", "")))
    return _POSITION.sub(lambda at: f"at {'' if at[1] == '1' else f'line {at[1]}, '}column {at[2]}", text)


def _unknown_field(error: ErrorDetails, schema: type[BaseModel] | None) -> str:
    message = f"is unknown (holds {show(error['input'])})"
    parent = _annotation_at(schema, error["loc"][:-1])
    if not _is_model(parent):
        return message
    names = list(parent.model_fields)
    near = process.extractOne(str(error["loc"][-1])[:120], names, score_cutoff=_LIKE)
    expected = f"expected {_listed(names)}"
    return f"{message}; did you mean {near[0]}? ({expected})" if near else f"{message}; {expected}"


def _merge_unions(found: Iterator[tuple[tuple[int | str, ...], Problem]]) -> Iterator[Problem]:
    """Yield the problems; pydantic has one for each of the types that a value may have, they become one."""
    for union, group in groupby(found, lambda each: _union_at(each[0])):
        first, *others = (problem for _, problem in group)
        if union is None:
            yield from (first, *others)
            continue
        also = "".join(f", or {each.message.rpartition('; expected ')[2]}" for each in others)
        place = ".".join(map(_plain, union)) or WHOLE
        yield replace(first, place=place, message=first.message + also)


def _union_at(location: tuple[int | str, ...]) -> tuple[int | str, ...] | None:
    """Return the place of the value, if a location ends in the name of one of the types that it may have."""
    return location[:-1] if location and _UNION_LABEL.fullmatch(str(location[-1])) else None


# -- what a schema has in a place ---------------------------------------------------------------------------


def _annotation_at(schema: type[BaseModel] | None, location: Sequence[int | str]) -> Any:
    """Return the type that the schema has in a place; None where it cannot be told."""
    found: Any = schema
    for part in location:
        found = _single(found)
        if _is_model(found) and part in found.model_fields:
            found = found.model_fields[part].annotation
        elif get_origin(found) in (tuple, list) and isinstance(part, int):
            found = get_args(found)[0]
        else:
            return None
    return _single(found)


def _single(annotation: Any) -> Any:
    """Return the type without `Annotated` and `| None`."""
    if get_origin(annotation) is Annotated:
        return _single(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        others = [each for each in get_args(annotation) if each is not type(None)]
        return _single(others[0]) if len(others) == 1 else annotation
    return annotation


def _type_at(schema: type[BaseModel] | None, location: Sequence[int | str]) -> str:
    """Return what is expected in a place."""
    found = _annotation_at(schema, location)
    if _is_model(found):
        return f"an object with {_listed(list(found.model_fields))}"
    if get_origin(found) is Literal:
        return " or ".join(repr(choice) for choice in get_args(found))
    if get_origin(found) in (tuple, list):
        return "a list"
    plain = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
    return plain.get(found, "a value")


def _is_model(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, BaseModel)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_FIELDS_SHOWN])
    return shown if len(names) <= _FIELDS_SHOWN else f"{shown}, …"


def _plain(part: object) -> str:
    """Return a part of a place; what somebody else's key could do to a terminal is escaped."""
    text = str(part)
    return text if text.isprintable() and len(text) <= _SHOWN_CHARS else show(text)


def harmless(text: str) -> str:
    r"""Return text that can do nothing to a terminal: no control, format or private characters, one line.

    A model's completion may hold escape sequences, or marks that turn the direction of what follows.

    >>> harmless("red\x1b[2J\u202emug\n\tcheap")
    'red·[2J·mug cheap'
    """
    spaced = " ".join(text.split())
    return "".join("·" if unicodedata.category(each)[0] == "C" else each for each in spaced)

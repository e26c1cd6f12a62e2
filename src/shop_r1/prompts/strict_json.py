"""One JSON object from a model's completion, or why there is none: what the readers of completions share."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NoReturn

JsonProblem = Literal[
    "empty",
    "extra_text",
    "cut_off",
    "not_json",
    "too_deep",
    "duplicate_key",
    "not_object",
    "wrong_keys",
    "wrong_kind",
    "not_text",
]
"""What can be wrong with a completion that should be JSON.

empty: nothing but white space; extra_text: something before or after the JSON value; cut_off: it begins like
an object and ends too early; not_json: any other syntax error; too_deep: nested past what can be read;
duplicate_key: a key twice in one object; not_object: JSON, but not an object; wrong_keys: not the keys that
it should have; wrong_kind: a value is not the string, number, list or object that it should be; not_text:
half of a surrogate pair.
"""


class OutOfFormatError(Exception):
    """Carries a problem out of the functions that read a completion, to the one that returns it as data.

    The reason is one word for counting, a `JsonProblem` or one of the reader's own; the message says in one
    sentence what was found and what was expected.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def strict_decoder(parse_int: Callable[[str], float]) -> json.JSONDecoder:
    """Return a decoder that refuses a key twice, and NaN and infinities; numbers with a point become 0.

    `parse_int` must not raise, though Python's own `int` does on over 4,300 digits.
    """
    return json.JSONDecoder(
        object_pairs_hook=_reject_duplicates,
        parse_constant=_reject_constant,
        parse_int=parse_int,
        parse_float=lambda digits: 0.0,
    )


def read_object(text: str, decoder: json.JSONDecoder) -> dict[str, Any]:
    """Return the one JSON object that the completion is, white space around it apart.

    Raises:
        OutOfFormatError: it is anything else; `reason` is a `JsonProblem`.
    """
    stripped = text.strip()
    if not stripped:
        raise OutOfFormatError("empty", "the completion is empty; expected one JSON object")
    try:
        value = decoder.decode(stripped)
    except json.JSONDecodeError as error:
        raise _describe_syntax(stripped, error) from None
    except RecursionError:
        raise OutOfFormatError(
            "too_deep", "the completion is nested too deeply; expected two levels"
        ) from None
    if not isinstance(value, dict):
        raise OutOfFormatError(
            "not_object", f"the completion is {name_kind(value)}; expected one JSON object"
        )
    return value


def check_keys(what: str, found: Mapping[str, object], expected: Sequence[str]) -> None:
    """Make sure that an object has just these keys; `what` names them in the message.

    Raises:
        OutOfFormatError: it has not.
    """
    if set(found) != set(expected):
        shown = ", ".join(shorten(key) for key in list(found)[:5]) or "none"
        wanted = " and ".join(map(repr, expected))
        raise OutOfFormatError("wrong_keys", f"{what} are {shown}; expected exactly {wanted}")


def check_string(value: object, field: str) -> str:
    """Return the value, which must be a string that can be written as UTF-8.

    Raises:
        OutOfFormatError: it is not; `field` names it.
    """
    if not isinstance(value, str):
        raise OutOfFormatError("wrong_kind", f"{field} is {name_kind(value)}; expected a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise OutOfFormatError("not_text", f"{field} holds half of a surrogate pair; expected text") from None
    return value


def name_kind(value: object) -> str:
    """Return what kind of JSON value this is, for a message."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def shorten(text: str, limit: int = 40) -> str:
    """Return the text quoted for a message, at most about `limit` characters of it.

    >>> shorten("a mug")
    "'a mug'"
    """
    # repr escapes half surrogates and control characters, so that the message can always be written.
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


def _describe_syntax(text: str, error: json.JSONDecodeError) -> OutOfFormatError:
    if error.msg == "Extra data":
        return OutOfFormatError("extra_text", f"text after the JSON value: {shorten(text[error.pos :])}")
    if not text.startswith("{"):
        return OutOfFormatError("extra_text", f"the completion begins with {shorten(text)}; expected {{")
    if error.pos >= len(text) or error.msg.startswith("Unterminated string"):
        return OutOfFormatError("cut_off", "the completion ends before its JSON object does")
    return OutOfFormatError("not_json", f"not valid JSON at character {error.pos}: {error.msg}")


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for key, value in pairs:
        if key in record:
            raise OutOfFormatError("duplicate_key", f"the key {shorten(key)} stands twice in one object")
        record[key] = value
    return record


def _reject_constant(name: str) -> NoReturn:
    raise OutOfFormatError("not_json", f"{name} is not JSON")

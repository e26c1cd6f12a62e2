"""A model's reply to a `Response` or a `ParseFailure`: the only reader of replies, and a strict one.

In format means: after trimming white space, one JSON object without a key twice, with exactly the keys
`rationale` (a string) and `action` (an object); its `type` is one of the space's, and beside it stand only
that type's fields, each a string. A missing field is in format and counts as empty. The paper says only
"valid JSON with two keys"; this reading of it is ours.
"""

import json
from typing import Any, Literal, NoReturn

from shop_r1.actions import Action, ActionSpace, ActionType
from shop_r1.jsonl import Record

FailureReason = Literal[
    "empty",
    "extra_text",
    "cut_off",
    "not_json",
    "too_deep",
    "duplicate_key",
    "not_object",
    "wrong_keys",
    "wrong_kind",
    "unknown_type",
    "extra_field",
    "not_text",
]
"""Why a reply is out of format.

empty: nothing but white space; extra_text: something before or after the JSON value; cut_off: it begins like
an object and ends too early; not_json: any other fault of syntax; too_deep: nested past what can be read;
duplicate_key: a key twice in one object; not_object: JSON, but not an object; wrong_keys: not exactly
`rationale` and `action`; wrong_kind: a value is not the string or object it should be; unknown_type: not a
type of the space; extra_field: a field that the type does not have; not_text: half of a surrogate pair.
"""


class Response(Record):
    """A reply in format."""

    rationale: str
    action: Action
    rationale_span: tuple[int, int]
    """Character offsets in the reply of what stands between the rationale's quotes, end exclusive."""


class ParseFailure(Record):
    """A reply out of format: data to count and to score, not an exception."""

    reason: FailureReason
    message: str
    """One sentence: what was found and what was expected."""


def parse_response(text: str, space: ActionSpace) -> Response | ParseFailure:
    """Return what the reply says, or why it is out of format. Never raises, whatever the text."""
    try:
        record = _read_object(text)
        _check_keys(record)
        rationale, action = record["rationale"], record["action"]
        kind = _find_kind(action, space)
        values = {field: _check_string(action[field], field) for field in kind.fields if field in action}
        return Response(
            rationale=_check_string(rationale, "rationale"),
            action=Action(type=kind.name, name=values.get("name"), text=values.get("text")),
            rationale_span=_find_rationale(text),
        )
    except _OutOfFormatError as fault:
        return ParseFailure(reason=fault.reason, message=fault.message)


class _OutOfFormatError(Exception):
    """Carries a failure out of the reading functions; never leaves this module."""

    def __init__(self, reason: FailureReason, message: str) -> None:
        self.reason = reason
        self.message = message


def _read_object(text: str) -> dict[str, Any]:
    stripped = text.strip()
    if not stripped:
        raise _OutOfFormatError("empty", "the reply is empty; expected one JSON object")
    try:
        value = _DECODER.decode(stripped)
    except json.JSONDecodeError as error:
        raise _describe_syntax(stripped, error) from None
    except RecursionError:
        raise _OutOfFormatError("too_deep", "the reply is nested too deeply; expected two levels") from None
    if not isinstance(value, dict):
        raise _OutOfFormatError("not_object", f"the reply is {_name_kind(value)}; expected one JSON object")
    return value


def _describe_syntax(text: str, error: json.JSONDecodeError) -> _OutOfFormatError:
    if error.msg == "Extra data":
        return _OutOfFormatError("extra_text", f"text after the JSON value: {_shorten(text[error.pos :])}")
    if not text.startswith("{"):
        return _OutOfFormatError("extra_text", f"the reply begins with {_shorten(text)}; expected {{")
    if error.pos >= len(text) or error.msg.startswith("Unterminated string"):
        return _OutOfFormatError("cut_off", "the reply ends before its JSON object does")
    return _OutOfFormatError("not_json", f"not valid JSON at character {error.pos}: {error.msg}")


def _check_keys(record: dict[str, Any]) -> None:
    if set(record) != {"rationale", "action"}:
        found = ", ".join(_shorten(key) for key in list(record)[:5]) or "none"
        raise _OutOfFormatError(
            "wrong_keys", f"the keys are {found}; expected exactly 'rationale' and 'action'"
        )
    if not isinstance(record["action"], dict):
        found = _name_kind(record["action"])
        raise _OutOfFormatError("wrong_kind", f"action is {found}; expected an object with a type")


def _find_kind(action: dict[str, Any], space: ActionSpace) -> ActionType:
    known = ", ".join(space.type_names)
    if "type" not in action:
        raise _OutOfFormatError("unknown_type", f"action has no type; expected one of {known}")
    name = _check_string(action["type"], "type")
    kind = space.kind(name)
    if kind is None:
        raise _OutOfFormatError(
            "unknown_type", f"action type {_shorten(name)} is unknown; expected one of {known}"
        )
    for field in action:
        if field != "type" and field not in kind.fields:
            allowed = " and ".join(kind.fields) or "no fields"
            raise _OutOfFormatError("extra_field", f"{kind.name} takes {allowed}; found {_shorten(field)}")
    return kind


def _check_string(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise _OutOfFormatError("wrong_kind", f"{field} is {_name_kind(value)}; expected a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _OutOfFormatError(
            "not_text", f"{field} holds half of a surrogate pair; expected text"
        ) from None
    return value


def _find_rationale(text: str) -> tuple[int, int]:
    """Return the offsets between the rationale's quotes, in a reply already read without fault."""
    position = text.index("{") + 1
    while True:
        key, position = _DECODER.raw_decode(text, _skip_space(text, position))
        start = _skip_space(text, _skip_space(text, position) + 1)  # + 1: the colon
        _, position = _DECODER.raw_decode(text, start)
        if key == "rationale":
            return start + 1, position - 1
        position = _skip_space(text, position) + 1  # + 1: the comma


def _skip_space(text: str, position: int) -> int:
    while text[position] in " \t\n\r":
        position += 1
    return position


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for key, value in pairs:
        if key in record:
            raise _OutOfFormatError("duplicate_key", f"the key {_shorten(key)} stands twice in one object")
        record[key] = value
    return record


def _reject_constant(name: str) -> NoReturn:
    raise _OutOfFormatError("not_json", f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_reject_duplicates,
    parse_constant=_reject_constant,
    # No number is ever in format, so none is converted: Python refuses integers of over 4,300 digits.
    parse_int=lambda digits: 0,
    parse_float=lambda digits: 0.0,
)


def _name_kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _shorten(text: str, limit: int = 40) -> str:
    # repr escapes half surrogates and control characters, so that the message can always be written.
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")

"""A model's completion to a `Response` or a `ParseFailure`: the only reader of completions, and a strict one.

In format means: after trimming white space, one JSON object without a key twice, with exactly the keys
`rationale` (a string) and `action` (an object); its `type` is one of the space's, and beside it stand only
that type's fields, each a string. A missing field is in format and counts as empty. The paper says only
"valid JSON with two keys"; this reading of it is ours.

`unwrap` takes a think part and a code fence away, for whoever chose to parse leniently; nothing here does so
on its own.
"""

import re
from typing import Literal, NamedTuple, cast

from shop_r1.jsonl import Record
from shop_r1.prompts.strict_json import (
    JsonProblem,
    OutOfFormatError,
    check_keys,
    check_string,
    name_kind,
    read_object,
    shorten,
    strict_decoder,
)
from shop_r1.records.actions import SHOP, Action, ActionSpace, ActionType

FailureReason = JsonProblem | Literal["unknown_type", "extra_field"]
"""Why a completion is out of format.

Beside a `JsonProblem`: wrong_keys: not exactly `rationale` and `action`; unknown_type: not a type of the
space; extra_field: a field that the type does not have.
"""


Parse = Literal["strict", "lenient"]
"""Whether a completion is read as it came, or after `unwrap`."""
Wrapping = Literal["think", "fence"]
"""What `unwrap` takes away."""


class Unwrapped(NamedTuple):
    """A completion without its wrapping."""

    text: str
    """What is left, to be parsed as strictly as ever."""
    wrappings: tuple[Wrapping, ...]
    """What was taken away; empty where the text is as it came."""


class Response(Record):
    """A completion in format."""

    rationale: str
    action: Action
    rationale_span: tuple[int, int]
    """Character offsets in the completion of what stands between the rationale's quotes, end exclusive."""


class ParseFailure(Record):
    """A completion out of format: data to count and to score, not an exception."""

    reason: FailureReason
    message: str
    """One sentence: what was found and what was expected."""


def parse_response(text: str, space: ActionSpace = SHOP) -> Response | ParseFailure:
    """Return what the completion says, or why it is out of format. Never raises.

    >>> from shop_r1 import parse_response
    >>> response = parse_response('{"rationale": "I am done.", "action": {"type": "terminate"}}')
    >>> response.rationale, response.action.type
    ('I am done.', 'terminate')
    >>> print(parse_response("I would leave.").reason)
    extra_text
    """
    try:
        record = read_object(text, _DECODER)
        check_keys("the keys", record, ("rationale", "action"))
        rationale, action = record["rationale"], record["action"]
        kind = _find_kind(action, space)
        values = {field: check_string(action[field], field) for field in kind.fields if field in action}
        return Response(
            rationale=check_string(rationale, "rationale"),
            action=Action(type=kind.name, name=values.get("name"), text=values.get("text")),
            rationale_span=_find_rationale(text),
        )
    except OutOfFormatError as error:
        return ParseFailure(reason=cast(FailureReason, error.reason), message=str(error))


_THINK = re.compile(r"\s*<(think|thinking|thought)>.*?</\1>", re.DOTALL)
_THINK_WITHOUT_START = re.compile(r"(?!\s*(?:[{`]|<think)).*?</think>", re.DOTALL)
_FENCE = re.compile(r"(```+|~~~+)[\w-]*")


def unwrap(text: str) -> Unwrapped:
    r"""Return the completion without a think part before it and one code fence round the rest, if any.

    A think part is `<think>…</think>` (or `thinking`, `thought`) at the very beginning; its opening tag may
    be missing, as some chat templates put it into the prompt. One that does not end is left, and so is any
    other text before, between or behind: it stays out of format.

    >>> unwrap('<think>Hm.</think>\n```json\n{"a": 1}\n```')
    Unwrapped(text='{"a": 1}', wrappings=('think', 'fence'))
    """
    wrappings: list[Wrapping] = []
    if think := _THINK.match(text) or _THINK_WITHOUT_START.match(text):
        text = text[think.end() :].strip()
        wrappings.append("think")
    whole = text.strip()
    fence = _FENCE.match(whole)
    if fence and whole.endswith(fence.group(1)) and len(whole) >= fence.end() + len(fence.group(1)):
        text = whole[fence.end() : -len(fence.group(1))].strip()
        wrappings.append("fence")
    return Unwrapped(text, tuple(wrappings))


def _find_kind(action: object, space: ActionSpace) -> ActionType:
    if not isinstance(action, dict):
        raise OutOfFormatError("wrong_kind", f"action is {name_kind(action)}; expected an object with a type")
    known = ", ".join(space.type_names)
    if "type" not in action:
        raise OutOfFormatError("unknown_type", f"action has no type; expected one of {known}")
    name = check_string(action["type"], "type")
    kind = space.kind(name)
    if kind is None:
        raise OutOfFormatError(
            "unknown_type", f"action type {shorten(name)} is unknown; expected one of {known}"
        )
    for field in action:
        if field != "type" and field not in kind.fields:
            allowed = " and ".join(kind.fields) or "no fields"
            raise OutOfFormatError("extra_field", f"{kind.name} takes {allowed}; found {shorten(field)}")
    return kind


def _find_rationale(text: str) -> tuple[int, int]:
    """Return the offsets between the rationale's quotes, in a completion that is in format."""
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


# No number is ever in format, so none is converted.
_DECODER = strict_decoder(parse_int=lambda digits: 0)

"""The prompt for the rationales of a recorded session, and the strict parser of its completion.

The paper has a language model write the rationales that SFT learns, without any profile of the user
(section 3, Appendix D). One prompt shows one whole session, so that the aim of a visit is known when its
first action is explained. The wording is ours.
"""

import unicodedata
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from shop_r1.errors import ConfigError
from shop_r1.pages.tokens import CountTokens
from shop_r1.prompts.parse import unwrap
from shop_r1.prompts.render import Prompt, action_piece, dump_json, render_journey
from shop_r1.prompts.strict_json import (
    JsonProblem,
    OutOfFormatError,
    check_keys,
    check_string,
    name_kind,
    read_object,
    strict_decoder,
)
from shop_r1.records.actions import Action, ActionSpace, find_space
from shop_r1.records.sessions import Session

MAX_CHARACTERS = 600
"""Longest accepted rationale, in characters: several sentences, where one is requested. Ours."""


def _object_schema(properties: Mapping[str, Any]) -> dict[str, Any]:
    required = {"required": list(properties), "additionalProperties": False}
    return {"type": "object", "properties": properties} | required


_ENTRY = _object_schema({"step": {"type": "integer"}, "rationale": {"type": "string"}})
RATIONALES_SCHEMA: Mapping[str, Any] = _object_schema({"rationales": {"type": "array", "items": _ENTRY}})
"""For structured output. The same for all sessions, since endpoints compile each new schema; which steps are
there is checked by `parse_rationales`."""

RationaleProblem = Literal[JsonProblem, "wrong_step", "repeated_step", "missing_step", "blank", "too_long"]
"""Why a completion is rejected, the `reason` of an `OutOfFormatError`.

Beside a `JsonProblem`: wrong_step: a step that was not requested; repeated_step: one twice; missing_step: a
requested one is not there; blank: a rationale of white space; too_long: of over `MAX_CHARACTERS`.
"""


def missing_rationales(session: Session, replace: bool = False) -> tuple[int, ...]:
    """Return which steps (from 1) lack a rationale; all of them where existing ones are to be replaced."""
    return tuple(
        number
        for number, step in enumerate(session.steps, 1)
        if replace or step.rationale is None or not step.rationale.strip()
    )


def render_rationales(
    session: Session,
    steps: Collection[int],
    max_tokens: int,
    max_completion_length: int,
    count_tokens: CountTokens,
) -> Prompt:
    """Return the prompt for the rationales of these steps.

    Over budget, pages are shortened as `render_history` does: the oldest bodies go first, the last page is
    shortened last, actions always stay. Rationales of other steps are shown, as the customer's own words.
    Steps count from 1; the other arguments are as in `render_journey`.

    Raises:
        ConfigError: the actions alone are over the budget.
    """
    system = _render_system(session.space)
    last = len(session.steps)
    tail = action_piece(last, session.steps[-1].action) + _render_instruction(session, steps)
    try:
        return render_journey(
            system,
            [step.page.html for step in session.steps],
            [step.action for step in session.steps[:-1]],
            max_tokens=max_tokens,
            max_completion_length=max_completion_length,
            count_tokens=count_tokens,
            tail=tail,
        )
    except ConfigError as error:
        raise ConfigError(f"session {session.session_id}: {error}") from None


def parse_rationales(text: str, steps: Collection[int]) -> dict[int, str]:
    """Return the rationale of each of these steps (from 1).

    White space in a rationale becomes single blanks. A think part before the JSON object and a Markdown code
    fence around it are allowed: models write them in spite of instructions, and they change no rationale.

    Raises:
        OutOfFormatError: the text is anything else than one rationale for each step; its reason is a
            `RationaleProblem`.
    """
    record = read_object(unwrap(text).text, _DECODER)
    check_keys("the keys", record, ["rationales"])
    if not isinstance(record["rationales"], list):
        kind = name_kind(record["rationales"])
        raise OutOfFormatError("wrong_keys", f"'rationales' is {kind}; expected a list")
    rationales: dict[int, str] = {}
    for entry in record["rationales"]:
        step, rationale = _parse_entry(entry, steps)
        if step in rationales:
            raise OutOfFormatError("repeated_step", f"step {step} is explained twice; expected once")
        rationales[step] = rationale
    if missing := [str(step) for step in steps if step not in rationales]:
        raise OutOfFormatError("missing_step", f"no rationale for step {', '.join(missing)}")
    return rationales


def _parse_entry(entry: object, steps: Collection[int]) -> tuple[int, str]:
    if not isinstance(entry, dict):
        raise OutOfFormatError(
            "wrong_kind", f"an entry is {name_kind(entry)}; expected an object with step and rationale"
        )
    check_keys("an entry's keys", entry, ("step", "rationale"))
    step = entry["step"]
    if isinstance(step, bool) or not isinstance(step, int):
        raise OutOfFormatError("wrong_kind", f"step is {name_kind(step)}; expected a whole number")
    if step not in steps:
        raise OutOfFormatError("wrong_step", f"step {step} was not requested")
    return step, _check_rationale(entry["rationale"], f"the rationale of step {step}")


def _check_rationale(value: object, field: str) -> str:
    rationale = " ".join(check_string(value, field).split())
    if not rationale:
        raise OutOfFormatError("blank", f"{field} is blank; expected a sentence")
    if len(rationale) > MAX_CHARACTERS:
        raise OutOfFormatError(
            "too_long", f"{field} has {len(rationale)} characters; expected at most {MAX_CHARACTERS}"
        )
    if any(unicodedata.category(character) == "Cc" for character in rationale):
        raise OutOfFormatError("not_text", f"{field} holds control characters; expected text")
    return rationale


# A number of over nine digits is no step, and neither is a fraction.
_DECODER = strict_decoder(parse_int=lambda digits: int(digits) if len(digits) <= 9 else 0.0)


def _render_instruction(session: Session, steps: Collection[int]) -> str:
    """Return the end of the prompt: the customer's own rationales, if any, and which ones to write."""
    own = [
        f"Rationale of action {number}, in the customer's own words: {dump_json(step.rationale)}\n"
        for number, step in enumerate(session.steps, 1)
        if number not in steps and step.rationale is not None
    ]
    plural = "s" * (len(steps) > 1)
    *others, last = map(str, sorted(steps))
    numbers = f"{', '.join(others)} and {last}" if others else last
    return "".join(own) + f"Write the rationale{plural} of action{plural} {numbers}."


@cache
def _render_system(space_name: str) -> str:
    """Return the system message: the task and an example, in the terms of an action space."""
    space = find_space(space_name)
    actions = [f"- `{kind.name}`: {kind.meaning}" for kind in space.types]
    text = files("shop_r1.prompts").joinpath("texts/rationale.md").read_text("utf-8").strip()
    text = text.replace("{{actions}}", "\n".join(actions)).replace("{{visit}}", _example_visit(space))
    return text.replace("{{answer}}", dump_json({"rationales": _EXAMPLE_RATIONALES}))


_EXAMPLE_PAGES = (
    '<page>\nSearch <input name="search_input" type="search">',
    '<page>\n<a name="results.red_mug">Red mug</a> $18.00 2.1 out of 5 stars',
)
_EXAMPLE_RATIONALES = (
    {"step": 1, "rationale": "I want a red mug, so I search for one."},
    {"step": 2, "rationale": "The only red mug costs too much for such poor ratings, so I give up."},
)


def _example_visit(space: ActionSpace) -> str:
    """Return a search and a `terminate` in the space's own types, as a session is shown."""
    search = next(kind for kind in space.types if kind.effect in ("submit", "type"))
    leave = next(kind for kind in space.types if kind.effect == "leave")
    first, last = Action(type=search.name, **search.example), Action(type=leave.name)
    prompt = render_journey("", _EXAMPLE_PAGES, [first], 10**9, 0, len, tail=action_piece(2, last))
    return prompt.messages[1]["content"].rstrip()

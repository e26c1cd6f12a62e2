"""The prompt that asks why a customer did what a session holds, and the strict reader of its answer.

The paper has a language model write the rationales that SFT learns, without any profile of the user
(section 3, Appendix D). One prompt shows one whole session, so that the aim of a visit is known when its
first action is explained. The words are ours.
"""

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast

from shop_r1.errors import ConfigError
from shop_r1.jsonl import Record
from shop_r1.pages.tokens import CountTokens
from shop_r1.prompts.parse import unwrap
from shop_r1.prompts.render import (
    PIECE_TOKENS,
    TEMPLATE_TOKENS,
    Prompt,
    action_piece,
    dump_json,
    render_journey,
)
from shop_r1.prompts.strict_json import (
    JsonProblem,
    OutOfFormatError,
    check_string,
    name_kind,
    read_object,
    shorten,
    strict_decoder,
)
from shop_r1.records.actions import Action, ActionSpace, find_space
from shop_r1.records.sessions import Session

MAX_CHARACTERS = 600
"""Longest rationale that is taken, in characters: several sentences, where one is asked for. Ours."""

RATIONALES_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "rationales": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"step": {"type": "integer"}, "rationale": {"type": "string"}},
                "required": ["step", "rationale"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["rationales"],
    "additionalProperties": False,
}
"""What an endpoint can be held to. The same for all sessions, as endpoints compile each schema they have not
seen; which steps are asked for is left to the reader."""

RationaleFault = Literal[JsonProblem, "wrong_step", "repeated_step", "missing_step", "blank", "too_long"]
"""Why an answer will not do.

Beside a `JsonProblem`: wrong_step: a step that was not asked for; repeated_step: one twice; missing_step: one
that was asked for is not there; blank: a rationale of white space; too_long: of over `MAX_CHARACTERS`.
"""


class RationaleFailure(Record):
    """An answer that will not do: data to count, not an exception."""

    reason: RationaleFault
    message: str
    """One sentence: what was found and what was expected."""


def steps_to_ask(session: Session, replace: bool = False) -> tuple[int, ...]:
    """Return which steps (from 1) lack a rationale, or all of them.

    Args:
        session: what was recorded.
        replace: ask for those too that have one.
    """
    return tuple(
        number
        for number, step in enumerate(session.steps, 1)
        if replace or step.rationale is None or not step.rationale.strip()
    )


def render_rationales(
    session: Session,
    asked: Collection[int],
    max_tokens: int,
    max_completion_length: int,
    count_tokens: CountTokens,
) -> Prompt:
    """Return the prompt that asks for the rationales of these steps.

    Over budget, pages are shortened as `render_history` does: the oldest bodies go first, the last page is
    shortened last, actions always stay. Rationales of steps that are not asked for are shown, as the
    customer's own words.

    Args:
        session: what was seen and done.
        asked: steps, from 1.
        max_tokens: longest prompt and completion together.
        max_completion_length: of these, kept free for the completion.
        count_tokens: counts, or estimates, as the model does.

    Raises:
        ConfigError: the actions alone are over the budget.
    """
    system = _render_system(session.space)
    last = len(session.steps)
    tail = action_piece(last, session.steps[-1].action) + _render_question(session, asked)
    around = sum(count_tokens(text) + PIECE_TOKENS for text in (system, tail)) + TEMPLATE_TOKENS
    pages = [step.page.html for step in session.steps]
    actions = [step.action for step in session.steps[:-1]]
    try:
        journey = render_journey(pages, actions, max_tokens - max_completion_length - around, count_tokens)
    except ConfigError as error:
        raise ConfigError(f"session {session.session_id}: {error}") from None
    return Prompt(
        messages=(
            {"role": "system", "content": system},
            {"role": "user", "content": journey.text + tail},
        ),
        pages_cut=journey.pages_cut,
        page_truncated=journey.page_truncated,
        tokens=around + journey.tokens,
    )


def read_rationales(text: str, asked: Collection[int]) -> dict[int, str] | RationaleFailure:
    """Return each asked step's rationale, or why the answer will not do. Never raises, whatever the text.

    White space in a rationale becomes single blanks. A think part before the answer and a Markdown code fence
    round it are allowed: models write them though they are told not to, and they say nothing of it.

    Args:
        text: the answer, hostile as any.
        asked: steps, from 1; each must be there once, and no other.
    """
    try:
        record = read_object(unwrap(text).text, _DECODER)
        if set(record) != {"rationales"} or not isinstance(record["rationales"], list):
            found = ", ".join(shorten(key) for key in list(record)[:5]) or "none"
            raise OutOfFormatError("wrong_keys", f"the keys are {found}; expected 'rationales', a list")
        rationales: dict[int, str] = {}
        for entry in record["rationales"]:
            step, rationale = _read_entry(entry, asked)
            if step in rationales:
                raise OutOfFormatError("repeated_step", f"step {step} is explained twice; expected once")
            rationales[step] = rationale
        missing = [step for step in asked if step not in rationales]
        if missing:
            steps = ", ".join(map(str, missing))
            raise OutOfFormatError("missing_step", f"no rationale for step {steps}")
        return rationales
    except OutOfFormatError as fault:
        return RationaleFailure(reason=cast(RationaleFault, fault.reason), message=fault.message)


def _read_entry(entry: object, asked: Collection[int]) -> tuple[int, str]:
    if not isinstance(entry, dict):
        raise OutOfFormatError(
            "wrong_kind", f"an entry is {name_kind(entry)}; expected an object with step and rationale"
        )
    if set(entry) != {"step", "rationale"}:
        found = ", ".join(shorten(key) for key in list(entry)[:5]) or "none"
        raise OutOfFormatError("wrong_keys", f"an entry's keys are {found}; expected 'step' and 'rationale'")
    step = entry["step"]
    if isinstance(step, bool) or not isinstance(step, int):
        raise OutOfFormatError("wrong_kind", f"step is {name_kind(step)}; expected a whole number")
    if step not in asked:
        raise OutOfFormatError("wrong_step", f"step {step} was not asked for")
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


def _whole_number(digits: str) -> int | float:
    # Nothing of over nine digits numbers a step; a fraction is a number that is no step either.
    return int(digits) if len(digits) <= 9 else 0.0


_DECODER = strict_decoder(parse_int=_whole_number)


def _render_question(session: Session, asked: Collection[int]) -> str:
    """Return what ends the prompt: the customer's own words, where there are any, and what is asked."""
    own = [
        f"Rationale of action {number}, in the customer's own words: {dump_json(step.rationale)}\n"
        for number, step in enumerate(session.steps, 1)
        if number not in asked and step.rationale is not None
    ]
    steps = _join([str(step) for step in sorted(asked)])
    return (
        "".join(own)
        + f"Write the rationale{'s' * (len(asked) > 1)} of action{'s' * (len(asked) > 1)} {steps}."
    )


def _join(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


@cache
def _render_system(space_name: str) -> str:
    """Return the system message: what is asked, and an example, in the terms of an action space."""
    space = find_space(space_name)
    actions = [f"- `{kind.name}`: {kind.meaning}" for kind in space.types]
    text = files("shop_r1.prompts").joinpath("texts/rationale.md").read_text("utf-8").strip()
    text = text.replace("{{actions}}", "\n".join(actions)).replace("{{visit}}", _example_visit(space))
    return text.replace("{{answer}}", dump_json({"rationales": _EXAMPLE_ANSWER}))


_EXAMPLE_PAGES = (
    '<page>\nSearch <input name="search_input" type="search">',
    '<page>\n<a name="results.red_mug">Red mug</a> $18.00 2.1 out of 5 stars',
)
_EXAMPLE_ANSWER = (
    {"step": 1, "rationale": "I want a red mug, so I search for one."},
    {"step": 2, "rationale": "The only red mug costs too much for such poor ratings, so I give up."},
)


def _example_visit(space: ActionSpace) -> str:
    """Return a search and a `terminate` in the space's own types, as a session is shown."""
    search = next(kind for kind in space.types if kind.effect == "type")
    leave = next(kind for kind in space.types if kind.effect == "leave")
    first, last = Action(type=search.name, **search.example), Action(type=leave.name)
    journey = render_journey(_EXAMPLE_PAGES, [first], 10**9, len)
    return (journey.text + action_piece(2, last)).rstrip()

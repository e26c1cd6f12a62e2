"""Session prefix to chat messages within a token budget; an action to the completion that is right.

A prompt is one system message and one user message, `Page 1: … Action 1: … Page 2: …`. Every piece of the
user message ends with one newline, so that step t's message is a prefix of step t+1's, in characters and,
for byte-pair tokenizers that split at newlines, in tokens too: a key/value cache can be carried along.
"""

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from shop_r1.config import Config
from shop_r1.errors import ConfigError, DataError, PageError
from shop_r1.jsonl import Record
from shop_r1.pages.serialize.truncate import fit_html
from shop_r1.pages.tokens import CountTokens
from shop_r1.records.actions import Action, ActionSpace
from shop_r1.records.sessions import Session

NOT_SHOWN = "(page not shown)"
"""Stands for an earlier page's body in the latest-step context."""
LEFT_OUT = "(page left out)"
"""Stands for an earlier page's body that the budget cut."""
REST_LEFT_OUT = "(rest of the page left out)"
"""Ends a current page that is cut at a line or a word, since `fit_html` cannot shorten it."""

PERSONA_TITLE = "The user that you pretend to be:"
"""Stands above the persona at the system message's end."""

TEMPLATE_TOKENS = 32
"""Kept free for the chat template's own marks. Ours: Qwen's takes 13 with its own vocabulary, about 30 with
one of a few hundred entries."""
PIECE_TOKENS = 1
"""Kept free for each piece, since tokens counted apart can differ by a few from the whole's. Ours."""


Context = Literal["whole-session", "latest-step"]
"""Whether earlier pages are shown, or only what was done on them (paper, Table 5)."""


class PromptConfig(Config):
    """What of a session the model sees."""

    RENAMED: ClassVar = {"reply_tokens": "max_completion_length"}

    context: Context = "whole-session"
    """All pages so far, or the current page alone (paper, Table 5). All actions so far in both."""
    max_tokens: int = Field(default=32768, gt=0)
    """Longest prompt and completion together, in tokens. Paper 4.1."""
    max_completion_length: int = Field(default=256, gt=0)
    """Of these, kept free for the completion. Ours."""
    cut_slack: float = Field(default=0.0, ge=0, lt=1)
    """Once a prompt is over the budget, oldest pages go until it takes at most 1 - cut_slack of it. They stay
    out, and no other goes until a later prompt is over again: the steps between share their beginning and are
    run as one. 0: each prompt loses as few pages as it must, and shares little with the next. Ours."""
    chat_template_kwargs: dict[str, bool | int | str] = Field(default_factory=dict)
    """Switches of the model's own chat template by name, as in transformers and TRL: `enable_thinking=false`
    where completions would else begin in an open `<think>`. For checkpoints; an endpoint has its own."""
    persona: bool = False
    """Whether the system message says who the shopper is, where the session does. Off as in the paper, which
    uses no profile of users; Customer-R1 (arXiv 2510.07230) has one in its prompts."""

    @model_validator(mode="after")
    def _leaves_room(self) -> "PromptConfig":
        if self.max_completion_length >= self.max_tokens:
            raise ValueError(
                f"max_completion_length {self.max_completion_length} must be below "
                f"max_tokens {self.max_tokens}"
            )
        return self


class Prompt(Record):
    """One prompt, and what the budget cost it."""

    messages: tuple[dict[str, str], ...]
    """The system message, then the user message, each with `role` and `content`."""
    pages_cut: int = 0
    """How many earlier pages lost their body to the budget."""
    page_truncated: bool = False
    """Whether the current page was shortened to fit the budget."""
    tokens: int | None = None
    """Estimated length in tokens, chat template included: the sum over the pieces plus the allowances."""
    page_at: int = 0
    """Where in the user message the current page begins, in characters."""
    enough_tokens: int | None = None
    """Where the current page was shortened: the `max_tokens` at which it would be whole, if need be without
    the earlier pages' bodies."""


def render_prompt(
    session: Session, step: int, space: ActionSpace, config: PromptConfig, count_tokens: CountTokens
) -> Prompt:
    r"""Return the prompt that asks for the session's action at `step` (from 0): Eq. 1's c_1..t and a_1..t-1.

    >>> from shop_r1 import SHOP, Action, Page, PromptConfig, Session, Step, estimate_tokens, render_prompt
    >>> page = Page(html='<page>\n<button name="buy_box.buy_now">Buy now</button>')
    >>> steps = (Step(page=page, action=Action(type="click", name="buy_box.buy_now")),)
    >>> prompt = render_prompt(Session(session_id="1", steps=steps), 0, SHOP, PromptConfig(), estimate_tokens)
    >>> [message["role"] for message in prompt.messages]
    ['system', 'user']
    >>> print(prompt.messages[1]["content"].strip())
    Page 1:
    <page>
    <button name="buy_box.buy_now">Buy now</button>

    Raises:
        DataError: the session has no such step.
        ConfigError: the actions alone are over the budget.
    """
    if not 0 <= step < len(session.steps):
        raise DataError(f"session {session.session_id} has steps 0 to {len(session.steps) - 1}; found {step}")
    pages = [taken.page.html for taken in session.steps[: step + 1]]
    actions = [taken.action for taken in session.steps[:step]]
    try:
        return render_history(pages, actions, space, config, count_tokens, session.persona)
    except ConfigError as error:
        raise ConfigError(f"session {session.session_id}, step {step}: {error}") from None


def render_history(
    pages: Sequence[str],
    actions: Sequence[Action],
    space: ActionSpace,
    config: PromptConfig,
    count_tokens: CountTokens,
    persona: str | None = None,
) -> Prompt:
    """Return the prompt for these pages' simplified HTML, oldest first, and the actions between them.

    Over budget, the oldest pages' bodies go first, with `cut_slack` more of them than must; then what says
    least on the current page (`fit_html`; a page that is not simplified, or has far too little room, loses
    its tail); actions always stay.
    Past rationales are never in a prompt: a log has none. The persona is shown where the settings say so.

    Raises:
        ConfigError: the actions alone are over the budget.
        ValueError: there is not exactly one page more than there are actions.
    """
    if len(pages) != len(actions) + 1:
        raise ValueError(
            f"{len(pages)} pages and {len(actions)} actions; expected one page more than actions"
        )
    return render_journey(
        render_system(space, persona if config.persona else None),
        pages,
        actions,
        max_tokens=config.max_tokens,
        max_completion_length=config.max_completion_length,
        count_tokens=count_tokens,
        context=config.context,
        cut_slack=config.cut_slack,
    )


def render_journey(
    system: str,
    pages: Sequence[str],
    actions: Sequence[Action],
    max_tokens: int,
    max_completion_length: int,
    count_tokens: CountTokens,
    context: Context = "whole-session",
    tail: str = "",
    cut_slack: float = 0.0,
) -> Prompt:
    """Return a system message, and pages and the actions between them in turn, as `render_history` has it.

    Budget, context and slack are those of `PromptConfig`; `tail` ends the user message, after the last page.

    Raises:
        ConfigError: the actions alone are over the budget.
    """
    around = sum(_count(text, count_tokens) for text in (system, tail) if text) + TEMPLATE_TOKENS
    room = max_tokens - max_completion_length - around
    current = _page_piece(len(pages), pages[-1])
    needed = _count(current, count_tokens)
    if context == "latest-step":
        pieces = [_past_piece(i, NOT_SHOWN, action) for i, action in enumerate(actions, 1)]
        pages_cut, used = 0, sum(_count(piece, count_tokens) for piece in pieces)
    else:
        dropped = 0
        if cut_slack:  # Without it a page may come back, where a shorter one follows.
            aim = int((1 - cut_slack) * (max_tokens - max_completion_length)) - around
            dropped = _count_dropped(pages, actions, room, aim, count_tokens)
        pieces, pages_cut, used = _fit_past(pages, actions, room - needed, count_tokens, dropped)
    enough = None
    if needed > room - used:
        enough = around + max_completion_length + used + needed
        current = _shorten_page(len(pages), pages[-1], room - used, count_tokens)
        needed = _count(current, count_tokens)
    past = "".join(pieces)
    return Prompt(
        messages=(
            {"role": "system", "content": system},
            {"role": "user", "content": past + current + tail},
        ),
        pages_cut=pages_cut,
        page_truncated=enough is not None,
        tokens=around + used + needed,
        page_at=len(past),
        enough_tokens=enough,
    )


def render_system(space: ActionSpace, persona: str | None = None) -> str:
    """Return the system message for an action space, and for a shopper of whom something is known."""
    actions = [
        f"- `{kind.name}`: {kind.meaning} Example: {dump_json({'type': kind.name, **kind.example})}"
        for kind in space.types
    ]
    first = space.types[0]
    completion = {
        "rationale": "I want a closer look at this mug.",
        "action": {"type": first.name, **first.example},
    }
    text = _system_template().replace("{{actions}}", "\n".join(actions))
    text = text.replace("{{completion}}", dump_json(completion))
    if persona is None or not persona.strip():
        return text
    # Last, so that nothing in the persona is taken for one of the template's places.
    return f"{text}\n\n{PERSONA_TITLE}\n\n{defuse(persona.strip())}"


def render_completion(rationale: str, action: Action) -> str:
    """Return the completion that says this: one JSON object with the keys `rationale` and `action`.

    >>> render_completion("I need a mug.", Action(type="click", name="results.red_mug"))
    '{"rationale": "I need a mug.", "action": {"type": "click", "name": "results.red_mug"}}'
    """
    return dump_json({"rationale": rationale, "action": action.to_completion()})


def _count_dropped(
    pages: Sequence[str], actions: Sequence[Action], room: int, aim: int, count_tokens: CountTokens
) -> int:
    """Return of how many of the oldest pages the bodies are out at the last of the pages.

    Step by step from the first: they stay out, and once page and past take more than `room`, so many more go
    that they take at most `aim`, if the past has so many. It follows from the session so far alone.
    """
    dropped, past = 0, 0
    saved: list[int] = []  # by each past page, were its body left out
    for number, page in enumerate(pages, 1):
        needed = _count(_page_piece(number, page), count_tokens)
        if past + needed > room:
            while dropped < len(saved) and past + needed > aim:
                past -= saved[dropped]
                dropped += 1
        if number <= len(actions):
            action = actions[number - 1]
            length = _count(_past_piece(number, page, action), count_tokens)
            past += length
            saved.append(max(0, length - _count(_past_piece(number, LEFT_OUT, action), count_tokens)))
    return dropped


def _fit_past(
    pages: Sequence[str], actions: Sequence[Action], room: int, count_tokens: CountTokens, dropped: int
) -> tuple[list[str], int, int]:
    """Return the past's pieces, how many of them lost their body, and their tokens.

    The `dropped` oldest lose it, and as many more as it takes.
    """
    pieces = [
        _past_piece(i, page, action) for i, (page, action) in enumerate(zip(pages, actions, strict=False), 1)
    ]
    lengths = [_count(piece, count_tokens) for piece in pieces]
    used, cut = sum(lengths), 0
    for index, action in enumerate(actions):
        if index >= dropped and used <= room:
            break
        shorter = _past_piece(index + 1, LEFT_OUT, action)
        saved = lengths[index] - _count(shorter, count_tokens)
        if saved > 0:  # A page no longer than the marker stays: to cut it would cost, not save.
            pieces[index] = shorter
            used -= saved
            cut += 1
    return pieces, cut, used


def _shorten_page(number: int, html: str, room: int, count_tokens: CountTokens) -> str:
    """Return the page's piece within the room, with what says most of it, or else with its first lines."""
    body = defuse(html.rstrip())
    try:
        fitted = fit_html(body, room - _count(_page_piece(number, ""), count_tokens), count_tokens)
    except PageError:
        return _truncate_page(number, body, room, count_tokens)
    return _page_piece(number, fitted)


def _truncate_page(number: int, body: str, room: int, count_tokens: CountTokens) -> str:
    """Return the page's piece with as many of its first lines as there is room for."""
    room -= _count(_page_piece(number, REST_LEFT_OUT), count_tokens)
    if room < 0:
        raise ConfigError(
            f"the system prompt and the actions alone are {-room} tokens over the budget; raise max_tokens"
        )
    kept = _take(body.splitlines(keepends=True), room, count_tokens)
    if not kept:  # One endless line: a cut between words shows more than no page at all.
        kept = _take([word + " " for word in body.split(" ")], room, count_tokens)
    return _page_piece(number, f"{kept.rstrip()}\n{REST_LEFT_OUT}".lstrip())


def _take(parts: Sequence[str], room: int, count_tokens: CountTokens, chunk: int = 64) -> str:
    """Return the longest run of first parts that fits; each is counted at most twice."""
    taken = 0
    for size in (chunk, 1):
        while taken < len(parts):
            length = _count("".join(parts[taken : taken + size]), count_tokens)
            if length > room:
                break
            room -= length
            taken += size
    return "".join(parts[:taken])


def _past_piece(number: int, body: str, action: Action) -> str:
    return _page_piece(number, body) + action_piece(number, action)


def action_piece(number: int, action: Action) -> str:
    r"""Return the line that tells an action.

    >>> action_piece(2, Action(type="click", name="results.red_mug"))
    'Action 2: {"type": "click", "name": "results.red_mug"}\n'
    """
    return f"Action {number}: {dump_json(action.to_completion())}\n"


def _page_piece(number: int, body: str) -> str:
    return f"Page {number}:\n{defuse(body.rstrip())}\n"


def _count(text: str, count_tokens: CountTokens) -> int:
    return count_tokens(text) + PIECE_TOKENS


def defuse(text: str) -> str:
    """Return page text in which nothing reads as a chat template's mark such as `<|im_end|>`.

    Pages are hostile input: without this, a shop could end the user's turn and write the model's.
    """
    return text.replace("<|", "< |")


def dump_json(value: object) -> str:
    """Return a value as JSON on one line, in which nothing reads as a chat template's mark."""
    # JSON has its own escape, so a mark such as <|im_end|> in a name or a query survives as plain text.
    return json.dumps(value, ensure_ascii=False).replace("<|", "\\u003c|")


@cache
def _system_template() -> str:
    return files("shop_r1.prompts").joinpath("texts/system.md").read_text("utf-8").strip()

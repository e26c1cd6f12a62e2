"""A persona put into words by a model, which sees counts and frequent queries, nothing else."""

import json
from collections.abc import Sequence

from pydantic import Field, ValidationError

from shop_r1.config import Config
from shop_r1.personas.entries import Intent, Persona
from shop_r1.personas.wording import Summary
from shop_r1.prompts.parse import unwrap

QUERIES = 10
"""Of a persona, the most frequent first queries that the model sees. Ours."""
_SYSTEM = (
    "You are told how one group of shoppers uses an online shop, as counts beside those of all its "
    "shoppers, and what several of them searched for. Write one to three plain sentences that say who such "
    "a shopper may be and how they shop, in the third person, for somebody who is to act as one. Say "
    "nothing that the counts contradict, name no person, and make up no address, number or income. Answer "
    "with one JSON object and nothing else: "
    '{"who": "…"}'
)


class Description(Config):
    """What the model is to write."""

    who: str = Field(min_length=1, max_length=800)


def description_messages(
    persona: Persona, own: Summary, everybody: Summary, queries: Sequence[Intent]
) -> tuple[dict[str, str], ...]:
    """Return the messages that ask for a persona's description."""
    lines = [
        f"{own.sessions} of {everybody.sessions} visits, by {own.shoppers} shoppers. {persona.who}",
        "Means a visit, in this group and among all:",
        *(
            f"- {name}: {getattr(own, key):.2f} and {getattr(everybody, key):.2f}"
            for key, name in (
                ("steps", "steps"),
                ("searches", "searches"),
                ("words", "words a query"),
                ("filters", "clicks on filters"),
                ("products", "products opened"),
                ("reviews", "clicks on reviews"),
                ("buys", "share that buys"),
            )
        ),
    ]
    if own.paid is not None:
        lines.append(f"- median price of what was bought: {own.paid:.2f}")
    if queries:
        typed = ", ".join(json.dumps(each.query, ensure_ascii=False) for each in queries[:QUERIES])
        lines.append(f"First searches that several typed, the most frequent first: {typed}")
    return {"role": "system", "content": _SYSTEM}, {"role": "user", "content": "\n".join(lines)}


def read_description(completion: str) -> str | None:
    """Return what a completion says of a persona; None where it is no such JSON object.

    >>> read_description('{"who": "A hurried buyer."}'), read_description("A hurried buyer.")
    ('A hurried buyer.', None)
    """
    try:
        return " ".join(Description.model_validate_json(unwrap(completion).text).who.split()) or None
    except ValidationError:
        return None


def with_description(persona: Persona, text: str) -> Persona:
    """Return the persona with the model's words before its counted ones, which stay."""
    return persona.model_copy(update={"who": f"{text} {persona.who}"})

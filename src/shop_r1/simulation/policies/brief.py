"""What a model is told of the shopper that it pretends to be."""

from collections.abc import Sequence


def brief(
    persona: str | None, intent: str | None, query: str | None, typed: Sequence[str] = ()
) -> str | None:
    """Return who the shopper is and what it came for, as `Session.persona` has it; None for nothing known.

    `typed` are the names of a test profile: with them a model can fill in forms without knowing the values.

    >>> print(brief("A student.", "A gift under 20 dollars.", "red mug", ["email"]))
    A student.
    What you came for: A gift under 20 dollars.
    The first thing that you search for: red mug
    In forms, type {{email}} where it is asked for; the browser fills in the value.
    """
    lines = [persona.strip()] if persona and persona.strip() else []
    if intent and intent.strip():
        lines.append(f"What you came for: {intent.strip()}")
    if query and query.strip():
        lines.append(f"The first thing that you search for: {query.strip()}")
    if typed:
        marks = ", ".join(f"{{{{{name}}}}}" for name in typed)
        lines.append(f"In forms, type {marks} where it is asked for; the browser fills in the value.")
    return "\n".join(lines) or None

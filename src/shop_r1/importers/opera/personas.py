"""What OPeRA's users said of themselves in a survey, as short plain text for a prompt."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from shop_r1.importers.opera.tables import read_rows

MAX_CHARACTERS = 4000
"""Of a persona. Ours: four short sections take a third of it."""
_ORDER = ("demographic", "self description", "shopping preference", "personality")
"""How the titles of the sections begin, in their order in the text; any others come after."""


def read_personas(files: Sequence[Path], problems: Counter[str]) -> dict[str, str]:
    """Return each user's persona; a user of two files has that of the first that says anything.

    `problems` gets how many rows gave no persona, or only the beginning of one, by reason.

    Raises:
        DataError: a file cannot be read.
    """
    personas: dict[str, str] = {}
    for _, row in read_rows(files, ("user_id", "survey")):
        user = row["user_id"]
        if not user:
            problems["no user_id"] += 1
        elif user not in personas:
            text, problem = render_survey(row["survey"])
            if problem is not None:
                problems[problem] += 1
            if text is not None:
                personas[user] = text
    return personas


def render_survey(survey: str | None) -> tuple[str | None, str | None]:
    r"""Return the survey as text, a line for each section, and what was wrong with it, if anything.

    >>> render_survey('{"Self Description": {"Two sentences": "I like tea."}, "Demographics": {"Age": 30}}')
    ('Demographics: Age: 30\nSelf Description: Two sentences: I like tea.', None)
    """
    if survey is None or not survey.strip():
        return None, "no survey"
    try:
        text = _render(json.loads(survey))
    except RecursionError:
        return None, "the survey is nested too deeply"
    except ValueError:
        return None, "the survey is not JSON"
    if not text:
        return None, "nothing in the survey"
    if len(text) > MAX_CHARACTERS:
        return f"{text[:MAX_CHARACTERS].rsplit(None, 1)[0]} …", f"cut at {MAX_CHARACTERS} characters"
    return text, None


def _render(survey: Any) -> str:
    if not isinstance(survey, dict):
        return "; ".join(_parts(survey))
    sections = sorted(survey.items(), key=lambda section: _rank(section[0]))
    lines = [(_plain(title), "; ".join(_parts(value))) for title, value in sections]
    return "\n".join(f"{title}: {said}" for title, said in lines if said)


def _rank(title: str) -> int:
    words = " ".join(re.findall(r"[^\W_]+", title.casefold()))
    return next((place for place, start in enumerate(_ORDER) if words.startswith(start)), len(_ORDER))


def _parts(value: Any) -> Iterator[str]:
    """Yield what the value says, as `question: answer` where it has questions; nothing for what is empty."""
    if isinstance(value, dict):
        for question, answer in value.items():
            if said := ", ".join(_parts(answer)):
                yield f"{_plain(question).rstrip(' .:')}: {said}"
    elif isinstance(value, list):
        for answer in value:
            yield from _parts(answer)
    elif isinstance(value, bool):
        yield "yes" if value else "no"
    elif value is not None and (said := _plain(str(value))):
        yield said


def _plain(text: str) -> str:
    return " ".join(text.split())

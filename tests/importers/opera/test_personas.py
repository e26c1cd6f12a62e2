import json
from collections import Counter
from pathlib import Path

import pytest
from tests.importers.opera.make_opera import survey, users, write_table

from shop_r1.importers.opera.personas import MAX_CHARACTERS, read_personas, render_survey


def test_a_survey_becomes_a_line_for_each_section_in_a_fixed_order() -> None:
    said = json.loads(survey())
    backwards = json.dumps(dict(reversed(said.items())))
    text = (
        "Demographic Information: Age: 25 - 34 years old; Gender: Female\n"
        "Self Description: Two sentence description: I like tea. I read much.\n"
        "Shopping Preference: Amazon Prime membership: yes; To what extent do you agree with the following "
        "statements: I look for the best value: Strongly agree\n"
        "Personality: Big Five Scores: Openness: 3.5, Neuroticism: 2"
    )
    assert render_survey(survey()) == render_survey(backwards) == (text, None)


@pytest.mark.parametrize(
    ("said", "text", "problem"),
    [
        (None, None, "no survey"),
        (" ", None, "no survey"),
        ("{", None, "the survey is not JSON"),
        ("[" * 100_000, None, "the survey is nested too deeply"),
        ("[" * 3_000 + "1" + "]" * 3_000, None, "the survey is nested too deeply"),
        ("{}", None, "nothing in the survey"),
        ('{"a": {"b": null, "c": [" "]}}', None, "nothing in the survey"),
        ('"I like tea."', "I like tea.", None),
        ('["tea", {"cups": [1, 2]}, false]', "tea; cups: 1, 2; no", None),
        ('{"Hobbies": ["tea"], "personality": "calm"}', "personality: calm\nHobbies: tea", None),
    ],
)
def test_odd_surveys_are_read_as_far_as_they_go(
    said: str | None, text: str | None, problem: str | None
) -> None:
    assert render_survey(said) == (text, problem)


def test_a_long_survey_is_cut_at_a_word_and_says_so() -> None:
    text, problem = render_survey(json.dumps("word " * 2000))
    assert (
        text is not None and text.endswith("word …") and MAX_CHARACTERS - 5 <= len(text) <= MAX_CHARACTERS + 2
    )
    assert problem == f"cut at {MAX_CHARACTERS} characters"


def test_each_user_has_the_first_persona_that_says_anything(tmp_path: Path) -> None:
    one, two = tmp_path / "user-test.parquet", tmp_path / "user-train.parquet"
    write_table(one, users(("ann", None), ("bob", '"tea"'), (None, '"none"')))
    write_table(two, users(("ann", '"coffee"'), ("bob", '"other"')))
    problems: Counter[str] = Counter()
    assert read_personas([one, two], problems) == {"ann": "coffee", "bob": "tea"}
    assert problems == {"no survey": 1, "no user_id": 1}

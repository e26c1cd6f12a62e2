import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop_r1.errors import ConfigError
from shop_r1.evaluation.similarity.rules import (
    NORMALIZED_WORDS,
    ROUGE_L,
    Pair,
    Rule,
    list_rules,
    match_texts,
    normalize_words,
)
from shop_r1.records.actions import LIVE, SHOP, Action, click, terminate, type_and_submit
from shop_r1.records.results import Prediction

DOCUMENT = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text("utf-8")
EXAMPLES = re.findall(
    r"^\| `([^`]+)` \| `([^`]+)` \| (yes|no)[^|]*\| (yes|no)[^|]*\|", DOCUMENT, re.MULTILINE
)


def match(text: str, target: str, rules: Sequence[Rule] | None = None) -> dict[str, bool]:
    prediction = Prediction(
        session_id="a",
        step=0,
        target=type_and_submit("search_input", target),
        action=type_and_submit("search_input", text),
    )
    found = match_texts([prediction], SHOP, list_rules() if rules is None else rules)
    return {name: alike for name, (alike,) in found.items()}


def test_the_document_has_examples() -> None:
    assert len(EXAMPLES) >= 10


@pytest.mark.parametrize(("target", "text", "words", "rouge"), EXAMPLES)
def test_each_example_of_the_document_is_judged_as_it_says(
    target: str, text: str, words: str, rouge: str
) -> None:
    assert match(text, target) == {NORMALIZED_WORDS: words == "yes", ROUGE_L: rouge == "yes"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("dresses", "dress"),
        ("boxes", "box"),
        ("watches", "watch"),
        ("brushes", "brush"),
        ("batteries", "battery"),
        ("cookies", "cookie"),
        ("pies", "pie"),
        ("shoes", "shoe"),
        ("sizes", "size"),
        ("glasses", "glass"),
        ("CAFÉ", "café"),
        ("ﬁne  tea", "fine-tea"),
    ],
)
def test_spellings_of_one_thing_are_the_same_words(one: str, other: str) -> None:
    assert normalize_words(one) == normalize_words(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("bus", "bu"), ("gas", "ga"), ("tennis", "tenni"), ("red red mug", "red mug"), ("with", "without")],
)
def test_other_words_stay_apart(one: str, other: str) -> None:
    assert normalize_words(one) != normalize_words(other)


@given(st.lists(st.sampled_from(["red", "Mugs", "for", "x2", "ÜBER", "tea"]), max_size=6), st.randoms())
def test_order_case_and_signs_do_not_matter(words: list[str], rng: object) -> None:
    expected = normalize_words(" ".join(words))
    shuffled = list(words)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert normalize_words(" - ".join(shuffled).upper() + "!") == expected


def predict(action: Action | None, target: Action) -> Prediction:
    return Prediction(session_id="a", step=0, target=target, action=action)


QUERY = type_and_submit("search_input", "red mug")


@pytest.mark.parametrize(
    ("action", "target"),
    [
        (QUERY, QUERY),  # exact already
        (None, QUERY),
        (type_and_submit("filter_input", "mug red"), QUERY),
        (Action(type="input", name="search_input", text="mug red"), QUERY),
        (click("results.Red_mug"), click("results.red_mug")),
        (terminate(), terminate()),
        (
            Action(type="select", name="size", text="Large"),
            Action(type="select", name="size", text="large"),
        ),
    ],
)
def test_only_what_is_typed_into_the_same_field_can_be_similar(action: Action | None, target: Action) -> None:
    assert match_texts([predict(action, target)], LIVE, list_rules()) == {
        NORMALIZED_WORDS: [False],
        ROUGE_L: [False],
    }


def test_input_without_enter_is_typed_too() -> None:
    pair = (Action(type="input", name="a", text="Anna"), Action(type="input", name="a", text="anna"))
    assert match_texts([predict(*pair)], LIVE, list_rules())[NORMALIZED_WORDS] == [True]


def test_a_text_without_a_word_is_like_none() -> None:
    assert match("!!!", "???") == {NORMALIZED_WORDS: False, ROUGE_L: False}


def test_the_threshold_must_be_exceeded_and_is_a_setting() -> None:
    # 3 of 4 words on both sides: 0.75.
    assert match("a b c d", "a b c x")[ROUGE_L] is False
    assert match("a b c d", "a b c x", list_rules(0.74))[ROUGE_L] is True
    assert [rule.label for rule in list_rules(0.9)] == ["same words", "ROUGE-L > 0.9"]
    with pytest.raises(ConfigError, match="similarity threshold is 1"):
        list_rules(1.0)


def test_a_rule_of_ones_own_is_asked_once_for_all_pairs() -> None:
    asked: list[Sequence[Pair]] = []

    def same_length(pairs: Sequence[Pair]) -> list[bool]:
        asked.append(pairs)
        return [len(one) == len(other) for one, other in pairs]

    predictions = [
        predict(type_and_submit("search_input", text), QUERY) for text in ("tea pot", "tea", "red mug")
    ]
    found = match_texts(predictions, SHOP, [Rule("same_length", "same length", None, same_length)])
    assert found == {"same_length": [True, False, False]}
    assert asked == [[("tea pot", "red mug"), ("tea", "red mug")]]

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from shop_r1.rewards.rouge import rouge_l, split_words

REFERENCE = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)

any_ascii = st.text(st.characters(max_codepoint=127), max_size=40)
few_words = st.lists(st.sampled_from(["red", "Mug", "a", "2", "results", "é"]), max_size=12).map("_".join)


@given(any_ascii, any_ascii)
def test_any_ascii_text_scores_as_rouge_score_does(predicted: str, target: str) -> None:
    assert rouge_l(predicted, target) == pytest.approx(
        REFERENCE.score(target, predicted)["rougeL"].fmeasure, abs=1e-12
    )


@given(few_words.filter(str.isascii), few_words.filter(str.isascii))
def test_texts_that_share_words_score_as_rouge_score_does(predicted: str, target: str) -> None:
    assert rouge_l(predicted, target) == pytest.approx(
        REFERENCE.score(target, predicted)["rougeL"].fmeasure, abs=1e-12
    )


@given(few_words, few_words)
def test_similarity_is_symmetric_and_a_share(left: str, right: str) -> None:
    assert rouge_l(left, right) == rouge_l(right, left)
    assert 0 <= rouge_l(left, right) <= 1


@given(st.text(max_size=40))
def test_equal_texts_score_1_unless_they_have_no_word(text: str) -> None:
    assert rouge_l(text, text) == (1.0 if split_words(text) else 0.0)


@given(st.text(max_size=40))
def test_words_hold_letters_digits_and_their_marks_only(text: str) -> None:
    for word in split_words(text):
        assert word and all(unicodedata.category(character)[0] in "LNM" for character in word)


def test_a_mouse_is_half_a_house() -> None:
    # One of two words in common: P = R = 1/2. A ratio over characters would say 0.93.
    assert rouge_l("wireless mouse", "wireless house") == 0.5


def test_order_matters_but_gaps_do_not() -> None:
    # "red mug" is a subsequence of "red tea mug": 2·2 / (2 + 3). Turned round, one word: 2·1 / (2 + 3).
    assert rouge_l("red mug", "red tea mug") == pytest.approx(0.8)
    assert rouge_l("mug red", "red tea mug") == pytest.approx(0.4)


def test_exactly_three_quarters_is_not_a_bit_more() -> None:
    # Six common words of seven and nine: 12/16. By way of P = 6/7 and R = 6/9 it rounds elsewhere.
    assert rouge_l("a b c d e f x", "a b c d e f u v w") == 0.75


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("--- !", []),
        ("results.red_mug", ["results", "red", "mug"]),
        ("add-to-cart.BUY_now", ["add", "to", "cart", "buy", "now"]),
        ("Kaffeebecher für Großmutter", ["kaffeebecher", "für", "großmutter"]),
        ("ЧЁРНЫЙ чай, 100г", ["чёрный", "чай", "100г"]),
        ("cafe\u0301", ["caf\u00e9"]),
        ("हिन्दी किताब", ["हिन्दी", "किताब"]),
        ("红色mug杯", ["红", "色", "mug", "杯"]),
        ("커피 머그", ["커피", "머그"]),
        ("l’eau", ["l", "eau"]),
    ],
)
def test_words_in_many_scripts(text: str, words: list[str]) -> None:
    assert split_words(text) == words

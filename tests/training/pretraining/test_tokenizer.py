import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny import VOCABULARY, train_tiny_tokenizer
from transformers import AutoTokenizer

from shop_r1.errors import TrainingError
from shop_r1.training.pretraining.tokenizer import frequent_lines, train_tokenizer

TOKENIZER = train_tiny_tokenizer()
PAGE = '<a name="mug">Mug</a> $4.49\n<a name="cup">Cup</a> $12.99\n<p>A mug for every day of the year.</p>\n'
FOOTER = '<a name="footer.help">Help and returns</a>\n'


def test_the_vocabulary_has_the_asked_size_and_depends_on_the_texts_alone() -> None:
    assert len(TOKENIZER) == VOCABULARY
    assert train_tiny_tokenizer().get_vocab() == TOKENIZER.get_vocab()


def test_texts_that_are_too_few_are_refused() -> None:
    with pytest.raises(TrainingError, match=r"the texts give \d+ tokens, not 5000"):
        train_tokenizer([PAGE], 5000)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_any_text_comes_back_composed(text: str) -> None:
    # Qwen2's tokenizer composes characters (NFC) and loses nothing else.
    found = TOKENIZER.decode(TOKENIZER(text, add_special_tokens=False)["input_ids"])
    assert found == unicodedata.normalize("NFC", text)


def test_a_checkpoint_brings_back_the_same_tokenizer(tiny_checkpoint: Path) -> None:
    loaded = AutoTokenizer.from_pretrained(tiny_checkpoint)
    assert loaded.get_vocab() == TOKENIZER.get_vocab()
    text = f'{PAGE}{FOOTER}{{"rationale": "S\u00fc\u00df \u2013 4 \u20ac.", "action": {{"type": "click"}}}}'
    assert loaded(text)["input_ids"] == TOKENIZER(text)["input_ids"]


def test_the_chat_template_is_chatml_and_ends_turns_with_one_token() -> None:
    messages = [{"role": "system", "content": "Be a shopper."}, {"role": "user", "content": "Page 1:\n"}]
    text = TOKENIZER.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == (
        "<|im_start|>system\nBe a shopper.<|im_end|>\n"
        "<|im_start|>user\nPage 1:\n<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert TOKENIZER.eos_token == "<|im_end|>"
    marks = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]
    assert TOKENIZER("".join(marks))["input_ids"] == TOKENIZER.convert_tokens_to_ids(marks)
    assert TOKENIZER.decode(TOKENIZER(text)["input_ids"], skip_special_tokens=True) == (
        "system\nBe a shopper.\nuser\nPage 1:\n\nassistant\n"
    )


def test_lines_of_the_shops_frame_get_a_token_each() -> None:
    texts = [f"{PAGE}<p>Number {index} of many things</p>\n{FOOTER}" for index in range(40)]
    assert frequent_lines(texts, 1) == [max((*PAGE.splitlines(True), FOOTER), key=len)]
    assert all("Number" not in line for line in frequent_lines(texts, 100))  # each stands in one text of 40
    tokenizer = train_tokenizer(texts, 300, lines=4)
    assert len(tokenizer) == 300
    assert len(tokenizer(FOOTER)["input_ids"]) == 1
    assert tokenizer.decode(tokenizer(texts[0])["input_ids"]) == texts[0]

"""The base checkpoint's tokenizer: byte-level BPE over shop pages, with Qwen's chat marks and template."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers, trainers
from transformers import Qwen2Tokenizer

from shop_r1.errors import TrainingError

END_OF_TEXT, TURN_START, TURN_END = _MARKS = "<|endoftext|>", "<|im_start|>", "<|im_end|>"

_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Qwen2's own rule of what BPE never merges across: transformers applies it to every Qwen2 checkpoint."""

FRAGMENTS = (
    *('\n<li><a name="', '<li><a name="', '<a name="', '<button name="', '<input name="'),
    *("<h1>", "<ul>\n", "<ol>\n"),
    *("</a>\n", "</a>", "</h1>\n", "</button>", "</ul>\n", "</ol>\n"),
    *("<page>\n", '">'),
    *('{"rationale": "', '", "action": {"type": "', '{"type": "'),
    *('", "name": "', '", "text": "', '"}}', '"}\n'),
    *(".99", ".49", " stars (", "Page ", "Action "),
)
"""Runs of markup and JSON syntax that get a token each: pages and completions hardly hold others."""

_CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""ChatML, as Qwen2.5-Instruct uses it."""


LINE_SHARE = 0.04
"""A line that stands in this share of the texts is part of the shops' frame, not of their goods. Ours."""


def train_tokenizer(texts: Sequence[str], vocabulary: int, lines: int = 160) -> Any:
    """Return a Hugging Face tokenizer of exactly `vocabulary` tokens, made from the texts.

    Every byte has a token, so any text can be written; the result depends on the texts alone. The lines that
    save most, such as a footer's links, get a token each: they are a third of a shop's pages and say nothing.

    Raises:
        TrainingError: the texts are too few for so large a vocabulary.
    """
    whole = [*frequent_lines(texts, lines), *FRAGMENTS]
    learned = Tokenizer(models.BPE())
    learned.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    cut = re.compile("|".join(re.escape(text) for text in sorted(whole, key=len, reverse=True)))
    learned.train_from_iterator(
        (piece for text in texts for piece in cut.split(text) if piece),
        trainers.BpeTrainer(
            vocab_size=vocabulary - len(whole) - len(_MARKS),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    bpe = json.loads(learned.to_str())["model"]
    tokenizer = Qwen2Tokenizer(
        vocab=bpe["vocab"],
        merges=[tuple(merge) for merge in bpe["merges"]],
        unk_token=None,
        eos_token=TURN_END,
        pad_token=END_OF_TEXT,
        additional_special_tokens=[TURN_START],
        chat_template=_CHAT_TEMPLATE,
        model_max_length=8192,
    )
    tokenizer.add_tokens([AddedToken(text, normalized=False, special=False) for text in whole])
    if len(tokenizer) != vocabulary:
        raise TrainingError(
            f"the texts give {len(tokenizer)} tokens, not {vocabulary}; take more sessions or a smaller "
            "vocabulary"
        )
    return tokenizer


def frequent_lines(texts: Sequence[str], most: int) -> list[str]:
    """Return the lines, with their ends, of which many texts have one; those that save most text first."""
    counts: Counter[str] = Counter()
    spread: Counter[str] = Counter()
    for text in texts:
        found = [line for line in text.splitlines(keepends=True) if len(line) > 12 and line.endswith("\n")]
        counts.update(found)
        spread.update(set(found))
    common = [line for line, number in spread.items() if number >= LINE_SHARE * len(texts)]
    return sorted(common, key=lambda line: (-counts[line] * len(line), line))[:most]

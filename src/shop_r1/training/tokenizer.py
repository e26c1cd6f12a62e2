"""The base checkpoint's tokenizer: byte-level BPE over shop pages, with Qwen's chat marks and template."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from shop_r1.errors import TrainingError

END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"

_SPLIT = "|".join(
    (
        r'(?:\s?<[^<>"\n]{1,40}[>"])+\n?',  # runs of markup, up to a quote that opens a name
        r'"?\}*,? ?\{?"[a-z_]+": ?(?:\{"[a-z_]+": ?)?"?',  # what stands between the values of JSON
        r"[^\r\n\p{L}\p{N}]?\p{L}+",  # a word with the mark before it: ` mug`, `_mug`, `.mug`
        r"\.?\p{N}{1,3}",  # `4` and `.49` of $4.49
        r"[.,;:!?]+",
        r"\s*[\r\n]+",
        r" ?[^\s\p{L}\p{N}]+",
        r"\s+",
    )
)
"""What BPE never merges across. As in Qwen2 but for three things: whole runs of markup and of JSON syntax
can become one token, since pages and replies repeat few of them, and up to three digits can."""

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
    frame = frequent_lines(texts, lines)
    known = set(frame)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        (piece for text in texts for piece in _between(text, known)),
        trainers.BpeTrainer(
            vocab_size=vocabulary - len(frame),
            special_tokens=[END_OF_TEXT, TURN_START, TURN_END],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.add_tokens([AddedToken(line, normalized=False, special=False) for line in frame])
    if tokenizer.get_vocab_size() != vocabulary:
        raise TrainingError(
            f"the texts give {tokenizer.get_vocab_size()} tokens, not {vocabulary}; take more sessions or a smaller "
            "vocabulary"
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=TURN_END,
        pad_token=END_OF_TEXT,
        additional_special_tokens=[TURN_START],
        chat_template=_CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=8192,
    )


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


def _between(text: str, frame: set[str]) -> Iterator[str]:
    """Yield what stands between the text's frame lines, since BPE never sees more than that at once."""
    piece = ""
    for line in text.splitlines(keepends=True):
        if line in frame:
            if piece:
                yield piece
            piece = ""
        else:
            piece += line
    if piece:
        yield piece

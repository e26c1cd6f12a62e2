"""The base checkpoint's tokenizer: byte-level BPE over shop pages, with Qwen's chat marks and template."""

from collections.abc import Iterable
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

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


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    """Return a Hugging Face tokenizer of at most `vocabulary` tokens, made from the texts.

    Every byte has a token, so any text can be written; the result depends on the texts alone.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=[END_OF_TEXT, TURN_START, TURN_END],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
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

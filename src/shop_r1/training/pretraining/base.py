"""The recipe of our small base checkpoint: a Qwen2 of about a million parameters, taught two skills.

It stands where Qwen2.5-Instruct stands in the paper: a model that can read a page and copy from it, but has
never seen a shopper. First it learns to copy strings of random tokens, then to read the pages of generated
shops whose catalogues the demo does not use. It never sees an action, a rationale or a completion.

Copying is what such a model learns last when left alone. Two things make it quick here. The first layer
starts with two heads that look one and two tokens back: under rotary positions that takes nothing but two
bias vectors (`look_back`), and finding them is where small models spend their first minutes. And the
batches are small, because the number of steps decides when copying sets in, not the number of tokens.
"""

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from transformers import Qwen2Config, Qwen2ForCausalLM

from shop_r1.config import Config, load_config
from shop_r1.errors import TrainingError
from shop_r1.jsonl import read_records
from shop_r1.models.checkpoint import LocalModel, load_model, save_checkpoint
from shop_r1.models.precision import autocast
from shop_r1.prompts.render import PromptConfig, render_completion, render_prompt
from shop_r1.records.actions import find_space
from shop_r1.records.sessions import Session
from shop_r1.training.pretraining.tokenizer import train_tokenizer
from shop_r1.training.progress.console import step_progress


class BaseConfig(Config):
    """Shape and pretraining of the base checkpoint; every default is ours, measured on two CPU cores."""

    tokenizer: str = ""
    """The checkpoint whose tokenizer is taken, `base` for one of another size; empty: it is made of the
    sessions."""
    vocabulary: int = Field(2048, ge=300)
    """Tokens in the byte-level BPE vocabulary, special tokens included."""
    width: int = 128
    """Hidden size."""
    layers: int = 4
    """Transformer layers."""
    heads: int = Field(2, ge=2)
    """Attention heads, each with keys and values of its own."""
    longest_context: int = 8192
    """Positions that the configuration promises, in tokens."""
    learning_rate: float = 2e-3
    """AdamW's peak."""
    copy_steps: int = 3000
    """Steps of copying random strings."""
    page_steps: int = 1500
    """Steps of reading pages, mixed with copying."""
    copy_tokens: int = 3072
    """Tokens a step of copying, about."""
    page_tokens: int = 2400
    """Tokens a step of reading, about."""
    frame_lines: int = 100
    """How many frequent lines get a token of their own, at most."""
    bf16: bool = False
    """Whether the weights are written in bfloat16, for half of the room; they are trained in float32."""
    seed: int = 0
    """Of weights and batches."""


def new_model(config: BaseConfig, end_id: int) -> Any:
    """Return an untrained Qwen2 of the configured shape with heads that look back in its first layer."""
    torch.manual_seed(config.seed)
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=config.vocabulary,
            hidden_size=config.width,
            intermediate_size=3 * config.width,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.heads,
            max_position_embeddings=config.longest_context,
            tie_word_embeddings=True,
            initializer_range=0.08,
            bos_token_id=None,
            eos_token_id=end_id,
            pad_token_id=end_id,
        )
    )
    look_back(model, head=0, offset=1)
    look_back(model, head=1, offset=2)
    return model


def look_back(model: Any, head: int, offset: int, strength: float = 5.0) -> None:
    """Set one head of the first layer to attend `offset` tokens back, independent of the tokens.

    With rotary positions the score of query i and key j is a sum over frequencies w of
    `|q| |k| cos(w (i - j) + phase)`; biases alone can set all phases to `-w offset`, so that it peaks where
    i - j = offset.

    The model is a Qwen2, whose query and key projections have biases; the offset is at least 1. A query head
    shares its key bias with the others of its key/value group. Biases of strength 5 give 0.94 of the
    attention to that token by themselves, and 0.59 on average beside the random projections of `new_model`.
    """
    attention = model.model.layers[0].self_attn
    size = attention.head_dim
    half = size // 2
    key = head // (model.config.num_attention_heads // model.config.num_key_value_heads)
    angle = model.model.rotary_emb.inv_freq * offset
    with torch.no_grad():
        attention.k_proj.bias[key * size : key * size + half] = strength
        attention.k_proj.bias[key * size + half : (key + 1) * size] = 0.0
        attention.q_proj.bias[head * size : head * size + half] = strength * torch.cos(angle)
        attention.q_proj.bias[head * size + half : (head + 1) * size] = -strength * torch.sin(angle)


@dataclass
class CopyCurriculum:
    """How long the strings are: longer as accuracy passes 0.9."""

    longest: int = 8
    """Tokens in a string."""
    strings: int = 2
    """How many of them before the repeats."""
    accuracy: float = 0.0
    """Running share of repeated tokens that were right."""

    def observe(self, accuracy: float, step: int) -> None:
        """Note a batch's accuracy and move on when the strings are mastered."""
        self.accuracy = 0.95 * self.accuracy + 0.05 * accuracy
        if self.accuracy > 0.9 and step % 50 == 0:
            self.longest = min(90, int(self.longest * 1.5) + 1)
            self.strings = max(2, min(8, 400 // self.longest))


def copy_batch(
    config: BaseConfig, curriculum: CopyCurriculum, rng: random.Random, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return random strings, a random gap, and the same strings in another order.

    Returns:
        ids (R, T) for R rows and a bool mask (R, T) of the tokens that can be known: the repeats but their
        first tokens.
    """
    count, length = curriculum.strings, rng.randint(max(3, curriculum.longest // 2), curriculum.longest)
    rows = max(4, min(16, config.copy_tokens // (2 * count * length)))
    strings = torch.randint(0, config.vocabulary, (rows, count, length), generator=generator)
    gap = torch.randint(0, config.vocabulary, (rows, rng.randint(0, 2 * length)), generator=generator)
    order = torch.rand(rows, count, generator=generator).argsort(1)
    repeats = strings.gather(1, order[..., None].expand_as(strings))
    ids = torch.cat([strings.flatten(1), gap, repeats.flatten(1)], 1)
    mask = torch.zeros_like(ids, dtype=torch.bool)
    mask[:, -count * length :] = True
    mask[:, -count * length :: length] = False
    return ids, mask


Progress = Callable[[int, int, str], None]
"""Called with (step, steps, a few words)."""


def take_steps(
    model: Any, peak: float, steps: int, make_batch: Callable[[int], tuple[Tensor, Tensor]]
) -> Iterator[tuple[int, float, float]]:
    """Train the model on the masked tokens of each step's batch; yield (step, nats a token, accuracy).

    `make_batch` returns a step's ids (R, T) and the mask (R, T) of the tokens to predict; steps count from 0.
    The learning rate warms up over 100 steps, holds, and falls to a tenth of its peak over the last fifth.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, betas=(0.9, 0.98), weight_decay=0.0)
    for step in range(steps):
        left = min(1.0, (steps - step) / (steps / 5))
        for group in optimizer.param_groups:
            group["lr"] = peak * min(1.0, (step + 1) / 100) * max(0.1, left)
        ids, mask = make_batch(step)
        with autocast("auto", "cpu"):
            hidden = model.model(input_ids=ids).last_hidden_state[:, :-1]
            logits = model.lm_head(hidden[mask[:, 1:]]).float()
        targets = ids[:, 1:][mask[:, 1:]]
        loss = cross_entropy(logits, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        yield step, loss.item(), (logits.argmax(-1) == targets).float().mean().item()


def teach_copying(model: Any, config: BaseConfig, progress: Progress) -> CopyCurriculum:
    """Train the model on `copy_batch` for `copy_steps`; return how far it came."""
    rng, generator = random.Random(config.seed), torch.Generator().manual_seed(config.seed)
    curriculum, steps = CopyCurriculum(), config.copy_steps

    def make_batch(step: int) -> tuple[Tensor, Tensor]:
        return copy_batch(config, curriculum, rng, generator)

    for step, loss, accuracy in take_steps(model, config.learning_rate, steps, make_batch):
        curriculum.observe(accuracy, step)
        words = f"loss {loss:.2f}, copied {curriculum.accuracy:.2f} of {curriculum.longest}"
        progress(step + 1, steps, words)
    return curriculum


def teach_pages(
    model: Any, config: BaseConfig, pages: Iterator[list[int]], curriculum: CopyCurriculum, progress: Progress
) -> None:
    """Train the model on page text, every fourth step on copying so that it does not forget.

    `pages` are endless token ids of visits, each with its pages in a row; copying ended at `curriculum`.
    """
    rng, generator = random.Random(config.seed + 1), torch.Generator().manual_seed(config.seed + 1)

    def make_batch(step: int) -> tuple[Tensor, Tensor]:
        if step % 4 == 3:
            return copy_batch(config, curriculum, rng, generator)
        return _page_batch(pages, config.page_tokens, model.config.pad_token_id)

    for step, loss, accuracy in take_steps(model, config.learning_rate, config.page_steps, make_batch):
        progress(step + 1, config.page_steps, f"loss {loss:.2f}, right {accuracy:.2f}")


def _page_batch(pages: Iterator[list[int]], budget: int, pad_id: int) -> tuple[Tensor, Tensor]:
    """Return as many visits as fit the budget of tokens, padded on the right, and the mask of real tokens."""
    rows: list[Tensor] = []
    longest = 0
    while not rows or (len(rows) + 1) * longest <= budget:
        rows.append(torch.tensor(next(pages)))
        longest = max(longest, len(rows[-1]))
    ids = pad_sequence(rows, batch_first=True, padding_value=pad_id)
    mask = pad_sequence([torch.ones_like(row, dtype=torch.bool) for row in rows], batch_first=True)
    return ids, mask


def tokenizer_texts(sessions: Sequence[Session]) -> list[str]:
    """Return all that the tokenizer has to write: prompts, message by message, and completions."""
    texts = []
    for session in sessions:
        space = find_space(session.space)
        prompt = render_prompt(session, len(session.steps) - 1, space, PromptConfig(), len)
        texts += [f"{message['role']}\n{message['content']}" for message in prompt.messages]
        texts += [
            f"assistant\n{render_completion(step.rationale or '', step.action)}" for step in session.steps
        ]
    return texts


def read_pages(sessions: Sequence[Session], tokenizer: Any, seed: int) -> Iterator[list[int]]:
    """Yield without end the token ids of up to three of a visit's pages, out of order: no action shows."""
    rng = random.Random(seed)
    while True:
        pages = [step.page.html for step in rng.choice(sessions).steps]
        rng.shuffle(pages)
        yield tokenizer("\n".join(pages[:3]))["input_ids"]


def make_base(sessions: Sequence[Session], config: BaseConfig, out: Path) -> None:
    """Make the base checkpoint and write it to `out`: tokenizer, copying, pages.

    The sessions are visits to stores other than the demo's; of these only single pages are learnt.

    Raises:
        TrainingError: too few sessions for the vocabulary.
        ModelError: the checkpoint that lends its tokenizer cannot be loaded.
    """
    tokenizer = _find_tokenizer(sessions, config)
    model = new_model(config, tokenizer.eos_token_id)
    for settings in (model.config, model.generation_config):
        settings.pad_token_id = tokenizer.pad_token_id
    with step_progress("Copying") as progress:
        curriculum = teach_copying(model, config, progress)
    with step_progress("Reading") as progress:
        teach_pages(model, config, read_pages(sessions, tokenizer, config.seed), curriculum, progress)
    save_checkpoint(LocalModel(model.to(torch.bfloat16) if config.bf16 else model, tokenizer), out)


def _find_tokenizer(sessions: Sequence[Session], config: BaseConfig) -> Any:
    if not config.tokenizer:
        return train_tokenizer(tokenizer_texts(sessions), config.vocabulary, config.frame_lines)
    lender = load_model(config.tokenizer).tokenizer
    if len(lender) != config.vocabulary:
        raise TrainingError(
            f"tokenizer {config.tokenizer!r} has {len(lender)} tokens, not {config.vocabulary}; set "
            f"vocabulary={len(lender)}"
        )
    return lender


def main(arguments: Sequence[str]) -> None:
    """Run `python -m shop_r1.training.pretraining.base OUT [key=value...] SESSIONS.jsonl...`."""
    out, *words = arguments
    settings = [word for word in words if "=" in word]
    sessions = [s for word in words if "=" not in word for s in read_records(Path(word), Session)]
    make_base(sessions, load_config(BaseConfig, None, settings), Path(out))


if __name__ == "__main__":
    main(sys.argv[1:])

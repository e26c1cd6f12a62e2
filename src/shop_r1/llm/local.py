"""A checkpoint on this machine: load it, score replies with it, sample replies from it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any

import torch
from pydantic import Field
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache
from transformers.generation.logits_process import TopKLogitsWarper, TopPLogitsWarper

from shop_r1.config import Config
from shop_r1.errors import ModelError
from shop_r1.llm.tree import Tree, TreeBatch, common_prefix, pack_trees

BASE_CHECKPOINT = Path(__file__).parent / "base"
"""Our own small checkpoint, made by `recipes/base.sh`; `--model base` means this one."""


@dataclass(frozen=True)
class LocalModel:
    """A causal language model with its tokenizer.

    Attributes:
        model: any Hugging Face causal LM with the standard key/value cache.
        tokenizer: its tokenizer, with a chat template.
    """

    model: Any
    tokenizer: Any

    @property
    def end_ids(self) -> tuple[int, ...]:
        """The tokens that end a reply."""
        configured = self.model.generation_config.eos_token_id
        ids = configured if isinstance(configured, list) else [configured]
        return tuple({*ids, self.tokenizer.eos_token_id} - {None})

    @property
    def pad_id(self) -> int:
        """The token that fills rectangles; never seen by the model's attention."""
        pad = self.tokenizer.pad_token_id
        return int(self.end_ids[0] if pad is None else pad)

    def prompt_ids(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """Return the chat's token ids up to where the assistant's reply begins."""
        encoded = self.tokenizer.apply_chat_template(
            list(messages), add_generation_prompt=True, tokenize=True, return_dict=True
        )
        return list(encoded["input_ids"])

    def reply_ids(self, reply: str) -> list[int]:
        """Return the reply's token ids, with the token that ends the turn."""
        return [*self.tokenizer(reply, add_special_tokens=False)["input_ids"], self.tokenizer.eos_token_id]

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the text has."""
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def decode(self, ids: Sequence[int]) -> str:
        """Return the reply's text, without the token that ends it."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))


def resolve_model(name_or_path: str) -> str:
    """Return what `from_pretrained` takes: `base` stands for the checkpoint in the package."""
    return str(BASE_CHECKPOINT) if name_or_path == "base" else name_or_path


def load_model(name_or_path: str, dtype: torch.dtype = torch.float32) -> LocalModel:
    """Return the checkpoint, safetensors only and without remote code.

    Args:
        name_or_path: `base`, a folder, or a name on the Hugging Face hub.
        dtype: of the weights.

    Raises:
        ModelError: it is not there, is not a causal LM in safetensors, or its tokenizer has no chat template.
    """
    source = resolve_model(name_or_path)
    if Path(source).is_absolute() and not (Path(source) / "config.json").exists():
        raise ModelError(f"model {name_or_path!r}: {source} holds no checkpoint (no config.json in it)")
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            source, dtype=dtype, use_safetensors=True, trust_remote_code=False, attn_implementation="sdpa"
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise ModelError(
            f"model {name_or_path!r} cannot be loaded ({_reason(error)}); expected `base`, a folder with a "
            "Hugging Face causal LM in safetensors, or its name on the hub"
        ) from None
    if not tokenizer("a", add_special_tokens=False)["input_ids"]:  # transformers makes up an empty one.
        raise ModelError(f"model {name_or_path!r} cannot be loaded: its tokenizer's files are missing")
    if tokenizer.chat_template is None:
        raise ModelError(f"model {name_or_path!r}: its tokenizer has no chat template; use an instruct model")
    try:
        check_attention(model.config)
    except ModelError as error:
        raise ModelError(f"model {name_or_path!r}: {error}") from None
    return LocalModel(model.eval(), tokenizer)


def save_checkpoint(model: LocalModel, out: Path) -> None:
    """Write the model and its tokenizer beside, then move them into the folder, file by file.

    So a disk that fills up leaves an older checkpoint in the folder as it was.

    Raises:
        ModelError: it cannot be written, for instance because the disk is full.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        for left in out.glob(".new-*"):  # by a run that was killed here
            rmtree(left)
        with TemporaryDirectory(prefix=".new-", dir=out) as beside:
            model.model.save_pretrained(beside)
            model.tokenizer.save_pretrained(beside)
            for path in Path(beside).iterdir():
                path.chmod(0o644)  # safetensors makes files that their owner alone can read
                path.replace(out / path.name)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{out}: the checkpoint cannot be written ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    """Return an error's first line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:")


def check_attention(config: Any) -> None:
    """Make sure that a packed tree gives what each reply alone would.

    That needs attention that obeys a mask of our own and no state besides.

    Raises:
        ModelError: the model's attention is of another kind.
    """
    text = config.get_text_config()
    layers = getattr(text, "layer_types", None)
    if layers is None and getattr(text, "sliding_window", None) is not None:
        layers = ["sliding_attention"]
    kinds = {*(layers or ())} - {"full_attention"}
    if config._attn_implementation != "sdpa":
        kinds.add(f"attention by {config._attn_implementation}")  # Others read a mask of bools as numbers.
    if kinds:
        raise ModelError(
            f"{config.model_type} models with {', '.join(sorted(kinds))} are not supported; use one whose "
            "layers all have full attention (Qwen2.5, Qwen3, Llama 3), loaded with attention by sdpa"
        )


def hidden_states(model: Any, batch: TreeBatch, **kwargs: Any) -> Tensor:
    """Return (B * T, H), the last hidden state of every packed token."""
    check_attention(model.config)
    outputs = model.base_model(
        input_ids=batch.input_ids,
        position_ids=batch.position_ids,
        attention_mask=batch.attention_mask,
        **{"use_cache": False} | kwargs,
    )
    hidden: Tensor = outputs.last_hidden_state
    return hidden.flatten(0, 1)


def project(model: Any, hidden: Tensor) -> Tensor:
    """Return (N, V) float32 logits of (N, H) hidden states, with the model's own scaling of them."""
    config = model.config.get_text_config()
    logits: Tensor = model.get_output_embeddings()(hidden).float()
    for scale in ("logit_scale", "logits_scaling", "lm_head_multiplier", "output_multiplier"):
        if getattr(config, scale, None) not in (None, 1, 1.0):
            raise ModelError(f"models that scale their logits ({scale}) are not supported")
    cap = getattr(config, "final_logit_softcapping", None)
    return logits if cap is None else torch.tanh(logits / cap) * cap


Measure = Callable[[Tensor], Tensor]
"""From (N, V) untempered logits to (N,) some figure of each distribution; computed without gradients."""


class Sampling(Config):
    """How replies are drawn; the defaults are the paper's (4.1)."""

    temperature: float = Field(0.6, ge=0)
    """0 takes the likeliest token. Paper 4.1."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Keep the likeliest tokens that together reach this probability; 1 keeps all."""
    top_k: int = Field(0, ge=0)
    """Keep this many of the likeliest tokens; 0 keeps all."""
    max_new_tokens: int = Field(128, ge=1)
    """Replies are cut here, in tokens."""


@dataclass(frozen=True)
class SampledReply:
    """One reply.

    Attributes:
        ids: its tokens, the ending one included.
        measured: (len(ids),) what `measure` found of each token's distribution; None without one.
    """

    ids: list[int]
    measured: Tensor | None = None


@torch.no_grad()
def sample_replies(
    model: Any,
    trees: Sequence[Tree],
    sampling: Sampling,
    end_ids: Sequence[int],
    pad_id: int,
    seeds: Sequence[int],
    measure: Measure | None = None,
) -> list[SampledReply]:
    """Return one sampled reply for each branch of each tree, in order.

    Shared prompts are run once and their cache is never copied: the replies grow as branches of one
    sequence. The distribution is that of `generate` with the same temperature, top-k and top-p.

    Args:
        model: a Hugging Face causal LM, in eval mode.
        trees: prompts whose branches have no reply yet.
        sampling: temperature, top-p, top-k, length.
        end_ids: tokens that end a reply.
        pad_id: fills rectangles.
        seeds: one for each branch; a reply depends on its prompt and its seed alone (up to rounding in
            batches of other shapes).
        measure: what to find out about each token's distribution, before temperature and cuts.
    """
    batch = pack_trees(trees, pad_id).to(model.device)
    decoder = _Decoder(model, batch, sampling.max_new_tokens)
    uniforms = _uniforms(seeds, sampling.max_new_tokens).to(model.device)
    pick = _picker(sampling)
    ends = torch.tensor(list(end_ids), device=model.device)
    alive = torch.ones(len(seeds), dtype=torch.bool, device=model.device)
    columns: list[Tensor] = []
    measured: list[Tensor] = []
    hidden = decoder.first
    for place in range(sampling.max_new_tokens):
        logits = project(model, hidden)
        tokens = pick(logits, uniforms[:, place])
        columns.append(torch.where(alive, tokens, -1))
        if measure is not None:
            measured.append(measure(logits))
        alive = alive & ~torch.isin(tokens, ends)
        if not alive.any() or place + 1 == sampling.max_new_tokens:
            break
        hidden = decoder.advance(torch.where(alive, tokens, pad_id), alive)
    rows = [[token for token in row if token >= 0] for row in torch.stack(columns, dim=1).tolist()]
    if measure is None:
        return [SampledReply(ids) for ids in rows]
    return [
        SampledReply(ids, found[: len(ids)])
        for ids, found in zip(rows, torch.stack(measured, dim=1), strict=True)
    ]


def _uniforms(seeds: Sequence[int], length: int) -> Tensor:
    """Return (branches, length) numbers in [0, 1), each row from its own seed."""
    rows = [torch.rand(length, generator=torch.Generator().manual_seed(seed % 2**63)) for seed in seeds]
    return torch.stack(rows)


def _picker(sampling: Sampling) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function from (N, V) logits and (N,) uniforms to (N,) tokens."""
    if sampling.temperature == 0:
        return lambda logits, uniform: logits.argmax(-1)
    warpers: list[Any] = []
    if sampling.top_k:
        warpers.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        warpers.append(TopPLogitsWarper(sampling.top_p))

    def pick(logits: Tensor, uniform: Tensor) -> Tensor:
        logits = logits / sampling.temperature
        for warper in warpers:
            logits = warper(None, logits)
        cumulative = logits.double().softmax(-1).cumsum(-1)
        # Scaling by the last sum keeps rounding from pushing the draw past the end.
        drawn = torch.searchsorted(cumulative, uniform.double()[:, None] * cumulative[:, -1:], right=True)
        return drawn[:, 0].clamp(max=logits.shape[-1] - 1)

    return pick


class _Decoder:
    """The growing replies of a batch of trees, and their one cache.

    Attributes:
        first: (branches, H) hidden states that predict each reply's first token.
    """

    def __init__(self, model: Any, batch: TreeBatch, max_new_tokens: int) -> None:
        self._model = model
        self._cache = DynamicCache(config=model.config)
        trees, width = batch.input_ids.shape
        self._tree, self._slot = batch.slots[:, 0], batch.slots[:, 1]
        self._rows = torch.arange(trees, device=batch.slots.device)  # where each tree sits in the cache
        self._slots = int(self._slot.max()) + 1
        self._width = width
        self._place = 0
        self._positions = torch.zeros(trees, self._slots, dtype=torch.long, device=model.device)
        self._positions[self._tree, self._slot] = batch.prompt_lengths
        total = width + self._slots * max_new_tokens
        self._mask = torch.zeros(trees, 1, self._slots, total, dtype=torch.bool, device=model.device)
        prompt_rows = batch.attention_mask[:, 0].flatten(0, 1)[batch.last_prompt]
        self._mask[self._tree, 0, self._slot, :width] = prompt_rows
        self._mask[..., :width].logical_or_(~self._mask[..., :width].any(-1, keepdim=True))  # unused slots
        hidden = hidden_states(model, batch, past_key_values=self._cache, use_cache=True)
        self.first = hidden[batch.last_prompt]

    def advance(self, tokens: Tensor, alive: Tensor) -> Tensor:
        """Append one token to each reply; return (branches, H), what predicts the next."""
        self._drop_finished(alive)
        row = self._row_of_tree()[self._tree]
        kept = row >= 0
        ids = torch.zeros(len(self._rows), self._slots, dtype=torch.long, device=tokens.device)
        ids[row[kept], self._slot[kept]] = tokens[kept]
        start = self._width + self._place * self._slots
        every = torch.arange(self._slots, device=tokens.device)
        self._mask[:, 0, every, start + every] = True
        self._place += 1
        outputs = self._model.base_model(
            input_ids=ids,
            position_ids=self._positions + self._place - 1,
            attention_mask=self._mask[..., : start + self._slots],
            past_key_values=self._cache,
            use_cache=True,
        )
        hidden: Tensor = outputs.last_hidden_state
        result = hidden.new_zeros(len(tokens), hidden.shape[-1])
        result[kept] = hidden[row[kept], self._slot[kept]]
        return result

    def _row_of_tree(self) -> Tensor:
        rows = torch.full((int(self._tree.max()) + 1,), -1, device=self._rows.device)
        rows[self._rows] = torch.arange(len(self._rows), device=self._rows.device)
        return rows

    def _drop_finished(self, alive: Tensor) -> None:
        """Leave out the trees whose replies have all ended, once they are a third of those in the cache."""
        active = torch.zeros(int(self._tree.max()) + 1, dtype=torch.bool, device=alive.device)
        active[self._tree[alive]] = True
        keep = active[self._rows].nonzero()[:, 0]
        if len(keep) * 3 > len(self._rows) * 2:
            return
        self._cache.batch_select_indices(keep)
        self._rows, self._mask, self._positions = self._rows[keep], self._mask[keep], self._positions[keep]


@dataclass(frozen=True)
class TokenScores:
    """What a scoring pass says of reply tokens.

    Attributes:
        log_probs: (N,) log probability of the token at the given temperature, in nats.
        entropy: (N,) entropy of the distribution it was drawn from, at the same temperature, in nats.
        right: (N,) whether the token is the likeliest.
        measured: (N,) what `measure` found; None without one.
    """

    log_probs: Tensor
    entropy: Tensor
    right: Tensor
    measured: Tensor | None = None


def score_tokens(
    model: Any, batch: TreeBatch, temperature: float = 1.0, measure: Measure | None = None
) -> TokenScores:
    """Return the model's view of the batch's N reply tokens; gradients flow where they are enabled."""
    logits = project(model, hidden_states(model, batch)[batch.predictors])
    log_probs = torch.log_softmax(logits / temperature, -1)
    chosen = log_probs.gather(1, batch.targets[:, None])[:, 0]
    with torch.no_grad():
        entropy = torch.special.entr(log_probs.exp()).sum(-1)
        right = logits.argmax(-1) == batch.targets
        measured = measure(logits) if measure is not None else None
    return TokenScores(chosen, entropy, right, measured)


def score_trees(
    model: Any,
    trees: Sequence[Tree],
    pad_id: int,
    temperature: float = 1.0,
    measure: Measure | None = None,
    batch_tokens: int = 6000,
) -> list[TokenScores]:
    """Return each branch's scores, by tree and branch.

    Trees of like length are run together, about `batch_tokens` tokens at once, since attention over padding
    costs as much as over pages.
    """
    sizes = [len(tree.trunk) + sum(len(b.prompt) + len(b.reply) for b in tree.branches) for tree in trees]
    found: dict[int, list[TokenScores]] = {}
    for rows in batch_by_length(sizes, batch_tokens):
        batch = pack_trees([trees[row] for row in rows], pad_id).to(model.device)
        scores = iter(_split_branches(score_tokens(model, batch, temperature, measure), batch))
        for row in rows:
            found[row] = [next(scores) for _ in trees[row].branches]
    return [score for row in range(len(trees)) for score in found[row]]


def batch_by_length(sizes: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Yield row numbers, longest row first, as many at once as fit the budget of tokens when padded.

    A row longer than the budget comes alone.

    >>> list(batch_by_length([2, 9, 3, 3], 6))
    [[1], [2, 3], [0]]
    """
    batch: list[int] = []
    for row in sorted(range(len(sizes)), key=lambda row: -sizes[row]):
        if batch and (len(batch) + 1) * sizes[batch[0]] > budget:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _split_branches(scores: TokenScores, batch: TreeBatch) -> list[TokenScores]:
    lengths = torch.bincount(batch.owners, minlength=len(batch.last_prompt)).tolist()
    measured = [None] * len(lengths) if scores.measured is None else scores.measured.split(lengths)
    return [
        TokenScores(*parts)
        for parts in zip(
            scores.log_probs.split(lengths),
            scores.entropy.split(lengths),
            scores.right.split(lengths),
            measured,
            strict=True,
        )
    ]


def token_offsets(tokenizer: Any, ids: Sequence[int]) -> list[tuple[int, int]]:
    """Return which characters of the decoded text each token stands for, as (first, last + 1).

    A character of several tokens belongs to each of them, as in a fast tokenizer's own offsets; special
    tokens have none.
    """
    text = tokenizer.decode(ids, skip_special_tokens=True)
    offsets, start = [], 0
    for count in range(1, len(ids) + 1):
        beginning = tokenizer.decode(ids[:count], skip_special_tokens=True)
        whole = common_prefix(beginning, text)
        cut = len(beginning) > whole  # It ends inside a character, which reads as a replacement so far.
        offsets.append((start, whole + cut))
        start = whole
    return offsets

"""A sentence embedding as a rule of similar meaning: any encoder's folder, its tokens' mean, the cosine."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from shop_r1.errors import ConfigError, ModelError
from shop_r1.evaluation.similarity.rules import EMBEDDING, Pair, Rule
from shop_r1.models.checkpoint import UNLOADABLE, reason_of

BATCH = 64
"""Texts at once."""


@dataclass(frozen=True)
class SentenceEncoder:
    """A transformer that was trained so that the mean of a text's token states says what the text means."""

    model: Any
    tokenizer: Any

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return (N, D): each text's embedding, of length 1, float32."""
        rows = []
        for first in range(0, len(texts), BATCH):
            batch = self.tokenizer(
                list(texts[first : first + BATCH]), padding=True, truncation=True, return_tensors="pt"
            )
            states = self.model(**batch).last_hidden_state.float()  # (B, T, D)
            mask = batch["attention_mask"].unsqueeze(-1)
            rows.append((states * mask).sum(1) / mask.sum(1))
        return torch.nn.functional.normalize(torch.cat(rows), dim=-1)


def load_encoder(folder: Path) -> SentenceEncoder:
    """Return the encoder of a folder in the form of Hugging Face transformers, with safetensors.

    Nothing is fetched from a network.

    Raises:
        ModelError: the folder holds no such encoder.
    """
    try:
        kinds = {"local_files_only": True, "trust_remote_code": False}
        tokenizer = AutoTokenizer.from_pretrained(folder, **kinds)
        model = AutoModel.from_pretrained(folder, use_safetensors=True, dtype=torch.float32, **kinds)
    except UNLOADABLE as error:
        raise ModelError(
            f"--embedding {folder}: cannot be loaded ({reason_of(error)}); expected a folder with an encoder "
            "of Hugging Face transformers: config.json, tokenizer and safetensors (docs/metrics.md)"
        ) from None
    if tokenizer.pad_token is None:
        raise ModelError(
            f"--embedding {folder}: its tokenizer has no token for padding, so texts of different "
            "lengths cannot be read together; expected a sentence encoder (docs/metrics.md)"
        )
    return SentenceEncoder(model.eval(), tokenizer)


def embedding_rule(folder: Path, threshold: float) -> Rule:
    """Return the rule that two texts are alike where the cosine of their embeddings is above the threshold.

    Raises:
        ConfigError: the threshold is outside (-1, 1).
        ModelError: the folder holds no encoder.
    """
    if not -1 < threshold < 1:
        raise ConfigError(f"--embedding-threshold is {threshold:g}; expected a cosine between -1 and 1")
    encoder = load_encoder(folder)

    def alike(pairs: Sequence[Pair]) -> list[bool]:
        return [cosine > threshold for cosine in measure_cosines(encoder, pairs)]

    return Rule(EMBEDDING, f"embedding > {threshold:g}", threshold, alike)


def measure_cosines(encoder: SentenceEncoder, pairs: Sequence[Pair]) -> list[float]:
    """Return the cosine of each pair's embeddings, in [-1, 1]; each text is run through the model once."""
    texts = sorted({text for pair in pairs for text in pair}, key=len)
    row = {text: place for place, text in enumerate(texts)}
    found = encoder.encode(texts)
    return [float(found[row[one]] @ found[row[other]]) for one, other in pairs]

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertModel

from shop_r1.errors import ConfigError, ModelError
from shop_r1.evaluation.similarity.embedding import (
    SentenceEncoder,
    embedding_rule,
    load_encoder,
    measure_cosines,
)

TEXTS = ["red mug", "a mug that is red and much longer", "tea", "Tasse für Kaffee"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: Any) -> Path:
    """A BERT of a few thousand parameters with random weights."""
    path = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(tiny_tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        initializer_range=0.5,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(path)
    tiny_tokenizer.save_pretrained(path)
    return path


def embed_alone(encoder: SentenceEncoder, text: str) -> torch.Tensor:
    """Return the mean over one text's tokens, without a batch, padding or mask."""
    ids = torch.tensor([encoder.tokenizer(text)["input_ids"]])
    with torch.no_grad():
        states: torch.Tensor = encoder.model(ids).last_hidden_state[0]
    return states.mean(0)


def test_an_embedding_is_the_mean_of_the_texts_own_tokens(folder: Path) -> None:
    encoder = load_encoder(folder)
    found = encoder.encode(TEXTS)
    for row, text in zip(found, TEXTS, strict=True):
        expected = embed_alone(encoder, text)
        torch.testing.assert_close(row, expected / expected.norm(), atol=1e-5, rtol=1e-5)


def test_cosines_are_those_of_the_pairs_in_order(folder: Path) -> None:
    encoder = load_encoder(folder)
    pairs = [(TEXTS[0], TEXTS[1]), (TEXTS[3], TEXTS[2]), (TEXTS[2], TEXTS[2])]
    expected = [
        torch.nn.functional.cosine_similarity(
            embed_alone(encoder, one), embed_alone(encoder, other), dim=0
        ).item()
        for one, other in pairs
    ]
    assert measure_cosines(encoder, pairs) == pytest.approx(expected, abs=1e-5)
    rule = embedding_rule(folder, expected[0] + 1e-3)
    assert rule.match(pairs)[0] is False
    assert embedding_rule(folder, expected[0] - 1e-3).match(pairs)[0] is True
    assert (rule.name, rule.threshold) == ("embedding", expected[0] + 1e-3)


def test_what_is_no_encoder_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"--embedding .*: cannot be loaded .*expected a folder"):
        load_encoder(tmp_path)
    with pytest.raises(ConfigError, match="--embedding-threshold is 1"):
        embedding_rule(folder, 1.0)


def test_a_tokenizer_that_cannot_fill_up_a_batch_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "encoder")
    tokenizer = load_encoder(folder).tokenizer
    tokenizer.pad_token = None
    tokenizer.save_pretrained(tmp_path / "encoder")
    with pytest.raises(ModelError, match="has no token for padding"):
        load_encoder(tmp_path / "encoder")

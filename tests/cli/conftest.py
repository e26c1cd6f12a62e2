"""What the tests of several commands begin with."""

from pathlib import Path

import pytest
from tests.cli.cases import PAGE, session_line


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.html"
    path.write_text(PAGE, "utf-8")
    return path


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    path = tmp_path / "sessions.jsonl"
    path.write_text(f"{session_line()}\n{session_line(session_id='t')}\n", "utf-8")
    return path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a few thousand random weights that reads 3,000 tokens."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from shop_r1.prompts.render import render_system
    from shop_r1.records.actions import SHOP
    from shop_r1.training.pretraining.tokenizer import train_tokenizer

    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = train_tokenizer([render_system(SHOP)] * 3, 400, lines=0)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=400,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=3000,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    return folder

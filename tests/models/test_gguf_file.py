"""GGUF files, written by the package gguf from a model at hand, are that model again."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.gguf_files import plain_tokenizer, write_gguf
from tests.tiny import tiny_llama, tiny_qwen2

from shop_r1.errors import ModelError
from shop_r1.models.checkpoint import load_model, refuse_gguf, save_checkpoint
from shop_r1.models.gguf_file import read_gguf

WIDE = {"hidden_size": 64, "intermediate_size": 64, "vocab_size": 384, "max_position_embeddings": 2048}


@pytest.fixture(scope="module")
def llama() -> Any:
    return tiny_llama(**WIDE)


@pytest.fixture(scope="module")
def file(llama: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", llama, plain_tokenizer())


def test_the_weights_are_those_that_were_written_and_the_embedding_within_its_rounding(
    llama: Any, file: Path
) -> None:
    found = read_gguf(file).model.state_dict()
    for name, weight in llama.state_dict().items():
        # 8 bits in blocks of 32: half a step of 1/127 of the block's largest.
        rounding = weight.abs().max() / 127 * 0.51 if "embed" in name or "lm_head" in name else 0.0
        assert (found[name] - weight).abs().max() <= rounding, name


def test_tokens_are_those_of_the_tokenizer_that_was_written_digits_and_spaces_too(file: Path) -> None:
    ours, theirs = read_gguf(file).tokenizer, plain_tokenizer()
    for text in ("Price  12.99, 20 of\n\n 30", '{"type": "click"}', "Süß – “quoted”", "<|im_end|>x"):
        expected = theirs(text, add_special_tokens=False)["input_ids"]
        assert ours(text, add_special_tokens=False)["input_ids"] == expected
        assert ours.decode(expected) == theirs.decode(expected)
    assert ours.model_max_length == 2048


def test_what_is_read_is_saved_as_a_checkpoint_that_ends_where_its_template_says(
    file: Path, tmp_path: Path
) -> None:
    read = read_gguf(file, torch.bfloat16)
    save_checkpoint(read, tmp_path / "out")
    again = load_model(str(tmp_path / "out"))
    assert again.tokenizer.convert_ids_to_tokens(list(again.end_ids)) == ["<|im_end|>"]
    ids = again.prompt_ids([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "7?"}])
    text = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n7?<|im_end|>\n<|im_start|>assistant\n"
    assert again.tokenizer.decode(ids) == text
    for name, weight in read.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], weight.float())


def test_a_file_without_a_chat_template_or_none_at_all_is_refused(llama: Any, tmp_path: Path) -> None:
    bare = write_gguf(tmp_path / "bare.gguf", llama, plain_tokenizer(), template=None)
    with pytest.raises(ModelError, match="has no chat template; use an instruct model"):
        read_gguf(bare)
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes(b"GGUF, but no more")
    with pytest.raises(ModelError, match=r"wrong.gguf: cannot be read as a GGUF file"):
        read_gguf(wrong)


@pytest.mark.parametrize("kept", [0.01, 0.2, 0.99])
def test_a_file_that_was_cut_off_is_refused(file: Path, tmp_path: Path, kept: float) -> None:
    data, cut = file.read_bytes(), tmp_path / "cut.gguf"
    cut.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(ModelError, match=r"cut.gguf: cannot be read as a GGUF file .*it may be incomplete"):
        read_gguf(cut)


def test_weights_that_a_file_lacks_are_not_made_up(file: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "renamed.gguf"
    renamed.write_bytes(file.read_bytes().replace(b"blk.0.attn_q.weight", b"blk.0.attn_x.weight"))
    with pytest.raises(
        ModelError, match=r"renamed.gguf: of 1 weights, such as model.layers.0.self_attn.q_proj"
    ):
        read_gguf(renamed)


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(ModelError, match=r"pip install 'shop-r1\[fetch\]'"):
        read_gguf(file)


def test_a_gguf_file_or_its_folder_as_a_model_is_refused_with_the_command_that_converts_it(
    file: Path, tmp_path: Path
) -> None:
    for place in (file, file.parent):
        with pytest.raises(ModelError, match=rf"shop-r1 model convert {file} --out DIR"):
            load_model(str(place))
    tiny_qwen2().save_pretrained(tmp_path)
    (tmp_path / "beside.gguf").touch()
    refuse_gguf(tmp_path)  # a checkpoint all the same

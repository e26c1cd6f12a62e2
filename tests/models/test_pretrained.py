from pathlib import Path

import pytest

from shop_r1.errors import ModelError
from shop_r1.models.checkpoint import resolve_model
from shop_r1.models.pretrained import MODELS_FOLDER, PRETRAINED, SMOLLM2, fetched_folder, models_folder


def test_models_are_kept_in_the_users_folder_for_data_or_where_a_variable_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(MODELS_FOLDER, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert models_folder() == tmp_path / ".local" / "share" / "shop-r1" / "models"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert models_folder() == tmp_path / "data" / "shop-r1" / "models"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")  # which its specification says to pass over
    assert models_folder() == tmp_path / ".local" / "share" / "shop-r1" / "models"
    monkeypatch.setenv(MODELS_FOLDER, str(tmp_path / "mine"))
    assert fetched_folder("x") == tmp_path / "mine" / "x"


def test_a_name_means_the_fetched_model_and_says_how_to_fetch_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(MODELS_FOLDER, str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"shop-r1 model fetch smollm2-135m brings it there, once$"):
        resolve_model(SMOLLM2.name)
    Path(SMOLLM2.name).mkdir()
    with pytest.raises(ModelError, match=r"\(the folder of that name here is \./smollm2-135m\)"):
        resolve_model(SMOLLM2.name)
    (tmp_path / "models" / SMOLLM2.name).mkdir(parents=True)
    (tmp_path / "models" / SMOLLM2.name / "config.json").write_text("{}")
    assert resolve_model(SMOLLM2.name) == str(tmp_path / "models" / SMOLLM2.name)


def test_each_entry_is_under_its_own_name_and_has_whole_checksums() -> None:
    for name, model in PRETRAINED.items():
        assert model.name == name
        assert all(len(bytes.fromhex(each)) == 32 for each in (model.wheel_sha256, model.file_sha256))
        project, _, version = model.package.partition("==")
        assert model.wheel.startswith(f"{project.replace('-', '_')}-{version}-")

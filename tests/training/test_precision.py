"""A run's number format is settled once: said, written down, and kept by the run that goes on."""

import json
from pathlib import Path
from typing import Any

import pytest

from shop_r1.models.precision import Precision
from shop_r1.training import run
from shop_r1.training.checkpoints import CheckpointFolder, RunIdentity
from shop_r1.training.run import begun_with, settle_precision
from shop_r1.training.settings import SftConfig


@pytest.fixture(params=[True, False], ids=["bfloat16 is faster", "float32 is faster"])
def faster(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """What `auto` stands for on the machine of this test."""

    def choose(asked: Any) -> Precision:
        return Precision(request.param if asked == "auto" else asked, "as measured")

    monkeypatch.setattr(run, "choose_precision", choose)
    return bool(request.param)


def write_settings(out: Path, bf16: bool | str) -> None:
    out.mkdir(exist_ok=True)
    (out / "settings.json").write_text(json.dumps({"settings": {"bf16": bf16}}), "utf-8")


def write_checkpoint(out: Path, bf16: bool | str) -> None:
    run = RunIdentity(settings={"bf16": bf16}, data="d", processes=1)
    with CheckpointFolder(out, run, keep=2).writing(1, 2):
        pass


def test_auto_becomes_what_is_faster_here_and_that_is_said(
    faster: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert settle_precision(SftConfig(), tmp_path, resume=False).bf16 is faster
    assert f"{'bfloat16' if faster else 'float32'}: as measured" in capsys.readouterr().err


@pytest.mark.parametrize("asked", [True, False])
def test_what_is_set_is_followed(asked: bool, faster: bool, tmp_path: Path) -> None:
    write_settings(tmp_path, not asked)
    assert settle_precision(SftConfig(bf16=asked), tmp_path, resume=True).bf16 is asked


@pytest.mark.parametrize("write", [write_settings, write_checkpoint])
@pytest.mark.parametrize("before", [True, False])
def test_a_run_that_goes_on_keeps_the_format_that_it_began_in(
    before: bool, write: Any, faster: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, before)
    assert settle_precision(SftConfig(), tmp_path, resume=True).bf16 is before
    assert f"as the run in {tmp_path} began" in " ".join(capsys.readouterr().err.split())
    assert settle_precision(SftConfig(), tmp_path, resume=False).bf16 is faster


@pytest.mark.parametrize(
    "text", ["", "[]", '{"settings": []}', '{"settings": {}}', '{"settings": {"bf16": "auto"}}']
)
def test_a_record_that_does_not_say_it_says_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(text, "utf-8")
    assert begun_with(tmp_path) is None
    write_checkpoint(tmp_path, True)
    assert begun_with(tmp_path) is True


def test_settings_take_auto_true_and_false_and_nothing_else() -> None:
    assert SftConfig().bf16 == "auto"
    with pytest.raises(ValueError, match="bf16"):
        SftConfig.model_validate({"bf16": "maybe"})

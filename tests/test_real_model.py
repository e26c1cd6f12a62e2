"""The recipe of the real model: its commands are ones that the command line takes."""

from pathlib import Path

import pytest
from recipes.real_model import SIZES, list_stages, settle_run

from shop_r1.cli.terminal.console import read_settings
from shop_r1.config import Config
from shop_r1.evaluation.predict import PredictConfig
from shop_r1.training.settings import GrpoConfig, SftConfig
from shop_r1.training.trl_arguments import grpo_arguments

SCHEMAS: dict[str, type[Config]] = {"sft": SftConfig, "grpo": GrpoConfig, "evaluate": PredictConfig}


@pytest.mark.parametrize("size", SIZES)
def test_every_stage_has_settings_that_its_command_takes_and_leaves_the_next_its_input(
    size: str, tmp_path: Path
) -> None:
    stages = list_stages(tmp_path, "smollm2-135m", "wandering", SIZES[size], lora=True, bf16=False)
    for stage in stages:
        if stage.words[0] in SCHEMAS:
            settings = [word for word in stage.words if "=" in word]
            found = read_settings(SCHEMAS[stage.words[0]], settings)
            if isinstance(found, GrpoConfig):
                assert grpo_arguments(found, tmp_path).gradient_accumulation_steps == SIZES[size].prompts
    written = {word for stage in stages for word in (stage.words[stage.words.index("--out") + 1],)}
    assert [stage.words[0] for stage in stages].count("evaluate") == 3
    for stage in stages:
        for option in ("--data", "--model"):
            if option in stage.words:
                assert stage.words[stage.words.index(option) + 1] in written | {"smollm2-135m"}


def test_a_folder_of_another_run_is_refused_and_the_number_format_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "recipe.json"
    first = settle_run(path, {"crowd": "focused"})
    monkeypatch.setattr("shop_r1.models.precision.choose_precision", lambda: pytest.fail("chosen again"))
    assert settle_run(path, {"crowd": "focused"}) == first
    with pytest.raises(SystemExit, match="the folder is of another run"):
        settle_run(path, {"crowd": "wandering"})

"""The recipe of the real model: its commands are ones that the command line takes."""

import math
from pathlib import Path

import pytest
import torch
from recipes.real_model import SIZES, list_certainties, list_stages, settle_run
from tests.tiny import (
    SEARCH,
    make_long_session,
    make_session,
    make_sessions,
    save_tiny_checkpoint,
    train_tiny_tokenizer,
)

from shop_r1.cli.terminal.console import read_settings
from shop_r1.config import Config
from shop_r1.datasets.examples import list_examples, renderer
from shop_r1.evaluation.predict import PredictConfig
from shop_r1.models.checkpoint import load_model, token_offsets
from shop_r1.prompts.parse import Response, parse_response
from shop_r1.prompts.render import PromptConfig, render_completion
from shop_r1.records.actions import SHOP
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


@pytest.mark.parametrize("tokens", [4096, 1600])
def test_self_certainty_over_the_shoppers_rationales_is_that_of_each_step_alone(
    tmp_path: Path, tokens: int
) -> None:
    """With 1,600 tokens the oldest pages are cut, and a session is several trees."""
    model = load_model(str(save_tiny_checkpoint(tmp_path / "model", train_tiny_tokenizer())))
    config = PromptConfig(max_tokens=tokens, max_completion_length=60)
    render, expected = renderer(model, config), list[float]()
    sessions = [*make_sessions()[:2], make_long_session("long", 5)]
    for session in sessions:
        for each in list_examples([session]):
            text = render_completion(each.taken.rationale or "", each.taken.action)
            prompt, completion = render(each).ids, model.completion_ids(text)
            logits = model.model(torch.tensor([[*prompt, *completion]])).logits[0, len(prompt) - 1 : -1]
            # KL(U || p) = the mean over the vocabulary of log(1 / V) - log p.
            certainty = (-math.log(logits.shape[-1]) - logits.log_softmax(-1)).mean(-1)
            parsed = parse_response(text, SHOP)
            assert isinstance(parsed, Response)
            start, end = parsed.rationale_span
            inside = [
                start < last and first < end for first, last in token_offsets(model.tokenizer, completion)
            ]
            expected.append(certainty[torch.tensor(inside)].mean().item())
    found = [value for each in sessions for value in list_certainties(model, each, config)]
    assert len(found) == 8 and found == pytest.approx(expected, abs=1e-5)


def test_a_session_of_one_step_has_no_step_to_be_certain_of(tmp_path: Path) -> None:
    model = load_model(str(save_tiny_checkpoint(tmp_path / "model", train_tiny_tokenizer())))
    assert list_certainties(model, make_session("one", SEARCH), PromptConfig()) == []

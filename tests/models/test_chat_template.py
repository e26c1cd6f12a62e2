"""Chat templates that lack what others have: a system role, a turn's end, a way not to think."""

from pathlib import Path
from typing import Any

import pytest
from tests.shell import Shell
from tests.tiny import make_sessions, save_tiny_checkpoint

from shop_r1.errors import ConfigError, ModelError
from shop_r1.jsonl import read_json, write_records
from shop_r1.models.chat_template import examine_template
from shop_r1.models.checkpoint import load_model

TURN = "{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}"
PLAIN = "{% for m in messages %}" + TURN + "{% endfor %}"
BEGIN = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
REFUSES = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
)
LEAVES_OUT = "{% for m in messages if m['role'] != 'system' %}" + TURN + "{% endfor %}" + BEGIN
THINKS = (
    PLAIN
    + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    + "{% if enable_thinking is not defined or enable_thinking %}{{ '<think>\\n' }}{% endif %}{% endif %}"
)
CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]


@pytest.fixture
def checkpoint(tiny_tokenizer: Any, tmp_path: Path) -> Path:
    return save_tiny_checkpoint(tmp_path / "model", tiny_tokenizer)


def with_template(checkpoint: Path, template: str) -> Any:
    (checkpoint / "chat_template.jinja").write_text(template)
    return load_model(str(checkpoint))


@pytest.mark.parametrize("template", [REFUSES + PLAIN + BEGIN, LEAVES_OUT])
def test_without_a_system_role_the_systems_text_stands_before_the_users(
    checkpoint: Path, template: str
) -> None:
    model = with_template(checkpoint, template)
    text = model.tokenizer.decode(model.prompt_ids(CHAT))
    assert text == "<|im_start|>user\nBe brief.\n\nHello<|im_end|>\n<|im_start|>assistant\n"
    assert not examine_template(model.tokenizer, {}).system_role


def test_with_a_system_role_nothing_is_moved(checkpoint: Path) -> None:
    model = with_template(checkpoint, PLAIN + BEGIN)
    assert model.chat(CHAT) == CHAT
    assert examine_template(model.tokenizer, {}).system_role


def test_a_template_that_writes_nothing_is_refused(checkpoint: Path) -> None:
    model = with_template(checkpoint, "{{ raise_exception('no') }}")
    with pytest.raises(ModelError, match="cannot write a user's message: no"):
        examine_template(model.tokenizer, {})


def test_completions_end_with_the_templates_turn_end_and_not_with_another_eos(checkpoint: Path) -> None:
    tokenizer = with_template(checkpoint, PLAIN + BEGIN).tokenizer
    turn_end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    tokenizer.eos_token = other = next(
        token for token in tokenizer.all_special_tokens if token != "<|im_end|>" and "start" not in token
    )
    tokenizer.save_pretrained(checkpoint)
    model = load_model(str(checkpoint))
    assert model.tokenizer.eos_token == other
    assert model.completion_ids("yes")[-1] == turn_end
    assert {turn_end, model.tokenizer.eos_token_id} <= set(model.end_ids)
    configured = model.model.generation_config.eos_token_id
    assert turn_end in (configured if isinstance(configured, list) else [configured])


def test_a_templates_switch_is_passed_on_and_a_misspelt_one_refused(checkpoint: Path) -> None:
    model = with_template(checkpoint, THINKS)
    assert model.tokenizer.decode(model.prompt_ids(CHAT)).endswith("<think>\n")
    quiet = model.prompt_ids(CHAT, {"enable_thinking": False})
    assert model.tokenizer.decode(quiet).endswith("assistant\n")
    assert examine_template(model.tokenizer, {}).open_think
    assert not examine_template(model.tokenizer, {"enable_thinking": False}).open_think
    with pytest.raises(ConfigError, match="does not use 'enable_thinkin', it has enable_thinking"):
        examine_template(model.tokenizer, {"enable_thinkin": False})


def test_training_and_evaluation_say_what_a_template_lacks_and_keep_it(
    shell: Shell, checkpoint: Path, tmp_path: Path
) -> None:
    with_template(checkpoint, REFUSES + THINKS)
    data, run, found = tmp_path / "sessions.jsonl", tmp_path / "run", tmp_path / "found"
    write_records(data, make_sessions())
    words = [
        "--data",
        data,
        "--out",
        run,
        "--model",
        checkpoint,
        "max_steps=2",
        "gradient_accumulation_steps=1",
    ]
    code, _, told = shell("sft", *words, "bf16=false")
    said = " ".join(told.split())
    assert code == 0, told
    assert "has no system role: the system's text stands before the user's first message" in said
    assert "opens a <think> before each completion" in said and "enable_thinking=false" in said
    assert "A run of 2 steps with 20 steps of warm-up: the learning rate rises to 1e-06 of 2e-05" in said
    kept = read_json(run / "settings.json")["chat_template"]
    assert kept["system"] == "before the user's first message" and kept["open_think"] is True

    words = ["--model", run, "--data", data, "--out", found, "bf16=false", "sampling.max_new_tokens=8"]
    code, _, told = shell("evaluate", *words, "prompt.chat_template_kwargs.enable_thinking=false")
    said = " ".join(told.split())
    assert code == 0, told
    assert f"Prompts as {run} was trained with: at most 4,096 tokens, whole-session; but as given" in said
    assert "opens a <think>" not in said and "has no system role" in said
    kept = read_json(found / "settings.json")
    assert kept["settings"]["prompt"]["chat_template_kwargs"] == {"enable_thinking": False}

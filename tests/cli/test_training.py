import json
from pathlib import Path

from tests.shell import Shell

from shop_r1.jsonl import read_records, write_records
from shop_r1.records.sessions import Session


def test_both_stages_train_from_the_command_line(
    shell: Shell, tiny: Path, sessions: Path, tmp_path: Path
) -> None:
    told = tmp_path / "told.jsonl"
    write_records(
        told,
        [
            session.model_copy(
                update={"steps": tuple(s.model_copy(update={"rationale": "So."}) for s in session.steps)}
            )
            for session in read_records(sessions, Session)
        ],
    )
    sft, grpo = tmp_path / "sft", tmp_path / "grpo"
    code, text, _ = shell(
        *("sft", "--model", tiny, "--data", told, "--out", sft),
        *("max_steps=1", "gradient_accumulation_steps=1", "bf16=false", "prompt.max_completion_length=8"),
    )
    assert code == 0
    assert "SFT on 2 sessions, 4 completions" in text
    settings = json.loads((sft / "settings.json").read_text("utf-8"))
    assert settings["settings"]["max_steps"] == 1
    assert set(settings["inputs"]) == {str(told), str(tiny)}
    small = (
        "max_steps=1",
        "generation_batch_size=4",
        "num_generations=2",
        "max_completion_length=8",
        "bf16=false",
        "prompt.max_completion_length=8",
    )
    code, text, _ = shell("grpo", "--model", sft, "--data", told, "--out", grpo, *small)
    assert code == 0
    assert "2 steps: terminate 2" in text and "balanced (type_ratio 1.1): 2 steps" in text
    assert (grpo / "model.safetensors").exists()
    chosen, again = tmp_path / "rl.jsonl", tmp_path / "again"
    assert shell("data", "balance", told, "--out", chosen)[0] == 0
    chosen.write_text(chosen.read_text("utf-8") * 2, "utf-8")
    code, text, _ = shell(
        "grpo", "--model", sft, "--data", told, "--examples", chosen, "--out", again, *small
    )
    assert (code, f"chosen by {chosen}: 4 steps: terminate 4" in text) == (0, True)
    settings = json.loads((again / "settings.json").read_text("utf-8"))
    assert set(settings["inputs"]) == {str(told), str(sft), str(chosen)}


def test_a_failed_start_does_not_touch_an_earlier_run(shell: Shell, sessions: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "settings.json").write_text("good", "utf-8")
    for command in ("sft", "grpo", "evaluate"):
        code, _, err = shell(command, "--data", sessions, "--out", out, "--model", tmp_path / "none")
        assert code == 2 and "is not there" in err
    assert (out / "settings.json").read_text("utf-8") == "good"

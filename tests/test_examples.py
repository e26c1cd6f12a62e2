"""examples/: each runs in seconds, and its functions fit the trainers that they are written for."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from examples.score_completions import compute_score, trl_reward

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
TARGET = '{"type": "click", "name": "results.red_mug"}'
RIGHT = '{"rationale": "It is red.", "action": {"type": "click", "name": "results.red_mug"}}'


def run(script: Path, *words: object) -> str:
    """Return what an example prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, str(script), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=60)
    return done.stdout


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.stem)
def test_each_example_runs(script: Path) -> None:
    assert run(script).strip()


def test_completions_are_scored_as_table_1_has_it() -> None:
    # 0.5 format + 0.3 type + 0.2 attribute + 1000 x ROUGE-L 1; no certainty was measured.
    assert trl_reward([RIGHT, "no JSON"], [TARGET, TARGET]) == [1001.0, 0.0]
    assert trl_reward([[{"role": "assistant", "content": RIGHT}]], [TARGET], prompts=["x"]) == [1001.0]
    assert compute_score("shop", RIGHT, TARGET, {"certainty": 26.0})["score"] == pytest.approx(1001.13)
    assert compute_score("shop", RIGHT, TARGET)["rationale"] == 0.0


# TRL's own defaults still have the name that transformers renamed; a stock trainer cannot avoid it.
@pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning")
def test_trl_trains_with_the_reward_function(tiny_checkpoint: Path, tmp_path: Path) -> None:
    from trl import GRPOConfig, GRPOTrainer

    from datasets import Dataset

    scored: list[float] = []

    def reward(completions: list[Any], target: list[str], **columns: Any) -> list[float]:
        scored.extend(trl_reward(completions, target, **columns))
        return scored[-len(completions) :]

    config = GRPOConfig(
        output_dir=str(tmp_path),
        max_steps=1,
        per_device_train_batch_size=2,
        num_generations=2,
        max_completion_length=4,
        report_to="none",
        save_strategy="no",
        use_cpu=True,
        bf16=False,
    )
    rows = Dataset.from_list([{"prompt": "Page 1: a mug", "target": TARGET}] * 2)
    GRPOTrainer(str(tiny_checkpoint), reward_funcs=reward, args=config, train_dataset=rows).train()
    assert scored == [0.0, 0.0]  # Four tokens are no JSON.


def test_pages_of_ones_own_are_simplified(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<p>Tea</p><button>Brew</button><script>x()</script>", "utf-8")
    shown = run(ROOT / "examples" / "simplify_your_pages.py", page)
    assert '<button name="brew">Brew</button>' in shown
    assert "left out: script_or_style 1" in shown


def test_predictions_of_ones_own_are_evaluated(tmp_path: Path) -> None:
    lines = [
        {"session_id": "1", "step": 0, "target": json.loads(TARGET), "completion": RIGHT},
        {"session_id": "2", "step": 0, "target": {"type": "terminate"}, "completion": "I would leave."},
    ]
    file = tmp_path / "completions.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    shown = run(ROOT / "examples" / "evaluate_your_predictions.py", file)
    assert "exact          0.500" in shown
    assert "2 steps of 2 sessions, 1 unparsable" in shown

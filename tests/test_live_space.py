"""The action space of live shops is trained and evaluated like the paper's."""

from pathlib import Path
from typing import Any

from tests.shell import Shell

from shop_r1.datasets.examples import list_examples
from shop_r1.datasets.session_files import write_sessions
from shop_r1.evaluation.metrics import evaluate_predictions
from shop_r1.evaluation.tables import list_grids, table_row, to_text
from shop_r1.prompts.parse import parse_response
from shop_r1.records.actions import LIVE, Action, click, terminate, type_and_submit
from shop_r1.records.results import Prediction
from shop_r1.records.sessions import Page, Session, Step
from shop_r1.rewards.total import score_response
from shop_r1.training.grpo.run import train_grpo
from shop_r1.training.settings import GrpoConfig, SftConfig
from shop_r1.training.sft import train_sft

CHECKOUT = '<input name="email">\n<select name="country"></select>\n<button name="continue">Continue</button>'
ACTIONS = (
    type_and_submit("search_input", "red mug"),
    Action(type="hover", name="menu.kitchen"),
    Action(type="scroll"),
    click("results.red_mug"),
    Action(type="back"),
    Action(type="input", name="email", text="{{email}}"),
    Action(type="select", name="country", text="Norway"),
    terminate(),
)


def live_sessions(count: int = 4) -> list[Session]:
    steps = tuple(
        Step(page=Page(html=CHECKOUT), action=action, rationale="So it goes on.") for action in ACTIONS
    )
    return [Session(session_id=f"live-{number}", space="live", steps=steps) for number in range(count)]


def test_the_actions_are_those_of_the_space() -> None:
    assert sorted(action.type for action in ACTIONS) == sorted(LIVE.type_names)


def test_each_action_is_read_back_and_earns_most_when_it_is_right() -> None:
    for action in ACTIONS:
        text = f'{{"rationale": "So it goes on.", "action": {Action.model_validate(action).to_completion()}}}'
        response = parse_response(text.replace("'", '"'), LIVE)
        best = score_response(response, action, space=LIVE)
        others = [score_response(response, other, space=LIVE) for other in ACTIONS if other != action]
        assert best.total > max(other.total for other in others), action


def test_sft_grpo_and_evaluation_on_live_sessions(
    tiny_checkpoint: Path, tmp_path: Path, shell: Shell
) -> None:
    sessions = live_sessions()
    sft: dict[str, Any] = {"max_steps": 2, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 1}
    train_sft(sessions, SftConfig(model=str(tiny_checkpoint), **sft), tmp_path / "sft")
    grpo = GrpoConfig(
        model=str(tmp_path / "sft"),
        max_steps=1,
        generation_batch_size=4,
        num_generations=2,
        max_completion_length=16,
    )
    metrics = train_grpo(list_examples(sessions), grpo, tmp_path / "grpo")
    assert {"reward/value", "policy/parsed"} <= set(metrics)
    write_sessions(tmp_path / "live.jsonl", sessions)
    short = ("sampling.max_new_tokens=16", "prompt.max_completion_length=16", "--first-step", 0)
    data, out_folder = tmp_path / "live.jsonl", tmp_path / "results"
    code, out, err = shell(
        "evaluate", "--model", tmp_path / "grpo", "--data", data, "--out", out_folder, *short
    )
    assert code == 0, err
    assert "32" in out  # eight steps of four sessions


def test_tables_name_each_type_of_the_space() -> None:
    predictions = [
        Prediction(session_id="live-0", step=step, target=action, action=action)
        for step, action in enumerate(ACTIONS)
    ]
    metrics = evaluate_predictions(predictions, LIVE, bootstrap=10)
    assert metrics.exact == 1.0
    text = "\n".join(map(to_text, list_grids([table_row("live", metrics)])))
    assert all(name in text for name in LIVE.type_names)

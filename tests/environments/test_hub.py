"""The verifiers environments with the real package: loaded by their ids, run against an endpoint."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from examples.environments.greedy_endpoint import app as greedy

from shop_r1 import Action, Page, Session, Step, write_sessions
from shop_r1.store.serve import served


@pytest.fixture(scope="module")
def greedy_url() -> Iterator[str]:
    with served(greedy) as port:
        yield f"http://127.0.0.1:{port}/v1"


def run_tasks(env_config: Any, url: str, count: int) -> list[Any]:
    """Return the traces of the first tasks of an environment, asked of the endpoint."""
    import verifiers.v1 as vf
    from verifiers.v1.utils.loaders import load_environment

    async def run() -> list[Any]:
        env = load_environment(env_config)
        ctx = vf.ModelContext(
            client=vf.EvalClientConfig(base_url=url, api_key_var="NONE"),
            model="greedy",
            sampling=vf.SamplingConfig(),
        )
        async with env.serving():
            tasks = list(env.taskset.take(count))
            episodes = [await env.run_episode(task, ctx) for task in tasks]
        assert [episode.errors for episode in episodes] == [[]] * count
        return [trace for episode in episodes for trace in episode.traces]

    return asyncio.run(run())


def test_a_visit_is_an_episode_rewarded_for_its_goal(greedy_url: str) -> None:
    from shop_r1.environments.hub.store import StoreEnvConfig

    config = StoreEnvConfig(taskset={"id": "shop-r1-store", "num_tasks": 2})
    for trace in run_tasks(config, greedy_url, 2):
        assert trace.reward == 1.0 and trace.metrics["purchase"] == 1.0
        session = Session.model_validate(trace.info["session"])
        assert session.outcome == "purchase" and len(session.steps) == trace.metrics["steps"]
        assert [message.role for message in trace.messages[:3]] == ["system", "user", "assistant"]
        assert trace.messages[0].content.rstrip().endswith("with delivery.")


def test_each_task_can_be_met() -> None:
    from shop_r1.environments.hub.store import StoreTaskset, StoreTasksetConfig

    tasks = StoreTaskset(StoreTasksetConfig(id="shop-r1-store", num_tasks=3))
    assert [asyncio.run(task.validate(None)) for task in tasks] == [True] * 3


def test_tasks_differ_by_number_and_a_goal_can_be_another() -> None:
    from shop_r1.environments.hub.store import ShopSettings, StoreTaskset, StoreTasksetConfig

    shop = ShopSettings(goal="cart")
    config = StoreTasksetConfig(id="shop-r1-store", num_tasks=3, first_task=10, shop=shop)
    tasks = list(StoreTaskset(config))
    assert [task.data.number for task in tasks] == [10, 11, 12]
    assert len({task.data.system_prompt for task in tasks}) == 3


def test_recorded_steps_are_scored_by_the_shop_r1_reward(greedy_url: str, tmp_path: Path) -> None:
    from shop_r1.environments.hub.recorded import RecordedEnvConfig

    page = Page(html="<page>\nNothing here.")
    steps = [
        Step(page=page, action=Action(type="click", name="a")),
        Step(page=page, action=Action(type="terminate")),
    ]
    write_sessions(tmp_path / "s.jsonl", [Session(session_id="one", steps=tuple(steps))])
    config = RecordedEnvConfig(taskset={"id": "shop-r1-recorded", "sessions": tmp_path / "s.jsonl"})
    (trace,) = run_tasks(config, greedy_url, 1)  # without a wish it leaves
    # Table 1: 0.5 for the format and 0.3 for the type; terminating has no value, and no certainty is known.
    assert trace.reward == pytest.approx(0.8)
    assert (trace.metrics["format"], trace.metrics["type"]) == (0.5, 0.3)


def test_without_a_file_scripted_shoppers_make_the_sessions(greedy_url: str) -> None:
    from shop_r1.environments.hub.recorded import RecordedEnvConfig

    config = RecordedEnvConfig(taskset={"id": "shop-r1-recorded", "num_sessions": 2})
    (trace,) = run_tasks(config, greedy_url, 1)
    assert trace.task.data.id == "store-0-00000/1" and trace.metrics["format"] == 0.5


def test_the_command_of_verifiers_runs_a_package_by_its_id(greedy_url: str, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("vf-eval")
    words = ["shop-r1-store", "-n", "1", "--model", "greedy", "--client.base-url", greedy_url]
    command = [str(program), *words, "--no-push", "--no-rich", "-o", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (line,) = next((tmp_path / "out").rglob("traces.jsonl")).read_text("utf-8").splitlines()
    (trace,) = json.loads(line)["traces"]
    assert trace["rewards"]["goal"]["score"] == 1.0

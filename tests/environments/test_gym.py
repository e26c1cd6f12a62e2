"""`shop_r1/Store-v0`: gymnasium's own checks, rewards, ends, options, and the record of a visit."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import pytest
from examples.environments.gymnasium_agents import greedy_agent, random_agent, visit
from gymnasium.utils.env_checker import check_env

from shop_r1.environments.gym import StoreEnv
from shop_r1.errors import ConfigError
from shop_r1.records.actions import Action, click, terminate, type_and_submit
from shop_r1.simulation.loop import Limits

ENV_ID = "shop_r1.environments.gym:shop_r1/Store-v0"


def say(action: Action) -> str:
    return json.dumps({"rationale": "", "action": action.to_completion()})


@pytest.fixture
def env() -> Iterator[StoreEnv]:
    env = StoreEnv()
    yield env
    env.close()


def find_product(env: StoreEnv) -> None:
    """Go to the page of the cheapest product that fits."""
    assert env.task is not None and env.task.wanted is not None
    product = env.task.wanted.found_in(env.catalogue)[0]
    observation, *_ = env.step(say(type_and_submit("search_input", product.title)))
    (name,) = {
        name
        for name in json.loads(observation["elements"])
        if name == f"results.{product.id.replace('-', '_')}"
    }
    env.step(say(click(name)))


def test_gymnasiums_checks_pass_without_a_warning() -> None:
    env = gymnasium.make(ENV_ID)
    check_env(env.unwrapped)
    env.close()


def test_a_fitting_purchase_earns_1_and_ends_the_visit(env: StoreEnv) -> None:
    # Task 3 names no option, so the product alone decides.
    env.reset(seed=0, options={"task": 3})
    find_product(env)
    _, reward, terminated, truncated, info = env.step(say(click("buy_box.buy_now")))
    assert (reward, terminated, truncated, info["outcome"]) == (1.0, True, False, "purchase")
    session = env.session()
    assert session is not None and session.outcome == "purchase" and len(session.steps) == 3
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(say(terminate()))


def test_another_purchase_earns_nothing(env: StoreEnv) -> None:
    observation, _ = env.reset(seed=0, options={"task": 3})
    first = next(name for name in json.loads(observation["elements"]) if name.startswith("popular"))
    env.step(say(click(first)))
    _, reward, terminated, _, info = env.step(say(click("buy_box.buy_now")))
    assert (reward, terminated, info["outcome"], info["is_reached"]) == (0.0, True, "purchase", False)


def test_leaving_terminates_and_the_limit_of_steps_truncates() -> None:
    env = StoreEnv(limits=Limits(max_steps=2))
    env.reset(seed=0)
    assert env.step(say(terminate()))[1:4] == (0.0, True, False)
    env.reset(seed=0)
    assert env.step(say(click("cart")))[1:4] == (0.0, False, False)
    assert env.step(say(click("demo_store")))[1:4] == (0.0, False, True)
    env.close()


def test_invalid_completions_take_no_step_and_end_the_visit_as_in_a_simulation(env: StoreEnv) -> None:
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step("I would leave.")
    assert (reward, terminated, info["steps"]) == (0.0, False, 0)
    assert "expected {" in info["invalid"]
    _, _, terminated, truncated, info = env.step("")
    assert (terminated, truncated, info["outcome"]) == (True, False, "error")
    assert "2 invalid responses in a row" in info["error"]
    assert env.session() is None


def test_an_action_that_cannot_be_carried_out_says_why(env: StoreEnv) -> None:
    before, _ = env.reset(seed=0)
    after, _, terminated, _, info = env.step(say(click("no_such_thing")))
    assert after == before and not terminated and "no_such_thing" in info["error"]


def test_the_same_seed_is_the_same_visit_and_reset_alone_draws_another() -> None:
    first, second = StoreEnv(), StoreEnv()
    assert first.reset(seed=5) == second.reset(seed=5)
    for action in (type_and_submit("search_input", "red mug"), click("sort.lowest_price")):
        assert first.step(say(action)) == second.step(say(action))
    assert first.reset()[0]["task"] != second.reset(seed=5)[0]["task"]
    first.close()
    second.close()


def test_options_choose_the_task_the_persona_the_intent_and_the_version(
    env: StoreEnv, tmp_path: Path
) -> None:
    (tmp_path / "plain.toml").write_text("ratings = false\n", "utf-8")
    own = {"persona": "A student in Zürich.", "intent": "A gift.", "variant": tmp_path / "plain.toml"}
    observation, info = env.reset(options=own)
    assert observation["task"] == "A student in Z&#252;rich.\nA gift."
    assert (info["variant"], info["goal"], info["task_number"]) == ("plain", "purchase", -1)
    search = say(type_and_submit("search_input", "red mug"))
    assert " stars" not in env.step(search)[0]["page"]
    env.reset(options={"task": 1})
    assert " stars" in env.step(search)[0]["page"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"persnoa": "x"}, r"options\['persnoa'\] is unknown; did you mean persona\?"),
        ({"task": -1}, r"options\['task'\] is -1; expected a number of 0 or more"),
        ({"intent": 3}, r"options\['intent'\] is a int; expected a text"),
        ({"persona": "x" * 9000}, "take more than 8192 characters"),
    ],
)
def test_options_that_cannot_be_used_are_refused(
    env: StoreEnv, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        env.reset(options=options)


def test_a_goal_short_of_a_purchase_ends_the_visit() -> None:
    env = StoreEnv(goal="cart")
    env.reset(seed=0, options={"task": 3})
    find_product(env)
    _, reward, terminated, _, info = env.step(say(click("buy_box.add_to_cart")))
    assert (reward, terminated, info["outcome"]) == (1.0, True, "")
    env.close()


def test_what_is_not_ascii_stays_in_the_observation_as_references(env: StoreEnv) -> None:
    env.reset(seed=0)
    observation, *_ = env.step(say(type_and_submit("search_input", "café ☕")))
    assert observation in env.observation_space
    assert "caf&#233; &#9749;" in observation["page"]


def test_a_long_page_is_shortened_and_says_so() -> None:
    env = StoreEnv(max_page_characters=600)
    observation, info = env.reset(seed=0)
    assert info["is_shortened"] and len(observation["page"]) <= 600
    assert observation in env.observation_space
    env.close()


@pytest.mark.parametrize(("mode", "start"), [("ansi", "<page>"), ("html", "<!DOCTYPE html>")])
def test_a_page_is_rendered(mode: str, start: str) -> None:
    env = StoreEnv(render_mode=mode)
    env.reset(seed=0)
    assert (env.render() or "").startswith(start)
    env.close()


def test_the_greedy_agent_reaches_the_goal_and_the_random_one_does_not() -> None:
    env = gymnasium.make(ENV_ID)
    assert [visit(env, seed, greedy_agent) for seed in range(3)] == [(1.0, "purchase")] * 3
    assert [visit(env, seed, random_agent)[0] for seed in range(3)] == [0.0] * 3
    env.close()


def test_it_works_where_an_event_loop_is_running_as_in_a_notebook(env: StoreEnv) -> None:
    async def visit_home() -> str:
        return str(env.reset(seed=0)[1]["url"])

    assert asyncio.run(visit_home()) == "http://store.local/"


def test_environments_run_side_by_side() -> None:
    envs = gymnasium.make_vec(ENV_ID, num_envs=2, vectorization_mode="sync")
    observations, _ = envs.reset(seed=1)
    assert len({*observations["task"]}) == 2
    actions = [say(type_and_submit("search_input", "red mug")), say(terminate())]
    observations, rewards, terminated, _, _ = envs.step(actions)
    assert "Results for red mug" in observations["page"][0]
    assert terminated.tolist() == [False, True] and rewards.tolist() == [0.0, 0.0]
    envs.close()


@pytest.mark.slow
def test_environments_run_in_processes_of_their_own_and_the_program_ends_by_itself() -> None:
    lines = (
        "import gymnasium, json",
        "if __name__ == '__main__':",
        f"    envs = gymnasium.make_vec({ENV_ID!r}, num_envs=2, vectorization_mode='async')",
        "    envs.reset(seed=1)",
        "    leave = json.dumps({'rationale': '', 'action': {'type': 'terminate'}})",
        "    print(envs.step([leave, leave])[2].tolist())",
        "    envs.close()",
        f"    gymnasium.make({ENV_ID!r}).reset(seed=1)",  # never closed
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[True, True]\n", "")

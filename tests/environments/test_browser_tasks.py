"""BrowserGym's tasks of the store with the real package, in Chromium."""

from collections.abc import Iterator
from typing import Any

import gymnasium
import pytest
from browsergym import core
from examples.environments.browsergym_agent import GreedyAgentArgs, run

from shop_r1.environments.browser_tasks import TASK_IDS, use_installed_chromium


@pytest.fixture(scope="module", autouse=True)
def chromium() -> Iterator[None]:
    use_installed_chromium()
    yield
    core._get_global_playwright().stop()  # else its event loop goes on in this thread, beside other tests'
    core._set_global_playwright(None)


@pytest.fixture
def env() -> Iterator[Any]:
    env = gymnasium.make("browsergym/shop_r1.buy", pre_observation_delay=0.05)
    yield env
    env.close()


def test_the_tasks_are_registered() -> None:
    assert {f"browsergym/{task_id}" for task_id in TASK_IDS} <= set(gymnasium.registry)
    assert len(TASK_IDS) == 21


def test_the_greedy_agent_reaches_the_goal_in_the_browser() -> None:
    reward, steps = run(GreedyAgentArgs(), 0)
    assert reward == 1.0 and steps < 10


def test_an_order_of_something_else_ends_the_task_without_a_reward(env: Any) -> None:
    observation, info = env.reset(seed=4)
    assert "Buy " in observation["goal"] and info["task_info"]["number"] >= 0
    page = env.unwrapped.page
    page.get_by_role("link", name="Best seller").or_(page.locator("a[href^='/product/']")).first.click()
    page.get_by_role("button", name="Buy now").click()
    _, reward, terminated, _, _ = env.step("noop()")
    assert (reward, terminated) == (0.0, False)
    page.get_by_role("button", name="Place order").click()
    _, reward, terminated, _, info = env.step("noop()")
    assert (reward, terminated, info["task_info"]["outcome"]) == (0.0, True, "purchase")


def test_another_goal_is_that_of_comparisons() -> None:
    env = gymnasium.make("browsergym/shop_r1.buy.1", pre_observation_delay=0.05, task_kwargs={"goal": "cart"})
    env.reset(seed=0)
    env.unwrapped.page.get_by_role("link", name="Cart").first.click()
    _, reward, terminated, _, info = env.step("noop()")
    assert (reward, terminated, info["task_info"]["outcome"]) == (1.0, True, "")
    env.close()


def test_the_solution_that_a_task_knows_is_right(env: Any) -> None:
    env.reset(seed=4)
    env.unwrapped.task.cheat(env.unwrapped.page, [])
    _, reward, terminated, _, _ = env.step("noop()")
    assert (reward, terminated) == (1.0, True)

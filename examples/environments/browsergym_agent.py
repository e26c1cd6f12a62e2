"""The greedy agent in a real browser, on BrowserGym's tasks of the built-in store.

Usage: python -m examples.environments.browsergym_agent [TASKS]
"""

import re
import sys
from collections.abc import Mapping
from typing import Any

import gymnasium
from browsergym.utils.obs import flatten_axtree_to_str
from examples.environments.greedy import GreedyShopper

from shop_r1.environments.browser_tasks import TASK_ID, use_installed_chromium

_ELEMENT = re.compile(r"^\s*\[(\w+)\] (?:link|button|searchbox|textbox) '([^']*)'", re.MULTILINE)
_SEARCH = re.compile(r"^\s*\[(\w+)\] (?:searchbox|textbox)", re.MULTILINE)
MAX_STEPS = 20


def act(shopper: GreedyShopper, observation: Mapping[str, Any]) -> str:
    """Return the action on this page, in BrowserGym's words."""
    text = flatten_axtree_to_str(observation["axtree_object"])
    search = _SEARCH.search(text)
    assert search is not None
    move = shopper.move(_ELEMENT.findall(text), search[1], text)
    if move.kind == "leave":
        return f"report_infeasible({move.why!r})"
    if move.kind == "click":
        return f"click({move.handle!r})"
    return f"fill({move.handle!r}, {move.text!r})\npress({move.handle!r}, 'Enter')"


def run(number: int) -> tuple[float, int]:
    """Return the reward and the steps of the greedy agent in one task."""
    env = gymnasium.make(f"browsergym/{TASK_ID}.{number}", pre_observation_delay=0.1)
    try:
        observation, _ = env.reset(seed=0)
        shopper = GreedyShopper(observation["goal"])
        for step in range(1, MAX_STEPS + 1):
            observation, reward, terminated, truncated, _ = env.step(act(shopper, observation))
            if terminated or truncated:
                return float(reward), step
        return 0.0, MAX_STEPS
    finally:
        env.close()


def main(tasks: int) -> None:
    """Print the reward and the number of steps of each task."""
    use_installed_chromium()
    for number in range(tasks):
        reward, steps = run(number)
        print(f"{TASK_ID}.{number}: reward {reward:.0f} after {steps} steps")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)

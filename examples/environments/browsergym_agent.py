"""An agent in the form that AgentLab takes, on BrowserGym's tasks of the built-in store, in a real browser.

Needs `pip install 'shop-r1[browsergym]' browsergym-experiments==0.14.3`.

Usage: python -m examples.environments.browsergym_agent [TASKS]
"""

import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from browsergym.experiments.agent import Agent, AgentInfo
from browsergym.experiments.loop import AbstractAgentArgs, EnvArgs
from examples.environments.greedy import GreedyShopper

from shop_r1.environments.browser_tasks import TASK_ID, use_installed_chromium

_ELEMENT = re.compile(r"^\s*\[(\w+)\] (?:link|button|searchbox|textbox) '([^']*)'", re.MULTILINE)
_SEARCH = re.compile(r"^\s*\[(\w+)\] (?:searchbox|textbox)", re.MULTILINE)
MAX_STEPS = 20


class GreedyAgent(Agent):
    """Buys the first product that fits."""

    def __init__(self) -> None:
        self._shopper: GreedyShopper | None = None

    def get_action(self, obs: Mapping[str, Any]) -> tuple[str, AgentInfo]:
        """Return the action on this page in BrowserGym's words, and why."""
        self._shopper = self._shopper or GreedyShopper(obs["goal"])
        text = obs["axtree_txt"]
        search = _SEARCH.search(text)
        assert search is not None
        move = self._shopper.move(_ELEMENT.findall(text), search[1], text)
        info = AgentInfo(think=move.why)
        if move.kind == "leave":
            return f"report_infeasible({move.why!r})", info
        if move.kind == "click":
            return f"click({move.handle!r})", info
        return f"fill({move.handle!r}, {move.text!r})\npress({move.handle!r}, 'Enter')", info


@dataclass
class GreedyAgentArgs(AbstractAgentArgs):
    """What AgentLab makes the agent from, in each of its processes."""

    def prepare(self) -> None:
        """Let this process use the Chromium that is installed."""
        use_installed_chromium()

    def make_agent(self) -> Agent:
        """Return a new agent."""
        return GreedyAgent()


def run(agent_args: AbstractAgentArgs, number: int) -> tuple[float, int]:
    """Return the reward and the steps of an agent in one task."""
    agent = agent_args.make_agent()
    with tempfile.TemporaryDirectory() as folder:
        args = EnvArgs(f"{TASK_ID}.{number}", task_seed=0, max_steps=MAX_STEPS)
        env = args.make_env(agent.action_set.to_python_code, Path(folder))
        try:
            observation, _ = env.reset(seed=args.task_seed)
            step, reward, is_over = 0, 0.0, False
            while not is_over:
                action, _ = agent.get_action(agent.obs_preprocessor(observation))
                observation, reward, terminated, truncated, _ = env.step(action)
                step, is_over = step + 1, terminated or truncated
            return float(reward), step
        finally:
            env.close()


def main(tasks: int) -> None:
    """Print the reward and the number of steps of each task."""
    agent_args = GreedyAgentArgs()
    agent_args.prepare()
    for number in range(tasks):
        reward, steps = run(agent_args, number)
        print(f"{TASK_ID}.{number}: reward {reward:.0f} after {steps} steps")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)

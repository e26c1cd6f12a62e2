"""Random and greedy agents in the gymnasium environment: how often each reaches the goal.

Usage: python -m examples.environments.gymnasium_agents [VISITS]
"""

import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable

import gymnasium
from examples.environments.greedy import GreedyShopper

from shop_r1 import Action
from shop_r1.prompts.render import render_completion

Agent = Callable[[dict[str, str]], str]
"""An observation to a completion."""
_ELEMENT = re.compile(r'<(\w+) name="([^"]+)"[^<>]*>([^<>]*)')


def random_agent(task: str) -> Agent:
    """Return an agent that clicks anything, and sometimes leaves."""
    rng = random.Random(task)

    def act(observation: dict[str, str]) -> str:
        names = json.loads(observation["elements"])
        if rng.random() < 0.05:
            return render_completion("I have had enough.", Action(type="terminate"))
        return render_completion("Why not?", Action(type="click", name=rng.choice(names)))

    return act


def greedy_agent(task: str) -> Agent:
    """Return an agent that buys the first product that fits."""
    shopper = GreedyShopper(task)

    def act(observation: dict[str, str]) -> str:
        page = observation["page"]
        elements = [(name, label.strip()) for _, name, label in _ELEMENT.findall(page)]
        move = shopper.move(elements, "search_input", page)
        if move.kind == "leave":
            return render_completion(move.why, Action(type="terminate"))
        if move.kind == "click":
            return render_completion(move.why, Action(type="click", name=move.handle))
        action = Action(type="type_and_submit", name=move.handle, text=move.text)
        return render_completion(move.why, action)

    return act


def visit(
    env: gymnasium.Env[dict[str, str], str], seed: int, agent_of: Callable[[str], Agent]
) -> tuple[float, str]:
    """Return the reward and the outcome of one visit."""
    observation, info = env.reset(seed=seed)
    agent, total, is_over = agent_of(observation["task"]), 0.0, False
    while not is_over:
        observation, reward, terminated, truncated, info = env.step(agent(observation))
        total, is_over = total + float(reward), terminated or truncated
    return total, info["outcome"]


def main(visits: int) -> None:
    """Print, for each agent, how often it reached the goal and how its visits ended."""
    env = gymnasium.make("shop_r1.environments.gym:shop_r1/Store-v0")
    agents: dict[str, Callable[[str], Agent]] = {"random": random_agent, "greedy": greedy_agent}
    for name, agent_of in agents.items():
        found = [visit(env, seed, agent_of) for seed in range(visits)]
        outcomes = Counter(outcome for _, outcome in found)
        print(
            f"{name}: goal reached in {sum(reward for reward, _ in found):.0f} of {visits}; {dict(outcomes)}"
        )
    env.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)

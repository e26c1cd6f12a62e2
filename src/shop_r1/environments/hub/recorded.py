"""Steps of recorded sessions as a verifiers environment: one turn each, scored by the Shop-R1 reward.

Self-certainty needs the model's probabilities, which a rubric does not have, so that part earns nothing here.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import verifiers.v1 as vf
from pydantic import Field

from shop_r1.datasets.session_files import read_sessions
from shop_r1.environments.stores import open_store
from shop_r1.pages.tokens import estimate_tokens
from shop_r1.prompts.render import PromptConfig, render_prompt
from shop_r1.records.actions import Action, find_space
from shop_r1.records.sessions import Session
from shop_r1.rewards.total import PARTS, RewardConfig, score_completion
from shop_r1.shoppers.persona import Market
from shop_r1.shoppers.scripted import generate_sessions
from shop_r1.store.kinds import KINDS
from shop_r1.store.variants import StoreVariant


class RecordedTasksetConfig(vf.TasksetConfig):
    """Which sessions, and how their steps are asked and scored."""

    sessions: Path | None = None
    """A file of sessions; None: scripted shoppers visit the built-in store."""
    num_sessions: int = Field(500, ge=1)
    """Of the scripted shoppers."""
    seed: int = Field(0, ge=0)
    """Of the scripted shoppers."""
    prompt: PromptConfig = PromptConfig()
    """How prompts are built; tokens are estimated."""
    reward: RewardConfig = RewardConfig()
    """What a completion earns; the paper's by default."""


class RecordedData(vf.TaskData):
    """One step on the wire."""

    target: Action
    """What the shopper did."""
    space: str
    """The action space."""
    reward: RewardConfig


class RecordedTask(vf.Task[RecordedData]):
    """One step; the first of each session is given, never asked for (paper, Eq. 1)."""

    @vf.reward  # type: ignore[untyped-decorator] # verifiers is not installed where types are checked
    async def shop_r1(self, trace: vf.Trace) -> float:
        """Return the total of the Shop-R1 reward, its parts as metrics."""
        data = self.data
        scored = score_completion(trace.last_reply, data.target, find_space(data.space), data.reward)
        trace.record_metrics({part: getattr(scored, part) for part in PARTS})
        return scored.total


class RecordedTaskset(vf.Taskset[RecordedTask, RecordedTasksetConfig]):
    """The steps of sessions from the second on, in order."""

    def load(self) -> Iterator[RecordedTask]:
        """Yield a task for each step.

        Raises:
            DataError: the file cannot be read, or is not one of sessions.
        """
        config = self.config
        for session in self._sessions():
            space = find_space(session.space)
            for step in range(1, len(session.steps)):
                prompt = render_prompt(session, step, space, config.prompt, estimate_tokens)
                system, *rest = prompt.messages
                data = RecordedData(
                    id=f"{session.session_id}/{step}",
                    system_prompt=system["content"],
                    prompt="\n".join(message["content"] for message in rest),
                    target=session.steps[step].action,
                    space=session.space,
                    reward=config.reward,
                )
                yield RecordedTask(data, config.task)

    def _sessions(self) -> Iterator[Session]:
        if self.config.sessions is not None:
            yield from read_sessions(self.config.sessions)
            return
        with ThreadPoolExecutor(1) as thread:  # the caller's own has a running event loop, as `vf-eval` does
            yield from thread.submit(self._generate).result()

    def _generate(self) -> list[Session]:
        app = open_store(StoreVariant())
        return list(generate_sessions(app, Market(KINDS), self.config.num_sessions, self.config.seed))


class RecordedEnvConfig(vf.EnvConfig):
    """The one agent, whose requests are made in this process."""

    agent: vf.AgentConfig = vf.AgentConfig(runtime=vf.SubprocessConfig())


class RecordedEnv(vf.Env[RecordedEnvConfig]):
    """One completion an episode."""

    async def run(self, task: RecordedTask, agents: vf.Agents) -> None:
        """Ask once."""
        await agents.agent.run(task)

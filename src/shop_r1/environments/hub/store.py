"""Visits of the built-in store as a verifiers environment: many turns, one reward for reaching the goal."""

from collections.abc import Iterator

import verifiers.v1 as vf
from pydantic import Field
from starlette.applications import Starlette

from shop_r1.config import Config
from shop_r1.environments.stores import open_store
from shop_r1.environments.tasks import FITTING, draw_task
from shop_r1.environments.visit import StoreVisit, Turn
from shop_r1.pages.serialize.truncate import fit_html
from shop_r1.pages.tokens import estimate_tokens
from shop_r1.prompts.render import defuse, render_system
from shop_r1.records.actions import SHOP
from shop_r1.simulation.loop import Limits, Visit
from shop_r1.store.variants import StoreVariant


class ShopSettings(Config):
    """The store, what counts as its goal, and when a visit ends by itself."""

    goal: str = FITTING
    """`fitting_purchase`, `product`, `cart`, `checkout`, `purchase` or an address with `*`."""
    variant: StoreVariant = StoreVariant()
    """The version of the store."""
    catalogue_seed: int = Field(0, ge=0)
    """Of the products."""
    page_size: int = Field(6, ge=1)
    """Products on a page."""
    max_page_tokens: int = Field(4096, ge=256)
    """Longer pages are shortened as for a prompt; in tokens, estimated."""
    limits: Limits = Limits()
    """When a visit ends by itself."""


class StoreTasksetConfig(vf.TasksetConfig):
    """Which tasks there are, and in which store."""

    num_tasks: int = Field(1000, ge=1)
    """How many, from `first_task` on."""
    first_task: int = Field(0, ge=0)
    """The number of the first: take others to evaluate than to train."""
    shop: ShopSettings = ShopSettings()


class StoreData(vf.TaskData):
    """One task on the wire: what the store and the shopper are drawn from."""

    number: int
    """Of the task."""
    shop: ShopSettings


class StoreTask(vf.Task[StoreData]):
    """One task; its reward is given by the environment, which knows what was bought."""

    async def validate(self, runtime: vf.Runtime) -> bool | None:
        """Return whether the catalogue has what is wanted; None for a goal that needs nothing of the kind."""
        shop = self.data.shop
        catalogue = _open(shop).state.catalogue
        wanted = draw_task(self.data.number, catalogue, shop.goal).wanted
        if wanted is None or shop.goal != FITTING:
            return None
        return bool(wanted.found_in(catalogue))


class StoreTaskset(vf.Taskset[StoreTask, StoreTasksetConfig]):
    """Shoppers of the focused crowd, each with a wish that the store can meet."""

    def load(self) -> Iterator[StoreTask]:
        """Yield the tasks; the persona and the wish stand in the system prompt.

        Raises:
            ConfigError: there is no such goal.
        """
        shop, first = self.config.shop, self.config.first_task
        catalogue = _open(shop).state.catalogue
        for number in range(first, first + self.config.num_tasks):
            task = draw_task(number, catalogue, shop.goal)
            data = StoreData(
                id=str(number),
                name=task.intent,
                system_prompt=render_system(SHOP, task.text),
                number=number,
                shop=shop,
            )
            yield StoreTask(data, self.config.task)


class StoreEnvConfig(vf.EnvConfig):
    """The one agent: the shopper, whose requests are made in this process."""

    shopper: vf.AgentConfig = vf.AgentConfig(runtime=vf.SubprocessConfig())


class StoreEnv(vf.Env[StoreEnvConfig]):
    """A visit an episode: each page is a user's turn, each completion an action."""

    async def run(self, task: StoreTask, agents: vf.Agents) -> None:
        """Let the shopper visit the store, and record the reward and what is counted of the visit."""
        visit = _begin(task.data)
        turn, invalid = await visit.open(), 0
        try:
            async with agents.shopper.interaction(task) as interaction:
                while not turn.has_ended:
                    page = _page_message(len(visit.steps) + 1, turn, task.data.shop.max_page_tokens)
                    segment = await interaction.turn(page)
                    if segment.terminated:
                        break
                    turn = await visit.act(segment.last_reply)
                    invalid += turn.invalid is not None
        finally:
            await visit.close()
        _record(interaction.trace, visit, turn, invalid)


def _begin(data: StoreData) -> StoreVisit:
    app = _open(data.shop)
    task = draw_task(data.number, app.state.catalogue, data.shop.goal)
    name = f"hub-{data.number}"
    visit = Visit(name, name, f"shopper-{data.number}", task.text, version=data.shop.variant.name)
    return StoreVisit(app, task, data.shop.limits, visit)


def _open(shop: ShopSettings) -> Starlette:
    return open_store(shop.variant, shop.catalogue_seed, shop.page_size)


def _page_message(number: int, turn: Turn, max_tokens: int) -> str:
    """Return the user's turn that shows the page, with what went wrong before it."""
    told = turn.invalid or turn.error
    problem = f"Not done: {told}\n" if told else ""
    page = fit_html(turn.seen.page.html, max_tokens, estimate_tokens)
    return f"{defuse(problem)}Page {number}:\n{defuse(page.rstrip())}"


def _record(trace: vf.Trace, visit: StoreVisit, turn: Turn, invalid: int) -> None:
    """Record the reward, what is counted of the visit, and the visit itself as a session."""
    trace.record_reward("goal", float(turn.is_reached))
    counts = {
        "purchase": turn.outcome == "purchase",
        "steps": len(visit.steps),
        "errors": sum(step.error is not None for step in visit.steps),
        "invalid": invalid,
    }
    trace.record_metrics({name: float(count) for name, count in counts.items()})
    session = visit.session()
    trace.info["session"] = session.model_dump(mode="json", exclude_none=True) if session else None

"""`simulate --ray`: the visits of a run in the processes of a Ray cluster."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path

import ray

from shop_r1.cli.simulation import messages
from shop_r1.cli.simulation.cluster.shared_processes import Job, SharedProcesses
from shop_r1.cli.simulation.live import LiveView, Totals
from shop_r1.cli.simulation.options import Options
from shop_r1.cli.simulation.planned import FREE, is_timed, limits_of, plan_visits, run_record
from shop_r1.cli.simulation.policies import (
    Deciders,
    EndpointPlan,
    EndpointPolicies,
    local_deciders,
)
from shop_r1.cli.simulation.rows import Row, Rows
from shop_r1.cli.simulation.shops import (
    AGENT,
    Shared,
    ShopFacts,
    open_shop,
    shop_facts,
)
from shop_r1.cli.terminal import console
from shop_r1.errors import ConfigError, file_errors
from shop_r1.simulation.cluster.endpoint_service import RemoteEndpointModel
from shop_r1.simulation.cluster.model_service import RemoteCompleter
from shop_r1.simulation.cluster.pool import ShopperPool
from shop_r1.simulation.cluster.shared_bounds import SharedRate, SharedRobots
from shop_r1.simulation.cluster.shopper_actor import Ended, Opened, VisitSetup
from shop_r1.simulation.loop import Observer, Visit
from shop_r1.simulation.run_folder import opened, sort_by_visit
from shop_r1.simulation.shards import SHARDS_FOLDER, gather_shards

_PATIENCE_S = 20.0
"""After which it is said that actors wait for the cluster. Ours."""


async def run_on_cluster(options: Options, path: Path, totals: Totals) -> None:
    """Run what is missing in the folder on the cluster that was joined.

    Raises:
        ShopR1Error: the shop, the policy or the folder cannot be used, or no visit can go on.
    """
    async with AsyncExitStack() as stack:
        shared = SharedProcesses(options, path)
        stack.push_async_callback(shared.close)
        job, deciders = await shared.open()
        actors = _count_actors(options, len(job.services) if options.kind == "checkpoint" else 0)
        pool = ShopperPool(partial(open_setup, job), actors, options.concurrency)
        stack.push_async_callback(pool.close)
        ready = await _opened_pool(pool, actors)
        browsers = sorted({each.browser for each in ready if each.browser})
        shop = shop_facts(options, ", ".join(browsers) or None)
        visits = plan_visits(options, shop, deciders)
        with opened(path, run_record(options, shop, deciders), resume=options.resume, free=FREE) as folder:
            left = [visit for visit in visits if visit.session_id not in folder.finished]
            totals.cost = lambda: shared.cost
            messages.print_plan(options, shop, deciders, path, len(visits) - len(left), _describe(ready))
            try:
                with LiveView(len(left), totals) as view:
                    listener = _Listener(totals, view, folder, shared)
                    await pool.run(left, _shards(path), listener)
            finally:
                dropped = await pool.close()
                await shared.ask_cost()
                gather_shards(path)
            messages.print_dropped(dropped)
            messages.print_deaths(pool.died, pool.repeated)
        sort_by_visit(path, [visit.session_id for visit in visits])


@asynccontextmanager
async def open_setup(job: Job) -> AsyncIterator[VisitSetup]:
    """Open shop and policy in a process of the cluster, and close them at the end.

    Raises:
        ShopR1Error: one of them cannot be opened.
    """
    options, rows = job.options, Rows()
    shared = None
    if job.desk is not None:
        shared = Shared(SharedRate(job.desk), SharedRobots(AGENT, job.desk))
    async with AsyncExitStack() as stack:
        shop = await stack.enter_async_context(open_shop(options, job.folder, shared))
        deciders = await _open_deciders(job, shop, stack)
        yield VisitSetup(
            policy_of=deciders.policy_of,
            driver_of=shop.driver_of,
            limits=limits_of(options),
            timed=is_timed(options),
            cost_of=deciders.cost_of,
            kept=(shop.windows,) if shop.windows is not None else (),
            shown=(rows,),
            news=rows.changed,
            dropped=shop.windows.dropped if shop.windows is not None else Counter(),
            browser=shop.browser,
        )


async def _open_deciders(job: Job, shop: ShopFacts, stack: AsyncExitStack) -> Deciders:
    """Return the policies of a process of the cluster."""
    plan = job.plan
    if plan is None:
        return local_deciders(job.options, shop)
    if isinstance(plan, EndpointPlan):
        model = RemoteEndpointModel(job.services[0], plan.config, plan.price, plan.space, plan.persona)
        policies = EndpointPolicies(model)
        return Deciders(**vars(plan.facts()), policy_of=policies.policy_of, cost_of=policies.cost_of)
    from shop_r1.cli.terminal.checkpoints import hide_loading
    from shop_r1.models.tokenizers import load_tokenizer, token_counter
    from shop_r1.simulation.policies.checkpoint import ModelPolicy

    hide_loading()
    completer = RemoteCompleter(job.services, token_counter(load_tokenizer(plan.name)))
    policy = ModelPolicy(completer, plan.config, plan.space, plan.persona)
    stack.push_async_callback(policy.close)
    return Deciders(**vars(plan.facts()), policy_of=lambda visit: policy.of_persona(visit.persona))


class _Listener:
    """Passes what the pool tells on to the totals and the view."""

    def __init__(self, totals: Totals, view: LiveView, folder: Observer, shared: SharedProcesses) -> None:
        self._totals, self._view, self._folder, self._shared = totals, view, folder, shared

    async def begin(self, visit: Visit) -> None:
        """Show a visit that begins."""
        await self._view.begin(visit)

    async def end(self, visit: Visit, ended: Ended) -> None:
        """Count and show a visit that has ended; write it where no process could."""
        if ended.end is None:
            return
        if not ended.is_written:
            await self._folder.begin(visit)
            await self._folder.end(visit, ended.end)
        for step in ended.steps:
            await self._totals.after_step(visit, step)
        await self._totals.end(visit, ended.end)
        await self._view.end(visit, ended.end)

    async def news(self, found: Mapping[str, Row]) -> None:
        """Show shoppers under way, and what they have cost."""
        self._view.take(found)
        await self._shared.ask_cost()


async def _opened_pool(pool: ShopperPool, actors: int) -> Sequence[Opened]:
    """Return where the actors are.

    Raises:
        ConfigError: one has another version of this package.
        ShopR1Error: one cannot open the shop or the policy.
    """
    opening = asyncio.ensure_future(pool.open())
    if not (await asyncio.wait([opening], timeout=_PATIENCE_S))[0]:
        console.note(f"waiting for {console.count_of(actors, 'actor')}: the cluster may be busy")
    ready = await opening
    here = version("shop-r1")
    for each in ready:
        if each.version != here:
            raise ConfigError(
                f"{each.host} has shop-r1 {each.version} and this machine {here}; install the same on all"
            )
    return ready


def _count_actors(options: Options, taken: int) -> int:
    """Return how many actors run visits; `taken` CPUs are others'.

    Raises:
        ConfigError: the cluster has too few CPUs.
    """
    cpus = int(ray.cluster_resources().get("CPU", 0))
    actors = options.actors or max(1, cpus - taken)
    if actors + taken > cpus:
        models = f", and {taken} for the checkpoint" if taken else ""
        raise ConfigError(
            f"the cluster has {console.count_of(cpus, 'CPU')}, one for each process: {actors} for visits"
            f"{models}; lower --actors or --replicas, or add machines"
        )
    return actors


def _describe(ready: Sequence[Opened]) -> str:
    hosts = len({each.host for each in ready})
    return f"{console.count_of(len(ready), 'actor')} on {console.count_of(hosts, 'machine')}"


def _shards(path: Path) -> Path:
    """Return the folder of shards, which processes on other machines look for."""
    shards = path.resolve() / SHARDS_FOLDER
    with file_errors(shards, "written"):
        shards.mkdir(exist_ok=True)
    return shards

"""What the processes of `simulate --ray` share: a checkpoint, a model over a network, a shop's bounds."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from shop_r1.cli.simulation.options import Options
from shop_r1.cli.simulation.policies import (
    CheckpointPlan,
    DeciderFacts,
    EndpointPlan,
    local_deciders,
    plan_checkpoint,
    plan_endpoint,
)
from shop_r1.cli.simulation.shops import ShopFacts, page_loads_per_second, shop_facts
from shop_r1.errors import file_errors
from shop_r1.ray_cluster import result_of
from shop_r1.runs import CACHE
from shop_r1.simulation.cluster.endpoint_service import EndpointService
from shop_r1.simulation.cluster.model_service import ModelService
from shop_r1.simulation.cluster.shared_bounds import BoundsDesk

_RESTARTS = 3
"""Of a process that holds a checkpoint. Ours."""
_AT_ONCE = 10_000
"""Calls that a shared process has under way at most; the pools bound them before."""


@dataclass(frozen=True)
class Job:
    """What a process is told of a run: paths are whole, since it may work in another folder."""

    options: Options
    folder: Path
    plan: CheckpointPlan | EndpointPlan | None
    services: tuple[Any, ...] = ()
    """Handles of the processes that hold the checkpoint, or of the one that sends requests."""
    desk: Any = None
    """The handle of the `BoundsDesk`; None where nothing bounds the shoppers together."""


class SharedProcesses:
    """The processes that all shoppers of a run share.

    `cost` is what an endpoint's requests cost so far, in US dollars; None where that is not known.
    """

    def __init__(self, options: Options, path: Path) -> None:
        self._options, self._path = options, path
        self._here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._all: list[Any] = []
        self._endpoint: Any = None
        self.cost: float | None = None

    async def open(self) -> tuple[Job, DeciderFacts]:
        """Start them; return what shoppers are told, and who decides.

        Raises:
            ShopR1Error: a model cannot be opened.
        """
        options = self._options
        facts = shop_facts(options)
        job = Job(_with_whole_paths(options), self._path.resolve(), None)
        if options.url is not None:
            always = {"max_restarts": -1, "max_task_retries": -1}
            job = replace(job, desk=self._start(BoundsDesk, page_loads_per_second(options), **always))
        if options.kind == "checkpoint":
            return await self._open_checkpoint(job, facts)
        if options.kind == "endpoint":
            return await self._open_endpoint(job, facts)
        return job, local_deciders(options, facts)

    async def ask_cost(self) -> None:
        """Bring `cost` up to date."""
        if self._endpoint is not None:
            with suppress(RayActorError):  # with which the run ends anyway
                self.cost = await result_of(self._endpoint.cost.remote())

    async def close(self) -> None:
        """End them."""
        if self._endpoint is not None:
            with suppress(RayActorError):
                await result_of(self._endpoint.close.remote())
        for each in self._all:
            ray.kill(each)

    async def _open_checkpoint(self, job: Job, shop: ShopFacts) -> tuple[Job, DeciderFacts]:
        """Start the checkpoint's replicas, over the machines."""
        from shop_r1.cli.terminal.checkpoints import load
        from shop_r1.models.precision import choose_precision

        plan = plan_checkpoint(self._options, shop)
        choose = ray.remote(choose_precision).options(num_cpus=1).remote
        plan = plan.settled(await result_of(choose(plan.config.bf16, "cpu")))
        there = replace(plan, name=job.options.policy_name)
        spread = {"num_cpus": 1, "scheduling_strategy": "SPREAD"}
        more = spread | {"max_restarts": _RESTARTS, "max_task_retries": -1}
        count = self._options.replicas or 1
        machines = len({node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]})
        beside = (count - 1) // machines
        handles = [
            self._start(ModelService, partial(load, there.name), plan.config, beside, **more)
            for _ in range(count)
        ]
        await asyncio.gather(*(result_of(each.open.remote()) for each in handles))
        how = "many at once" if count == 1 else f"in {count} processes, many at once"
        return replace(job, plan=there, services=tuple(handles)), plan.facts(how)

    async def _open_endpoint(self, job: Job, shop: ShopFacts) -> tuple[Job, DeciderFacts]:
        """Start the process that sends requests, on this machine, with this process's keys."""
        from shop_r1.endpoints.secrets import endpoint_environment

        plan = plan_endpoint(self._options, shop)
        with file_errors(self._path, "written"):
            self._path.mkdir(parents=True, exist_ok=True)
        open_model = partial(plan.opened, job.folder / CACHE, _say_nothing)
        self._endpoint = self._start(EndpointService, open_model, endpoint_environment())
        await result_of(self._endpoint.open.remote())
        await self.ask_cost()
        return replace(job, plan=plan, services=(self._endpoint,)), plan.facts()

    def _start(self, kind: type, *given: Any, **options: Any) -> Any:
        """Start a process, on this machine unless the options say otherwise."""
        chosen = {"num_cpus": 0, "scheduling_strategy": self._here, "max_concurrency": _AT_ONCE} | options
        handle = ray.remote(kind).options(**chosen).remote(*given)
        self._all.append(handle)
        return handle


def _with_whole_paths(options: Options) -> Options:
    policy, profile = options.policy, options.test_profile
    if policy is not None and options.kind == "checkpoint" and Path(policy).exists():
        policy = str(Path(policy).resolve())
    return replace(options, policy=policy, test_profile=profile.resolve() if profile is not None else None)


def _say_nothing(text: str) -> None:
    """Take what an endpoint has to say; the process that sends requests has no terminal."""

"""verl's workers where there is no GPU."""

import os

import torch
import torch.distributed as dist
from verl.single_controller.base import Worker  # noqa: F401 (Ray looks for it in this module)
from verl.workers.engine_workers import ActorRolloutRefWorker, TrainingWorker


class GlooTrainingWorker(TrainingWorker):
    """Starts its process group by itself: verl would ask for gloo twice on a CPU, which torch refuses."""

    def __init__(self, config: object) -> None:
        torch.set_flush_denormal(True)  # `models.precision.flush_subnormals` says why
        if not dist.is_initialized():
            dist.init_process_group(
                "gloo",
                rank=int(os.environ.get("RANK", "0")),
                world_size=int(os.environ.get("WORLD_SIZE", "1")),
                init_method=os.environ.get("DIST_INIT_METHOD"),
            )
        super().__init__(config)


class CpuWorker(ActorRolloutRefWorker):
    """Policy, reference and rollouts of one process."""

    actor_worker_cls = GlooTrainingWorker
    ref_worker_cls = GlooTrainingWorker

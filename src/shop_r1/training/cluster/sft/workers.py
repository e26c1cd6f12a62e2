"""verl's workers that learn from sessions; to import this registers their engine."""

from verl.single_controller.base import Worker  # noqa: F401 (Ray looks for it in this module)
from verl.workers.engine_workers import TrainingWorker

from shop_r1.training.cluster.sft import engine  # noqa: F401 (registers it where Ray unpacks the class)
from shop_r1.training.cluster.workers import GlooTrainingWorker


class SessionWorker(TrainingWorker):
    """On a GPU."""


class CpuSessionWorker(GlooTrainingWorker):
    """On a machine's cores."""

"""The process of the cluster that drives verl's SFT trainer."""

from collections.abc import Mapping
from typing import Any

import ray
from omegaconf import OmegaConf

from shop_r1.training.cluster.driver import compose


@ray.remote(max_concurrency=2)
class SftDriver:
    """Trains, and says meanwhile how far it is."""

    def __init__(self) -> None:
        self._shown = (0, 0.0)

    def run(self, settings: Mapping[str, Any]) -> Mapping[str, float]:
        """Train, and return the last logged metrics."""
        from verl.utils.device import auto_set_device

        from shop_r1.training.cluster.sft.trainer import ClusterSftTrainer

        config = compose(settings, "sft_trainer_engine")
        auto_set_device(config)
        OmegaConf.resolve(config)
        return dict(ClusterSftTrainer(config).fit(self._show))

    def shown(self) -> tuple[int, float]:
        """Return the last step done and its loss."""
        return self._shown

    def _show(self, step: int, loss: float) -> None:
        self._shown = (step, loss)

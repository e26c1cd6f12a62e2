"""Steps of recorded shopping sessions for verifiers: one turn each, scored by the Shop-R1 reward."""

from shop_r1.environments.hub.harness import ChatHarness
from shop_r1.environments.hub.recorded import RecordedEnv, RecordedTaskset

__all__ = ["ChatHarness", "RecordedEnv", "RecordedTaskset"]

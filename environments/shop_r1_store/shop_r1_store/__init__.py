"""Shop-R1's built-in store for verifiers: visits of many turns, rewarded for reaching the goal."""

from shop_r1.environments.hub.harness import ChatHarness
from shop_r1.environments.hub.store import StoreEnv, StoreTaskset

__all__ = ["ChatHarness", "StoreEnv", "StoreTaskset"]

"""The built-in store as environments share it: one for each version, catalogue and page size in a process."""

from functools import lru_cache
from pathlib import Path

from starlette.applications import Starlette

from shop_r1.cli.pipeline.stores import create_store, read_variant
from shop_r1.store.variants import StoreVariant

Variant = StoreVariant | str | Path | None
"""A version of the store, its TOML file, or `store` or None for the store as it is."""


def read_version(variant: Variant) -> StoreVariant:
    """Return a version of the store.

    Raises:
        ConfigError: its file cannot be read, or says what no version can be.
    """
    if isinstance(variant, StoreVariant):
        return variant
    return StoreVariant() if variant in (None, "store") else read_variant(Path(str(variant)))


@lru_cache(maxsize=8)
def open_store(version: StoreVariant, catalogue_seed: int = 0, page_size: int = 6) -> Starlette:
    """Return the store's app; its `state` has the `catalogue` and the `visitors`, who do not meet.

    Raises:
        StoreError: `page_size` is below 1.
    """
    return create_store("focused", catalogue_seed, page_size, seed=0, variant=version)

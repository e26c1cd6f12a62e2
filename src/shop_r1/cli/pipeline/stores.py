"""The built-in store as a crowd needs it, in one of its versions."""

import re
from pathlib import Path

from starlette.applications import Starlette

from shop_r1.config import load_config
from shop_r1.shoppers.crowd_kinds import CROWDS, CrowdName
from shop_r1.store.app import create_app
from shop_r1.store.catalogue import Variety, generate_catalogue
from shop_r1.store.frame import PageParts
from shop_r1.store.variants import StoreVariant
from shop_r1.store.visitors import seeded_ids


def create_store(
    crowd: CrowdName = "focused",
    catalogue_seed: int = 0,
    page_size: int = 6,
    seed: int | None = None,
    variant: StoreVariant | None = None,
) -> Starlette:
    """Return the built-in store with what this crowd needs.

    `seed` is of the visitors' ids, which are unguessable where it is None; `variant` says which version of
    the store it is.

    Raises:
        StoreError: `page_size` is below 1.
    """
    needs = CROWDS[crowd].needs
    variety = Variety(reviews=needs.reviews, has_all_options=needs.has_all_options)
    parts = PageParts(footer=needs.footer, back_link=needs.back_link, related=needs.related)
    catalogue = generate_catalogue(catalogue_seed, variety=variety)
    if seed is None:
        return create_app(catalogue, page_size, parts=parts, variant=variant)
    return create_app(catalogue, page_size, seeded_ids(seed), parts, variant)


def read_variant(path: Path) -> StoreVariant:
    """Return the version of the store that a file describes; without a name it is called as the file is.

    Raises:
        ConfigError: the file cannot be read, or says what no version can be.
    """
    return load_config(StoreVariant, path, under={"name": variant_name(path)})


def variant_name(path: Path) -> str:
    """Return what a version is called whose file gives it no name."""
    return re.sub(r"[^a-z0-9_-]+", "-", path.stem.lower()).strip("-_")[:31]

"""Versions for tests, as their files would have them."""

from pathlib import Path
from typing import Any

from tests.window import SHOP

from shop_r1.drivers.bounds.hosts import Hosts
from shop_r1.drivers.edits.in_window import ShopEdits
from shop_r1.drivers.edits.page_variant import PageVariant
from shop_r1.drivers.edits.reading import build_page_variant


def variant_of(*edits: dict[str, Any], folder: Path = Path(), **more: Any) -> PageVariant:
    return build_page_variant({"edits": list(edits), **more}, folder / "b.toml", "b")


def edits_of(*edits: dict[str, Any], folder: Path = Path(), **more: Any) -> ShopEdits:
    return ShopEdits(variant_of(*edits, folder=folder, **more), Hosts.of(SHOP))

"""Compiles `pages/` with mypyc where SHOP_R1_COMPILE=1 asks for it (docs/pages.md, "Speed").

All else about the package stands in pyproject.toml.
"""

import os

from setuptools import setup

# What `simplify_page` runs.
COMPILED = (
    "addresses", "elements", "rules", "simplify",
    "naming/counts", "naming/identifiers", "naming/labels", "naming/names", "naming/repeats",
    "naming/same_links", "naming/search_fields", "naming/sections", "naming/vocabulary",
    "parse/builder", "parse/controls", "parse/document", "parse/encodings", "parse/items", "parse/mhtml",
    "parse/nesting", "parse/node", "parse/prices", "parse/ratings", "parse/shadow_roots",
    "parse/streamed_parts", "parse/tree", "parse/visibility",
    "serialize/blocks", "serialize/controls", "serialize/drawn_toggles", "serialize/nodes",
    "serialize/page", "serialize/registry", "serialize/writer",
    "styles/hiding", "styles/media", "styles/sheets",
)  # fmt: skip


def compiled_pages() -> list[object]:
    """Return the extension modules; mypyc stands in the extra `dev`, as a part of mypy."""
    from mypyc.build import mypycify

    return list(mypycify([f"src/shop_r1/pages/{name}.py" for name in COMPILED], opt_level="3"))


setup(ext_modules=compiled_pages() if os.environ.get("SHOP_R1_COMPILE") == "1" else [])

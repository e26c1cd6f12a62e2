"""Compiles `pages/` with mypyc where SHOP_R1_COMPILE=1 asks for it (docs/pages.md, "Speed").

All else about the package stands in pyproject.toml.
"""

import os

from setuptools import setup

# What `simplify_page` runs.
COMPILED = (
    "addresses", "completing", "controls", "document", "elements", "encodings", "labels", "mhtml", "names",
    "node", "prices", "ratings", "repeats", "rules", "sameness", "sections", "shadow", "simplify",
    "sniffing", "styles", "tree", "visibility", "walk", "writer",
)  # fmt: skip


def compiled_pages() -> list[object]:
    """Return the extension modules; mypyc stands in the extra `dev`, as a part of mypy."""
    from mypyc.build import mypycify

    return list(mypycify([f"src/shop_r1/pages/{name}.py" for name in COMPILED], opt_level="3"))


setup(ext_modules=compiled_pages() if os.environ.get("SHOP_R1_COMPILE") == "1" else [])

"""Saved pages and recordings of EverShop, a real shop: see tests/pages/evershop/README.md."""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import zstandard
from recipes.evershop.catalogue import COLOURS
from recipes.evershop.pictures import SHAPES, draw
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

FOLDER = Path(__file__).parent / "pages" / "evershop"
RECORDINGS = FOLDER / "recordings"
"""Of three visits, as a simulation's folder has them."""
_STYLE = re.compile(r"\{\{([0-9a-f]{16})\}\}")


@dataclass(frozen=True)
class SavedPage:
    """One page, whole: no script, its style sheets within."""

    name: str
    path: str
    """Its address in the shop, for instance `/desk/desk-lamp-green`."""
    served: str | None
    """As the shop served it; None where something was then done to it, such as opening a menu."""
    rendered: str
    """As it stood in Chromium, with what was typed and opened."""


@cache
def saved_pages() -> tuple[SavedPage, ...]:
    packed = (FOLDER / "pages.json.zst").read_bytes()
    saved = json.loads(zstandard.ZstdDecompressor().decompress(packed))
    styles: dict[str, str] = saved["styles"]

    def whole(text: str) -> str:
        return _STYLE.sub(lambda found: styles[found[1]], text)

    return tuple(
        SavedPage(
            page["name"], page["path"], page["served"] and whole(page["served"]), whole(page["rendered"])
        )
        for page in saved["pages"]
    )


def saved_shop() -> Starlette:
    """Return an app with pages as rendered at `/NAME`, as served at `/NAME/served`, and their pictures."""
    pages = {page.name: page for page in saved_pages()}

    async def show(request: Request) -> Response:
        page = pages.get(request.path_params["name"])
        html = page and (page.served if request.url.path.endswith("/served") else page.rendered)
        return HTMLResponse(html or "<h1>No such page</h1>", 200 if html else 404)

    async def picture(request: Request) -> Response:
        kind, _, colour = request.path_params["file"].partition(".")[0].rpartition("-")
        if kind not in SHAPES:
            return Response(status_code=404)
        return Response(draw(kind, COLOURS[colour.capitalize()]), media_type="image/png")

    app = Starlette()
    app.add_route("/images/{file}", picture)
    app.add_route("/{name}", show)
    app.add_route("/{name}/served", show)
    return app

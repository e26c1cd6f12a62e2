"""The demo store as a Starlette app; it knows nothing of the rest of the project."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from secrets import token_hex

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from shop_r1.errors import StoreError
from shop_r1.store.browse import TEXTS, Browsing
from shop_r1.store.catalogue import Catalogue
from shop_r1.store.frame import Frame, PageParts
from shop_r1.store.purchase import Purchasing
from shop_r1.store.search import SearchIndex
from shop_r1.store.variants import StoreVariant
from shop_r1.store.visitors import Visitors

_HEADINGS = {
    404: "Page not found",
    405: "That does not work here",
    409: "Not available",
    413: "Too long",
}
_NOT_PAGES = ("/picture/", "/pixel.gif")


def create_app(
    catalogue: Catalogue,
    page_size: int = 6,
    visitor_ids: Callable[[], str] = token_hex,
    parts: PageParts | None = None,
    variant: StoreVariant | None = None,
) -> Starlette:
    """Return the store's ASGI app.

    Every page works by links and forms alone. Visitors, carts and orders live in memory, as long as the app.

    `visitor_ids` makes the ids in visitors' cookies; unguessable ones by default, `visitors.seeded_ids(seed)`
    where a run has to repeat. `parts` says what pages have beside the usual, `variant` which version of the
    store it is; its page size comes before `page_size`. The app's `state` has its `visitors` and its
    `catalogue`.

    Raises:
        StoreError: `page_size` is below 1.
    """
    if page_size < 1:
        raise StoreError(f"page size {page_size}: expected at least 1 product to a page")
    variant = variant or StoreVariant()
    visitors = Visitors(visitor_ids)
    frame = Frame(catalogue, visitors, parts or PageParts(), variant)
    index = SearchIndex(catalogue, variant.ranking, variant.sponsored_places)
    browsing = Browsing(frame, index, variant.page_size or page_size)
    purchasing = Purchasing(frame)

    async def show_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        heading = _HEADINGS.get(error.status_code, "That does not work")
        unexplained = error.detail == HTTPStatus(error.status_code).phrase
        detail = "Check the address, or search." if unexplained else error.detail
        return frame.page(request, "error", error.status_code, heading=heading, detail=detail)

    app = Starlette(
        routes=_routes(browsing, purchasing),
        exception_handlers={HTTPException: show_error},
        middleware=[Middleware(_Delayed, seconds=variant.latency_s)] if variant.latency_s else [],
    )
    app.state.visitors, app.state.catalogue = visitors, catalogue
    return app


class _Delayed:
    """Holds pages back before they are made; pictures come at once."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app, self._seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(_NOT_PAGES):
            await asyncio.sleep(self._seconds)
        await self._app(scope, receive, send)


def _routes(browsing: Browsing, purchasing: Purchasing) -> list[Route]:
    return [
        Route("/", browsing.home),
        Route("/departments", browsing.departments),
        Route("/department/{slug}", browsing.department),
        Route("/search", browsing.search),
        Route("/product/{id}", browsing.product),
        Route("/product/{id}/reviews", browsing.reviews),
        Route("/picture/{id}.svg", browsing.picture),
        Route("/pixel.gif", browsing.pixel),
        *(Route(f"/{name}", browsing.text) for name in TEXTS),
        Route("/cart", purchasing.cart),
        Route("/cart/add", purchasing.add, methods=["POST"]),
        Route("/cart/update", purchasing.update, methods=["POST"]),
        Route("/cart/remove", purchasing.remove, methods=["POST"]),
        Route("/checkout", purchasing.checkout),
        Route("/checkout", purchasing.place_order, methods=["POST"]),
        Route("/order/{number}", purchasing.order),
        Route("/cookies", purchasing.accept_cookies, methods=["POST"]),
    ]

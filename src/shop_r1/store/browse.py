"""Pages that are only looked at: home, departments, results, products, reviews, texts and pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from shop_r1.store.catalogue import Product, slugify
from shop_r1.store.frame import Frame, here
from shop_r1.store.inputs import DEPARTMENT_BY_SLUG, MAX_PAGE, read_number, read_options, read_search, url
from shop_r1.store.pictures import PIXEL, draw_product
from shop_r1.store.search import MAX_QUERY_CHARACTERS, RATING_FLOOR, SORTS, Found, Search, SearchIndex

_POPULAR = 3
_REVIEWS_PER_PAGE = 3
TEXTS = {
    "help": ("Help", "Search, or pick a department. This is a demo store: nothing is sold or charged."),
    "returns": ("Returns", "Send anything back within 30 days for a full refund."),
    "privacy": ("Privacy", "One cookie remembers your cart. It is forgotten when the store stops."),
    "account": ("Account", "No account is needed. Your cart waits on this device."),
}
Link = Callable[..., str]
"""A page's own address with these parameters changed."""
_CACHED_A_DAY = {"Cache-Control": "public, max-age=86400", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Choice:
    """A link that sets or clears a filter, or picks a sort: its label, where it leads, whether it is on."""

    label: str
    href: str
    is_on: bool


@dataclass(frozen=True, slots=True)
class Paging:
    """What is shown of a list: page `number` of `count`, both from 1, and links to those beside it."""

    items: Sequence[object]
    number: int
    count: int
    previous: str
    next: str


class Browsing:
    """Answers the GET requests of visitors who look around."""

    def __init__(self, frame: Frame, index: SearchIndex, page_size: int) -> None:
        self._frame = frame
        self._catalogue = frame.catalogue
        self._index = index
        self._page_size = page_size
        self._popular = [p for p in index.find(Search()).products if p.stock][:_POPULAR]

    async def home(self, request: Request) -> Response:
        """Answer `/`: the departments and a few popular products."""
        return self._frame.page(request, "home", popular=self._popular)

    async def departments(self, request: Request) -> Response:
        """Answer `/departments`: links to all departments."""
        return self._frame.page(request, "departments")

    async def department(self, request: Request) -> Response:
        """Answer `/department/{slug}`: its products, popular first, with the filters of a search."""
        slug = request.path_params["slug"]
        name = DEPARTMENT_BY_SLUG.get(slug)
        if name is None:
            raise HTTPException(404, "The store has no such department.")
        params = {**request.query_params, "department": slug, "q": ""}
        kinds = [kind for kind, products in self._catalogue.by_kind.items() if products[0].department == name]
        return self._results(request, params, f"/department/{slug}", name, kinds)

    async def search(self, request: Request) -> Response:
        """Answer `/search`: what was found, or a page that helps on when nothing was."""
        return self._results(request, dict(request.query_params), "/search", "", [])

    def _results(
        self, request: Request, params: dict[str, str], path: str, department: str, kinds: list[str]
    ) -> Response:
        query = params.get("q", "")[:MAX_QUERY_CHARACTERS].strip()
        search = read_search(self._catalogue, params)
        found = self._index.find(search) if search.words or search.department else None
        kept = {name: params.get(name) for name in ("rating", "price", "brand", "sort")}
        wanted = None if department else params.get("department")
        link = partial(url, path, q=query, department=wanted, **kept)
        if found is None or not found.products:
            filtered = bool(search.brand or search.below_dollars or search.min_rating)
            unfiltered = link(**dict.fromkeys(kept)) if filtered else ""
            return self._frame.page(request, "empty", query=query, unfiltered=unfiltered)
        self._frame.visitor(request).last_list = here(request)
        return self._frame.page(
            request,
            "results",
            query=query,
            heading=department or f"Results for {query}",
            kinds=kinds,
            total=len(found.products),
            sponsored={product.id for product in found.sponsored},
            filters=self._filters(search, found, link),
            sorts=self._sorts(search, link),
            paging=_paging(request, found.products, self._page_size, link),
            shortened=len(params.get("q", "")) > MAX_QUERY_CHARACTERS,
            longest=MAX_QUERY_CHARACTERS,
        )

    def _filters(self, search: Search, found: Found, link: Link) -> list[Choice]:
        """Return filter links; each sets its filter, or clears it where it is on, and starts at page 1."""
        is_good_only = search.min_rating is not None
        by_rating = [("rating", str(RATING_FLOOR), f"{RATING_FLOOR} stars up", is_good_only)]
        offers = by_rating if self._frame.variant.ratings else []
        offers += [("price", str(b), f"Under ${b}", b == search.below_dollars) for b in found.bands]
        offers += [("brand", brand, brand, brand == search.brand) for brand in found.brands]
        return [Choice(label, link(**{name: None if on else value}), on) for name, value, label, on in offers]

    def _sorts(self, search: Search, link: Link) -> list[Choice]:
        return [
            Choice(label, link(sort=None if key == "relevance" else key), key == search.sort)
            for key, label in SORTS.items()
            if key != "rating" or self._frame.variant.ratings
        ]

    async def product(self, request: Request) -> Response:
        """Answer `/product/{id}`; options are chosen in the URL, so they need no script and no memory."""
        product = self._frame.product(request.path_params["id"])
        chosen = read_options(product, request.query_params)
        slugs = {slugify(name): slugify(value) for name, value in chosen.items()}
        link = partial(url, f"/product/{product.id}", **slugs)
        groups = {
            name: [
                Choice(value, link(**{slugify(name): slugify(value)}), value == chosen[name])
                for value in values
            ]
            for name, values in product.options.items()
        }
        related = self._related(product)
        return self._frame.page(
            request, "product", product=product, groups=groups, chosen=slugs, related=related
        )

    def _related(self, product: Product) -> list[Product]:
        """Return the products of its kind that share the most attribute words, then the nearest in price."""
        others = [p for p in self._catalogue.by_kind[product.kind] if p.id != product.id and p.stock]
        wanted = set(product.attributes)
        others.sort(
            key=lambda p: (-len(wanted & set(p.attributes)), abs(p.price_cents - product.price_cents), p.id)
        )
        return others[: self._frame.parts.related]

    async def reviews(self, request: Request) -> Response:
        """Answer `/product/{id}/reviews`: what customers wrote, a few to a page."""
        product = self._frame.product(request.path_params["id"])
        link = partial(url, f"/product/{product.id}/reviews")
        paging = _paging(request, product.reviews, _REVIEWS_PER_PAGE, link)
        return self._frame.page(request, "reviews", product=product, paging=paging)

    async def text(self, request: Request) -> Response:
        """Answer the fixed texts: `/help`, `/returns`, `/privacy`, `/account`."""
        heading, paragraph = TEXTS[request.url.path.strip("/")]
        return self._frame.page(request, "text", heading=heading, paragraph=paragraph)

    async def picture(self, request: Request) -> Response:
        """Answer `/picture/{id}.svg`: a drawing of the product."""
        svg = draw_product(self._frame.product(request.path_params["id"]))
        return Response(svg, media_type="image/svg+xml", headers=_CACHED_A_DAY)

    async def pixel(self, request: Request) -> Response:
        """Answer `/pixel.gif`: nothing to see. Real shops count page views like this; this one does not."""
        return Response(PIXEL, media_type="image/gif", headers=_CACHED_A_DAY)


def _paging(request: Request, items: Sequence[object], page_size: int, link: Link) -> Paging:
    """Return the part of a list that the URL asks for; 404 outside of it, 400 for what is no number."""
    count = max(1, -(-len(items) // page_size))
    number = read_number(request.query_params.get("page"), MAX_PAGE, "page")
    if not 1 <= number <= count:
        raise HTTPException(404, f"The last page is {count}." if number else "Pages start at 1.")
    previous = link(page=number - 1 if number > 2 else None) if number > 1 else ""
    following = link(page=number + 1) if number < count else ""
    return Paging(items[(number - 1) * page_size : number * page_size], number, count, previous, following)

"""What visitors send, read with bounds: anything else than the pages offer is refused with 400 or 404."""

import re
from collections.abc import Container, Mapping
from urllib.parse import parse_qsl, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request

from shop_r1.store.catalogue import Catalogue, Product, slugify
from shop_r1.store.kinds import DEPARTMENTS
from shop_r1.store.search import PRICE_BANDS, RATING_FLOOR, SORTS, Search, query_words

MAX_FORM_BYTES = 16_384
MAX_FORM_FIELDS = 20
MAX_PAGE = 10_000
DEPARTMENT_BY_SLUG = {slugify(name): name for name in DEPARTMENTS}


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a posted form; of a field given twice, the last.

    Raises:
        HTTPException: 413 when it is longer than `MAX_FORM_BYTES`, 415 when it is not URL-encoded, 400 when
            it has more than `MAX_FORM_FIELDS` fields.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise HTTPException(413, f"The form is longer than {MAX_FORM_BYTES} bytes.")
    if not body:
        return {}
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise HTTPException(415, "The form must be URL-encoded.")
    try:
        return dict(
            parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS)
        )
    except ValueError:
        raise HTTPException(400, f"The form has more than {MAX_FORM_FIELDS} fields.") from None


def read_number(text: str | None, most: int, what: str) -> int:
    """Return the whole number from 0 to `most` that `text` spells, 1 where there is none.

    Raises:
        HTTPException: 400 when it is something else.
    """
    if not text:
        return 1
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= most):
        raise HTTPException(400, f"The {what} must be a number from 0 to {most}.")
    return int(text)


def read_search(catalogue: Catalogue, params: Mapping[str, str]) -> Search:
    """Return the search that a URL asks for; parameters that the store does not know change nothing.

    Raises:
        HTTPException: 400 when a filter or the sort has a value that the store does not offer.
    """
    department = params.get("department")
    price = _one_of(params, "price", {str(band) for band in PRICE_BANDS})
    rating = _one_of(params, "rating", {str(RATING_FLOOR)})
    if department and department not in DEPARTMENT_BY_SLUG:
        raise HTTPException(400, "The store has no such department.")
    return Search(
        words=query_words(params.get("q", "")),
        department=DEPARTMENT_BY_SLUG[department] if department else None,
        brand=_one_of(params, "brand", catalogue.brands),
        below_dollars=int(price) if price else None,
        min_rating=int(rating) if rating else None,
        sort=_one_of(params, "sort", SORTS) or "relevance",
    )


def read_options(product: Product, params: Mapping[str, str]) -> dict[str, str]:
    """Return the chosen value of each option, its first value where none is given.

    Raises:
        HTTPException: 400 when the product has no such value.
    """
    chosen = {}
    for name, values in product.options.items():
        by_slug = {slugify(value): value for value in values}
        slug = params.get(slugify(name)) or slugify(values[0])
        if slug not in by_slug:
            raise HTTPException(400, f"{name} must be one of {', '.join(values)}.")
        chosen[name] = by_slug[slug]
    return chosen


def _one_of(params: Mapping[str, str], name: str, values: Container[str]) -> str | None:
    value = params.get(name)
    if value and value not in values:
        raise HTTPException(400, f"The store does not offer this {name} choice.")
    return value or None


def local_path(text: str | None) -> str:
    r"""Return `text` where it is a path on this site, else the home page: no redirect leads elsewhere.

    >>> local_path("/search?q=mug"), local_path("//elsewhere.example"), local_path("/\\elsewhere.example")
    ('/search?q=mug', '/', '/')
    >>> local_path("/\t/elsewhere.example")  # browsers read it without the tab
    '/'
    """
    return text if text and text.isprintable() and re.fullmatch(r"/(?!/)[^\\]*", text) else "/"


def url(path: str, **params: object) -> str:
    """Return a path with the parameters that are set, in the order given.

    >>> url("/search", q="red mug", page=None)
    '/search?q=red+mug'
    """
    given = {name: str(value) for name, value in params.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path

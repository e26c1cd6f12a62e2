"""What every page shares: the visitor, the templates and the security headers."""

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from shop_r1.store.catalogue import Catalogue, Product, slugify
from shop_r1.store.inputs import url
from shop_r1.store.kinds import DEPARTMENTS
from shop_r1.store.variants import StoreVariant
from shop_r1.store.visitors import Visitor, Visitors

STORE_NAME = "Demo Store"
COOKIE = "visitor"
MAX_PATH_CHARACTERS = 2_000
_TEMPLATES = Path(__file__).parent / "templates"


def money(cents: int) -> str:
    """Return a price as shown.

    >>> money(129900)
    '$1,299.00'
    """
    return f"${cents / 100:,.2f}"


@dataclass(frozen=True, slots=True)
class PageParts:
    """What pages have beside what every shop's pages have; the defaults are the demo's."""

    footer: bool = True
    """Links to help, returns and privacy under every page."""
    back_link: bool = False
    """On a product's page and in the cart, a link back to the list that the visitor saw last."""
    related: int = 3
    """How many related items a product's page shows at most."""


class Frame:
    """Answers requests with whole pages: knows who visits, and fills the templates around the content."""

    def __init__(
        self, catalogue: Catalogue, visitors: Visitors, parts: PageParts, variant: StoreVariant
    ) -> None:
        self.catalogue = catalogue
        self.visitors = visitors
        self.parts = parts
        self.variant = variant
        environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        style, script = ((_TEMPLATES / name).read_text("utf-8") for name in ("store.css", "store.js"))
        environment.filters.update(money=money, slug=slugify)
        environment.globals.update(
            store=STORE_NAME,
            style=Markup(style),
            script=Markup(script),
            departments=DEPARTMENTS,
            has_footer=parts.footer,
            variant=variant,
            url=url,
        )
        names = environment.list_templates(["html"])
        self._templates = {name.removesuffix(".html"): environment.get_template(name) for name in names}
        self._headers = security_headers(style, script)

    def visitor(self, request: Request) -> Visitor:
        """Return who visits: the cookie's visitor, or a new one whose cookie goes with the response."""
        known: Visitor | None = getattr(request.state, "visitor", None)
        if known is None:
            known = self.visitors.recall(request.cookies.get(COOKIE))
            request.state.is_new = known is None
            known = known or self.visitors.welcome()
            request.state.visitor = known
        return known

    def product(self, product_id: str) -> Product:
        """Return the product of that id; 404 where there is none."""
        if product_id not in self.catalogue.by_id:
            raise HTTPException(404, "The store has no such product.")
        return self.catalogue.by_id[product_id]

    def page(self, request: Request, template: str, status: int = 200, **content: object) -> Response:
        """Return the page made from a template, by its name without `.html`, and its content."""
        visitor = self.visitor(request)
        html = self._templates[template].render(
            cart_count=visitor.cart_count,
            cookie_banner=visitor.pages_seen == 0,
            notice=visitor.take_notice(),
            here=here(request),
            content_query=content.pop("query", ""),
            last_list=visitor.last_list if self.parts.back_link else "",
            **content,
        )
        visitor.pages_seen += 1
        return self._finish(request, HTMLResponse(html, status, self._headers))

    def redirect(self, request: Request, path: str) -> Response:
        """Return the response to a form: go and see `path`, so that reloading never sends the form again."""
        self.visitor(request)
        return self._finish(request, RedirectResponse(path, 303, self._headers))

    def _finish(self, request: Request, response: Response) -> Response:
        if request.state.is_new:
            # Lax: another site's form cannot fill or empty this visitor's cart.
            response.set_cookie(
                COOKIE,
                request.state.visitor.id,
                httponly=True,
                samesite="lax",
                secure=request.url.scheme == "https",
            )
        return response


def here(request: Request) -> str:
    """Return the path and the parameters that were asked for, cut to `MAX_PATH_CHARACTERS`."""
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return path[:MAX_PATH_CHARACTERS]


def security_headers(style: str, script: str) -> dict[str, str]:
    """Return the headers of every page: only its own inline style and script, forms and pictures work."""
    policy = (
        f"default-src 'none'; style-src {_content_hash(style)}; script-src {_content_hash(script)}; "
        "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "private, no-cache",
    }


def _content_hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

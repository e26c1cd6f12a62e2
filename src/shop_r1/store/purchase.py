"""From cart to confirmation: every change is a form, answered with a redirect to a page."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from shop_r1.store.frame import Frame
from shop_r1.store.inputs import local_path, read_form, read_number, read_options
from shop_r1.store.visitors import Line


class Purchasing:
    """Answers what visitors do with their cart."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    async def cart(self, request: Request) -> Response:
        """Answer `/cart`: its lines, each with a quantity to change, and what it costs."""
        return self._frame.page(request, "cart", bill=self._frame.visitor(request).bill)

    async def add(self, request: Request) -> Response:
        """Answer the buy box: put one piece in the cart; "Buy now" goes on to the checkout."""
        form = await read_form(request)
        product = self._frame.product(form.get("product", ""))
        if not product.stock:
            raise HTTPException(409, f"{product.title} is out of stock.")
        options = tuple(read_options(product, form).values())
        self._frame.visitor(request).add(product, options)
        return self._frame.redirect(request, "/checkout" if form.get("then") == "checkout" else "/cart")

    async def update(self, request: Request) -> Response:
        """Answer a line's quantity form; 0 removes the line."""
        form = await read_form(request)
        line = self._find_line(request, form)
        self._frame.visitor(request).set_quantity(line, read_number(form.get("quantity"), 999, "quantity"))
        return self._frame.redirect(request, "/cart")

    async def remove(self, request: Request) -> Response:
        """Answer a line's remove form."""
        line = self._find_line(request, await read_form(request))
        self._frame.visitor(request).set_quantity(line, 0)
        return self._frame.redirect(request, "/cart")

    def _find_line(self, request: Request, form: dict[str, str]) -> Line:
        line = self._frame.visitor(request).cart.get(form.get("line", ""))
        if line is None:
            raise HTTPException(404, "The cart has no such item.")
        return line

    async def checkout(self, request: Request) -> Response:
        """Answer `/checkout`: what is about to be ordered; an empty cart leads back to the cart."""
        visitor = self._frame.visitor(request)
        if not visitor.cart:
            return self._frame.redirect(request, "/cart")
        return self._frame.page(request, "checkout", bill=visitor.bill)

    async def place_order(self, request: Request) -> Response:
        """Answer "Place order": the cart becomes an order."""
        await read_form(request)
        visitor = self._frame.visitor(request)
        if not visitor.cart:
            return self._frame.redirect(request, "/cart")
        return self._frame.redirect(request, f"/order/{visitor.place_order()}")

    async def order(self, request: Request) -> Response:
        """Answer `/order/{number}`: the confirmation, for the visitor who ordered only."""
        for number, bill in self._frame.visitor(request).orders.items():
            if str(number) == request.path_params["number"]:
                return self._frame.page(request, "order", number=number, bill=bill)
        raise HTTPException(404, "You have no such order.")

    async def accept_cookies(self, request: Request) -> Response:
        """Answer the cookie banner: back to the page it stood on."""
        form = await read_form(request)
        self._frame.visitor(request).pages_seen += 1
        return self._frame.redirect(request, local_path(form.get("back")))

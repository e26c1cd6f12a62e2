"""What the store remembers of its visitors: carts, orders and what they have seen."""

import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from shop_r1.store.catalogue import Product, slugify

MAX_QUANTITY = 10
MAX_LINES = 30
MAX_ORDERS = 20
MAX_VISITORS = 10_000


@dataclass(slots=True)
class Line:
    """One line of a cart: a product with its chosen option values and how many pieces, 1 or more."""

    product: Product
    options: tuple[str, ...]
    quantity: int

    @property
    def key(self) -> str:
        """Name of the line within its cart, the same for the same product and options."""
        return "~".join((self.product.id, *map(slugify, self.options)))

    @property
    def price_cents(self) -> int:
        """Price of all pieces, in cents."""
        return self.product.price_cents * self.quantity


@dataclass(frozen=True, slots=True)
class Bill:
    """What is in a cart or was ordered, what it costs, and when all of it has arrived."""

    lines: tuple[Line, ...]

    @property
    def delivery_cents(self) -> int:
        """Paid once per order, at the dearest rate among its products; 0 for an empty cart."""
        return max((line.product.delivery_cents for line in self.lines), default=0)

    @property
    def total_cents(self) -> int:
        """Items and delivery together."""
        return sum(line.price_cents for line in self.lines) + self.delivery_cents

    @property
    def delivery_days(self) -> int:
        """Working days until all of it has arrived; 0 for an empty cart."""
        return max((line.product.delivery_days for line in self.lines), default=0)


@dataclass(slots=True)
class Visitor:
    """One visitor's state. Visitors do not share stock: no shopper empties another's shelf."""

    id: str
    cart: dict[str, Line] = field(default_factory=dict)
    orders: dict[int, Bill] = field(default_factory=dict)
    """The last `MAX_ORDERS`, by their numbers, which count from 1."""
    pages_seen: int = 0
    notice: str = ""
    last_list: str = ""
    """Path of the results that it saw last; empty before the first."""

    @property
    def cart_count(self) -> int:
        """Pieces in the cart."""
        return sum(line.quantity for line in self.cart.values())

    @property
    def bill(self) -> Bill:
        """What the cart would cost."""
        return Bill(tuple(self.cart.values()))

    def add(self, product: Product, options: tuple[str, ...]) -> None:
        """Put one more piece in the cart, as far as stock and limits allow; else a notice says so."""
        line = Line(product, options, 0)
        held = self.cart.get(line.key)
        if held is None and len(self.cart) >= MAX_LINES:
            self.notice = f"The cart holds at most {MAX_LINES} items."
            return
        self.set_quantity(held or self.cart.setdefault(line.key, line), (held or line).quantity + 1)

    def set_quantity(self, line: Line, quantity: int) -> None:
        """Set a line's quantity, cut to stock and `MAX_QUANTITY` (with a notice); 0 removes the line."""
        most = min(line.product.stock, MAX_QUANTITY)
        if quantity > most:
            self.notice = f"Only {most} available."
        line.quantity = min(quantity, most)
        if line.quantity == 0:
            self.cart.pop(line.key, None)

    def place_order(self) -> int:
        """Turn the cart into an order, empty it, and return the order's number."""
        number = max(self.orders, default=0) + 1
        self.orders[number] = self.bill
        self.orders.pop(number - MAX_ORDERS, None)
        self.cart = {}
        return number

    def take_notice(self) -> str:
        """Return the waiting notice, which is then gone: it shows once."""
        notice, self.notice = self.notice, ""
        return notice


class Visitors:
    """The most recent visitors, at most `limit`; the one not seen for longest is forgotten first."""

    def __init__(self, new_id: Callable[[], str], limit: int = MAX_VISITORS) -> None:
        self._new_id = new_id
        self._limit = limit
        self._visitors: OrderedDict[str, Visitor] = OrderedDict()

    def recall(self, visitor_id: str | None) -> Visitor | None:
        """Return the visitor of that id, now the most recent one, or None where the store knows none."""
        visitor = self._visitors.get(visitor_id) if visitor_id else None
        if visitor is not None:
            self._visitors.move_to_end(visitor.id)
        return visitor

    def welcome(self) -> Visitor:
        """Return a new visitor. Ids are the store's own; one that a browser made up is never taken."""
        visitor = Visitor(self._new_id())
        self._visitors[visitor.id] = visitor
        if len(self._visitors) > self._limit:
            self._visitors.popitem(last=False)
        return visitor


def seeded_ids(seed: int) -> Callable[[], str]:
    """Return a source of visitor ids that repeats under a seed; for tests and simulated visits only."""
    rng = random.Random(f"shop-r1 visitors {seed}")
    return lambda: f"{rng.getrandbits(128):032x}"

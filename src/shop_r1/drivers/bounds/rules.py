"""All that bounds the shoppers of one shop, and what follows from it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from shop_r1.drivers.bounds.hosts import Hosts
from shop_r1.drivers.bounds.purchases import Purchase, labelled_purchase, requested_purchase
from shop_r1.drivers.bounds.rate import HostRate, Rate
from shop_r1.drivers.bounds.robots import Robots
from shop_r1.drivers.bounds.test_profile import TestProfile
from shop_r1.errors import PageError

Address = tuple[str, int]
Fetch = Callable[[str], Awaitable[tuple[int | None, str]]]
"""Returns the status and the text of an address; the status is None where nothing came."""
CRAWL_DELAY_MAX_S = 60.0
"""A shop that asks for more between two visits is left alone. Ours."""


@dataclass(frozen=True)
class Bounds:
    """What a shopper may do; shared by all shoppers of a shop."""

    hosts: Hosts
    routes: Mapping[str, Address] = field(default_factory=dict)
    """Where names lead that no DNS knows."""
    robots: Robots | None = None
    """None where robots.txt is not honoured."""
    rate: HostRate = field(default_factory=lambda: Rate(None))
    profile: TestProfile = field(default_factory=TestProfile)
    purchase_labels: frozenset[str] | None = None
    """Labels, in lower case, that buy in this shop; None where they have to be guessed."""
    allow_purchase: bool = False
    max_bytes: int | None = None
    """That a visit may receive."""

    @property
    def holds_purchases(self) -> bool:
        """Whether purchases are held back: not in a shop to try in, whose labels are known."""
        return self.purchase_labels is None and not self.allow_purchase

    def click_buys(self, label: str) -> Purchase | None:
        """Return the purchase that a click on something with this label is."""
        if self.purchase_labels is None:
            return labelled_purchase(label)
        return Purchase("label", label) if label.lower() in self.purchase_labels else None

    def form_buys(self, method: str, url: str, label: str) -> Purchase | None:
        """Return the purchase that sending a form is, by its address and by its button."""
        if self.purchase_labels is not None:
            return None
        return requested_purchase(method, url) or labelled_purchase(label)

    def request_buys(self, method: str, url: str) -> Purchase | None:
        """Return the purchase that a request is."""
        return requested_purchase(method, url) if self.purchase_labels is None else None

    async def welcomes(self, url: str, fetch: Fetch) -> bool:
        """Return whether the host's robots.txt, which `fetch` gets, allows the address or is not honoured."""
        if self.robots is None:
            return True
        await self.robots.ask(url, fetch)
        return self.robots.allows(url)

    async def wait_for_turn(self, url: str) -> None:
        """Wait until the address's host may be asked for the next page.

        Raises:
            PageError: its robots.txt asks for more time between two visits than is ever waited.
        """
        delay_s = self.robots.delay_s(url) if self.robots is not None else 0.0
        if delay_s > CRAWL_DELAY_MAX_S:
            raise PageError(
                f"the shop's robots.txt asks for {delay_s:g} s between two visits, "
                f"more than {CRAWL_DELAY_MAX_S:g} s"
            )
        await self.rate.wait(urlsplit(url).netloc, delay_s)

"""robots.txt: what a shop asks automated visitors to leave alone."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from protego import Protego

MAX_CHARS = 500_000
"""Of a robots.txt, what is read: RFC 9309, section 2.5, asks for 500 KiB at least."""


class Robots:
    """The rules of each host, as RFC 9309 has them."""

    def __init__(self, agent: str) -> None:
        """Read them for a visitor with this product name."""
        self._agent = agent
        self._rules: dict[str, Protego | None] = {}
        self._unknown: dict[str, str] = {}
        """Hosts that did not say, each with what came in place of their rules."""
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def ask(self, url: str, fetch: Callable[[str], Awaitable[tuple[int | None, str]]]) -> None:
        """Learn the rules of the address's host, once for all shoppers; one that did not say is asked again.

        `fetch` returns the status and the text of an address, with None as the status where nothing came.
        """
        async with self._asking[_origin(url)]:
            if not self.knows(url) or _origin(url) in self._unknown:
                self.learn(url, *await fetch(robots_url(url)))

    def learn(self, url: str, status: int | None, text: str) -> None:
        """Take the robots.txt of the address's host, with its HTTP status; None where none came.

        Without a file (a status of the 400s) all is allowed; where it cannot be had (no answer, a status of
        the 500s) nothing is (RFC 9309, 2.3.1.3 and 2.3.1.4).
        """
        origin = _origin(url)
        self._unknown.pop(origin, None)
        if status is None or status >= 500:
            self._rules[origin] = Protego.parse("User-agent: *\nDisallow: /")
            self._unknown[origin] = "no answer" if status is None else f"HTTP {status}"
        else:
            self._rules[origin] = Protego.parse(text[:MAX_CHARS]) if status < 400 else None

    def knows(self, url: str) -> bool:
        """Return whether the rules of the address's host are known."""
        return _origin(url) in self._rules

    def allows(self, url: str) -> bool:
        """Return whether the address may be visited; its host's rules have to be known."""
        rules = self._rules[_origin(url)]
        return rules is None or bool(rules.can_fetch(url, self._agent))

    def why_not(self, url: str) -> str:
        """Return in a sentence why an address is not allowed."""
        if came := self._unknown.get(_origin(url)):
            return f"the shop gives {came} to {robots_url(url)}, so it may not be visited; is it up?"
        return "the shop's robots.txt asks automated visitors to stay away"

    def delay_s(self, url: str) -> float:
        """Return the seconds that the host asks for between two visits, 0 where it says nothing."""
        rules = self._rules.get(_origin(url))
        return float((rules.crawl_delay(self._agent) if rules is not None else None) or 0.0)


def robots_url(url: str) -> str:
    """Return where the robots.txt of an address's host is.

    >>> robots_url("https://shop.example:8443/search?q=mug")
    'https://shop.example:8443/robots.txt'
    """
    return f"{_origin(url)}/robots.txt"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"

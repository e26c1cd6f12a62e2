"""The hosts that a shopper may reach."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Self
from urllib.parse import SplitResult, urlsplit

from shop_r1.errors import ConfigError

_NAME = re.compile(r"[\w.:-]+")
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Hosts:
    """Names of hosts, each with the ports that may be reached on it.

    >>> shop = Hosts.of("https://shop.example/start", ["*.cdn.example", "pay.example:8443"])
    >>> shop.allows("shop.example", 443), shop.allows("img.cdn.example", 443), shop.allows("cdn.example", 443)
    (True, True, False)
    >>> shop.allows("shop.example", 22), shop.allows("pay.example", 8443), shop.allows("pay.example", 443)
    (False, True, False)
    """

    exact: frozenset[tuple[str, int]]
    under: tuple[tuple[str, int], ...] = ()
    """Ends of names, each with its dot in front, such as `.cdn.example`."""

    @classmethod
    def of(cls, start: str, more: list[str] | tuple[str, ...] = ()) -> Self:
        """Return the host of the address where visits begin, and further ones.

        `more` are names, names with a port, or `*.name` for all under a name (the name itself not). Without a
        port, those of http and https may be reached.

        Raises:
            ConfigError: one of them is no address of a shop, or no name of a host.
        """
        parts = _split(start)
        name = _in_ascii(parts.hostname or "")
        exact = {(name, port) for port in {parts.port or DEFAULT_PORTS[parts.scheme], 80, 443}}
        under = []
        for each in more:
            host = _split(f"http://{each.removeprefix('*.')}")
            if host.path or host.query or host.username or not _NAME.fullmatch(host.hostname or ""):
                raise ConfigError(
                    f"{each!r} is no host; expected a name such as cdn.example or *.cdn.example"
                )
            ports = [host.port] if host.port else list(DEFAULT_PORTS.values())
            name = _in_ascii(host.hostname or "")
            if each.startswith("*."):
                under += [(f".{name}", port) for port in ports]
            else:
                exact |= {(name, port) for port in ports}
        return cls(frozenset(exact), tuple(under))

    def allows(self, host: str, port: int) -> bool:
        """Return whether this host may be reached on this port."""
        name = _in_ascii(host).rstrip(".")
        return (name, port) in self.exact or any(
            name.endswith(end) and port == allowed for end, allowed in self.under
        )

    def allows_url(self, url: str) -> bool:
        """Return whether the address is one of these hosts', over HTTP or as a WebSocket."""
        try:
            parts = urlsplit(url)
            scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
            port = parts.port or DEFAULT_PORTS.get(scheme)
        except ValueError:
            return False
        return port is not None and self.allows(parts.hostname or "", port)


def _in_ascii(name: str) -> str:
    """Return a name in lower case, its letters outside ASCII as Chromium asks for them (RFC 3492).

    >>> _in_ascii("www.Faß.example")
    'www.xn--fa-hia.example'
    """
    labels = unicodedata.normalize("NFKC", name.lower()).split(".")
    return ".".join(it if it.isascii() else f"xn--{it.encode('punycode').decode('ascii')}" for it in labels)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ConfigError(f"{url!r} is no address ({error})") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ConfigError(f"{url!r} is no address of a shop; expected https://… or http://…")
    return parts

"""The wall round a shopper: an HTTP proxy that leads to the hosts allowed and nowhere else.

Chromium has no other way out, so it holds for redirects, workers, WebSockets, prefetches and beacons alike,
which interception of requests in the browser does not see. Names are resolved here, never in Chromium.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Self
from urllib.parse import urlsplit

from shop_r1.drivers.bounds.hosts import Hosts

_HEAD_MAX_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 16
_HEAD_TIMEOUT_S, _CONNECT_TIMEOUT_S = 60.0, 15.0
_REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_AWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_NOT_PASSED_ON = (b"proxy-", b"connection:", b"keep-alive:")

Address = tuple[str, int]


class FilteringProxy:
    """One visit's proxy; an async context manager, which closes every connection.

    Attributes:
        refused: how often each `host:port` was asked for that is not allowed.
        received_bytes: what came from the shop.
    """

    def __init__(
        self,
        hosts: Hosts,
        routes: Mapping[str, Address] | None = None,
        max_bytes: int | None = None,
    ) -> None:
        """Lead to these hosts; `routes` are where names lead that no DNS knows, such as the built-in store's.

        After `max_bytes` from the shop nothing comes through any more.
        """
        self._hosts, self._routes, self._max_bytes = hosts, routes or {}, max_bytes
        self._open: set[asyncio.Task[None]] = set()
        self.refused: Counter[str] = Counter()
        self.received_bytes = 0

    @property
    def is_spent(self) -> bool:
        """Whether the visit has received all that it may."""
        return self._max_bytes is not None and self.received_bytes >= self._max_bytes

    @property
    def url(self) -> str:
        """Its address, for Chromium."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_HEAD_MAX_BYTES)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a connection that broke off, or was no HTTP: there is nobody to tell
        except asyncio.CancelledError:
            pass  # only the proxy itself ends its connections so; asyncio's server would log it
        finally:
            writer.close()
            self._open.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one request, or one tunnel; the connection is closed after it, so that all are looked at."""
        async with asyncio.timeout(_HEAD_TIMEOUT_S):
            head = await reader.readuntil(b"\r\n\r\n")
        line, _, fields = head.partition(b"\r\n")
        method, target, version = line.decode("latin-1").split(" ", 2)
        is_tunnel = method == "CONNECT"
        parts = urlsplit(f"//{target}" if is_tunnel else target)
        host, port = parts.hostname or "", parts.port or (443 if is_tunnel else 80)
        if not self._hosts.allows(host, port):
            self.refused[f"{host}:{port}"] += 1
            writer.write(_REFUSED)
            return
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                source, sink = await asyncio.open_connection(*self._routes.get(host, (host, port)))
        except (OSError, TimeoutError):
            writer.write(_AWAY)
            return
        try:
            if is_tunnel:
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                path = parts._replace(scheme="", netloc="", fragment="", path=parts.path or "/").geturl()
                sink.write(f"{method} {path} {version}\r\n".encode("latin-1") + _passed_on(fields))
            # Both ways, until either side has said all: Chromium closes no side while it waits for an answer.
            ways = (_carry(reader, sink), self._receive(source, writer))
            tasks = {asyncio.ensure_future(way) for way in ways}
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            sink.close()

    async def _receive(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while not self.is_spent and (data := await source.read(_CHUNK_BYTES)):
            self.received_bytes += len(data)
            sink.write(data)
            await sink.drain()


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK_BYTES):
        sink.write(data)
        await sink.drain()


def _passed_on(fields: bytes) -> bytes:
    """Return the header fields for the shop, with a connection that ends after one request."""
    lines = [line for line in fields.split(b"\r\n") if not line.lower().startswith(_NOT_PASSED_ON)]
    upgrades = any(line.lower().startswith(b"upgrade:") for line in lines)
    return (b"Connection: Upgrade\r\n" if upgrades else b"Connection: close\r\n") + b"\r\n".join(lines)

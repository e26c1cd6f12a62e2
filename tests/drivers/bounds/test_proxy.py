import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shop_r1.drivers.bounds.hosts import Hosts
from shop_r1.drivers.bounds.proxy import FilteringProxy
from shop_r1.errors import ConfigError


@asynccontextmanager
async def shop() -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that notes what it is sent and answers with the request's first line."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head)
        body = head.split(b"\r\n")[0]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


async def send(proxy: FilteringProxy, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rpartition(":")[2]))
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


def test_a_request_to_the_shop_comes_through_as_the_shop_expects_it() -> None:
    async def run() -> tuple[bytes, list[bytes]]:
        async with shop() as (port, asked):
            hosts = Hosts.of(f"http://127.0.0.1:{port}/")
            async with FilteringProxy(hosts) as proxy:
                request = b"GET http://127.0.0.1:%d/a?b=c HTTP/1.1\r\n" % port
                return await send(proxy, request + b"Proxy-Connection: keep-alive\r\nX-A: 1\r\n\r\n"), asked

    answer, asked = asyncio.run(run())
    assert answer.endswith(b"GET /a?b=c HTTP/1.1")
    assert asked == [b"GET /a?b=c HTTP/1.1\r\nConnection: close\r\nX-A: 1\r\n\r\n"]


def test_other_hosts_and_ports_are_refused_and_counted() -> None:
    async def run() -> tuple[list[bytes], dict[str, int], list[bytes]]:
        async with shop() as (port, asked), FilteringProxy(Hosts.of("http://shop.example/")) as proxy:
            answers = [
                await send(proxy, b"GET http://127.0.0.1:%d/ HTTP/1.1\r\n\r\n" % port),
                await send(proxy, b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % port),
                await send(proxy, b"CONNECT shop.example:22 HTTP/1.1\r\n\r\n"),
            ]
            return (
                answers,
                {host.replace(str(port), "PORT"): n for host, n in proxy.refused.items()},
                asked,
            )

    answers, refused, asked = asyncio.run(run())
    assert all(answer.startswith(b"HTTP/1.1 403") for answer in answers)
    assert refused == {"127.0.0.1:PORT": 2, "shop.example:22": 1}
    assert asked == []


def test_a_tunnel_leads_where_the_routes_say() -> None:
    async def run() -> bytes:
        async with shop() as (port, _):
            routes = {"store.local": ("127.0.0.1", port)}
            async with FilteringProxy(Hosts.of("http://store.local/"), routes) as proxy:
                reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rpartition(":")[2]))
                writer.write(b"CONNECT store.local:443 HTTP/1.1\r\n\r\n")
                assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 200 OK\r\n\r\n"
                writer.write(b"GET /inside HTTP/1.1\r\n\r\n")
                answer = await reader.read()
                writer.close()
                return answer

    assert asyncio.run(run()).endswith(b"GET /inside HTTP/1.1")


def test_a_shop_that_is_away_is_a_bad_gateway() -> None:
    async def run() -> bytes:
        async with shop() as (port, _):
            pass
        async with FilteringProxy(Hosts.of(f"http://127.0.0.1:{port}/")) as proxy:
            return await send(proxy, b"GET http://127.0.0.1:%d/ HTTP/1.1\r\n\r\n" % port)

    assert asyncio.run(run()).startswith(b"HTTP/1.1 502")


def test_no_more_comes_through_than_a_visit_may_receive() -> None:
    async def run() -> tuple[int, bool, bytes]:
        async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 3_000_000)
            writer.close()

        server = await asyncio.start_server(flood, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, FilteringProxy(Hosts.of(f"http://127.0.0.1:{port}/"), max_bytes=100_000) as proxy:
            request = b"GET http://127.0.0.1:%d/ HTTP/1.1\r\n\r\n" % port
            return len(await send(proxy, request)), proxy.is_spent, await send(proxy, request)

    received, is_spent, again = asyncio.run(run())
    assert 100_000 <= received < 200_000 and is_spent and again == b""


def test_what_is_no_http_is_dropped() -> None:
    async def run() -> bytes:
        async with FilteringProxy(Hosts.of("http://shop.example/")) as proxy:
            return await send(proxy, b"\x16\x03\x01 hello\r\n\r\n")

    assert asyncio.run(run()) == b""


@pytest.mark.parametrize(
    "address", ["", "shop.example", "file:///etc/passwd", "http://", "http://[::1/", "http://a:b/"]
)
def test_what_is_no_address_of_a_shop_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="is no address"):
        Hosts.of(address)


@pytest.mark.parametrize("host", ["cdn.example/path", "user@cdn.example", "*.", "a b"])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(ConfigError):
        Hosts.of("https://shop.example/", [host])


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://shop.example/a", True),
        ("wss://shop.example/socket", True),
        ("https://SHOP.example./", True),
        ("https://shop.example.evil.example/", False),
        ("https://shop.example@evil.example/", False),
        ("ftp://shop.example/", False),
        ("data:text/html,x", False),
        ("http://[::1", False),
    ],
)
def test_addresses_are_judged_by_host_and_port(url: str, allowed: bool) -> None:
    assert Hosts.of("https://shop.example/").allows_url(url) is allowed


def test_names_with_letters_outside_ascii_are_those_that_chromium_asks_for() -> None:
    # "xn--fa-hia" is faß in the Unicode consortium's UTS 46; "xn--mnchen-3ya" is München.
    hosts = Hosts.of("https://Faß.example/", ["*.münchen.example", "münchen.example"])
    for name in ("faß.example", "xn--fa-hia.example", "xn--mnchen-3ya.example", "a.xn--mnchen-3ya.example"):
        assert hosts.allows(name, 443) and hosts.allows_url(f"https://{name}/"), name
    assert not hosts.allows("fass.example", 443) and not hosts.allows("munchen.example", 443)

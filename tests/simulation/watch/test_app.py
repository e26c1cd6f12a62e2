import asyncio
import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.simulation.watch.watching import Corridor, Walker, page, step, visit

from shop_r1.errors import ConfigError
from shop_r1.simulation.concurrent import run_visits
from shop_r1.simulation.loop import Limits
from shop_r1.simulation.watch import app as watch_app
from shop_r1.simulation.watch.app import VIEWERS_MAX
from shop_r1.simulation.watch.board import Board
from shop_r1.simulation.watch.pictures import EVERY_S, Pictures
from shop_r1.simulation.watch.serve import open_in_browser, watched

HOSTILE = '<img src=x onerror="alert(1)"></script><script>alert(1)</script>\n\ndata: {"version": 9}\n\n'
JPEG = b"\xff\xd8\xff\xe0 a picture"
NO_LIMIT = Limits(max_steps=10**6)


class Site:
    """The page as a browser asks for it."""

    def __init__(self, address: str) -> None:
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/[\w-]{22}/)", address)
        assert found is not None
        self.port, self.base = int(found[1]), found[2]
        self.origin = f"http://127.0.0.1:{self.port}"

    def ask(
        self, path: str = "", method: str = "GET", *, base: str | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, (self.base if base is None else base) + path, headers=sent)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, response, body

    def post(self, path: str, **headers: str) -> int:
        return self.ask(path, "POST", **{"origin": self.origin, **headers})[0]

    @contextmanager
    def events(self) -> Iterator[Iterator[dict[str, Any]]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", f"{self.base}events")
        response = connection.getresponse()
        assert response.status == 200 and response.headers["content-type"].startswith("text/event-stream")

        def read() -> Iterator[dict[str, Any]]:
            for line in response:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])

        try:
            yield read()
        finally:
            response.close()
            connection.close()


@contextmanager
def site(board: Board, **options: Any) -> Iterator[Site]:
    with asyncio.Runner() as runner:
        manager = watched(board, **options)
        yield_site = Site(runner.run(manager.__aenter__()).address)
        try:
            yield yield_site
        finally:
            runner.run(manager.__aexit__(None, None, None))


@pytest.fixture
def served() -> Iterator[tuple[Board, Site]]:
    board = Board([visit(1), visit(2)])
    with site(board) as found:
        yield board, found


def test_the_page_and_its_files_are_served_with_a_strict_policy(served: tuple[Board, Site]) -> None:
    _, found = served
    for name, kind in (("", "html"), ("watch.js", "javascript"), ("watch.css", "css"), ("tokens.css", "css")):
        status, response, body = found.ask(name)
        assert status == 200 and kind in response.headers["content-type"] and len(body) > 500
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy and "unsafe" not in policy
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["cache-control"] == "no-store"
    html = found.ask()[2].decode()
    assert re.findall(r"(?:https?:)?//|\bon\w+=|style=|<script>", html) == []


def test_an_address_without_its_last_slash_leads_to_the_page(served: tuple[Board, Site]) -> None:
    _, found = served
    bare = found.base.rstrip("/")
    status, response, _ = found.ask(base=bare)
    assert (status, response.headers["location"]) == (307, found.base)
    assert found.ask(base=bare, host="evil.example")[0] == 421


def test_only_this_machines_own_address_is_served(served: tuple[Board, Site]) -> None:
    _, found = served
    with pytest.raises(OSError):  # also this machine, but not where the page is
        socket.create_connection(("127.0.0.2", found.port), timeout=2)


def test_the_page_never_writes_html() -> None:
    script = (Path(watch_app.__file__).parent / "page" / "watch.js").read_text("utf-8")
    written = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(|srcdoc|DOMParser"
    assert re.findall(written, script) == []


@pytest.mark.parametrize("base", ["/", "/wrong/", "/é/", "//", "/%2e%2e/", "/events", "/pause"])
def test_without_the_key_nothing_is_told_and_nothing_obeyed(served: tuple[Board, Site], base: str) -> None:
    board, found = served
    asked = base.replace("é", "%C3%A9")
    assert found.ask(base=asked)[0] == found.ask("events", base=asked)[0] == 403
    assert found.ask("pause", "POST", base=asked, origin=found.origin)[0] == 403
    assert board.changes().totals.state == "running"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "192.168.0.7", "0.0.0.0", "[", ""]
)
def test_a_name_that_is_not_this_machines_is_refused(served: tuple[Board, Site], host: str) -> None:
    _, found = served
    assert found.ask(host=host)[0] in (400, 421)
    assert found.ask("pause", "POST", host=host, origin=f"http://{host}")[0] in (400, 421)


@pytest.mark.parametrize("hosts", ["", "Host: 127.0.0.1\r\nHost: evil.example\r\n"])
def test_a_request_names_one_host(served: tuple[Board, Site], hosts: str) -> None:
    _, found = served
    with socket.create_connection(("127.0.0.1", found.port), timeout=10) as connection:
        connection.sendall(f"GET {found.base} HTTP/1.0\r\n{hosts}\r\n".encode())
        assert connection.recv(4096).split()[1] in (b"400", b"421")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9000", "localhost:9000", "[::1]:9000"])
def test_the_port_may_be_another_since_ssh_forwards_it(served: tuple[Board, Site], host: str) -> None:
    board, found = served
    assert found.ask(host=host)[0] == 200
    assert found.post("pause", host=host, origin=f"http://{host}") == 204
    assert board.changes().totals.state == "paused"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "https://127.0.0.1:{port}"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "http://localhost:{port}"},
        {"origin": ""},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
def test_commands_of_other_pages_are_refused(served: tuple[Board, Site], headers: dict[str, str]) -> None:
    board, found = served
    given = {name: value.format(port=found.port) for name, value in headers.items()}
    for command in ("pause", "stop", "stop/1"):
        assert found.post(command, **given) == 403
    assert found.ask("pause", "POST")[0] == 403  # no origin at all
    assert board.changes().totals.state == "running" and board.changes().totals.done == 0


def test_other_pages_cannot_embed_what_they_cannot_read(served: tuple[Board, Site]) -> None:
    _, found = served
    asked = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"}
    assert found.ask("watch.js", **asked)[0] == 403
    assert found.ask("", sec_fetch_site="cross-site", sec_fetch_mode="navigate")[0] == 200  # a link to it


def test_commands_are_obeyed(served: tuple[Board, Site]) -> None:
    board, found = served
    assert found.ask("pause")[0] == 405
    assert found.post("pause") == 204 and board.changes().totals.state == "paused"
    assert found.post("resume") == 204 and board.changes().totals.state == "running"
    assert found.post("stop/2") == 204 and board.changes().shoppers[1].outcome == "stopped"
    assert found.post("stop/3") == found.post("stop/x") == 404
    assert found.post("stop") == 204 and board.changes().totals.state == "stopping"


def test_events_begin_with_all_and_go_on_with_what_changes(served: tuple[Board, Site]) -> None:
    board, found = served
    with found.events() as events:
        first = next(events)
        assert [view["number"] for view in first["shoppers"]] == [1, 2]
        assert first["totals"]["planned"] == 2 and first["version"] == board.version
        asyncio.run(board.begin(visit(2)))
        second = next(events)
        assert [view["number"] for view in second["shoppers"]] == [2]
        for _ in range(50):
            board.note_picture(1)
        third = next(events)  # many changes are one event
        assert third["version"] == board.version or next(events)["version"] == board.version


def test_hostile_texts_stay_within_their_field(served: tuple[Board, Site]) -> None:
    board, found = served
    asyncio.run(board.begin(visit(1)))
    asyncio.run(board.before_step(visit(1), page(f"/{HOSTILE}", f"<page>\n<h1>{HOSTILE}</h1>")))
    asyncio.run(board.after_step(visit(1), step(rationale=HOSTILE)))
    with found.events() as events:
        first = next(events)
        assert first["version"] == board.version  # not that of the text
        assert first["shoppers"][0]["rationale"] == " ".join(HOSTILE.split())


def test_pictures_are_served_by_number_and_are_jpeg_alone() -> None:
    board = Board([visit(1), visit(2)])
    taken = {"visit-1": JPEG, "visit-2": b"<svg onload='alert(1)'>"}

    asked = list[str]()

    async def picture_of(session_id: str) -> bytes | None:
        asked.append(session_id)
        return taken[session_id]

    async def check() -> None:
        for number in (1, 2):
            await board.begin(visit(number))
            await board.before_step(visit(number), page())
        async with watched(board, picture_of) as page_:
            found = Site(page_.address)
            await asyncio.to_thread(found.ask)
            assert asked == []  # the page was asked for, and is not open
            with found.events():
                async with asyncio.timeout(10):
                    while not board.changes().shoppers[0].picture:
                        await asyncio.sleep(0.01)
                status, response, body = await asyncio.to_thread(found.ask, "picture/1")
                assert (status, response.headers["content-type"], body) == (200, "image/jpeg", JPEG)
                assert response.headers["x-content-type-options"] == "nosniff"
                assert (await asyncio.to_thread(found.ask, "picture/2"))[0] == 404
                assert (await asyncio.to_thread(found.ask, "picture/../events"))[0] == 404

    asyncio.run(check())


def test_no_picture_is_taken_while_nobody_watches_nor_more_than_one_a_second() -> None:
    async def check() -> None:
        board, loop = Board(), asyncio.get_running_loop()
        is_watched, asked = False, list[float]()

        async def picture_of(session_id: str) -> bytes | None:
            asked.append(loop.time())
            return JPEG

        taking = asyncio.create_task(Pictures(board, picture_of, lambda: is_watched).take())
        await board.begin(visit())
        for _ in range(20):
            await board.before_step(visit(), page())
            await asyncio.sleep(0.01)
        assert asked == []
        is_watched = True
        async with asyncio.timeout(10):
            while len(asked) < 2:
                await board.before_step(visit(), page())
                await asyncio.sleep(0.01)
        assert asked[1] - asked[0] >= EVERY_S
        taking.cancel()

    asyncio.run(check())


def test_a_browser_that_gives_no_picture_holds_nobody_up() -> None:
    async def check() -> None:
        board = Board()

        async def picture_of(session_id: str) -> bytes | None:
            await asyncio.sleep(3600)
            return None

        async with watched(board, picture_of) as page_:
            with Site(page_.address).events():
                running = run_visits(
                    [visit()],
                    lambda _: Walker(),
                    lambda _: Corridor(),
                    board,
                    concurrency=1,
                    limits=Limits(max_steps=500),
                )
                await asyncio.wait_for(running, 20)
        assert board.changes().totals.steps == 500

    asyncio.run(check())


@contextmanager
def stalled(found: Site) -> Iterator[socket.socket]:
    """A viewer that asks for events and then reads none."""
    with socket.socket() as viewer:
        viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        viewer.connect(("127.0.0.1", found.port))
        request = f"GET {found.base}events HTTP/1.1\r\nHost: 127.0.0.1:{found.port}\r\n\r\n"
        viewer.sendall(request.encode())
        yield viewer


def test_a_viewer_that_reads_nothing_holds_nobody_up_and_nothing_piles_up() -> None:
    async def check() -> None:
        visits = [visit(number, persona="x" * 200) for number in range(1, 301)]
        board = Board(visits)
        async with watched(board) as page_:
            found = Site(page_.address)
            with stalled(found), found.events() as events:
                first = await asyncio.to_thread(next, events)
                assert len(first["shoppers"]) == 300
                running = run_visits(
                    visits,
                    lambda _: Walker(),
                    lambda _: Corridor(),
                    board,
                    concurrency=300,
                    limits=Limits(max_steps=10),
                )
                await asyncio.wait_for(running, 60)
                last: dict[str, Any] = {}
                while last.get("totals", {}).get("done") != 300:
                    last = await asyncio.wait_for(asyncio.to_thread(next, events), 10)
        assert board.changes().totals.steps == 3000

    asyncio.run(check())


def test_viewers_that_have_gone_are_forgotten_and_too_many_are_refused() -> None:
    with site(Board([visit()])) as found:
        with ExitStack() as viewers:
            for _ in range(VIEWERS_MAX):
                next(viewers.enter_context(found.events()))
            assert probe(found) == 503
        end = time.monotonic() + 10
        while (status := probe(found)) == 503 and time.monotonic() < end:
            pass  # until the server has noticed that they are gone
        assert status == 200


def probe(found: Site) -> int:
    """Return the status of a request for events, whose connection is then closed."""
    connection = http.client.HTTPConnection("127.0.0.1", found.port, timeout=10)
    connection.request("GET", f"{found.base}events")
    status = connection.getresponse().status
    connection.close()
    return status


def test_at_the_end_every_viewer_is_told_and_its_connection_ends() -> None:
    board = Board([visit()])
    with asyncio.Runner() as runner:
        manager = watched(board, command="shop-r1 report runs/simulation")
        found = Site(runner.run(manager.__aenter__()).address)
        with found.events() as events:
            next(events)
            runner.run(manager.__aexit__(None, None, None))
            *_, last = events  # until the connection ends
    assert (last["totals"]["state"], last["totals"]["command"]) == (
        "finished",
        "shop-r1 report runs/simulation",
    )
    with pytest.raises(ConnectionRefusedError):
        found.ask()


def test_a_person_pauses_and_stops_a_run_by_the_page() -> None:
    async def check() -> None:
        visits = [visit(number) for number in range(1, 5)]
        drivers = {each.session_id: Corridor(0.001) for each in visits}
        board = Board(visits)

        def steps() -> int:
            return sum(driver.acted for driver in drivers.values())

        async def until(holds: Any) -> None:
            async with asyncio.timeout(20):
                while not holds():
                    await asyncio.sleep(0.005)

        async with watched(board) as page_:
            found = Site(page_.address)
            running = asyncio.create_task(
                run_visits(
                    board.not_stopped(visits),
                    lambda _: Walker(),
                    lambda it: drivers[it.session_id],
                    board,
                    concurrency=4,
                    limits=NO_LIMIT,
                )
            )
            await until(lambda: steps() > 20)
            assert await asyncio.to_thread(found.post, "pause") == 204
            await until(lambda: all(view.state == "paused" for view in board.changes().shoppers))
            before = steps()
            await asyncio.to_thread(found.ask)
            assert steps() == before
            assert await asyncio.to_thread(found.post, "resume") == 204
            await until(lambda: steps() > before + 20)
            assert await asyncio.to_thread(found.post, "stop") == 204
            await asyncio.wait_for(running, 20)
        assert {view.outcome for view in board.changes().shoppers} == {"stopped"}

    asyncio.run(check())


def test_ports_that_cannot_be_had_are_named() -> None:
    async def watch(port: int) -> None:
        async with watched(Board(), port=port):
            pass

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            ConfigError, match=rf"--watch-port {port} cannot be used \(Address already in use\)"
        ):
            asyncio.run(watch(port))
    with pytest.raises(ConfigError, match="--watch-port 70000: expected 0 to 65535"):
        asyncio.run(watch(70_000))


def test_no_browser_is_opened_without_a_display_or_over_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = list[str]()

    def open_(address: str) -> bool:
        opened.append(address)
        return True

    monkeypatch.setattr("webbrowser.open", open_)
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    assert not open_in_browser("http://127.0.0.1:1/")
    monkeypatch.setenv("DISPLAY", ":0")
    assert open_in_browser("http://127.0.0.1:2/")
    monkeypatch.setenv("SSH_CONNECTION", "1.2.3.4 5 6.7.8.9 22")
    assert not open_in_browser("http://127.0.0.1:3/")
    assert opened == ["http://127.0.0.1:2/"]

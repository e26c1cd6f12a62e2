"""The local page as a Starlette app: who may ask, what changes as it changes, pause and stop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from secrets import compare_digest
from threading import Lock
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shop_r1.simulation.watch.board import Board

VIEWERS_MAX = 8
"""Pages that are open at the same time. Ours."""
EVERY_S = 0.25
"""Changes are sent at most so often. Ours."""
BEAT_S = 2.0
"""After which totals are sent although nothing has changed: speed and time left do."""
_PAGE = Path(__file__).parent / "page"
_TOKENS = Path(__file__).parents[2] / "report" / "templates"  # colours and sizes, as reports have them
_FILES = {
    "watch.html": (_PAGE, "text/html"),
    "watch.css": (_PAGE, "text/css"),
    "watch.js": (_PAGE, "text/javascript"),
    "tokens.css": (_TOKENS, "text/css"),
}
_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        "trusted-types 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Viewers:
    """How many pages are open."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.count = 0
        self.ever = 0
        """How many there have been."""

    def enter(self) -> bool:
        """Take a new one; False where there are too many."""
        with self._lock:
            if self.count >= VIEWERS_MAX:
                return False
            self.count += 1
            self.ever += 1
            return True

    def leave(self) -> None:
        """Note that one has gone."""
        with self._lock:
            self.count -= 1


class _Events(StreamingResponse):
    """What changes, for one viewer that has entered; it leaves with the connection."""

    def __init__(self, board: Board, viewers: Viewers) -> None:
        super().__init__(_events(board), media_type="text/event-stream")
        self._viewers = viewers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._viewers.leave()


def create_app(
    board: Board, token: str, viewers: Viewers, picture_of: Callable[[int], bytes | None]
) -> ASGIApp:
    """Return the app; all that it answers lies under `/{token}/`.

    `picture_of` returns a shopper's last picture by number. The app may run in another thread than the
    visits: it reads the board, and nothing waits for it.
    """

    async def show_picture(request: Request) -> Response:
        jpeg = picture_of(request.path_params["number"])
        return Response(jpeg, media_type="image/jpeg") if jpeg else Response(status_code=404)

    async def show_trail(request: Request) -> Response:
        trail = board.trail(request.path_params["number"])
        if trail is None:
            return Response(status_code=404)
        return Response(trail.model_dump_json(exclude_none=True), media_type="application/json")

    async def follow(request: Request) -> Response:
        if not viewers.enter():
            return PlainTextResponse(f"{VIEWERS_MAX} pages are open already; close one of them.", 503)
        return _Events(board, viewers)

    routes = [
        Route("/", _file("watch.html")),
        *(Route(f"/{name}", _file(name)) for name in ("watch.css", "watch.js", "tokens.css")),
        Route("/events", follow),
        Route("/picture/{number:int}", show_picture),
        Route("/shopper/{number:int}", show_trail),
        Route("/pause", _command(lambda _: board.pause()), methods=["POST"]),
        Route("/resume", _command(lambda _: board.resume()), methods=["POST"]),
        Route("/stop", _command(lambda _: board.stop()), methods=["POST"]),
        Route(
            "/stop/{number:int}", _command(lambda it: board.stop(it.path_params["number"])), methods=["POST"]
        ),
    ]
    return Guard(Starlette(routes=routes), token)


async def _events(board: Board) -> AsyncIterator[str]:
    """Yield what has changed, as server-sent events, until all is over.

    Nothing is queued: a viewer that reads slowly is sent less often what has then changed.
    """
    loop = asyncio.get_running_loop()
    sent, sent_at = 0, -BEAT_S
    while True:
        if board.version != sent or loop.time() - sent_at >= BEAT_S:
            view = board.changes(sent)
            yield f"data: {view.model_dump_json(exclude_none=True)}\n\n"
            sent, sent_at = view.version, loop.time()
            if view.totals.state == "finished":
                return
        await asyncio.sleep(EVERY_S)


def _file(name: str) -> Callable[[Request], Awaitable[Response]]:
    folder, kind = _FILES[name]
    content = (folder / name).read_bytes()

    async def show(request: Request) -> Response:
        return Response(content, media_type=kind)

    return show


def _command(act: Callable[[Request], bool | None]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return Response(status_code=404 if act(request) is False else 204)

    return answer


class Guard:
    """Lets in only requests that know the token and come from a page of this app.

    Other pages in the same browser cannot guess the token, cannot be this machine's name by way of DNS
    (the Host header), and cannot send commands (Origin). The port may be another one: SSH forwards it.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return  # nothing else is spoken here

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        base = f"/{self._token.decode()}"
        answer = self._refusal(Request(scope))
        if answer is None and scope["path"] == base:
            answer = RedirectResponse(f"{base}/")  # without the slash the page would not find its own files
        if answer is not None:
            await answer(scope, receive, send_with_headers)
            return
        inner = scope["path"].removeprefix(base)
        await self._app({**scope, "path": inner, "root_path": ""}, receive, send_with_headers)

    def _refusal(self, request: Request) -> Response | None:
        """Return the response to a request that is not let in; None where it is."""
        hosts = request.headers.getlist("host")
        if len(hosts) != 1 or _host_name(hosts[0]) not in _HOSTS:
            return PlainTextResponse("This page is only reached as 127.0.0.1 or localhost.", 421)
        token = request.scope["path"].removeprefix("/").partition("/")[0]
        if not compare_digest(token.encode(), self._token):
            text = "Open the whole address that the terminal shows; the part behind the port is its key."
            return PlainTextResponse(text, 403)
        site = request.headers.get("sec-fetch-site", "same-origin")
        is_navigation = request.headers.get("sec-fetch-mode") == "navigate" and request.method == "GET"
        if site not in ("same-origin", "none") and not is_navigation:
            return PlainTextResponse("Another page has asked for this.", 403)
        is_command = request.method not in ("GET", "HEAD")
        if is_command and request.headers.get("origin") != f"http://{hosts[0]}":
            return PlainTextResponse("Commands are taken from this page alone.", 403)
        return None


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None

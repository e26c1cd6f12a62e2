"""The command in real Chromium, on the built-in store and on a shop at an address."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from tests.shell import Shell

from shop_r1.jsonl import read_records
from shop_r1.records.recordings import read_recording, recording_path
from shop_r1.records.sessions import Session
from shop_r1.records.visits import SESSIONS_FILE, VISITS_FILE, VisitEnd
from shop_r1.store.serve import served


def untimed(path: Path) -> list[Session]:
    return [
        session.model_copy(
            update={
                "steps": tuple(
                    step.model_copy(update={"time": None, "timing": None}) for step in session.steps
                )
            }
        )
        for session in read_records(path, Session)
    ]


def test_scripted_shoppers_do_in_chromium_what_they_do_without(shell: Shell, tmp_path: Path) -> None:
    browser, plain = tmp_path / "browser", tmp_path / "plain.jsonl"
    words = ("simulate", "--shoppers", 3, "--seed", 2)
    code, text, err = shell(*words, "--browser", "--out", browser, "--screenshots", "--trace")
    assert code == 0, err
    assert "recordings/, screenshots/, traces/" in " ".join(text.split())
    assert shell(*words, "--out", plain)[0] == 0
    sessions = untimed(browser / SESSIONS_FILE)
    assert sessions == list(read_records(plain, Session))
    for session in sessions:
        assert read_recording(recording_path(browser / "recordings", session.session_id)).events
        pictures = sorted((browser / "screenshots" / session.session_id).iterdir())
        assert [each.name for each in pictures] == sorted(f"{n}.jpg" for n in range(len(session.steps)))
        assert all(each.read_bytes().startswith(b"\xff\xd8\xff") for each in pictures)
        with zipfile.ZipFile(browser / "traces" / f"{session.session_id}.zip") as trace:
            assert "trace.trace" in trace.namelist()
    timed = next(read_records(browser / SESSIONS_FILE, Session)).steps[0]
    assert timed.time is not None and timed.timing is not None and timed.timing.decide is not None


PAGES = {
    "/": '<h1>Mugs</h1><a href="/mug">Red mug</a> <a href="/private">Private</a>'
    '<img src="http://ads.example/pixel.gif"><form action="/find"><input type="search" name="q"></form>',
    "/find": '<h1>Results</h1><ul><li><a href="/mug">Red mug</a></ul>',
    "/mug": '<h1>Red mug</h1><form method="post" action="/order"><button>Place order</button></form>',
    "/private": "<h1>Private</h1><a href='/'>Home</a>",
    "/account": '<h1>Anna Buyer</h1><form action="/find"><input type="search" name="q"></form>',
}


class Shop:
    """A shop that counts what reaches it."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.app = Starlette()
        self.app.add_route("/{path:path}", self.show, methods=["GET", "POST"])

    async def show(self, request: Request) -> Response:
        path = request.url.path
        self.reached.append(f"{request.method} {path}")
        if path == "/robots.txt":
            return PlainTextResponse("User-agent: shop-r1\nDisallow: /private\n")
        return HTMLResponse(PAGES.get(path, "<h1>No such page</h1>"), 200 if path in PAGES else 404)


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[Shop, str]]:
    found = Shop()
    with served(found.app) as port:
        yield found, f"http://127.0.0.1:{port}/"


def test_random_shoppers_in_any_shop_stay_within_its_bounds(
    shell: Shell, tmp_path: Path, shop: tuple[Shop, str]
) -> None:
    found, url = shop
    out = tmp_path / "run"
    code, text, err = shell(
        *("simulate", url, "--shoppers", 4, "--query", "red mug", "--max-steps", 8),
        *("--rate", 0, "--out", out, "--no-recording", "--seed", 1),
    )
    assert code == 0, err
    plain = " ".join(text.split())
    assert "robots.txt honoured" in plain and "purchases held back" in plain
    sessions = list(read_records(out / SESSIONS_FILE, Session))
    assert {(each.source, each.space) for each in sessions} == {("live", "live")}
    assert {each.steps[0].action.text for each in sessions} == {"red mug"}
    assert {each.steps[1].page.url for each in sessions} == {f"{url}find?q=red+mug"}
    assert "POST /order" not in found.reached
    assert "GET /private" not in found.reached
    assert "GET /robots.txt" in found.reached
    assert not (out / "recordings").exists()
    bought = [each for each in sessions if each.outcome == "purchase"]
    held = [event.kind for each in bought for event in each.steps[-1].events or ()]
    assert bought and held == ["purchase_held"] * len(bought)
    assert f"{len(bought)} purchases held back" in " ".join(err.split())


def test_no_screenshot_shows_what_the_test_profile_holds(
    shell: Shell, tmp_path: Path, shop: tuple[Shop, str]
) -> None:
    _, url = shop
    out, profile = tmp_path / "run", tmp_path / "profile.toml"
    profile.write_text('buyer = "Anna Buyer"\n', "utf-8")
    code, _, err = shell(
        *("simulate", f"{url}account", "--shoppers", 1, "--query", "red mug", "--max-steps", 2, "--rate", 0),
        *("--screenshots", "--no-recording", "--test-profile", profile, "--out", out),
    )
    assert code == 0, err
    (session,) = read_records(out / SESSIONS_FILE, Session)
    assert "{{buyer}}" in session.steps[0].page.html and len(session.steps) == 2
    assert [path.name for path in (out / "screenshots").rglob("*.jpg")] == ["1.jpg"]
    assert "1 screenshots of pages that showed what --test-profile holds" in " ".join(err.split())


def test_a_shop_that_is_away_is_said_once_for_all(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "run"
    code, _, err = shell("simulate", "http://127.0.0.1:9/", "--shoppers", 2, "--out", out)
    assert code == 2
    assert "no visit gave a session" in err
    assert {end.outcome for end in read_records(out / VISITS_FILE, VisitEnd)} == {"no step"}
    assert not (out / SESSIONS_FILE).exists()

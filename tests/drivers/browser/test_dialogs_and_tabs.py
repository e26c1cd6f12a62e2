"""Dialogs, tabs, downloads, choosers: what pops up besides the page is answered and recorded."""

import asyncio

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from tests.window import SHOP, Chromium, Window

from shop_r1.drivers.browser import window as browser_window
from shop_r1.drivers.protocol import ActionResult
from shop_r1.records.actions import Action, click

TWO = "<h1>Two</h1><a href='/'>Home</a>"


def events(result: ActionResult) -> list[tuple[str, str | None, int]]:
    return [(event.kind, event.detail, event.count) for event in result.events]


def test_alerts_are_accepted_and_questions_declined(chromium: Chromium) -> None:
    page = """<button onclick="alert('hi'); this.textContent = 'Told'">Tell</button>
      <button onclick="for (let i = 0; i < 5; i++) alert('again'); this.textContent = 'Told five times'">
        Nag</button>
      <button onclick="this.textContent = confirm('sure?') ? 'Gone' : 'Kept'">Delete</button>
      <button onclick="this.textContent = 'Named ' + prompt('name?')">Rename</button>"""
    with Window(chromium, {"/": page}) as window:
        window.open()
        told = window.act(click("tell"))
        nagged = window.act(click("nag"))
        kept = window.act(click("delete"))
        named = window.act(click("rename"))
    assert events(told) == [("dialog", "alert: hi", 1)] and "Told" in told.seen.page.html
    assert events(nagged) == [("dialog", "alert: again", 5)] and "Told five times" in nagged.seen.page.html
    assert events(kept) == [("dialog", "confirm: sure?", 1)] and "Kept" in kept.seen.page.html
    assert events(named) == [("dialog", "prompt: name?", 1)] and "Named null" in named.seen.page.html
    assert [result.error for result in (told, nagged, kept, named)] == [None] * 4


def test_a_page_that_will_not_let_go_is_left(chromium: Chromium) -> None:
    page = """<script>onbeforeunload = (event) => { event.preventDefault(); event.returnValue = 'x' }</script>
      <label>Name <input></label><a href="/two">Leave</a>"""
    with Window(chromium, {"/": page, "/two": TWO}) as window:
        window.open()
        window.act(Action(type="input", name="name", text="Ann"))
        result = window.act(click("leave"))
    assert result.seen.page.url == f"{SHOP}two"
    assert [kind for kind, *_ in events(result)] == ["dialog"]


def test_dialogs_without_end_end_the_visit(chromium: Chromium) -> None:
    with Window(chromium, {"/": "<button onclick=\"for (;;) alert('x')\">Nag</button>"}) as window:
        window.open()
        result = window.act(click("nag"))
    assert result.has_ended and result.error == "the page opens tabs or dialogs without end"
    assert ("dialog", "alert: x") in [event[:2] for event in events(result)]


def test_a_new_tab_takes_the_shopper_along_and_back_closes_it(chromium: Chromium) -> None:
    page = """<a href="/two" target="_blank">Linked</a>
      <a href="/two" target="_blank" rel="noopener">Alone</a>
      <button onclick="window.open('/two')">Opened</button>
      <button onclick="window.open('/two', 'small', 'width=300,height=200,popup')">Small</button>"""
    with Window(chromium, {"/": page, "/two": TWO}) as window:
        window.open()
        for name in ("linked", "alone", "opened", "small"):
            there = window.act(click(name))
            assert events(there) == [("new_tab", f"{SHOP}two", 1)], name
            assert (there.seen.page.url, there.seen.page.status) == (f"{SHOP}two", 200)
            back = window.act(Action(type="back"))
            assert (back.error, back.seen.page.url, events(back)) == (None, SHOP, [("closed_tab", None, 1)])
        last = window.act(Action(type="back"))
    assert last.error == "there is no page before this one" and not last.has_ended


def test_a_tab_that_closes_itself_leads_back_to_the_one_before(chromium: Chromium) -> None:
    pages = {
        "/": '<a href="/two" target="_blank">Details</a>',
        "/two": '<button onclick="window.close()">Close</button>',
    }
    with Window(chromium, pages) as window:
        window.open()
        window.act(click("details"))
        result = window.act(click("close"))
        assert (result.seen.page.url, events(result)) == (SHOP, [("closed_tab", None, 1)])
        # The last tab of all: a page that no script has opened may not close itself, so Chromium is told to.
        window.run(window.page.close())
        over = window.act(click("details"))
    assert over.has_ended and over.error == "every tab is closed"
    assert over.seen.page.url == SHOP


def test_many_new_tabs_are_not_kept(chromium: Chromium) -> None:
    page = "<button onclick=\"for (let i = 0; i < 12; i++) window.open('/two?' + i)\">Many</button>"
    with Window(chromium, {"/": page, "/two": TWO}) as window:
        window.open()
        result = window.act(click("many"))
        assert result.error is None and result.seen.page.url.startswith(f"{SHOP}two?")
        assert len(window.page.context.pages) <= 6  # five, and one that is being closed


def test_tabs_without_end_end_the_visit(chromium: Chromium, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_window, "POP_UPS_MAX", 5)
    page = "<button onclick=\"for (let i = 0; i < 12; i++) window.open('/two?' + i)\">Many</button>"
    with Window(chromium, {"/": page, "/two": TWO}) as window:
        window.open()
        result = window.act(click("many"))
    assert result.has_ended and result.error == "the page opens tabs or dialogs without end"


def test_downloads_and_choosers_are_refused_and_recorded(chromium: Chromium) -> None:
    file = Response(b"PK", headers={"content-disposition": "attachment; filename=prices.zip"})
    home = """<a href="/file">Prices</a><a href="/file" download="x.zip">Save</a>
      <button onclick="f.click()">Upload</button><input type="file" id="f" hidden>"""
    with Window(chromium, {"/": home, "/file": file}) as window:
        window.open()
        linked, saved = window.act(click("prices")), window.act(click("save"))
        chosen = window.act(click("upload"))
    assert events(linked) == [("download", "prices.zip", 1)]
    assert [kind for kind, *_ in events(saved)] == ["download"]
    assert events(chosen) == [("file_chooser", None, 1)]
    assert [result.seen.page.url for result in (linked, saved, chosen)] == [SHOP] * 3
    assert [result.error for result in (linked, saved, chosen)] == [None] * 3


def test_a_download_that_is_slow_to_begin_belongs_to_its_step(chromium: Chromium) -> None:
    async def slow(_: Request) -> Response:
        await asyncio.sleep(1.0)
        return Response(b"PK")

    home = """<a href="/file" download="x.zip">Save</a><a href="/file" download="x.zip">Delay</a>
      <a href="//other.test/file" download>Elsewhere</a><a href="/file" download id="p">Prevented</a>
      <script>p.onclick = (event) => { event.preventDefault(); p.textContent = 'Sold out' }</script>"""
    with Window(chromium, {"/": home, "/file": slow}) as window:
        window.open()
        saved, delayed = window.act(click("save")), window.act(click("delay"))
        elsewhere, prevented = window.act(click("elsewhere")), window.act(click("prevented"))
    assert events(saved) == events(delayed) == [("download", "x.zip", 1)]
    assert events(elsewhere) == [("blocked", "other.test", 1)]
    assert events(prevented) == [] and "Sold out" in prevented.seen.page.html


def test_a_login_of_http_is_not_answered(chromium: Chromium) -> None:
    members = HTMLResponse("<h1>Members only</h1>", 401, {"www-authenticate": 'Basic realm="members"'})
    with Window(chromium, {"/": '<a href="/members">Members</a>', "/members": members}) as window:
        window.open()
        result = window.act(click("members"))
    assert events(result) == [("http_authentication", f"{SHOP}members", 1)]
    assert result.seen.page.status == 401 and "Members only" in result.seen.page.html

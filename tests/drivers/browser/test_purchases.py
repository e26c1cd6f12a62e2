"""Purchases are held back by label, by address and by request, and recorded as intended."""

import asyncio
from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from tests.window import SHOP, Chromium, Content, Window

from shop_r1.drivers.bounds.robots import Robots
from shop_r1.drivers.bounds.test_profile import TestProfile
from shop_r1.drivers.protocol import ActionResult
from shop_r1.errors import PageError
from shop_r1.records.actions import Action, click, terminate, type_and_submit

SENT: list[str] = []


async def _take(request: Request) -> Response:
    SENT.append(f"{request.method} {request.url.path} {(await request.body()).decode()}")
    return HTMLResponse("<h1>Thank you</h1>")


PAGES: dict[str, Content] = {
    "/": """<form method="post" action="/basket/send"><button>Place order</button></form>
      <form method="post" action="/checkout/complete"><label>Name <input name="n"></label>
      <button>Go on</button></form>
      <form method="post" action="/basket/send"><label>Voucher <input name="v"></label>
      <button>Pay now</button></form>
      <form method="post" action="/basket/add"><button>Add to basket</button></form>
      <button onclick="fetch('/api/orders', {method: 'POST', body: 'mug'})">Finish</button>
      <button onclick="navigator.sendBeacon('/api/orders', 'mug')">Signal</button>
      <button onclick="later = new Promise((done) => setTimeout(() =>
        fetch('/api/orders', {method: 'POST', body: 'mug'}).catch(done), 700))">Later</button>
      <form method="post" action="/order/place" target="_blank"><button>Elsewhere</button></form>""",
    **dict.fromkeys(
        ("/basket/send", "/checkout/complete", "/basket/add", "/api/orders", "/order/place"), _take
    ),
}


@pytest.fixture(scope="module")
def window(chromium: Chromium) -> Iterator[Window]:
    with Window(chromium, PAGES) as opened:
        yield opened


def held(result: ActionResult) -> list[str | None]:
    assert result.error is None
    return [event.detail for event in result.events if event.kind == "purchase_held"]


@pytest.mark.parametrize(
    ("action", "by"),
    [
        (click("place_order"), "Place order"),
        (click("go_on"), "POST /checkout/complete"),
        (click("elsewhere"), "POST /order/place"),
        (type_and_submit("name", "Ann"), "POST /checkout/complete"),
        (type_and_submit("voucher", "x"), "Pay now"),
        (click("finish"), "POST /api/orders"),
        (click("signal"), "POST /api/orders"),
    ],
)
def test_a_purchase_is_held_back_and_recorded(window: Window, action: Action, by: str) -> None:
    SENT.clear()
    window.open()
    result = window.act(action)
    assert (held(result), result.is_purchase, SENT) == ([by], True, [])
    assert result.seen.page.url == SHOP


@pytest.mark.parametrize("then", [terminate(), Action(type="scroll")])
def test_a_purchase_that_the_page_sends_later_counts_at_the_next_step(window: Window, then: Action) -> None:
    SENT.clear()
    window.open()
    clicked = window.act(click("later"))
    window.evaluate("later")  # the page's own promise: it has been sent, and refused
    result = window.act(then)
    assert (held(clicked), clicked.is_purchase) == ([], False)
    assert (held(result), result.is_purchase, SENT) == (["POST /api/orders"], True, [])


def test_what_buys_nothing_is_sent(window: Window) -> None:
    SENT.clear()
    window.open()
    typed = window.act(Action(type="input", name="voucher", text="x"))
    result = window.act(click("add_to_basket"))
    assert (held(typed), held(result)) == ([], []) and not result.is_purchase and not typed.is_purchase
    assert SENT == ["POST /basket/add "]


def test_where_it_is_allowed_a_purchase_is_made(chromium: Chromium) -> None:
    SENT.clear()
    with Window(chromium, PAGES, allow_purchase=True) as window:
        for action in (click("place_order"), click("finish"), type_and_submit("name", "Ann")):
            window.open()
            result = window.act(action)
            assert (held(result), result.is_purchase) == ([], True)
    assert SENT == ["POST /basket/send ", "POST /api/orders mug", "POST /checkout/complete n=Ann"]


def test_where_a_shops_labels_are_known_they_alone_buy(chromium: Chromium) -> None:
    SENT.clear()
    with Window(chromium, PAGES, purchase_labels=frozenset({"go on"})) as window:
        window.open()
        assert window.act(click("go_on")).is_purchase
        window.open()
        assert not window.act(click("place_order")).is_purchase
    assert SENT == ["POST /checkout/complete n=", "POST /basket/send "]


# What is typed

CARD, EMAIL, WORD = "4242 4242 4242 4242", "ann+test@shop.test", "s3cret & more"
FORM = """<form action="/found"><label>E-mail <input name="e"></label>
  <label>Password <input name="p" type="password"></label>
  <label>Card <input name="c" autocomplete="cc-number"></label>
  <label>Note <input name="n"></label>
  <button>Go on</button></form><p id="o"></p>
  <script>document.querySelector('form').oninput = (event) => {
    o.textContent = 'You typed ' + event.target.value }</script>"""


async def _found(request: Request) -> Response:
    SENT.append(request.url.query)
    email, card = request.query_params["e"].upper(), request.query_params["c"]
    return HTMLResponse(f"<p>Hello {email}, card {card}</p>")


def test_what_the_test_profile_holds_is_typed_and_stands_in_no_record(chromium: Chromium) -> None:
    SENT.clear()
    profile = TestProfile({"email": EMAIL, "password": WORD, "card": CARD})
    with Window(chromium, {"/": FORM, "/found": _found}, profile=profile) as window:
        window.open()
        results = [
            window.act(Action(type="input", name=name, text=f"{{{{{key}}}}}"))
            for name, key in (("e_mail", "email"), ("password", "password"), ("card", "card"))
        ]
        results.append(window.act(type_and_submit("e_mail", "{{email}}")))
    assert [result.error for result in results] == [None] * 4
    assert SENT == ["e=ann%2Btest%40shop.test&p=s3cret+%26+more&c=4242+4242+4242+4242&n="]
    for result in results:
        record = result.seen.page.model_dump_json() + str(result.events)
        secrets = (EMAIL, EMAIL.upper(), WORD, CARD, CARD.replace(" ", ""), "ann%2Btest", "s3cret", "4242+42")
        assert [secret for secret in secrets if secret in record] == []
    assert "{{email}}" in results[0].seen.page.html and "You typed {{card}}" in results[2].seen.page.html
    assert "Hello {{email}}, card {{card}}" in results[3].seen.page.html
    assert results[3].seen.page.url == f"{SHOP}found?e={{{{email}}}}&p={{{{password}}}}&c={{{{card}}}}&n="


def test_an_element_whose_number_is_a_secret_is_led_to(chromium: Chromium) -> None:
    page = "<p>" + "".join(f"<i onclick='document.title = {n}'>Mug {n}</i>" for n in range(1020))
    profile = TestProfile({f"year_{n}": str(n) for n in range(1000, 1010)})
    with Window(chromium, {"/": page}, profile=profile) as window:
        elements = window.open().simplified.elements
        for n in (998, 1002):  # <html>, <body> and <p> come first, so one of the last has a year's number
            assert window.act(click(elements[n].name)).error is None
            assert window.evaluate("document.title") == str(n)


def test_secrets_come_from_the_profile_alone(chromium: Chromium) -> None:
    with Window(chromium, {"/": FORM}) as window:
        window.open()
        for name, text in (("password", "hunter2"), ("card", "1234"), ("note", CARD), ("note", "{{email}}")):
            result = window.act(Action(type="input", name=name, text=text))
            assert result.error is not None and "test profile" in result.error
        assert window.evaluate("[...document.querySelectorAll('input')].map((it) => it.value).join('')") == ""


# robots.txt and pace

ROBOTS = "User-agent: *\nDisallow: /private\nCrawl-delay: 0.3\n"


def test_robots_txt_is_honoured_on_every_host(chromium: Chromium) -> None:
    asked: list[tuple[str, bool]] = []

    async def robots(request: Request) -> Response:
        asked.append((request.headers["host"], "cookie" in request.headers))
        return Response(ROBOTS if "shop" in request.headers["host"] else "User-agent: *\nDisallow: /")

    async def home(_: Request) -> Response:
        page = HTMLResponse(
            "<a href='/private'>Private</a><a href='http://other.test/'>Other</a><a href='/mugs'>Mugs</a>"
        )
        page.set_cookie("visitor", "1")
        return page

    pages: dict[str, Content] = {"/": home, "/robots.txt": robots, "/private": "no", "/mugs": "<p>Mugs</p>"}
    with Window(chromium, pages, robots=Robots("shop-r1"), more_hosts=["other.test"]) as window:
        window.open()
        private, other = window.act(click("private")), window.act(click("other"))
        assert [event.detail for event in private.events] == ["robots.txt: /private"]
        assert [event.detail for event in other.events] == ["robots.txt: /"]
        assert {private.seen.page.url, other.seen.page.url} == {SHOP}

        async def pace() -> float:
            began = asyncio.get_running_loop().time()
            for _ in range(3):
                await window.driver.act(click("mugs"))
                await window.driver.act(Action(type="back"))
            return asyncio.get_running_loop().time() - began

        assert window.run(pace()) >= 5 * 0.3
        with pytest.raises(PageError, match=r"robots.txt asks automated visitors to stay away"):
            window.open("/private")
    assert asked == [("shop.test", False), ("other.test", False)]


def test_a_shop_that_wants_minutes_between_visits_is_left_alone(chromium: Chromium) -> None:
    robots = Response("User-agent: *\nCrawl-delay: 600\n")
    with (
        Window(chromium, {"/": "<p>Shop</p>", "/robots.txt": robots}, robots=Robots("shop-r1")) as window,
        pytest.raises(PageError, match="asks for 600 s between two visits"),
    ):
        window.open()

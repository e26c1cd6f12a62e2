import re

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from tests.in_step import InStep

from shop_r1.drivers.in_process import HOME
from shop_r1.errors import PageError
from shop_r1.records.actions import Action, click, terminate, type_and_submit


def product_name(driver: InStep, query: str = "mug") -> str:
    driver.open("/")
    seen = driver.act(type_and_submit("search_input", query))
    return next(e.name for e in seen.simplified.elements if (e.href or "").startswith("/product/"))


def test_typing_into_the_search_field_submits_its_form(driver: InStep) -> None:
    driver.open("/")
    seen = driver.act(type_and_submit("search_input", "red mug & <b>"))
    assert seen.page.url == f"{HOME}search?q=red+mug+%26+%3Cb%3E"
    assert "<b>" not in seen.page.html


def test_a_link_leads_to_its_page_and_a_button_sends_its_form(driver: InStep) -> None:
    name = product_name(driver)
    assert driver.act(click(name)).page.url.startswith(f"{HOME}product/")
    assert driver.act(click(name_of(driver, "add to cart"))).page.url == f"{HOME}cart"
    seen = driver.act(click(name_of(driver, "checkout")))
    assert seen.page.url == f"{HOME}checkout"
    assert driver.act(click(name_of(driver, "place order"))).page.url == f"{HOME}order/1"


def name_of(driver: InStep, label: str) -> str:
    seen = driver.act(terminate())
    return next(e.name for e in seen.simplified.elements if e.label.lower() == label)


def test_a_new_visit_has_an_empty_cart(driver: InStep) -> None:
    driver.act(click(product_name(driver)))
    driver.act(click(name_of(driver, "add to cart")))
    assert "Your cart is empty" not in driver.act(click("cart")).page.html
    driver.open("/")
    assert "Your cart is empty" in driver.act(click("cart")).page.html


def test_leaving_and_typing_into_no_field_change_nothing(driver: InStep) -> None:
    before = driver.open("/")
    assert driver.act(terminate()) == before
    with pytest.raises(PageError, match="expected a field"):
        driver.act(type_and_submit("cart", "mug"))
    assert driver.act(terminate()) == before


@pytest.mark.parametrize(
    "name", ["", "nowhere", "results.red_mug' or 1=1", "\x00", "🛒" * 500, "../../etc/passwd"]
)
def test_a_name_that_is_not_on_the_page_is_a_page_error(driver: InStep, name: str) -> None:
    driver.open("/")
    with pytest.raises(PageError, match="named"):
        driver.act(click(name))
    assert driver.act(terminate()).page.url == HOME


def test_acting_before_opening_is_a_page_error(driver: InStep) -> None:
    with pytest.raises(PageError, match="open"):
        driver.act(click("cart"))


def hostile_app() -> Starlette:
    async def home(request: Request) -> Response:
        page = (
            '<a href="https://elsewhere.example/x">Away</a><a href="javascript:alert(1)">Script</a>'
            '<a href="/loop">Loop</a><a href="/away">Redirect</a><button>Dead</button>'
            '<form action="https://elsewhere.example/"><input name="q"><button>Go</button></form>'
        )
        return HTMLResponse(page)

    async def loop(request: Request) -> Response:
        return RedirectResponse("/loop")

    async def away(request: Request) -> Response:
        return RedirectResponse("https://elsewhere.example/")

    return Starlette(routes=[Route("/", home), Route("/loop", loop), Route("/away", away)])


@pytest.mark.parametrize("label", ["Away", "Script", "Loop", "Redirect", "Go"])
def test_nothing_leads_out_of_the_store_or_round_in_circles(label: str) -> None:
    with InStep(hostile_app()) as driver:
        seen = driver.open("/")
        name = next(e.name for e in seen.simplified.elements if e.label == label)
        with pytest.raises(PageError, match=re.compile("out of the store|redirects")):
            driver.act(click(name))
        assert driver.act(terminate()) == seen


def test_a_button_without_a_form_changes_nothing() -> None:
    with InStep(hostile_app()) as driver:
        seen = driver.open("/")
        name = next(e.name for e in seen.simplified.elements if e.label == "Dead")
        assert driver.act(click(name)) == seen


def test_opening_another_site_is_refused(driver: InStep) -> None:
    with pytest.raises(PageError, match="out of the store"):
        driver.open("https://elsewhere.example/")


def test_scrolling_leaves_the_page_as_it_is(driver: InStep) -> None:
    before = driver.open("/")
    assert driver.act(Action(type="scroll")) == before


def cookie_shop(*set_cookies: str) -> Starlette:
    """`/set/here` answers with these `Set-Cookie` headers; every other page shows the cookies that came."""

    async def give(request: Request) -> Response:
        answer = HTMLResponse('<a href="/set/seen">Seen</a><a href="/seen">Elsewhere</a>')
        for each in set_cookies:
            answer.headers.append("set-cookie", each)
        return answer

    async def show(request: Request) -> Response:
        return HTMLResponse(f"<p>[{request.headers.get('cookie', '')}]<a href='/set/here'>Again</a>")

    return Starlette(
        routes=[Route("/set/here", give), Route("/set/seen", show), Route("/seen", show), Route("/", show)]
    )


def cookies_sent(*set_cookies: str, to: str = "Seen") -> str:
    """Return the cookies that a visit sends to the next page."""
    with InStep(cookie_shop(*set_cookies)) as driver:
        seen = driver.open("/set/here")
        name = next(e.name for e in seen.simplified.elements if e.label == to)
        found = re.search(r"\[(.*?)\]", driver.act(click(name)).page.html)
    assert found is not None
    return found[1]


PAST, FUTURE = "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        (["cart=1; Path=/"], "cart=1"),
        (["cart=1; Path=/; Max-Age=600; HttpOnly; SameSite=Lax"], "cart=1"),
        (["cart=1; Path=/", 'cart=""; Path=/; Max-Age=0'], ""),
        (["cart=1; Path=/", f"cart=x; Path=/; Expires={PAST}"], ""),
        (["cart=1; Path=/; Max-Age=-1"], ""),
        ([f"cart=1; Path=/; Max-Age=600; Expires={PAST}"], "cart=1"),  # RFC 6265, 5.3 step 3
        ([f"cart=1; Path=/; Expires={FUTURE}; Max-Age=0"], ""),
        (["cart=1; Path=/; Expires=sometime"], "cart=1"),
        (["cart=1; Path=/", "cart=2; Path=/"], "cart=2"),
        (["cart=1; Path=/; Secure"], ""),  # the store is asked over http
        (["cart=1; Path=/; Domain=elsewhere.example"], ""),
        (["cart=1; Path=/; Domain=store.local"], "cart=1"),
        (['quoted="a b"; Path=/'], 'quoted="a b"'),  # as it came, quotes and all
        (["wide=1; Path=/", "near=2; Path=/set"], "near=2; wide=1"),  # 5.4: the longer path first
    ],
)
def test_cookies_are_kept_and_sent_as_rfc_6265_has_it(headers: list[str], sent: str) -> None:
    assert cookies_sent(*headers) == sent


@pytest.mark.parametrize(
    ("header", "near", "elsewhere"),
    [
        ("cart=1; Path=/", "cart=1", "cart=1"),
        ("cart=1; Path=/set", "cart=1", ""),
        ("cart=1", "cart=1", ""),  # 5.1.4: the default path of /set/here is /set
        ("cart=1; Path=/se", "", ""),  # part of a name is no path
    ],
)
def test_a_cookie_goes_to_its_path_alone(header: str, near: str, elsewhere: str) -> None:
    assert (cookies_sent(header), cookies_sent(header, to="Elsewhere")) == (near, elsewhere)


def test_addresses_and_actions_are_meant_from_the_page_s_base() -> None:
    asked: list[str] = []

    async def page(request: Request) -> Response:
        asked.append(f"{request.url.path}?{request.url.query}".rstrip("?"))
        html = (
            "<base href=/kitchen/><a href=mug>Mug</a><form action=find><input name=q aria-label=Words>"
            "<button>Find</button></form><form><button name=x value=1>Again</button></form>"
        )
        return HTMLResponse(html)

    with InStep(Starlette(routes=[Route("/{rest:path}", page)])) as driver:
        driver.open("/start")
        driver.act(click("mug"))
        driver.act(type_and_submit("search_input", "cup"))
        driver.act(click("again"))  # without an action a form is sent to the page itself
    assert asked == ["/start", "/kitchen/mug", "/kitchen/find?q=cup", "/kitchen/find?x=1"]


def test_a_page_is_decoded_as_its_header_says() -> None:
    async def page(request: Request) -> Response:
        raw = "<meta charset=utf-8><a href=/>Привет</a>".encode("cp1251")
        return Response(raw, media_type="text/html; charset=windows-1251")

    with InStep(Starlette(routes=[Route("/", page)])) as driver:
        assert driver.open("/").simplified.elements[0].label == "Привет"


@pytest.mark.parametrize(
    ("status", "asked"), [(301, "GET "), (302, "GET "), (303, "GET "), (307, "POST x=1"), (308, "POST x=1")]
)
def test_a_redirect_keeps_the_form_only_where_its_status_says_so(status: int, asked: str) -> None:
    async def form(request: Request) -> Response:
        return HTMLResponse("<form method=post action=/send><input name=x value=1><button>Go</button></form>")

    async def send(request: Request) -> Response:
        return RedirectResponse("/there", status)

    async def there(request: Request) -> Response:
        return HTMLResponse(f"<p>[{request.method} {(await request.body()).decode()}]")

    routes = [
        Route("/", form),
        Route("/send", send, methods=["POST"]),
        Route("/there", there, methods=["GET", "POST"]),
    ]
    with InStep(Starlette(routes=routes)) as driver:
        driver.open("/")
        assert f"[{asked}]" in driver.act(click("go")).page.html


@pytest.mark.parametrize(
    "address", ["http://store.local:8080/", "http://user@store.local/", "//store.local.evil/"]
)
def test_another_port_user_or_longer_host_is_not_the_store(driver: InStep, address: str) -> None:
    with pytest.raises(PageError, match="out of the store"):
        driver.open(address)


@pytest.mark.parametrize("address", ["http://store.local", "http://store.local?q=1", "?q=1", ""])
def test_the_store_s_own_address_is_accepted_with_and_without_a_path(driver: InStep, address: str) -> None:
    assert driver.open(address).page.url.startswith(HOME)


def test_an_address_that_cannot_be_requested_is_a_page_error(driver: InStep) -> None:
    before = driver.open("/")
    with pytest.raises(PageError, match="not a valid address"):
        driver.open("/search?q=\x01")
    assert driver.act(terminate()) == before

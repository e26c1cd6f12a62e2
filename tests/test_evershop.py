"""What the tests need of EverShop: its saved pages, and the data that the real shop is filled with."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from recipes.evershop.catalogue import COLOURS, KINDS, write_seed
from recipes.evershop.nightly import differences
from recipes.evershop.pictures import SHAPES, SIZE, draw
from recipes.evershop.random_model import RandomModel
from recipes.evershop.shop import EverShop
from recipes.evershop.walks import WAIT, WALKS
from starlette.testclient import TestClient
from tests.evershop import FOLDER, RECORDINGS, saved_pages, saved_shop

from shop_r1.drivers.protocol import takes_text
from shop_r1.importers.rrweb.recordings import RecordingTally, import_recordings
from shop_r1.importers.rrweb.visit import RecordingOptions
from shop_r1.pages.simplify import simplify_page
from shop_r1.prompts.parse import Response, parse_response
from shop_r1.records.actions import LIVE, terminate
from shop_r1.records.sessions import Page, Session, Step


def test_the_saved_pages_are_whole_small_and_run_nothing() -> None:
    pages = saved_pages()
    assert len(pages) >= 30
    assert sum(page.served is not None for page in pages) >= 20
    for page in pages:
        for html in filter(None, (page.served, page.rendered)):
            assert "<script" not in html, page.name
            assert "{{" not in html, page.name
            assert "@media" in html, page.name
    assert sum(file.stat().st_size for file in FOLDER.rglob("*")) < 1_000_000


def test_a_page_as_served_shows_what_was_asked_for() -> None:
    served = {page.name: page.served for page in saved_pages() if page.served}
    assert "$59.00" in simplify_page(served["product_lamp"]).html
    assert "9 results" in simplify_page(served["search_lamp"]).html
    assert "SKU DESK-L-016-NAV" in simplify_page(served["cart"]).html


def test_a_page_as_rendered_has_what_was_done_to_it() -> None:
    rendered = {page.name: page.rendered for page in saved_pages()}
    typed = {element.value for element in simplify_page(rendered["checkout_address"]).elements}
    assert {"jo@shop.example", "Jo Example", "Springfield"} <= typed
    assert "Place Order" in simplify_page(rendered["checkout_payment"]).html
    assert "Subtotal:$60.00" in simplify_page(rendered["cart_drawer"]).html


def test_the_saved_shop_serves_pages_and_their_pictures() -> None:
    shop = TestClient(saved_shop())
    assert shop.get("/product_lamp").status_code == 200
    assert shop.get("/product_lamp/served").status_code == 200
    assert shop.get("/cart_drawer/served").status_code == 404
    for page in saved_pages():
        assert 'src="/images?' not in page.rendered
    picture = shop.get("/images/lamp-green.png")
    assert Image.open(io.BytesIO(picture.content)).size == (SIZE, SIZE)


@pytest.mark.parametrize("kind", SHAPES)
def test_a_product_is_drawn_in_its_colour(kind: str) -> None:
    picture = Image.open(io.BytesIO(draw(kind, (200, 40, 60)))).convert("RGB")
    counts = {colour: count for count, colour in picture.getcolors(100) or ()}
    assert picture.getpixel((2, 2)) == (244, 244, 242)
    assert kind == "lights" or counts[(200, 40, 60)] > SIZE * SIZE * 0.05


def test_the_shop_sells_72_products_each_with_a_picture(tmp_path: Path) -> None:
    seed, pictures = tmp_path / "seed", tmp_path / "pictures"
    seed.mkdir()
    pictures.mkdir()
    write_seed(seed, pictures, "http://pictures.test")
    products = json.loads((seed / "products.json").read_text())
    assert len(products) == 72 == 3 * sum(map(len, KINDS.values()))
    assert len({product["sku"] for product in products}) == 72
    assert len({product["url_key"] for product in products}) == 72
    for product in products:
        url = product["images"][0]["url"]
        assert (pictures / url.removeprefix("http://pictures.test/")).is_file()
        assert product["attributes"][0]["value"] in COLOURS


def test_recordings_of_the_real_shop_give_the_visits_that_were_made() -> None:
    tally = RecordingTally()
    sessions = {each.session_id: each for each in import_recordings([RECORDINGS], tally, RecordingOptions())}
    assert tally.left_out == []
    walks = {"checkout": WALKS["desk/desk-lamp-green"], "filters": WALKS["desk"], "search": WALKS[""]}
    for name, walk in walks.items():
        session = sessions.pop(f"evershop-{name}")
        left = [] if name == "checkout" else [("terminate", None)]
        done = [(step.action.type, step.action.text) for step in session.steps if step.action != WAIT]
        assert done == [(kind, text or None) for kind, _, text in walk] + left
        assert session.outcome == ("purchase" if name == "checkout" else "terminate")
        assert [step.error for step in session.steps if step.error] == []
        for step in session.steps:
            assert step.page.html.startswith("<page>")
            assert step.page.url.startswith("http://127.0.0.1:8300/")
    assert sessions == {}


def test_the_random_model_acts_on_what_it_is_shown() -> None:
    model, types = RandomModel(seed=1), set()
    for page in saved_pages():
        shown = simplify_page(page.rendered)
        response = parse_response(model({"messages": [{"role": "user", "content": shown.html}]}), LIVE)
        assert isinstance(response, Response), response
        types.add(response.action.type)
        element = shown.by_name.get(response.action.value("name"))
        assert (element is None) == (response.action.name is None), response.action
        assert element is None or "disabled" not in element.states
        assert response.action.type != "input" or (element is not None and takes_text(element))
    assert {"click", "input"} <= types


def test_a_session_that_was_imported_otherwise_is_told_by_its_fields() -> None:
    page = Page(url="https://shop.example/", html="<page>")
    step = Step(page=page, action=terminate(), time=1.0)
    session = Session(session_id="1", source="live", space="live", outcome="terminate", steps=(step,))
    later = session.model_copy(update={"steps": (step.model_copy(update={"time": 2.0}),)})
    bought = session.model_copy(update={"outcome": "purchase"})
    assert differences({"1": session}, {"1": session}) == []
    assert differences({"1": session}, {}) == ["1: not imported"]
    assert differences({"1": session}, {"1": later}) == ["1, step 0: time differ"]
    assert differences({"1": session}, {"1": bought}) == ["1: outcome differ"]


def test_the_shops_limits_are_lifted_and_lifting_them_again_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "shop/node_modules/@evershop/evershop/dist/modules/base/services/rateLimit.js"
    file.parent.mkdir(parents=True)
    file.write_text("page: { limit: 300 }, api: { limit: 120 }, auth: { limit: 8 }", "utf-8")
    for _ in range(2):
        EverShop(tmp_path, 8300)._lift_limits()
        assert file.read_text("utf-8") == "page: { limit: 1e9 }, api: { limit: 1e9 }, auth: { limit: 8 }"
    file.write_text("const RULES = read()", "utf-8")
    with pytest.raises(SystemExit, match="found 0 of the 2 limits"):
        EverShop(tmp_path, 8300)._lift_limits()

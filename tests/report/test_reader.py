"""The report in real Chromium, opened as a file: keys, filters, deep links, marks, both schemes, widths."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from shop_r1.evaluation.metrics import evaluate_predictions
from shop_r1.evaluation.tables import list_grids, table_row
from shop_r1.records.actions import SHOP, Action, click, terminate, type_and_submit
from shop_r1.records.results import Plot, Prediction
from shop_r1.records.sessions import Page as SeenPage
from shop_r1.records.sessions import Session, Step
from shop_r1.report.build import ReportInputs, build_report

HOME = """<page>
<a name="demo_store">Demo Store</a>
Search <input name="search_input" type="search"> <button name="search.go">Go</button>
<h1>What are you looking for?</h1>
<ul>
<li><a name="departments.kitchen">Kitchen</a>
<li><a name="departments.home">Home</a>
</ul>
"""
RESULTS = """<page>
<h1>Results for red mug</h1>
2 found
<ul>
<li><a name="results.red_mug">Red Mug</a>
$11.49 3.8 stars (65)
<li><a name="results.blue_mug">Blue Mug</a>
$18.49 4.4 stars (26) Sponsored
</ul>
<ul>
<li><a name="footer.help">Help</a>
<li><a name="footer.privacy">Privacy</a>
</ul>
"""
LINKS = """<page>
<a name="account">Account</a>
<a name="cart">Cart</a>
<a name="help">Help</a>
Featured
<a name="lamp"><img alt="A lamp"> Lamp $21.00</a>
<a name="can"><img alt="A can"> Can $27.00</a>
More of it
<a name="pen">Pen $2.00</a>
<button name="add_pen">Add</button>
<a name="cup">Cup $4.00</a>
<button name="add_cup">Add</button>
<button name="load">Load more</button>
The end
<button name="agree" role="checkbox" checked>I agree</button>
"""
HOSTILE = """<page>
<h1>Hostile</h1>
<img src="http://outside.example/a.png" onerror="parent.document.title='ran'" alt="picture">
<script>parent.document.title = 'ran'</script>
<a name="leave" href="http://outside.example/" target="_top" onclick="parent.document.title='ran'">Leave</a>
<svg onload="parent.document.title='ran'"></svg>
<iframe src="http://outside.example/"></iframe>
<form action="http://outside.example/"><button name="send">Send</button></form>
<div style="background:url(http://outside.example/b.png)">styled</div>
"""


def make_step(html: str, action: Action, why: str | None = None, path: str = "") -> Step:
    return Step(page=SeenPage(url=f"http://shop.test/{path}", html=html), action=action, rationale=why)


def make_sessions() -> list[Session]:
    search = make_step(HOME, type_and_submit("search_input", "red mug"), "I need a mug.")
    look = make_step(RESULTS, click("results.blue_mug"), "Blue is fine.", "search?q=red+mug")
    leave = make_step(RESULTS, terminate(), "None is red.", "search?q=red+mug")
    return [
        Session(session_id="first visit/1", outcome="terminate", steps=(search, look, leave)),
        Session(session_id="second", outcome="purchase", steps=(search, look)),
        Session(session_id="third", outcome="terminate", steps=(search, *[look] * 4, leave)),
        Session(
            session_id="hostile",
            outcome="max_steps",
            steps=(make_step(HOSTILE, click("leave")), make_step(HOSTILE, click("gone"))),
        ),
    ]


def make_predictions(sessions: list[Session]) -> list[Prediction]:
    """Return, for the steps after the first, the same action, another element, another type, none in turn."""
    found: list[Prediction] = []
    for session in sessions:
        for place in range(1, len(session.steps)):
            target = session.steps[place].action
            action = (target, click("results.red_mug"), click("nowhere"), None)[len(found) % 4]
            found.append(
                Prediction(
                    session_id=session.session_id,
                    step=place,
                    target=target,
                    action=action,
                    rationale="A model's reason.",
                    failure=None if action else "not JSON",
                    completion="so so",
                )
            )
    return found


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sessions = make_sessions()
    predictions = make_predictions(sessions)
    rows = [
        table_row(name, evaluate_predictions(predictions, SHOP, bootstrap=20)) for name in ("sft", "shop-r1")
    ]
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="700" height="90"><title>t</title></svg>'
    inputs = ReportInputs(
        title="A report of an evaluation with a long title that has to fit",
        about={"model": "runs/a_rather_long_name_of_a_model_folder_without_any_space", "date": "2026-01-02"},
        settings={"seed": "1"},
        rows=tuple(rows),
        tables=tuple(list_grids(rows)[1:]),
        plots=(Plot(svg=svg, caption="Wide."), Plot(svg=svg, caption="Small.", group="Curves")),
        warnings=("Something is odd.",),
        sessions=tuple(sessions),
        predictions={"sft": tuple(predictions[:1]), "shop-r1": tuple(predictions)},
    )
    return build_report(tmp_path_factory.mktemp("report") / "index.html", inputs)


@pytest.fixture
def page(chromium: Browser, report: Path) -> Iterator[Page]:
    """The report in a window; errors in its script and requests beyond its own file fail the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page, wrong = context.new_page(), list[str]()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: wrong.append(request.url) if is_outside(request.url) else None)
    page.goto(report.as_uri())
    yield page
    title = page.title()
    context.close()
    assert wrong == []
    assert title.startswith("A report")


def is_outside(url: str) -> bool:
    return not url.startswith(("file:", "data:", "about:", "blob:"))


def told(page: Page) -> dict[str, str]:
    return {name: page.locator(f'[data-role="{name}"]').inner_text() for name in ("saw", "did", "why")}


def place(page: Page) -> str:
    return str(page.evaluate("decodeURIComponent(location.hash)"))


def shown_ids(page: Page) -> list[str]:
    return page.locator(".entry-id").all_inner_texts()


def facet(page: Page, label: str) -> Any:
    return page.locator(".facet", has_text=label).locator("select")


def test_a_step_is_told_in_three_lines(page: Page) -> None:
    assert told(page) == {
        "saw": "Home page “What are you looking for?”",
        "did": "Searched for “red mug”\ntype_and_submit",
        "why": "“I need a mug.”",
    }
    page.locator(".tile").nth(1).click()
    assert told(page)["did"].startswith("Clicked “Blue Mug”")


def test_arrows_go_through_the_steps_and_j_and_k_through_the_sessions(page: Page) -> None:
    page.keyboard.press("ArrowRight")
    assert place(page) == "#first visit/1/2"
    assert page.evaluate("location.hash") == "#first%20visit%2F1/2"
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert place(page) == "#first visit/1/3"  # the last step
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("j")
    assert place(page) == "#second/1"
    page.keyboard.press("k")
    page.keyboard.press("k")
    assert place(page) == "#first visit/1/1"  # the first session
    assert page.locator(".entry[aria-current]").count() == 1
    page.keyboard.press("/")
    page.keyboard.type("jk")
    assert page.locator("#session-search").input_value() == "jk"  # keys are letters there


def test_j_and_k_stay_among_those_that_fit(page: Page) -> None:
    facet(page, "Outcome").select_option("left")
    page.locator("body").click(position={"x": 2, "y": 2})
    page.keyboard.press("j")
    assert place(page) == "#third/1"


def test_filters_and_search_narrow_the_list_and_are_cleared(page: Page) -> None:
    everything = ["first visit/1", "second", "third", "hostile"]
    assert shown_ids(page) == everything
    facet(page, "Outcome").select_option("bought")
    assert shown_ids(page) == ["second"]
    assert page.locator('[data-role="count"]').inner_text() == "1 of 4 sessions"
    page.get_by_role("button", name="Clear").click()
    facet(page, "Action").select_option("terminate")
    assert shown_ids(page) == ["first visit/1", "third"]
    facet(page, "Length").select_option("4–7 steps")
    assert shown_ids(page) == ["third"]
    page.locator("#session-search").fill("no such words")
    assert shown_ids(page) == []
    assert page.locator('[data-role="count"]').inner_text() == "No session fits."
    page.get_by_role("button", name="Clear").click()
    assert shown_ids(page) == everything
    page.locator("#session-search").fill("hostile SEND")
    assert shown_ids(page) == []  # what is on the page is not searched, what was seen, done and thought is
    page.locator("#session-search").fill("none is RED")
    assert shown_ids(page) == ["first visit/1", "third"]


def test_dots_and_the_filter_of_predictions_are_of_the_chosen_setting(page: Page) -> None:
    first = page.locator(".entry").first
    kinds = "nodes => nodes.map(node => node.className.split(' ')[1])"
    # In turn: the same action; another type than terminate.
    assert first.locator(".dot").evaluate_all(kinds) == ["given", "hit", "miss"]
    assert page.locator(".entry").nth(1).locator(".dot").evaluate_all(kinds) == ["given", "near"]
    facet(page, "Predictions").select_option("no step right")
    assert "first visit/1" not in shown_ids(page)
    page.get_by_label("Predictions of").select_option("sft")
    assert facet(page, "Predictions").input_value() == ""  # sft has no session without any step right
    assert first.locator(".dot").evaluate_all(kinds) == ["given", "hit", "given"]


def test_a_prediction_stands_beside_its_target(page: Page) -> None:
    page.keyboard.press("ArrowRight")
    cards = page.locator(".prediction.shown")
    assert cards.count() == 1
    assert "same action" in cards.inner_text() and "Clicked “Blue Mug”" in cards.inner_text()
    page.get_by_text("1 other setting").click()
    assert page.locator(".prediction").count() == 2


def test_a_deep_link_opens_its_step_and_a_changed_one_is_followed(page: Page, report: Path) -> None:
    page.goto(f"{report.as_uri()}#third/6")
    page.reload()
    assert told(page)["did"].startswith("Left the shop")
    expect(page.locator("#reader")).to_be_in_viewport()
    page.evaluate("location.hash = '#second/2'")
    expect(page.locator("[data-role=chips]")).to_contain_text("second")
    assert told(page)["did"].startswith("Clicked “Blue Mug”")
    page.goto(f"{report.as_uri()}#nobody/7")
    page.reload()
    assert told(page)["did"].startswith("Searched")


def test_on_a_phone_an_opened_session_comes_into_view(chromium: Browser, report: Path) -> None:
    page = chromium.new_page(viewport={"width": 390, "height": 844})
    page.goto(report.as_uri())
    page.locator(".entry").nth(1).click()
    expect(page.locator('[data-role="summary"]')).to_be_in_viewport()
    expect(page.locator('[data-role="did"]')).to_be_in_viewport()
    assert place(page) == "#second/1"
    page.close()


def test_the_link_to_a_step_is_copied(page: Page, report: Path) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"{report.as_uri()}#first%20visit%2F1/2"


def test_the_page_is_shown_as_a_page_and_the_whole_card_is_the_target(page: Page) -> None:
    page.keyboard.press("ArrowRight")
    frame = page.frame_locator(".page-view iframe")
    mark = frame.locator(".shop-r1-mark.target")
    expect(mark).to_have_attribute("data-of", "results.blue_mug")
    assert frame.locator(".items > li").count() == 2
    assert frame.locator(".links > li").all_inner_texts() == ["Help", "Privacy"]
    card = frame.locator(".items > li").nth(1)
    assert card.inner_text().splitlines() == ["Blue Mug", "$18.49 4.4 stars (26) Sponsored"]
    assert frame.locator(".price").all_inner_texts() == ["$11.49", "$18.49"]
    outer, inner = mark.bounding_box(), card.bounding_box()
    assert outer is not None and inner is not None
    assert outer["x"] < inner["x"] and outer["y"] < inner["y"]
    assert outer["x"] + outer["width"] > inner["x"] + inner["width"]
    assert outer["height"] - inner["height"] == pytest.approx(6, abs=0.5)


def test_links_with_pictures_and_prices_are_cards_too_and_short_ones_stand_in_a_row(
    chromium: Browser, tmp_path: Path
) -> None:
    session = Session(session_id="s", steps=(make_step(LINKS, click("can")),))
    report = build_report(tmp_path / "index.html", ReportInputs(title="Links", sessions=(session,)))
    page = chromium.new_page()
    page.goto(report.as_uri())
    frame = page.frame_locator(".page-view iframe")
    expect(frame.locator(".shop-r1-mark")).to_have_attribute("data-of", "can")
    assert frame.locator(".row > a").all_inner_texts() == ["Account", "Cart", "Help"]
    assert [text.split() for text in frame.locator(".items > a").all_inner_texts()] == [
        ["A", "lamp", "Lamp", "$21.00"],
        ["A", "can", "Can", "$27.00"],
    ]
    boxes = [frame.locator(".items > a").nth(place).bounding_box() for place in (0, 1)]
    assert boxes[0] is not None and boxes[1] is not None
    assert boxes[0]["y"] == boxes[1]["y"] and boxes[0]["x"] < boxes[1]["x"]
    assert [text.split() for text in frame.locator(".items > div").all_inner_texts()] == [
        ["Pen", "$2.00", "Add"],
        ["Cup", "$4.00", "Add"],
    ]
    words = frame.locator("body").inner_text().split()
    assert words.index("Cup") < words.index("Load") < words.index("end")
    assert words.index("Featured") < words.index("Lamp") < words.index("end") < words.index("agree")
    page.close()


def test_what_was_typed_stands_in_its_field_and_what_was_predicted_is_marked_too(page: Page) -> None:
    frame = page.frame_locator(".page-view iframe")
    expect(frame.locator("input")).to_have_value("red mug")
    page.keyboard.press("j")
    page.keyboard.press("j")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(frame.locator(".shop-r1-mark")).to_have_count(2)
    expect(frame.locator(".shop-r1-mark.target")).to_have_attribute("data-of", "results.blue_mug")
    expect(frame.locator(".shop-r1-mark.predicted")).to_have_attribute("data-of", "results.red_mug")
    page.get_by_role("button", name="Source").click()
    assert "results.blue_mug" in page.locator(".source").inner_text()
    expect(page.locator(".page-view iframe")).to_be_hidden()


def test_a_name_that_is_not_on_the_page_is_told(page: Page, report: Path) -> None:
    page.goto(f"{report.as_uri()}#hostile/2")
    page.reload()
    expect(page.locator(".legend")).to_contain_text("“gone”, which was acted on, is not on this page")


def test_hostile_pages_run_nothing_and_load_nothing(page: Page, report: Path) -> None:
    page.goto(f"{report.as_uri()}#hostile/1")
    page.reload()
    frame = page.frame_locator(".page-view iframe")
    expect(frame.locator("h1")).to_have_text("Hostile")
    frame.get_by_text("Leave").first.click()
    frame.locator("button").click(force=True)
    assert page.locator(".page-view iframe").get_attribute("sandbox") == "allow-same-origin"
    assert page.url.startswith("file:") and len(page.context.pages) == 1  # and the fixture's own checks


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 820, 1280])
def test_no_page_is_wider_than_its_window_and_both_schemes_are_drawn(
    chromium: Browser, report: Path, width: int, scheme: Any
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    page.goto(report.as_uri())
    for fold in page.locator("details").all():
        fold.evaluate("node => { node.open = true }")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    grounds = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(grounds) == {"light": "rgb(246, 246, 244)", "dark": "rgb(15, 17, 20)"}[scheme]
    inside = page.frames[1]
    assert inside.evaluate("document.documentElement.scrollWidth <= innerWidth")
    ink = "getComputedStyle(document.body).color"
    assert inside.evaluate(ink) == page.evaluate(ink)
    context.close()


def test_what_has_the_focus_is_framed(page: Page) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    seen = set()
    for _ in range(14):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("getComputedStyle(document.activeElement).outlineStyle"))
    assert seen <= {"solid", "auto"}


def test_in_print_the_folds_are_open_and_the_controls_are_gone(page: Page) -> None:
    page.emulate_media(media="print")
    expect(page.get_by_role("table", name="Per type of action")).to_be_visible()
    for controls in ("nav", ".session-tools", ".searching", "#setting"):
        expect(page.locator(controls).first).to_be_hidden()


def test_a_report_of_one_session_has_no_list_and_one_without_predictions_no_filter_of_them(
    chromium: Browser, tmp_path: Path
) -> None:
    one = build_report(tmp_path / "one.html", ReportInputs(title="One", sessions=tuple(make_sessions()[:1])))
    page = chromium.new_page()
    page.goto(one.as_uri())
    expect(page.locator('[data-role="did"]')).to_contain_text("Searched")
    expect(page.locator(".session-list")).to_be_hidden()
    expect(page.get_by_label("Predictions of")).to_have_count(0)
    assert page.locator(".prediction, .beside > *").count() == 0
    two = build_report(tmp_path / "two.html", ReportInputs(title="Two", sessions=tuple(make_sessions()[:2])))
    page.goto(two.as_uri())
    assert page.locator(".facet > span").all_inner_texts() == ["Outcome", "Action"]
    page.close()

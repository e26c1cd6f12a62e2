"""The report of a simulation in real Chromium: the player of a session, and the overview's list."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.evershop import RECORDINGS
from tests.report.simulation.visits import (
    BEGAN,
    adding,
    done,
    element,
    leaving,
    opening,
    page_events,
    searching,
    seen,
    session,
    timed,
    write_events,
    write_folder,
)

from shop_r1.importers.rrweb.recordings import RecordingTally, import_recordings
from shop_r1.jsonl import write_records
from shop_r1.records.visits import SESSIONS_FILE
from shop_r1.report.seal import is_sealed
from shop_r1.report.simulation.build import build_simulation_report
from shop_r1.report.simulation_folder import read_simulation

RED = "background: rgb(200, 0, 0)"
PICTURE = (
    "data:image/svg+xml,"
    "%3Csvg xmlns='http://www.w3.org/2000/svg' width='40' height='30'%3E%3Crect width='40' height='30'/%3E"
    "%3C/svg%3E"
)


def button(left: int, top: int, label: str, number: int) -> dict[str, Any]:
    style = f"position: absolute; left: {left}px; top: {top}px; width: 120px; height: 40px; {RED}"
    return element("button", {"style": style}, label, id=number)


def sheet() -> dict[str, Any]:
    return element("style", {"_cssText": "h1 { color: rgb(0, 0, 200) } " + "/* long */ " * 30}, "")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded visit of three steps, one that was not recorded, and one without a step's time."""
    folder = tmp_path_factory.mktemp("simulation")
    steps = [
        searching(rationale="A mug would be nice.", **timed(1.0)),
        opening(rationale="It is the third.", **timed(3.0)),
        leaving("/product/mug-3", "<page>\n<h1>Mug 3</h1>", **timed(5.0)),
    ]
    recorded = session("recorded", *steps)
    plain = session("plain", searching(), opening(error="a banner covers it"), adding(), outcome="max_steps")
    write_folder(folder, [recorded, plain, session("third", leaving())])
    far = button(300, 1500, "Mug 3", 71)
    picture = element("img", {"src": PICTURE})
    typed = {"source": 5, "id": 70, "text": "mug", "isChecked": False}
    events = [
        *page_events(
            0.0, "/", [sheet()], [element("h1", {}, "Home"), element("input", {"style": RED}, id=70), picture]
        ),
        seen(0.5, "/"),
        done(1.0, 0, steps[0], 70),
        {"type": 3, "data": typed, "timestamp": int(1000 * (BEGAN + 1.1))},
        *page_events(1.2, "/search?q=mug", [sheet()], [element("h1", {}, "List"), far]),
        seen(1.5, "/search?q=mug"),
        done(3.0, 1, steps[1], 71),
        *page_events(3.2, "/product/mug-3", [sheet()], [element("h1", {}, "Product")]),
        seen(3.5, "/product/mug-3"),
        done(5.0, 2, steps[2]),
    ]
    write_events(folder, "recorded", events)
    return build_simulation_report(read_simulation(folder), folder / "report" / "index.html")


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Iterator[Page]:
    """A page that sees no network, and fails on any error of a script."""
    context = chromium.new_context(viewport={"width": 1300, "height": 900}, offline=True)
    page = context.new_page()
    errors = list[str]()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield page
    assert errors == []
    context.close()


def show(page: Page, report: Path, name: str, hash: str = "") -> None:
    page.goto("about:blank")
    file = next((report.parent / "sessions").glob(f"*-{name}.html"))
    page.goto(file.as_uri() + hash)
    expect(page.locator("#stage")).to_be_visible()
    expect(page.locator("#message")).to_be_hidden()


def replayed(page: Page) -> Any:
    return page.frame_locator("#replay iframe")


def test_a_link_opens_a_step_with_its_page_and_the_element_that_was_acted_on(
    page: Page, report: Path
) -> None:
    show(page, report, "recorded", "#step-1")
    expect(replayed(page).locator("h1")).to_have_text("Home")
    expect(replayed(page).locator("h1")).to_have_css("color", "rgb(0, 0, 200)")
    assert replayed(page).locator("img").evaluate("each => each.complete && each.naturalWidth") == 40
    expect(replayed(page).locator("input")).to_have_value("")  # as it was before the action
    expect(page.locator(".step.current .did")).to_have_text("Searched for “mug”")
    expect(page.locator("#caption-why")).to_have_text("A mug would be nice.")
    expect(page.locator("#address")).to_have_text("/")
    expect(page.locator("#outline")).to_be_visible()
    outline, target = page.locator("#outline").bounding_box(), replayed(page).locator("input").bounding_box()
    assert outline is not None and target is not None
    assert list(outline.values()) == pytest.approx(list(target.values()), abs=2)


def test_an_element_further_down_is_brought_into_view(page: Page, report: Path) -> None:
    show(page, report, "recorded", "#step-2")
    expect(page.locator("#outline")).to_be_visible()
    outline, box = page.locator("#outline").bounding_box(), page.locator("#viewport").bounding_box()
    assert outline is not None and box is not None
    assert box["y"] <= outline["y"] <= box["y"] + box["height"] - outline["height"]
    target = replayed(page).locator("button").bounding_box()
    assert target is not None and outline["y"] == pytest.approx(target["y"], abs=2)
    # Going close leaves it in view.
    page.keyboard.press("z")
    expect(page.locator("#zoom")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#outline")).to_have_css("width", re.compile(r"^1(19|20|21)(\.\d+)?px$"))
    close = page.locator("#outline").bounding_box()
    assert close is not None
    assert box["y"] <= close["y"] <= box["y"] + box["height"] - close["height"]


def test_keys_go_from_step_to_step_and_back_and_the_address_follows(page: Page, report: Path) -> None:
    show(page, report, "recorded")
    expect(page.locator("#previous")).to_be_disabled()
    for key, hash, heading in [
        ("ArrowRight", "#step-2", "List"),
        ("ArrowRight", "#step-3", "Product"),
        ("ArrowLeft", "#step-2", "List"),
        ("End", "#end", "Product"),
        ("Home", "#step-1", "Home"),
    ]:
        page.keyboard.press(key)
        expect(replayed(page).locator("h1")).to_have_text(heading)
        expect(page).to_have_url(re.compile(f"{hash}$"))
    page.get_by_label("Step 3: Left the shop").click()
    expect(page).to_have_url(re.compile("#step-3$"))
    page.locator(".step .head").first.click()
    expect(page).to_have_url(re.compile("#step-1$"))


def test_playing_goes_through_all_steps_to_the_end(page: Page, report: Path) -> None:
    show(page, report, "recorded")
    page.locator("#speed").select_option("4")
    page.keyboard.press("Escape")
    page.locator("body").press(" ")
    expect(page.locator("#play")).to_have_attribute("aria-label", "Pause")
    expect(page.locator("#caption-number")).to_have_text("2")
    expect(page.locator(".step.end")).to_have_class(re.compile("current"), timeout=15000)
    expect(page.locator("#play")).to_have_attribute("aria-label", "Play")
    expect(page.locator("#clock")).to_have_text("0:05.0 / 0:05.0")
    expect(page.locator("#caption-did")).to_have_text("Left after 3 steps")
    expect(replayed(page).locator("h1")).to_have_text("Product")


def test_the_timeline_has_page_loads_and_the_time_for_deciding(page: Page, report: Path) -> None:
    show(page, report, "recorded")
    loads = page.locator("#track .load")
    assert [each.get_attribute("title") for each in loads.all()] == [
        "Loaded /",
        "Loaded /search?q=mug",
        "Loaded /product/mug-3",
    ]
    decide = page.locator("#track .decide").nth(1)
    # Seen at 1.5 s, acted at 3.0 s, and the next page was seen at 3.5 s: 1.5 of 2.0 s.
    assert decide.get_attribute("style") == "left: 0.0%; width: 75.0%"


def test_the_page_as_it_was_read_is_beside_the_replay(page: Page, report: Path) -> None:
    show(page, report, "recorded", "#step-2")
    page.get_by_role("button", name="As read").click()
    read = page.frame_locator("#page iframe")
    expect(read.locator("h1")).to_have_text("Results for mug")
    expect(read.locator(".shop-r1-mark")).to_have_text("2")
    expect(page.locator("#outline")).to_be_hidden()


def test_a_visit_without_a_recording_shows_the_pages_as_they_were_read(page: Page, report: Path) -> None:
    show(page, report, "plain", "#step-2")
    read = page.frame_locator("#page iframe")
    expect(read.locator("h1")).to_have_text("Results for mug")
    expect(page.locator("#caption-did")).to_have_text("Tried to click “Mug 3”, which was not done")
    expect(page.locator(".step.current .error")).to_have_text("a banner covers it")
    assert page.locator("#replay iframe").count() == 0
    assert "new rrwebReplay" in page.content() and len(page.content()) < 80_000  # without the player itself
    page.keyboard.press("ArrowRight")
    expect(read.locator("h1")).to_have_text("Mug 3")


def test_a_part_of_the_funnel_opens_its_sessions_and_filters_choose_among_all(
    page: Page, report: Path
) -> None:
    page.goto("about:blank")
    page.goto(report.as_uri())
    shown = page.locator("#entries li:visible")
    expect(page.locator(".verdict")).to_have_text("3 shoppers: 2 left and 1 reached the step limit.")
    expect(shown).to_have_count(3)
    page.locator(".funnel .stage-name").nth(3).click()
    expect(shown).to_have_count(1)
    expect(shown.locator(".entry-id")).to_have_text("plain")
    expect(page.locator("#only")).to_have_text("used the cart")
    page.reload()  # the address keeps what was chosen
    expect(shown).to_have_count(1)
    page.locator("#clear").click()
    expect(shown).to_have_count(3)
    for field, value, names in [
        ("outcome", "max_steps", ["plain"]),
        ("action", "type_and_submit", ["recorded", "plain"]),
        ("length", "0-3", ["recorded", "plain", "third"]),
        ("length", "4-7", []),
        ("at", "/product/*", ["recorded", "plain"]),
    ]:
        page.locator(f"#{field}").select_option(value)
        assert shown.locator(".entry-id").all_inner_texts() == names
        page.locator("#clear").click()
    page.keyboard.press("/")
    page.keyboard.type("nice third")
    assert shown.locator(".entry-id").all_inner_texts() == ["recorded"]
    page.keyboard.type(" nothing")
    expect(page.locator("#none")).to_be_visible()


def test_the_click_map_draws_on_a_page_how_often_its_elements_were_acted_on(page: Page, report: Path) -> None:
    page.goto("about:blank")
    page.goto(report.as_uri())
    page.locator(".clicked .card").filter(has_text="/search").get_by_role("button").click()
    marks = page.frame_locator("#map-page iframe").locator(".shop-r1-mark")
    expect(marks).to_have_text(["2"])  # the third mug, by two shoppers
    mug = page.frame_locator("#map-page iframe").locator("li", has_text="Mug 3").bounding_box()
    mark = marks.bounding_box()
    assert mug is not None and mark is not None and mark["x"] == pytest.approx(mug["x"], abs=6)
    page.keyboard.press("Escape")
    expect(page.locator("#map")).to_be_hidden()


def test_sessions_lead_to_each_other_and_back(page: Page, report: Path) -> None:
    page.goto("about:blank")
    page.goto(report.as_uri())
    page.locator("#entries a").nth(1).click()
    expect(page.locator("#before")).to_have_attribute("href", "0001-recorded.html")
    page.locator("#after").click()
    expect(page.locator("h1")).to_have_text("Session third")
    assert page.locator("#after").count() == 0
    page.keyboard.press("k")
    expect(page.locator("h1")).to_have_text("Session plain")
    page.get_by_text("All sessions").click()
    expect(page.locator("#sessions-title")).to_be_in_viewport()


def test_a_recording_that_cannot_be_read_is_told_of_and_the_session_shown_without_it(
    chromium: Browser, tmp_path: Path
) -> None:
    write_folder(tmp_path, [session("corrupt", searching(), leaving()), session("whole", leaving())])
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "corrupt.json.zst").write_bytes(b"no zstd")
    report = build_simulation_report(read_simulation(tmp_path), tmp_path / "report" / "index.html")
    page = chromium.new_page()
    page.goto(report.as_uri())
    expect(page.locator(".alert")).to_contain_text("1 recording could not be read, the first since:")
    show(page, report, "corrupt", "#step-2")
    expect(page.locator(".alert")).to_contain_text("corrupt.json.zst")
    expect(page.frame_locator("#page iframe").locator("h1")).to_have_text("Results for mug")
    page.close()


@pytest.mark.parametrize("width", [390, 1300])
def test_no_page_is_wider_than_its_window(chromium: Browser, report: Path, width: int) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 844})
    page = context.new_page()
    for file in (report, *sorted((report.parent / "sessions").glob("*.html"))):
        page.goto(file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, file
    context.close()


def test_a_report_takes_the_place_of_its_own_pages_and_of_no_other(report: Path) -> None:
    pages = report.parent / "sessions"
    old, changed = pages / "0009-old.html", pages / "0008-mine.html"
    old.write_bytes((pages / "0002-plain.html").read_bytes())
    changed.write_text("mine")
    build_simulation_report(read_simulation(report.parent.parent), report)
    assert not old.exists() and changed.exists()
    assert is_sealed(report) and is_sealed(pages / "0001-recorded.html")
    changed.unlink()


def test_a_recording_of_a_real_shop_shows_its_pictures_lists_and_animations(
    chromium: Browser, tmp_path: Path
) -> None:
    recordings = tmp_path / "recordings"
    shutil.copytree(RECORDINGS, recordings)
    write_records(tmp_path / SESSIONS_FILE, import_recordings([recordings], RecordingTally()))
    report = build_simulation_report(read_simulation(tmp_path), tmp_path / "report" / "index.html")
    page = chromium.new_page(viewport={"width": 1300, "height": 900})
    show(page, report, "evershop-filters", "#step-1")
    drawn = "each => each.filter(one => one.complete && one.naturalWidth > 100).length"
    expect(replayed(page).get_by_text("12 products").first).to_be_attached()
    assert replayed(page).locator("img").evaluate_all(drawn) >= 12
    show(page, report, "evershop-checkout", "#step-13")
    expect(page.locator(".step.current .did")).to_have_text("Clicked “Wyoming”")
    # The list has opened with an animation from nothing, and has been scrolled to its last entry.
    chosen = replayed(page).get_by_role("option", name="Wyoming", include_hidden=True)
    expect(chosen).to_be_in_viewport()
    expect(replayed(page).locator('[role="presentation"][data-side]:visible').last).to_have_css(
        "opacity", "1"
    )
    page.close()

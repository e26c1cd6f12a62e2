"""What a shopper does in real Chromium, on small pages."""

from tests.window import SHOP, Chromium, Window

from shop_r1.records.actions import Action, click, terminate, type_and_submit


def test_a_link_leads_to_its_page_with_url_status_and_timing(chromium: Chromium) -> None:
    pages = {"/": '<title>Home</title><a href="/mugs">Mugs</a>', "/mugs": "<h1>Mugs</h1><a href='/'>Home</a>"}
    with Window(chromium, pages) as window:
        first = window.open()
        result = window.act(click("mugs"))
    assert (first.page.url, first.page.status) == (SHOP, 200)
    assert (result.seen.page.url, result.seen.page.status) == (f"{SHOP}mugs", 200)
    assert "Mugs" in result.seen.page.html and result.error is None
    assert result.timing is not None and result.timing.act and result.timing.settle and result.timing.observe


def test_a_page_that_is_missing_has_its_status(chromium: Chromium) -> None:
    with Window(chromium, {"/": '<a href="/gone">Old offer</a>'}) as window:
        window.open()
        assert window.act(click("old_offer")).seen.page.status == 404


def test_typing_leaves_the_form_unsent_and_enter_sends_it(chromium: Chromium) -> None:
    form = '<form action="/found"><label>Search <input name="q" type="search"></label></form>'
    with Window(chromium, {"/": form, "/found": "<h1>Found</h1><a href='/'>Home</a>"}) as window:
        name = next(iter(window.open().simplified.by_name))
        typed = window.act(Action(type="input", name=name, text="red mug"))
        sent = window.act(type_and_submit(name, "blue mug"))
    assert typed.seen.page.url == SHOP and 'value="red mug"' in typed.seen.page.html
    assert sent.seen.page.url == f"{SHOP}found?q=blue+mug"


def test_an_option_is_chosen_by_its_text(chromium: Chromium) -> None:
    page = "<label>Size <select><option>Small<option>Large</select></label>"
    with Window(chromium, {"/": page}) as window:
        name = next(name for name, it in window.open().simplified.by_name.items() if it.tag == "select")
        result = window.act(Action(type="select", name=name, text="Large"))
        wrong = window.act(Action(type="select", name=name, text="Huge"))
        chosen = window.evaluate("document.querySelector('select').value")
    assert (result.error, chosen) == (None, "Large")
    assert wrong.error == f"'{name}' has no option 'Huge'; it has Small, Large"


def test_back_scroll_and_leave(chromium: Chromium) -> None:
    pages = {"/": '<a href="/mugs">Mugs</a><p style="height:5000px">', "/mugs": "<a href='/'>Home</a>"}
    with Window(chromium, pages) as window:
        window.open()
        window.act(Action(type="scroll"))
        assert window.evaluate("scrollY") > 0
        window.act(click("mugs"))
        assert window.act(Action(type="back")).seen.page.url == SHOP
        assert window.act(terminate()).seen.page.url == SHOP


def test_a_name_that_is_not_there_is_the_steps_error(chromium: Chromium) -> None:
    with Window(chromium, {"/": '<a href="/mugs">Mugs</a>'}) as window:
        seen = window.open()
        result = window.act(click("muggs"))
    assert result.error is not None and "muggs" in result.error
    assert result.seen.page == seen.page

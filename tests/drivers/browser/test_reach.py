"""What of a page a shopper reaches: in lists that scroll, and behind what lies over the page."""

from tests.window import Chromium, Window

from shop_r1.records.actions import Action, click

_MARK = "onclick=\"document.title = this.textContent; this.closest('body').append(this.textContent)\""


def test_what_a_list_scrolls_to_is_reached_and_what_it_cuts_off_is_not(chromium: Chromium) -> None:
    rows = "".join(f'<div role="option" style="height:40px" {_MARK}>State {n}</div>' for n in range(20))
    scrolls = f'<div role="listbox" style="height:100px;overflow-x:hidden;overflow-y:auto">{rows}</div>'
    tall = '<p style="height:60px">Tall</p>'
    cut = f'<div style="height:50px;overflow:hidden">{tall}<button>Cut off</button></div>'
    with Window(chromium, {"/": scrolls + cut}) as window:
        names = [element.name for element in window.open().simplified.elements]
        assert [name for name in names if "state" in name] == [f"state_{n}" for n in range(20)]
        assert "cut_off" not in names
        result = window.act(click("state_17"))
        assert result.error is None
        assert window.evaluate("document.title") == "State 17"


def test_no_choice_behind_a_dialog_has_a_name(chromium: Chromium) -> None:
    choice = '<label><input type="radio" name="pay" value="{0}" style="opacity:0;width:1px">{0}</label>'
    page = f"""<main style="height:600px">{choice.format("Cash")}{choice.format("Card")}</main>
      <div style="position:fixed;inset:0;background:white"><button>Close</button></div>"""
    with Window(chromium, {"/": page}) as window:
        assert [element.name for element in window.open().simplified.elements] == ["close"]


def test_what_lies_over_a_backdrop_is_reached_wherever_it_stands(chromium: Chromium) -> None:
    """Lists of Base UI, as EverShop has them: an empty layer over the window, and the list beside it."""
    behind = f'<main style="height:2000px"><button {_MARK}>Pay</button>'
    inner = "0 200px, 100% 200px, 100% 240px, 0 240px, 0 200px"
    hole = f"clip-path:polygon(evenodd, 0 0, 100% 0, 100% 100%, 0 100%, 0 0, {inner})"
    backdrop = f'<div role="presentation" style="position:fixed;inset:0;{hole}"></div>'
    seen_through = f'<button style="position:absolute;top:205px;left:800px" {_MARK}>State</button>'
    rows = "".join(f'<div role="option" style="height:40px" {_MARK}>State {n}</div>' for n in range(20))
    place = "left:89px;width:670px;overflow-y:auto"
    pages = {
        f"/{kind}-{height}": f"""{behind}{seen_through}</main><div>{backdrop}
          <div style="position:{kind};top:{top};height:{height};{place}">{rows}</div></div>"""
        for kind in ("fixed", "absolute")
        for top, height in (("12px", "64px"), ("20px", "760px"))
    }
    with Window(chromium, pages) as window:
        for path in pages:
            names = [element.name for element in window.open(path).simplified.elements]
            assert names == ["state", *(f"state_{n}" for n in range(20))], path
            assert window.act(click("state_17")).error is None
            assert window.evaluate("document.title") == "State 17"


def test_a_layer_over_all_of_a_page_leaves_nothing_to_reach(chromium: Chromium) -> None:
    page = '<button>Pay</button><div style="position:fixed;inset:0;background:white">One moment</div>'
    with Window(chromium, {"/": page}) as window:
        assert window.open().simplified.elements == ()


def test_nothing_that_opens_by_hover_behind_a_dialog_has_a_name(chromium: Chromium) -> None:
    card = """<style>.card button { visibility: hidden } .card:hover button { visibility: visible }</style>
      <div class="card" style="height:600px">Mug <button>Add to cart</button></div>"""
    dialog = '<div style="position:fixed;inset:0;background:white"><button>Close</button></div>'
    with Window(chromium, {"/": card, "/dialog": card + dialog}) as window:
        assert [element.name for element in window.open().simplified.elements] == ["add_to_cart"]
        assert [element.name for element in window.open("/dialog").simplified.elements] == ["close"]


def test_a_list_that_opens_by_a_click_takes_no_text(chromium: Chromium) -> None:
    lists = '<button role="combobox">Size</button><div role="combobox" tabindex="0">Colour</div>'
    field = '<input role="combobox" aria-label="City">'
    with Window(chromium, {"/": lists + field}) as window:
        window.open()
        for name, said in {"size": "expected a field", "colour": "takes no text", "city": None}.items():
            error = window.act(Action(type="input", name=name, text="large")).error
            assert (error is None) if said is None else (said in (error or "")), name
        assert window.evaluate("document.querySelector('input').value") == "large"


def test_no_picture_that_a_script_listens_to_has_a_name_behind_its_own_large_one(chromium: Chromium) -> None:
    small = '<div style="cursor:pointer"><img alt="Mug" style="width:300px;height:300px"></div>'
    large = '<div style="position:fixed;inset:0;background:white"><img alt="Mug"><button>Close</button></div>'
    with Window(chromium, {"/": small, "/large": small + large}) as window:
        assert [element.name for element in window.open().simplified.elements] == ["mug"]
        assert [element.name for element in window.open("/large").simplified.elements] == ["close"]

import pytest

from shop_r1.drivers.forms import Form, form_of
from shop_r1.errors import PageError
from shop_r1.pages.elements import find_element
from shop_r1.pages.parse.document import parse_document
from shop_r1.pages.simplify import simplify_page


def submit(html: str, name: str, text: str | None = None) -> Form:
    return form_of(parse_document(html), find_element(simplify_page(html), name), text)


CHECKOUT = """<form action="/buy" method="POST"><input type=hidden name=id value=7>
<input name=note aria-label=Note value=hi><input aria-label=Nameless value=no>
<input type=checkbox name=gift aria-label=Gift>
<input type=checkbox name=terms checked aria-label=Terms value=yes>
<input type=radio name=size value=s checked aria-label=Small>
<input type=radio name=size value=l aria-label=Large>
<select name=colour aria-label=Colour><option value=r>Red<option>Blue</select>
<textarea name=more aria-label=More>
line</textarea><input name=off value=1 disabled><fieldset disabled><input name=out value=1></fieldset>
<button name=then value=cart>Add to cart</button>
<button name=then value=now formaction=/now formmethod=get>Buy now</button>
<button type=button name=not>Help</button></form>"""


def test_a_pressed_button_sends_the_successful_controls_and_itself() -> None:
    assert submit(CHECKOUT, "add_to_cart") == Form(
        action="/buy",
        method="post",
        fields=(
            ("id", "7"), ("note", "hi"), ("terms", "yes"), ("size", "s"), ("colour", "r"), ("more", "line"),
            ("then", "cart"),
        ),
    )  # fmt: skip


def test_a_button_s_own_address_and_method_win() -> None:
    form = submit(CHECKOUT, "buy_now")
    assert (form.action, form.method, form.fields[-1]) == ("/now", "get", ("then", "now"))


def test_a_typed_text_replaces_what_the_page_came_with() -> None:
    assert submit(CHECKOUT, "note", "bye").fields == (
        ("id", "7"), ("note", "bye"), ("terms", "yes"), ("size", "s"), ("colour", "r"), ("more", "line"),
        ("then", "cart"),
    )  # fmt: skip


@pytest.mark.parametrize(("text", "value"), [("Blue", "Blue"), ("Red", "r"), ("r", "r"), ("Green", "r")])
def test_a_text_in_a_select_chooses_its_option(text: str, value: str) -> None:
    assert ("colour", value) in submit(CHECKOUT, "colour", text).fields


def test_what_stands_in_the_legend_of_a_disabled_fieldset_is_sent() -> None:
    inside = "<fieldset disabled><legend><input name=in value=1></legend><input name=out value=2></fieldset>"
    assert submit(f"<form>{inside}<button>Go</button></form>", "go").fields == (("in", "1"),)


def test_a_control_outside_is_tied_to_its_form_by_its_id() -> None:
    html = "<form id=f action=/a><input name=q value=1></form><button form=f name=b value=2>Go</button>"
    assert submit(html, "go") == Form("/a", "get", (("q", "1"), ("b", "2")))


def test_a_form_that_a_table_cuts_off_keeps_its_fields() -> None:
    cell = "<td><input name=q value=1 aria-label=Q><button>Go</button></td>"
    html = f"<table><form action=/t><tr>{cell}</tr></form></table>"
    assert submit(html, "go") == Form("/t", "get", (("q", "1"),))


def test_a_multiple_select_sends_every_choice() -> None:
    options = "<option selected>a<option>b<option>c"
    html = f"<form><select name=m multiple aria-label=M>{options}</select><button>Go</button></form>"
    assert submit(html, "m", "c").fields == (("m", "a"), ("m", "c"))


@pytest.mark.parametrize("kind", ["textarea", "select", "zip"])
def test_an_input_of_a_type_that_html_does_not_know_is_a_text_field(kind: str) -> None:
    html = f"<form><input type={kind} name=q value=1 aria-label=Q><button>Go</button></form>"
    assert submit(html, "go").fields == (("q", "1"),)
    assert submit(html, "q", "new").fields == (("q", "new"),)


def test_a_link_belongs_to_no_form() -> None:
    with pytest.raises(PageError, match="belongs to no form"):
        submit("<a href=/x>Mug</a>", "mug")

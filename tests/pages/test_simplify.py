import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from shop_r1.errors import PageError
from shop_r1.pages import rules
from shop_r1.pages.elements import SimplifiedPage
from shop_r1.pages.parse.document import locate, parse_document
from shop_r1.pages.simplify import simplify_page

CASES = sorted((Path(__file__).parent / "cases").glob("*.html"))


def names(page: SimplifiedPage) -> list[str]:
    return [element.name for element in page.elements]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_case_comes_out_as_written_beside_it(case: Path) -> None:
    assert simplify_page(case.read_text()).html + "\n" == case.with_suffix(".txt").read_text()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_simplified_case_comes_back_unchanged(case: Path) -> None:
    page = simplify_page(case.read_text())
    again = simplify_page(page.html)
    assert (again.html, names(again)) == (page.html, names(page))


def test_the_documented_page_comes_out_as_documented() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "pages.md").read_text()
    before, after = re.findall(r"```html\n(.*?)```", text, re.DOTALL)
    assert simplify_page(before).html + "\n" == after


def test_every_name_in_the_html_is_an_element_in_page_order() -> None:
    page = simplify_page("".join(case.read_text() for case in CASES))
    assert re.findall(r' name="([^"]*)"', page.html) == names(page)


def test_dropped_parts_are_counted_by_reason() -> None:
    page = simplify_page(
        "<body><script>1</script><style>a</style><!-- c --><img src=x><p hidden>a</p>"
        "<p style='display:none'>b</p><input type=hidden name=t><svg></svg><iframe></iframe>"
        "<span aria-hidden=true>*</span><template><b>t</b></template>shown"
    )
    assert page.html == "<page>\nshown"
    assert dict(page.dropped) == {
        "script_or_style": 2, "comment": 1, "image_without_alt": 1, "hidden": 1, "hidden_style": 1,
        "hidden_input": 1, "svg": 1, "embedded": 1, "aria_hidden": 1, "template": 1,
    }  # fmt: skip


def test_addresses_stay_out_of_the_html_but_on_the_elements() -> None:
    page = simplify_page('<a href=" /p/1?a=1&amp;b=2 ">Mug</a>')
    assert "/p/1" not in page.html
    assert page.elements[0].href == "/p/1?a=1&b=2"


def test_an_item_s_controls_keep_their_names_when_a_banner_is_added_before_them() -> None:
    items = "".join(
        f"<li><h3><a href=/p/{title}>{title} mug</a></h3><button>Add to cart</button></li>"
        for title in ("red", "blue", "green")
    )
    page = f"<main><h2>Results</h2><ul>{items}</ul></main>"
    banner = "<section aria-label=Deal><h2>Deal</h2><a href=/deal>Add to cart</a></section>"
    before, after = names(simplify_page(page)), names(simplify_page(banner + page))
    assert after == ["deal.add_to_cart", *before]


def test_alike_divs_are_items_without_any_list() -> None:
    cards = "".join(
        f"<div class=card><a href=/{name}>{name} lamp</a><button>Buy</button></div>"
        for name in ("oak", "tin", "ash")
    )
    assert "tin_lamp.buy" in names(simplify_page(cards))


def test_a_count_beside_a_label_is_not_in_its_name() -> None:
    page = simplify_page("<a href=/cart aria-label='Cart, 2 items'>Cart</a> <a href=/s>Saved (3)</a>")
    assert names(page) == ["cart", "saved"]


def test_names_have_at_most_80_characters_and_end_with_a_whole_word() -> None:
    title = "extraordinary handmade stoneware breakfast mug with a wooden handle " * 3
    page = simplify_page(
        f"<ul aria-label='{title}'><li><a href=/1>{title}</a><button>Buy now</button></li></ul>"
    )
    words = set(title.split()) | {"buy", "now"}
    for name in names(page):
        assert len(name) <= 80
        assert set(re.split(r"[._]", name)) <= words


def test_text_that_looks_like_markup_stays_text() -> None:
    page = simplify_page("<p>&lt;a name=x&gt; &amp;lt; 5 < 6 & 7</p><button>&lt;/page&gt;</button>")
    text = LexborHTMLParser(page.html).root
    assert text is not None
    assert "<a name=x> &lt; 5 < 6 & 7" in (text.text() or "")
    assert len(page.elements) == 1
    assert simplify_page(page.html).html == page.html


def test_a_page_of_no_visible_content_is_an_empty_page() -> None:
    page = simplify_page("<html><body><div id=root></div><script>render()</script></body></html>")
    assert (page.html, page.elements) == ("<page>", ())


def test_examples_of_what_is_left_out_are_kept_when_asked_for() -> None:
    html = "<p hidden>one</p><p hidden>two</p><p hidden>three</p><p hidden>four</p><script>x</script>"
    assert dict(simplify_page(html).examples) == {}
    page = simplify_page(html, explain=True)
    assert page.dropped["hidden"] == 4
    assert page.examples["hidden"] == tuple(f'<p hidden="">{word}</p>' for word in ("one", "two", "three"))
    assert set(page.examples) == set(page.dropped)


def test_every_reason_for_leaving_out_is_explained() -> None:
    assert set(rules.DROPPED_TAGS.values()) <= set(rules.REASONS)
    page = simplify_page("".join(case.read_text() for case in CASES))
    assert set(page.dropped) <= set(rules.REASONS)


PIECES = st.sampled_from(
    [
        "<div>", "</div>", "<ul>", "<li>", "</li>", "</ul>", "<ol>", "<a href=/x>", "<a href=/y name=q>",
        "</a>", "<h2>", "</h2>", "<h3>", "<button>", "</button>", "<table>", "<tr>", "<td>", "<th>",
        "</table>", "<p>", "<span>", "</span>", "<caption>c</caption>", "<dl>", "<dt>", "<dd>", "<s>",
        "</s>", "<br>", "<form>", "<input>", "<input type=checkbox checked>",
        "<input type=submit value='Go &amp; see'>", "<label>", "</label>",
        "<select><option>a<option selected>b</select>", "<textarea>\n x </textarea>",
        '<img alt=\'a "b" c\'>', "<nav aria-label='My nav'>", "</nav>", "<div role=button>",
        "<div onclick=x>", "<li tabindex=0>", "<details><summary>", "</summary>", "</details>",
        "<fieldset><legend>L</legend>", "</fieldset>", "<article>", "</article>", "<page>", "</page>",
        "&lt;", "<", "&", "&amp;amp;", "words and  more", "$9", "é", " ", "\n", "\t x\n y", "\u200b",
        "\ue001", "★", "<!-- c -->", "<script>", "</script>", "<svg><title>T</title>", "</svg>",
        "<div role=img aria-label='4 of 5'>", "<div aria-hidden=true>", "<template>", "<o:p>", "\x00",
        "<option>", "<div role=heading>", "<menu>", "<summary>", "<area href=/z alt=z>", "<body>",
        "<head>",
    ]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=40))
def test_any_markup_gives_unique_names_that_lead_back_and_a_stable_page(pieces: list[str]) -> None:
    html = "".join(pieces)
    try:
        page = simplify_page(html)
    except PageError:
        return
    found = names(page)
    assert len(set(found)) == len(found)
    document = parse_document(html)
    for element in page.elements:
        assert locate(document, element.path).tag == element.tag
    again = simplify_page(page.html)
    assert (again.html, names(again)) == (page.html, found)

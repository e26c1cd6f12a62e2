import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from shop_r1 import pages
from shop_r1.errors import PageError
from shop_r1.pages.elements import SimplifiedPage
from shop_r1.pages.serialize.truncate import fit_html, fit_page
from shop_r1.pages.simplify import simplify_page
from shop_r1.pages.tokens import estimate_tokens

TOKENIZER = Path(pages.__file__).parents[1] / "models" / "base" / "tokenizer.json"

# A dozen of the real pages: long lists, tables, selects of 1,900 options, endless lines, five languages.
DOZEN = (
    "1000bulbs.com-3", "activemobility.co.uk-3", "mock_parse_results_amz", "amazon-es-product-url",
    "avastkorea.com-1", "christmascentral.com-2", "costco", "heatshieldstore.com-0", "muzdom.ru-0",
    "origami-shop.com-0", "perfumemart.com-0", "tyreleader.co.uk-6",
)  # fmt: skip


def words(count: int) -> str:
    return " ".join(f"word{index}" for index in range(count))


def links(count: int, tag: str = "li") -> str:
    return "".join(f"<{tag}><a href='/{index}'>Link {index}</a></{tag}>" for index in range(count))


def names(page: SimplifiedPage) -> list[str]:
    return [element.name for element in page.elements]


def count_words(text: str) -> int:
    """A tokenizer whose counts a test can do in its head."""
    return len(text.split())


def below(page: SimplifiedPage, part: float) -> int:
    return int(estimate_tokens(page.html) * part)


def assert_sound(
    page: SimplifiedPage, fitted: SimplifiedPage, limit: int, count: Callable[[str], int]
) -> None:
    """What holds of every fitted page."""
    assert count(fitted.html) <= limit
    assert fit_page(fitted, limit, count) is fitted
    again = simplify_page(fitted.html)
    assert (again.html, names(again)) == (fitted.html, names(fitted))
    assert [e.options for e in again.elements] == [e.options for e in fitted.elements]
    in_order = iter(names(page))
    assert all(name in in_order for name in names(fitted))
    printed = re.findall(r'<(?:a|button|input|select|option|textarea|summary) name="([^"]*)"', fitted.html)
    assert names(fitted) == printed
    assert fitted.cut.get("elements", 0) == len(page.elements) - len(fitted.elements)
    assert all(fitted.cut.values())
    assert bool(fitted.cut) == (fitted.html != page.html)


# The estimate


def test_digits_and_chinese_characters_count_one_each() -> None:
    assert estimate_tokens("12345678") == 8
    assert estimate_tokens("红色杯子") == 4


def test_words_count_by_their_length_and_their_script() -> None:
    assert estimate_tokens("red") == 1
    assert estimate_tokens("cups and mugs") == 3
    assert estimate_tokens("waterproof") == 3  # 10 letters, 4 a token
    assert estimate_tokens("Größe") == 3  # 5 letters, 2 a token
    assert estimate_tokens("гитара") == 3
    assert estimate_tokens("") == 0


def test_a_symbol_counts_no_less_than_any_tokenizer_on_bytes_makes_of_it() -> None:
    assert estimate_tokens("★") == 3
    assert estimate_tokens("🎸") == 4


def test_the_estimate_of_a_real_page_is_between_its_bounds(real_pages: Path) -> None:
    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    for file in sorted(real_pages.rglob("*.html"))[::6]:
        html = simplify_page(file.read_bytes()).html
        small_vocabulary = len(tokenizer.encode(html).ids)
        assert len(html) / 4 < estimate_tokens(html) < small_vocabulary, file


# What is cut, and in which order


def test_a_page_within_the_budget_is_the_same_object() -> None:
    page = simplify_page(f"<p>{words(5)}</p>")
    assert fit_page(page, estimate_tokens(page.html)) is page
    assert fit_page(page, 10**9) is page


def test_a_long_text_ends_after_a_whole_word() -> None:
    page = simplify_page(f"<h1>Mug</h1><p>{words(300)}</p><a href='/buy'>Buy</a>")
    fitted = fit_page(page, 100, count_words)
    text = fitted.html.split("\n")[2]
    assert re.fullmatch(r"(?:word\d+ )+…", text)
    assert words(300).startswith(text.removesuffix(" …"))
    assert fitted.cut == {"characters": len(words(300)) - len(text)}
    assert names(fitted) == names(page)


def test_only_as_many_texts_are_shortened_as_needed_the_longest_first() -> None:
    page = simplify_page(f"<p>{words(50)}</p><p>{words(300)}</p><p>{words(60)}</p>")
    fitted = fit_page(page, 350, count_words)
    lines = fitted.html.split("\n")
    assert [line.endswith("…") for line in lines] == [False, False, True, False]


def test_texts_are_shortened_before_lists_are() -> None:
    page = simplify_page(f"<ul>{links(40)}</ul><p>{words(2000)}</p>")
    fitted = fit_page(page, below(page, 0.3))
    assert fitted.cut.keys() == {"characters"}


def test_markup_characters_survive_where_a_text_is_cut() -> None:
    page = simplify_page(f"<p>{'AT&amp;amp;T &lt;b ' * 200}</p><img alt='{'&quot;x&quot; &amp;lt; ' * 200}'>")
    fitted = fit_page(page, below(page, 0.2))
    assert_sound(page, fitted, below(page, 0.2), estimate_tokens)


def test_an_endless_word_is_cut_within() -> None:
    page = simplify_page("<p>" + "x" * 100_000)
    assert fit_page(page, 60).html == "<page>\n" + "x" * 200 + " …"  # 200 letters are 50 tokens


def test_a_list_of_facts_keeps_its_ends_and_counts_the_rest() -> None:
    facts = "".join(f"<li>Fact {index}" for index in range(30))
    page = simplify_page(f"<ul>{facts}</ul><ul>{links(30)}</ul>")
    fitted = fit_page(page, estimate_tokens(page.html) - 15)
    expected = [*range(17), "…", *range(22, 30)]  # 25 stay: 17 and 8; 5 go
    html = "".join(f"\n<li>Fact {i}" if i != "…" else "\n<li>… 5 more" for i in expected)
    assert fitted.html.startswith(f"<page>\n<ul>{html}\n</ul>\n")
    gone = sum(len(f"\n<li>Fact {index}") for index in range(17, 22)) - len("\n<li>… 5 more")
    assert fitted.cut == {"characters": gone, "list_items": 5}


def test_rows_without_controls_go_before_lists_with_controls() -> None:
    rows = "".join(f"<tr><td>Row {index}<td>{index}" for index in range(40))
    page = simplify_page(f"<ul>{links(100)}</ul><table>{rows}</table>")
    fitted = fit_page(page, below(page, 0.9))
    assert re.search(r"\n<tr><td>… \d+ more\n", fitted.html)
    assert fitted.cut.keys() == {"characters", "table_rows"}


def test_images_and_lines_in_a_long_run_go_but_prices_stay() -> None:
    images = "".join(f"<p><img alt='Picture {index}'></p>" for index in range(30))
    lines = "".join(f"<p>Line {index}</p>" for index in range(30))
    page = simplify_page(f"{images}<h2>Text</h2>{lines}<p>Now $12.99</p>{lines}<a href='/buy'>Buy</a>")
    fitted = fit_page(page, 120)
    assert "\n… 24 more lines\n" in fitted.html
    assert "Now $12.99" in fitted.html
    assert sum(map(int, re.findall(r"… (\d+) more lines", fitted.html))) == fitted.cut["lines"]
    assert fitted.cut["images"] == 24
    assert names(fitted) == names(page)


def test_a_select_says_how_many_options_are_gone_and_its_element_lists_the_others() -> None:
    options = "".join(f"<option>Country {index}" for index in range(250))
    page = simplify_page(f"<label>Country<select name=c>{options}</select></label>")
    fitted = fit_page(page, below(page, 0.1))
    before, after = page.elements[0].options, fitted.elements[0].options
    gone = 250 - len(after)
    assert f'<optgroup label="… {gone} more">' in fitted.html
    assert after == (*before[: len(after) - len(after) // 3], *before[-(len(after) // 3) :])
    assert (fitted.cut["elements"], fitted.cut["options"]) == (gone, gone)


def test_the_group_of_an_option_is_said_again_after_a_gap() -> None:
    groups = "".join(
        f"<optgroup label=G{group}>"
        + "".join(f"<option>o{group}{index}" for index in range(20))
        + "</optgroup>"
        for group in range(3)
    )
    page = simplify_page(f"<select>{groups}</select>")
    fitted = fit_page(page, below(page, 0.3))
    assert re.search(
        r'<optgroup label="G0">.*<optgroup label="… \d+ more"><optgroup label="G2">', fitted.html
    )
    assert_sound(page, fitted, below(page, 0.3), estimate_tokens)


def test_what_is_selected_checked_or_current_stays() -> None:
    options = "".join(f"<option{' selected' * (index == 50)}>Size {index}" for index in range(100))
    items = "".join(
        f"<li><a href='/{index}'{' aria-current=page' * (index == 20)}>Page {index}</a>"
        for index in range(40)
    )
    boxes = "".join(
        f"<li><label><input type=checkbox{' checked' * (i == 9)}>Box {i}</label>" for i in range(30)
    )
    page = simplify_page(f"<select name=size>{options}</select><ul>{items}</ul><ul>{boxes}</ul>")
    fitted = fit_page(page, below(page, 0.15))
    assert fitted.cut["options"] > 80
    for label in ("Size 50", "Page 20", "Box 9"):
        assert any(element.label == label for element in fitted.elements), label
    assert len(re.findall(r"<optgroup", fitted.html)) == 2


def test_of_a_row_of_links_in_one_line_the_ends_stay() -> None:
    page = simplify_page("<p>Brands: " + ", ".join(f"<a href='/{i}'>Brand {i}</a>" for i in range(60)))
    fitted = fit_page(page, 100)
    first, last = fitted.html.split(" … ")
    assert first.startswith('<page>\nBrands: <a name="brand_0">Brand 0</a>, ')
    assert re.match(rf"{fitted.cut['elements']} more <a ", last)
    assert last.endswith('<a name="brand_59">Brand 59</a>')


def test_inner_lists_are_cut_before_the_outer_one() -> None:
    inner = "".join(f"<li><a href='/{{0}}/{i}'>Link {{0}} {i}</a>" for i in range(30))
    menu = "".join(f"<li><a href='/m{i}'>Menu {i}</a><ul>{inner.format(i)}</ul>" for i in range(30))
    page = simplify_page(f"<ul>{menu}</ul>")
    fitted = fit_page(page, below(page, 0.9))
    assert [name for name in names(fitted) if "." not in name] == [f"menu_{index}" for index in range(30)]
    assert "<li>… 5 more" in fitted.html


def test_an_item_goes_with_its_inner_list() -> None:
    menu = "".join(f"<li><a href='/m{i}'>Menu {i}</a><ul><li>One<li>Two</ul>" for i in range(40))
    page = simplify_page(f"<ul>{menu}</ul><p>End</p>")
    fitted = fit_page(page, below(page, 0.5))
    assert fitted.html.count("<ul>") == fitted.html.count("</ul>") == 1 + len(fitted.elements)
    assert (fitted.cut["elements"], fitted.cut["list_items"]) == (28, 28 * 3)  # 12 stay


def test_long_texts_of_controls_are_shortened_before_any_are_dropped() -> None:
    page = simplify_page(
        f"<a href='/1'>{words(100)}</a><p><textarea>{words(100)}</textarea></p><input value='{words(100)}'>"
    )
    fitted = fit_page(page, below(page, 0.4))
    assert names(fitted) == names(page)
    assert fitted.cut.keys() == {"characters"}
    assert fitted.elements == page.elements  # what they hold is not touched


def test_last_the_end_of_the_page_goes_with_a_count_of_its_elements() -> None:
    page = simplify_page("".join(f"<h2>Part {i}</h2><a href='/{i}'>Go {i}</a>" for i in range(50)))
    fitted = fit_page(page, 200)
    gone = 50 - len(fitted.elements)
    assert fitted.html.endswith(f"\n(rest of the page left out: {gone} elements)")
    assert page.html.startswith(fitted.html.rpartition("\n")[0])
    assert names(fitted) == names(page)[: len(fitted.elements)]


def test_a_list_within_which_the_page_ends_is_closed() -> None:
    items = "".join(f"<li><p>Part {i}</p><ul><li><button>Do {i}</button></ul>" for i in range(5))
    page = simplify_page(f"<ul>{items}</ul>")
    for limit in range(20, estimate_tokens(page.html)):
        fitted = fit_page(page, limit)
        assert fitted.html.count("<ul>") == fitted.html.count("</ul>")
        assert_sound(page, fitted, limit, estimate_tokens)


# How


def test_the_notes_on_a_page_add_up_to_what_is_gone() -> None:
    options = "".join(f"<option>Country {index}" for index in range(250))
    line = ", ".join(f"<a href='/{i}'>Brand {i}</a>" for i in range(60))
    page = simplify_page(f"<select>{options}</select><ul>{links(300)}</ul><p>{line}</p>")
    fitted = fit_page(page, below(page, 0.06))
    notes = [int(count) for count in re.findall(r"… (\d+) more", fitted.html)]
    assert len(notes) == 3
    assert sum(notes) == fitted.cut["elements"] == len(page.elements) - len(fitted.elements)
    assert notes[:2] == [fitted.cut["options"], fitted.cut["list_items"]]


def test_what_an_earlier_fit_cut_is_counted_too() -> None:
    page = simplify_page(f"<p>{words(300)}</p><ul>{links(300)}</ul>")
    once = fit_page(page, below(page, 0.5))
    twice = fit_page(once, below(page, 0.2))
    assert twice.cut["characters"] == len(page.html) - len(twice.html)
    assert twice.cut["elements"] == len(page.elements) - len(twice.elements)


def test_a_budget_too_small_for_anything_says_how_small_it_can_be() -> None:
    page = simplify_page("".join(f"<h2>Part {i}</h2><a href='/{i}'>Go {i}</a>" for i in range(50)))
    with pytest.raises(PageError, match=r"into 5 tokens: .* it takes \d+") as caught:
        fit_page(page, 5)
    least = int(str(caught.value).split()[-1])
    assert fit_page(page, least).html == "<page>\n(rest of the page left out: 50 elements)"
    for limit in (least - 1, 0, -1):
        with pytest.raises(PageError, match=f"it takes {least}"):
            fit_page(page, limit)


def test_a_tokenizer_that_counts_lines_otherwise_than_pages_still_fits() -> None:
    page = simplify_page("".join(f"<h2>Part {i}</h2><a href='/{i}'>Go {i}</a>" for i in range(50)))
    counters: list[Callable[[str], int]] = [
        lambda text: len(text) // 100,  # lines count for nothing
        lambda text: 2 + count_words(text),  # marks its beginning and end
        lambda text: len(text) ** 2 // 1000,
    ]
    for count in counters:
        limit = count(page.html) // 2
        assert_sound(page, fit_page(page, limit, count), limit, count)


def test_a_slow_tokenizer_reads_the_page_a_few_times_only(real_pages: Path) -> None:
    read = 0

    def count(text: str) -> int:
        nonlocal read
        read += len(text)
        return estimate_tokens(text)

    for file in sorted(real_pages.rglob("*.html"))[::10]:
        page = simplify_page(file.read_bytes())
        read = 0
        fit_page(page, 500, count)
        assert read < 6 * len(page.html), file


def test_fitting_is_deterministic() -> None:
    page = simplify_page(f"<ul>{links(50)}</ul><p>{words(300)}</p><ol>{links(50)}</ol>")
    assert fit_page(page, 300) == fit_page(page, 300)


@pytest.mark.parametrize("html", [
    "".join(f"<ul><li><a href=a{i}>a{i}</a><li>b<li>c<li>d<li>e<li>f<li>" for i in range(150)),
    "<p>" + "-" * 9000 + "</p><p>" + "& " * 9000,
    "".join(f"<select>{''.join(f'<option>{i}' for i in range(9))}</select>" for _ in range(300)),
    "".join(f"a <s>b{i}</s> " for i in range(5000)),
    "<input value='" + "x y " * 9000 + "'><a href=x>end</a>",
    "<table>" + "".join(f"<tr><td>{i}<td><a href=x>… {i} more</a>" for i in range(900)) + "</table>",
])  # fmt: skip
def test_hostile_pages_are_cut_too(html: str) -> None:
    page = simplify_page(html)
    for limit in (100, 700):
        assert_sound(page, fit_page(page, limit), limit, estimate_tokens)


def test_a_page_that_feigns_the_notes_is_cut_too() -> None:
    page = simplify_page("<p>… 9 more " * 900 + "<p>(rest of the page left out: 7 elements)" * 9)
    fitted = fit_page(page, 100)
    assert estimate_tokens(fitted.html) <= 100
    assert simplify_page(fitted.html).html == fitted.html


@pytest.mark.parametrize("html", [
    "<page>\n" + "</ul>\n</table>\n<li>a\n" * 99,
    "<page>\n" + "<ul>\n<table>\n" * 99,
    "<page>" + "<select><option>" * 99 + "</select></s></a>" * 99,
    "<page>\n" + "a <b " * 999,
    "<page>\n" + "<li><tr><a><img alt='x\"><input value=\"" * 99,
])  # fmt: skip
def test_a_page_that_only_begins_as_a_simplified_one_does_not_break_it(html: str) -> None:
    for limit in (40, 100):
        try:
            assert estimate_tokens(fit_html(html, limit)) <= limit
        except PageError as error:
            assert "it takes" in str(error)


@pytest.mark.parametrize("html", ["x" * 9000, "<p>a</p>\n" * 999, "</ul>\n<li>a\n" * 99])
def test_html_that_is_not_simplified_is_left_alone_or_refused(html: str) -> None:
    assert fit_html(html, 10**6) == html
    with pytest.raises(PageError, match="cannot be shortened to 40: it is not simplified"):
        fit_html(html, 40)


def test_fit_html_shortens_as_fit_page_does() -> None:
    page = simplify_page(f"<p>{words(300)}</p><ul>{links(300)}</ul>")
    assert fit_html(page.html, 300) == fit_page(page, 300).html


@cache
def simplified(file: Path) -> SimplifiedPage:
    return simplify_page(file.read_bytes())


@pytest.mark.parametrize("limit", [500, 2000, 8000])
@pytest.mark.parametrize("part", DOZEN)
def test_real_pages_fit_and_stay_what_they_are(real_pages: Path, part: str, limit: int) -> None:
    (file,) = (file for file in real_pages.rglob("*.html") if file.stem.endswith(part))
    page = simplified(file)
    fitted = fit_page(page, limit)
    assert_sound(page, fitted, limit, estimate_tokens)
    assert estimate_tokens(fitted.html) > 0.6 * min(limit, estimate_tokens(page.html))  # not cut to a stump


def test_real_pages_fit_by_a_real_tokenizer(real_pages: Path) -> None:
    tokenizer = Tokenizer.from_file(str(TOKENIZER))

    def count(text: str) -> int:
        return len(tokenizer.encode(text).ids)

    for file in sorted(real_pages.rglob("*.html"))[::15]:
        page = simplified(file)
        assert_sound(page, fit_page(page, 1500, count), 1500, count)


TEXT = st.text(alphabet='ab1&<;"$…★红ö -,\n', max_size=40)
LONG = st.builds(lambda text, times: text * times, TEXT, st.integers(1, 30))
CONTROL = st.one_of(
    st.builds(lambda text: f"<a href='/x'>{text}</a> ", TEXT),
    st.builds(lambda text: f"<label><input type=checkbox checked>{text}</label>", TEXT),
    st.builds(lambda text: f"<input value='{text}'>", LONG),
    st.builds(
        lambda texts: "<select><optgroup label=G>" + "".join(f"<option>{t}" for t in texts) + "</select>",
        st.lists(TEXT, max_size=12),
    ),
)
PIECE = st.one_of(
    LONG,
    CONTROL,
    st.builds(lambda text: f"<s>{text}</s>", TEXT),
    st.builds(lambda text: f"<img alt='{text}'>", LONG),
    st.builds(lambda text: f"<h3>{text}</h3>", TEXT),
)


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(inner, max_size=12)
    return st.one_of(
        st.builds(lambda items: "<ul>" + "".join(f"<li>{item}" for item in items) + "</ul>", several),
        st.builds(lambda rows: "<table>" + "".join(f"<tr><td>{r}<td>x" for r in rows) + "</table>", several),
        st.builds(lambda parts: "".join(f"<p>{part}</p>" for part in parts), several),
        st.builds(lambda parts: " ".join(parts), several),
    )


@given(html=st.recursive(PIECE, nested, max_leaves=60), part=st.floats(0, 1))
@settings(max_examples=150, deadline=None)
def test_any_page_fits_into_any_budget_that_is_possible(html: str, part: float) -> None:
    page = simplify_page(f"<body><div>{html}</div></body>")
    limit = below(page, part)
    try:
        fitted = fit_page(page, limit)
    except PageError as error:
        assert (
            limit
            < int(str(error).split()[-1])
            <= estimate_tokens("<page>\n(rest of the page left out: 999 elements)")
        )
        return
    assert_sound(page, fitted, limit, estimate_tokens)


def test_what_stands_before_the_title_goes_before_the_goods_but_for_the_query_field() -> None:
    menu = "".join(f"<p><a href=/m/{i}>Department {i} of us</a></p><h2>Part {i}</h2>" for i in range(60))
    search = "<p>Search <input type=search name=q></p>"
    goods = "<main><h1>Red mug</h1><p>$9</p><button>Add to cart</button></main>"
    fitted = fit_page(simplify_page(f"<a href=/>Shop</a>{search}{menu}{goods}"), 150)
    names = [element.name for element in fitted.elements]
    assert {"search_input", "add_to_cart"} <= set(names)
    assert fitted.cut["elements"] == 63 - len(names)  # the shop's link, the field, 60 links and the button
    assert f"(left out before the title: {63 - len(names)} elements)" in fitted.html
    assert simplify_page(fitted.html).html == fitted.html

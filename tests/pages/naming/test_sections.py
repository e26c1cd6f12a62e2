import pytest

from shop_r1.pages.simplify import simplify_page


def names(html: str) -> list[str]:
    return [element.name for element in simplify_page(html).elements]


def each(item: str, *titles: str) -> str:
    return "".join(item.format(title) for title in titles)


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (
            "<a href=#main>Skip to main content</a>"
            "<form role=search><input name=q><button>Go</button></form>",
            ["skip_to_main_content", "search_input", "search.go"],
        ),
        (
            "<div><a href=#main>Skip to main content</a><form action=/find><input name=email></form></div>",
            ["skip_to_main_content", "email"],
        ),
        (
            "<div><a href=/more>Advanced search</a><button>Go</button></div>"
            "<div><a href=/gifts>Gift cards</a><button>Go</button></div>",
            ["advanced_search", "go", "gift_cards", "go_2"],
        ),
    ],
)
def test_a_neighbour_s_text_is_no_section(html: str, expected: list[str]) -> None:
    assert names(html) == expected


@pytest.mark.parametrize(
    "card",
    [
        "<a href=/p/{0} class=card><h3>{0} mug</h3></a>",
        "<a href=/p/{0} class=card><img alt='{0} cup'><h3>{0} mug</h3><p>$9</p></a>",
        "<div role=link tabindex=0><h3>{0} mug</h3></div>",
        "<li tabindex=0><h3>{0} mug</h3></li>",
    ],
)
def test_a_card_that_is_one_link_is_not_named_after_the_card_before_it(card: str) -> None:
    assert names(f"<div>{each(card, 'red', 'blue', 'green')}</div>") == ["red_mug", "blue_mug", "green_mug"]


def test_the_title_in_a_link_still_names_what_follows_it_in_its_card() -> None:
    card = "<div class=card><a href=/p/{0}><h3>{0} mug</h3></a><button>Add</button></div>"
    assert names(each(card, "red", "blue")) == ["red_mug", "red_mug.add", "blue_mug", "blue_mug.add"]


def test_what_can_be_done_with_each_row_is_no_row_s_title() -> None:
    row = "<tr><td>{0} mug<td>$9<td><a href=/cart/edit>Edit</a> <a href=/cart>Remove</a>"
    expected = ["red_mug.edit", "red_mug.remove", "blue_mug.edit", "blue_mug.remove"]
    assert names(f"<table>{each(row, 'red', 'blue')}</table>") == expected


def test_the_entries_of_a_list_in_a_list_are_named_after_the_text_above_them() -> None:
    entry = "<li>{}<ul><li><a href=/mugs>Mugs</a><li><a href=/cups>Cups</a></ul>"
    expected = ["men.mugs", "men.cups", "women.mugs", "women.cups"]
    assert names(f"<ul>{each(entry, 'Men', 'Women')}</ul>") == expected


def test_an_item_with_a_badge_and_a_list_of_facts_is_called_after_its_link() -> None:
    item = "<li>New <a href=/p/{0}>{0} mug</a><ul><li>Blue<li><a href=/r>Reviews</a></ul><button>Add</button>"
    expected = ["red_mug", "red_mug.reviews", "red_mug.add", "blue_mug", "blue_mug.reviews", "blue_mug.add"]
    assert names(f"<ul>{each(item, 'red', 'blue')}</ul>") == expected


def test_a_heading_by_its_role_stands_on_a_line_of_its_own_as_it_will_when_it_is_read_back() -> None:
    page = simplify_page("<a href=/m>Mug</a><span role=heading>Title</span> more")
    assert page.html == '<page>\n<a name="mug">Mug</a>\n<h2>Title</h2>\nmore\n'.rstrip("\n")
    assert simplify_page(page.html).html == page.html

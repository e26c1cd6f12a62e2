"""Declarative shadow roots as the DOM standard shows them, with the host's children in slots."""

import pytest

from shop_r1.pages.elements import find_element
from shop_r1.pages.parse.document import locate, parse_document
from shop_r1.pages.simplify import simplify_page

CARD = (
    "<my-card><template {mode}><style>.off{{display:none}} b{{display:none}}</style><h2><slot name=title>No "
    "title</slot></h2><p class=off>draft</p><slot></slot><button>Add to cart</button></template>"
    "<a slot=title href=/red>Red Mug</a> $8.49 <b>bold</b><i slot=none>nowhere</i>"
    "<a href=/more>More</a></my-card>"
    "<p class=off>outside"
)


@pytest.mark.parametrize(
    "mode", ["shadowrootmode=open", "shadowrootmode=CLOSED", "shadowmode=open", "shadowroot=open"]
)
def test_a_shadow_tree_is_shown_with_the_host_s_children_in_its_slots(mode: str) -> None:
    html = CARD.format(mode=mode)
    page = simplify_page(html)
    assert page.html.split("\n")[1] == '<h2><a name="red_mug">Red Mug</a></h2>'
    assert "nowhere" not in page.html
    assert "draft" not in page.html
    assert "outside" in page.html  # a shadow tree's styles end at its root, and the document's at it
    assert "bold" in page.html
    assert "No title" not in page.html
    assert page.dropped["unslotted"] == 1
    document = parse_document(html)
    for element in page.elements:
        assert locate(document, element.path).tag == element.tag
    assert simplify_page(page.html).html == page.html


def test_children_of_a_host_keep_the_path_that_they_have_in_a_live_page() -> None:
    page = simplify_page(CARD.format(mode="shadowrootmode=open"))
    card = "html > body:nth-child(2) > my-card:nth-child(1)"
    paths = {element.label: element.path for element in page.elements}
    assert paths["Red Mug"] == f"{card} > a:nth-child(1)"
    assert paths["More"] == f"{card} > a:nth-child(4)"
    assert paths["Add to cart"] == f"{card} > *:nth-child(5) > button:nth-child(5)"


@pytest.mark.parametrize(
    ("html", "short"),
    [
        ("<x-y><template shadowrootmode=open>in</template>out</x-y>", "in"),  # no slot
        ("<x-y><template shadowrootmode=open><slot>instead</slot></template> </x-y>", "instead"),
        ("<x-y><template shadowrootmode=none>in</template>out</x-y>", "out"),
        ("<x-y><template>in</template>out</x-y>", "out"),
        ("<ul><template shadowrootmode=open>in</template><li>out</ul>", "<ul>\n<li>out\n</ul>"),  # no host
        (
            "<x-y><template shadowrootmode=open>one</template>"
            "<template shadowrootmode=open>two</template></x-y>",
            "one",
        ),
        (
            "<x-a><template shadowrootmode=open><x-b><template shadowrootmode=open>[<slot></slot>]</template>"
            "<slot></slot></x-b></template>text</x-a>",
            "[text]",
        ),
        ("<script>'<template shadowrootmode=open>'</script>out", "out"),
    ],
)
def test_what_is_a_shadow_root_and_what_its_slots_show(html: str, short: str) -> None:
    assert simplify_page(html).html == f"<page>\n{short}"


def test_links_in_a_slot_are_a_menu_s_and_goods_in_one_are_items() -> None:
    goods = "".join(
        f"<div class=g><a href=/{n}>Mug {n}</a><button>Buy</button></div>" for n in ("red", "blue", "tan")
    )
    html = (
        f"<x-list><template shadowrootmode=open><section><slot></slot></section></template>{goods}</x-list>"
    )
    page = simplify_page(html)
    assert "mug_blue.buy" in [element.name for element in page.elements]
    assert find_element(page, "mug_blue").path.endswith(
        "> x-list:nth-child(1) > div:nth-child(2) > a:nth-child(1)"
    )


def test_piled_up_shadow_roots_take_bounded_time() -> None:
    html = "<x-y><template shadowrootmode=open><slot></slot>" * 400 + "<a href=/x>x</a>"
    assert simplify_page(html).elements[0].name == "x"
    many = "<x-y><template shadowrootmode=open><slot></slot></template>t</x-y>" * 20_000
    assert "t" in simplify_page(many).html

"""Prices split over elements, as shops write them; expected is what a shopper reads."""

import pytest

from shop_r1.pages.simplify import simplify_page


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p class=price>$12<sup>99</sup></p>", "$12.99"),
        (
            "<p><span class=currency>$</span><span class=whole>12</span><span class=cents>99</span></p>",
            "$12.99",
        ),
        ("<p><span>12</span><sup>99</sup> €</p>", "12.99 €"),
        ("<p>12<sup>99&nbsp;€</sup></p>", "12.99 €"),
        ("<p><span>€</span><span>1</span><small>249</small></p>", "€1.249"),
        ("<p>$1<small>249</small></p>", "$1 249"),
        ("<p><sup>$</sup>1,299<sup>00</sup></p>", "$1,299.00"),
        ("<p>1.299<sup>00</sup> €</p>", "1.299,00 €"),
        ("<p><span>$</span><span>3</span><span>.</span><span>25</span></p>", "$3.25"),
        ("<p><span>$</span><span>12</span><span>99</span></p>", "$12.99"),
        (
            "<span class=a-price><span class=a-offscreen>$12.99</span><span aria-hidden=true><span>$</span>"
            "<span class=a-price-whole>12<span class=a-price-decimal>.</span></span>"
            "<span class=a-price-fraction>99</span></span></span>",
            "$12.99",
        ),
        ("<span class=a-price-whole>12</span><span class=a-price-fraction>99</span>", "12.99"),
        (
            "<span class=sx-price><sup>$</sup><span>12</span><sup class=sx-price-fractional>99</sup></span>",
            "$12.99",
        ),
        ("<b>$12<sup>99</sup></b> <s>$15<sup>49</sup></s>", "$12.99 <s>$15.49</s>"),
        ("<div itemprop=price>7<small>50</small></div>", "7.50"),
        ("<p>CHF 12<sup>50</sup></p>", "CHF 12.50"),
        ("<p>12<sup>99</sup><span> zł</span></p>", "12.99 zł"),
    ],
)
def test_cents_in_an_element_of_their_own_are_set_off(html: str, text: str) -> None:
    assert simplify_page(html).html == f"<page>\n{text}"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>2<sup>nd</sup> item half price</p>", "2nd item half price"),
        ("<p>10<sup>12</sup> atoms</p>", "1012 atoms"),
        ("<p>$12.99<sup>12</sup></p>", "$12.99 12"),  # a note
        ("<p>$12<b>99</b></p>", "$1299"),  # a search's words made bold
        ("<p>4<span>12</span></p>", "412"),
        ("<p>$5<span>99</span></p>", "$599"),
        ("<p>12€<sup>99</sup></p>", "12€99"),
        ("<p>$12<sup>.99</sup></p>", "$12.99"),
        ("<p>12,<sup>99</sup> €</p>", "12,99 €"),
        ("<p>$12 <sup>99</sup></p>", "$12 99"),
        ("<ul><li>$12<li><sup>99</sup></ul>", "<ul>\n<li>$12\n<li>99\n</ul>"),
        ("<p>Save $5<br><small>99</small> sold</p>", "Save $5\n99 sold"),
    ],
)
def test_no_separator_is_made_up_between_other_numbers(html: str, text: str) -> None:
    assert simplify_page(html).html == f"<page>\n{text}"


def test_a_price_in_a_link_s_label_is_the_same() -> None:
    page = simplify_page("<a href=/x>Red Mug $12<sup>99</sup></a>")
    assert page.elements[0].label == "Red Mug $12.99"
    assert simplify_page(page.html).html == page.html

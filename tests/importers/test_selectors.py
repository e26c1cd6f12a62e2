"""Selectors of recorded actions: CSS as browsers read it, and those of other languages named."""

import re
import time

import pytest
from selectolax.lexbor import LexborHTMLParser

from shop_r1.errors import PageError
from shop_r1.importers.selectors import select_nodes

PAGE = LexborHTMLParser(
    '<div id="«r2»"><p id="a\u00a0b" class="prix été"><p id=":r1:"><p id="123-x"><p data-x="café «q»">'
    '<p id="商品"><p id="_r_1_">'
)


@pytest.mark.parametrize(
    ("selector", "tags"),
    [
        ("#«r2»", ["div"]),
        (r"#\«r2\»", ["div"]),
        ("#«r2» > p.été", ["p"]),
        ("#a\u00a0b", ["p"]),
        (r"#\:r1\:", ["p"]),
        (r"#\31 23-x", ["p"]),
        ("[data-x='café «q»']", ["p"]),
        (r"[data-x=café\ «q»]", ["p"]),
        ("#商品, #_r_1_", ["p", "p"]),
        ("#«r3»", []),
    ],
)
def test_names_beyond_ascii_are_read_as_browsers_read_them(selector: str, tags: list[str]) -> None:
    assert [node.tag for node in select_nodes(PAGE, selector)] == tags


@pytest.mark.parametrize(
    ("selector", "named"),
    [
        ("//*[@id='foo']/button", "XPath"),
        ("(//button)[2]", "XPath"),
        ("xpath=//button", "XPath"),
        ("/html/body/div[2]", "XPath"),
        ("aria/Add to cart", "Puppeteer"),
        ("pierce/#foo button", "Puppeteer"),
        ("shop-card >>> button", "Puppeteer"),
        ("button::-p-text(Add)", "Puppeteer"),
        ("text=Add to cart", "Playwright"),
        ('role=button[name="Add"]', "Playwright"),
        ('getByRole("button")', "Playwright"),
        ('button:has-text("Add")', "Playwright"),
        ("#foo button:visible", "Playwright"),
        ("div >> button", "Playwright"),
        ('button:contains("Add")', "jQuery"),
        ("li:eq(2) a", "jQuery"),
        ("li:first a", "jQuery"),
        ("button::before", "pseudo-element"),
        ("#:r1:", "CSS.escape()"),
        (".2col a", "CSS.escape()"),
        ("button[", "document.querySelector()"),
        ("add to cart!", "document.querySelector()"),
    ],
)
def test_a_selector_that_is_no_css_is_an_error_that_names_its_language(selector: str, named: str) -> None:
    with pytest.raises(PageError, match=re.escape(named)):
        select_nodes(PAGE, selector)


def test_a_hostile_selector_takes_no_time() -> None:
    for selector in (":" * 20_000 + "(", "::" + "a-" * 20_000 + "!", "(" * 20_000, "«" * 20_000 + "["):
        start = time.process_time()
        with pytest.raises(PageError):
            select_nodes(PAGE, selector)
        assert time.process_time() - start < 1

"""Versions as their files say them, and what is wrong with files that say none."""

from pathlib import Path
from typing import Any

import pytest
from tests.drivers.edits.variants import edits_of, variant_of

from shop_r1.cli.simulation.versions import read_version
from shop_r1.drivers.edits.page_variant import Hide, Move, PageVariant
from shop_r1.errors import ConfigError
from shop_r1.store.variants import StoreVariant

WHOLE = """
query = { look = "b" }
cookies = { flag = "on" }
headers = { X-Version = "b" }

[[edits]]
do = "hide"
selector = ".newsletter"
pages = "/product/*"

[[edits]]
do = "move"
selector = ".reviews"
before = "#description"

[[edits]]
do = "text"
selector = "button[name=add]"
to = "Add to basket"

[[edits]]
do = "attribute"
selector = ".promo"
name = "title"
remove = true

[[edits]]
do = "css"
rules = ".price { font-size: 2em }"

[[edits]]
do = "block"
requests = "*chat*.js"

[[edits]]
do = "delay"
requests = "/api/*"
seconds = 1.5

[[edits]]
do = "image"
selector = "img.hero"
file = "hero.png"
"""


def test_a_file_with_every_kind_of_edit_is_read(tmp_path: Path) -> None:
    (tmp_path / "Big Button.toml").write_text(WHOLE, "utf-8")
    (tmp_path / "hero.png").write_bytes(b"\x89PNG")
    found = read_version(tmp_path / "Big Button.toml", at_address=True)
    assert isinstance(found, PageVariant) and found.name == "big-button"
    assert [edit.do for edit in found.edits] == [
        "hide",
        "move",
        "text",
        "attribute",
        "css",
        "block",
        "delay",
        "image",
    ]
    first, second, *_ = found.edits
    assert isinstance(first, Hide) and first.pages == ("/product/*",)
    assert isinstance(second, Move) and second.place == ("before", "#description")
    assert found.labels[1] == "2 move .reviews before #description"
    assert found.words == "8 page edits, 1 query parameter, 1 cookie, 1 header"
    record = str(found.record())
    assert "'flag': 'sha256:" in record and "'on'" not in record and "hero.png sha256:" in record


def test_a_file_is_of_one_kind(tmp_path: Path) -> None:
    store, pages, both, none = (tmp_path / f"{name}.toml" for name in ("store", "pages", "both", "none"))
    store.write_text("ratings = false")
    pages.write_text('cookies = { a = "b" }')
    both.write_text('ratings = false\npage_size = 3\ncookies = { a = "b" }')
    none.write_text('name = "twin"')
    assert read_version(store, at_address=False) == StoreVariant(name="store", ratings=False)
    assert read_version(pages, at_address=False) == PageVariant(name="pages", cookies={"a": "b"})
    assert read_version(none, at_address=True) == PageVariant(name="twin")
    assert read_version(none, at_address=False) == StoreVariant(name="twin")
    with pytest.raises(ConfigError, match=r"page_size, ratings of .* cookies of versions"):
        read_version(both, at_address=True)


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        ({"selector": "a"}, "edit 2: do is null; expected one of hide, move, text"),
        ({"do": "hidden", "selector": "a"}, "edit 2: do is 'hidden'; did you mean hide?"),
        ({"do": "hide"}, "edit 2 (hide): selector: is missing; expected a string"),
        ({"do": "hide", "selector": "a["}, "edit 2 (hide): selector: is no CSS selector"),
        ({"do": "hide", "selector": "a", "to": "b"}, "edit 2 (hide): to: is unknown"),
        ({"do": "move", "selector": "a"}, "edit 2 (move): expected one of before, after and into"),
        (
            {"do": "move", "selector": "a", "into": "b", "after": "c"},
            "expected one of before, after and into",
        ),
        ({"do": "attribute", "selector": "a", "name": "title"}, "edit 2 (attribute): expected to = "),
        (
            {"do": "attribute", "selector": "a", "name": "onclick", "to": "x()"},
            "no attribute that may be set",
        ),
        ({"do": "css", "rules": "@import 'x'; a { b: c }"}, "edit 2 (css): rules: imports a style sheet"),
        ({"do": "css", "rules": "color: red"}, "holds no whole rule"),
        ({"do": "delay", "requests": "/a", "seconds": 60}, "seconds: is 60; expected a number of at most 10"),
        ({"do": "image", "selector": "a", "requests": "b", "file": "a.png"}, "expected selector or requests"),
        ({"do": "image", "selector": "a", "file": "a.txt"}, "file is 'a.txt'; expected a name that ends in"),
        ({"do": "image", "selector": "a", "file": "none.png"}, "none.png: cannot be read"),
    ],
)
def test_a_wrong_edit_is_named_with_its_number(edit: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        variant_of({"do": "hide", "selector": ".x"}, edit)
    assert str(error.value).startswith("b.toml: ") and problem in str(error.value)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"cookies": {"a b": "c"}}, "cookies: 'a b' is no name"),
        ({"cookies": {"a": "b;c"}}, "the value of a cannot be sent as it is"),
        ({"headers": {"X-A": "b\nHost: c"}}, "the value of X-A cannot be sent as it is"),
        ({"headers": {"Cookie": "a=b"}}, "headers: Cookie is the browser's own"),
        ({"querry": {"a": "b"}}, "querry: is unknown"),
        ({"name": "A B"}, "name: is 'A B'"),
    ],
)
def test_what_cannot_be_sent_is_refused(more: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        variant_of(**more)
    assert problem in str(error.value)


def test_requests_are_told_by_address_kind_and_page() -> None:
    edits = edits_of(
        {"do": "block", "requests": "*chat*"},
        {"do": "delay", "requests": "/api/*", "seconds": 1, "pages": "/product/*"},
    )
    page, other = "http://shop.test/product/1", "http://shop.test/cart"

    def of(url: str, kind: str, page: str) -> list[int]:
        return [index for index, _ in edits.requested_by(url, kind, page)]

    assert of("http://cdn.test/chat.js", "Script", page) == [0]
    assert of("http://cdn.test/chat.js", "Image", page) == []
    assert of("http://shop.test/api/price?sku=1", "XHR", page) == [1]
    assert of("http://shop.test/api/price?sku=1", "XHR", other) == []
    assert edits.patterns == [
        {"urlPattern": "**chat**", "resourceType": "Script"},
        {"urlPattern": "*/api/**"},
    ]

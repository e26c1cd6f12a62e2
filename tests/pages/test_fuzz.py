"""Real pages, mutated: 500 examples in the tests, 20,000 with `make nightly` (SHOP_R1_FUZZ_EXAMPLES)."""

import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shop_r1.errors import PageError
from shop_r1.pages.parse.document import locate, parse_document
from shop_r1.pages.simplify import simplify_page

EXAMPLES = int(os.environ.get("SHOP_R1_FUZZ_EXAMPLES", "500"))
WINDOW = 24_000  # bytes of a real page in one example: about 5 ms
HERE = Path(__file__).resolve().parent
REAL = HERE.parents[1].parent / "shared" / "data" / "pages"

FRAGMENTS = (
    b"<div", b"</div>", b"</", b"<!--", b"-->", b"\0", b"&#x", b"&nbsp", b"<page>", b"</page>",
    b"\xff\xfe\x00", b"<svg><script>", b"</svg>", b"<math><mi>", b"<template>", b"</template>",
    b"<plaintext>", b"<noscript>", b"<noscript><div></noscript>", b"<form><form>",
    b"<table><tr><td><table>", b"</table>", b"<select><option>", b"<select><select>", b"</select>",
    b"<textarea>", b"</textarea>", b"<ul><li><ul>", b"</ul>", b"<li>", b"<dl><dt>",
    b"<a href=/x><a href=/x>", b"</a>", b"<button><a href=/y>", b"<p><b id=1><i><font>", b"</p>", b"<h1>",
    b"<h3>", b"<style>.a{display:none}</style>", b"<style>div .a>p~q:hover{display:block}}{{</style>",
    b"<style>@media(", b"<div class=a>", b"<i class='star-4-5'></i>", b"<label for=x>",
    b"<input type=checkbox id=x hidden>", b"<input id=x aria-labelledby='x y'>",
    b"<p id=y aria-labelledby=x>", b"<img onclick=go()>", b"<img alt=' \" < & '>",
    b"<div onclick=x tabindex=0>", b"<li role=option><button>", b"<div role=heading>",
    b"<a name=q role=button>", b"<option>", b"<caption>c", b"<summary>", b"<dialog open>", b"<s>", b"<br>",
    "é\u200b\ue000\u202e★١".encode(), "Привет".encode("koi8-r"), b"<meta charset=utf-7>", b"<![CDATA[x]]>",
    b"<?php", b" title='" + b"x " * 300 + b"'>", b"<a href=#>" * 30, b"<o:p>", b"<body>", b"<head><title>",
    b"</html>", b"<x-y><template shadowrootmode=open><slot>", b"</template>", b"</x-y>", b"<i slot=a>",
    b"<slot name=a>", b"<div popover>", b"<main inert>", b"<details>", b"</details>", b"<base href=/b/>",
    b"<div aria-hidden=true>", b"<div hidden><main>", b"<!--$?--><template id=B:0></template>", b"<!--/$-->",
    b"<div hidden id=S:0>", b'<script>$RC("B:0","S:0")</script>', b'<script>$RS("S:0","B:0")</script>',
    b"$1<sup>99</sup>", b"MIME-Version: 1.0\nContent-Type: text/html\n\n", b"<meta charset=gb2312>",
)  # fmt: skip


class Change(NamedTuple):
    """One mutation: what to do, where (a share of the length), with how many bytes or which fragment."""

    kind: str
    place: float
    size: int
    source: float


CHANGES = st.builds(
    Change,
    kind=st.sampled_from(["insert", "insert", "delete", "copy", "splice", "flip", "cut"]),
    place=st.floats(0, 1),
    size=st.integers(0, 400),
    source=st.floats(0, 1),
)


@cache
def pages() -> list[bytes]:
    """The real pages; without them, as in a user's clone, the small ones of the cases."""
    folder = REAL if REAL.is_dir() else HERE / "cases"
    return [file.read_bytes() for file in sorted(folder.rglob("*.html"))]


def mutate(page: int, start: float, other: int, changes: list[Change]) -> bytes:
    """Return a window of a page with these changes made to it, one after the other."""
    whole, spare = pages()[page % len(pages())], pages()[other % len(pages())]
    offset = int(start * max(0, len(whole) - WINDOW))
    raw = whole[offset : offset + WINDOW]
    for change in changes:
        at = int(change.place * len(raw))
        head, tail = raw[:at], raw[at:]
        match change.kind:
            case "insert":
                raw = head + FRAGMENTS[change.size % len(FRAGMENTS)] + tail
            case "delete":
                raw = head + tail[change.size :]
            case "copy":
                raw = head + tail[: change.size] + tail
            case "splice":
                begin = int(change.source * len(spare))
                raw = head + spare[begin : begin + change.size] + tail
            case "flip":
                raw = head + bytes([change.size % 256]) + tail[1:]
            case _:
                raw = head if change.size % 4 == 0 else raw
    return raw


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    page=st.integers(0, 200),
    start=st.floats(0, 1),
    other=st.integers(0, 200),
    changes=st.lists(CHANGES, max_size=25),
)
def test_a_mutated_page_gives_unique_names_that_lead_back_and_a_stable_page(
    page: int, start: float, other: int, changes: list[Change]
) -> None:
    raw = mutate(page, start, other, changes)
    try:
        short = simplify_page(raw)
    except PageError:
        return
    found = [element.name for element in short.elements]
    assert len(set(found)) == len(found)
    assert all(0 < len(name) <= 80 for name in found)
    document = parse_document(raw)
    for element in short.elements:
        assert locate(document, element.path).tag == element.tag
        assert all(locate(document, path) is not None for path in element.also)
    again = simplify_page(short.html)
    assert again.html == short.html
    assert [element.name for element in again.elements] == found
    assert simplify_page(raw) == short

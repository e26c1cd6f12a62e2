"""The other side of benchmarks/pages.py does the same job: docs/pages.md's page gets our names."""

import re
from pathlib import Path

from benchmarks.soup import simplify_with_soup

from shop_r1.pages.simplify import simplify_page

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "pages.md"


def test_beautifulsoup_and_we_name_the_documents_page_alike() -> None:
    raw, short = re.findall(r"```html\n(.*?)\n```", DOCUMENT.read_text("utf-8"), re.S)[:2]
    html, names = simplify_with_soup(raw)
    assert names == [element.name for element in simplify_page(raw).elements]
    assert html == short

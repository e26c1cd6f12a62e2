import json
from pathlib import Path

from shop_r1.pages.parse.document import locate, parse_document
from shop_r1.pages.simplify import simplify_page


def test_every_real_page_is_named_leads_back_and_is_stable(real_pages: Path) -> None:
    hrefs: dict[str, set[str]] = {}
    files = sorted(real_pages.rglob("*.html"))
    for file in files:
        raw = file.read_bytes()
        page = simplify_page(raw)
        found = [element.name for element in page.elements]
        assert found, file
        assert len(set(found)) == len(found), file
        document = parse_document(raw)
        assert all(locate(document, e.path).tag == e.tag for e in page.elements), file
        again = simplify_page(page.html)
        assert again.html == page.html, file
        assert [element.name for element in again.elements] == found, file
        hrefs[str(file.relative_to(real_pages))] = {e.href for e in page.elements if e.href is not None}
    assert len(files) == 91
    moves = json.loads((real_pages / "links.json").read_text())
    assert len(moves) == 42
    assert [move["href"] for move in moves if move["href"].strip() not in hrefs[move["from_file"]]] == []

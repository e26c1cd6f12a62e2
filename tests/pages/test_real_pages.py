import json
import random
import statistics
from pathlib import Path

import pytest

from shop_r1.errors import PageError
from shop_r1.pages.document import locate, parse_document
from shop_r1.pages.simplify import simplify_page

SMALL = 130_000  # bytes: the fuzz test mutates only pages of up to this size, for time


def test_every_real_page_is_named_leads_back_and_is_stable(real_pages: Path) -> None:
    ratios = []
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
        ratios.append(len(page.html.encode()) / len(raw))
        hrefs[str(file.relative_to(real_pages))] = {e.href for e in page.elements if e.href is not None}
    assert len(files) == 91
    assert statistics.median(ratios) < 0.18  # measured: 0.157 of the raw size
    moves = json.loads((real_pages / "links.json").read_text())
    assert len(moves) == 42
    assert [move["href"] for move in moves if move["href"].strip() not in hrefs[move["from_file"]]] == []


@pytest.mark.parametrize("seed", range(40))
def test_mutated_real_pages_stay_unique_and_stable(real_pages: Path, seed: int) -> None:
    rng = random.Random(seed)
    files = [file for file in sorted(real_pages.rglob("*.html")) if file.stat().st_size < SMALL]
    raw = bytearray(rng.choice(files).read_bytes())
    other = rng.choice(files).read_bytes()
    for _ in range(rng.randint(1, 40)):
        place = rng.randrange(len(raw))
        size = rng.randint(0, 400)
        match rng.randrange(3):
            case 0:
                del raw[place : place + size]
            case 1:
                start = rng.randrange(len(other))
                raw[place:place] = other[start : start + size]
            case _:
                raw[place : place + 1] = bytes([rng.randrange(256)])
    try:
        page = simplify_page(bytes(raw))
    except PageError:
        return
    found = [element.name for element in page.elements]
    assert len(set(found)) == len(found)
    again = simplify_page(page.html)
    assert again.html == page.html
    assert [element.name for element in again.elements] == found

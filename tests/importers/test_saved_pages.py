import json
from pathlib import Path

import pytest

from shop_r1.datasets.examples import list_examples
from shop_r1.errors import DataError
from shop_r1.importers.saved_pages import import_pages
from shop_r1.pages.simplify import simplify_page

SHARED = Path(__file__).resolve().parents[2].parent / "shared"

PAGE = """<!doctype html><title>Shop</title><body>
<a href="/">Home</a> <a href="/mugs?a=1&amp;b=2">Mugs</a>
<main><p>Pick one.</p><a href="/mug">Red mug</a><p>or</p><a href="/mug">See the details</a></main></body>"""


def write(folder: Path, *moves: dict[str, str], page: str = PAGE) -> Path:
    (folder / "shop").mkdir()
    (folder / "shop" / "home.html").write_text(page, "utf-8")
    (folder / "links.json").write_text(json.dumps(moves), "utf-8")
    return folder


def move(href: str, text: str = "", file: str = "shop/home.html") -> dict[str, str]:
    return {"site": "shop", "from_file": file, "to_file": "x", "href": href, "text": text, "n_links": "1"}


def test_a_move_becomes_a_click_on_the_link_with_its_address(tmp_path: Path) -> None:
    found = import_pages(write(tmp_path, move("/mugs?a=1&b=2")))
    (session,) = found.sessions
    (step,) = session.steps
    clicked = simplify_page(PAGE).by_name[step.action.value("name")]
    assert (clicked.href, clicked.label) == ("/mugs?a=1&b=2", "Mugs")
    assert (session.source, session.outcome, step.rationale) == ("pages", None, None)
    assert (session.session_id, step.page.url) == ("pages-000-shop", "shop/home.html")
    assert f'name="{step.action.name}"' in step.page.html
    assert len(list_examples([session], first_step=0)) == 1


@pytest.mark.parametrize(
    ("text", "label", "why"),
    [
        ("see  the DETAILS", "See the details", "address and text"),
        ("Red mug", "Red mug", "address and text"),
        ("details", "See the details", "address and part of the text"),
        ("a blue one", "Red mug", "first of several (text fits nothing)"),
        ("", "Red mug", "first of several"),
    ],
)
def test_the_text_chooses_among_links_to_one_address(tmp_path: Path, text: str, label: str, why: str) -> None:
    found = import_pages(write(tmp_path, move("/mug", text)))
    name = found.sessions[0].steps[0].action.value("name")
    assert simplify_page(PAGE).by_name[name].label == label
    assert found.chosen_by == {why: 1}


def test_moves_that_cannot_be_resolved_are_told_with_their_reason(tmp_path: Path) -> None:
    (tmp_path.parent / "secret.html").write_text(PAGE, "utf-8")
    wrong = (
        move("/nowhere"),
        move("/", file="shop/none.html"),
        move("/", file="../secret.html"),
        move("/", file="shop/empty.html"),
    )
    folder = write(tmp_path, move("/"), *wrong)
    (folder / "shop" / "empty.html").write_bytes(b"")
    found = import_pages(folder)
    assert len(found.sessions) == 1
    reasons = ("no named element leads to '/nowhere'", "cannot be read", "leads out of the folder", "empty")
    assert len(found.unresolved) == len(reasons)
    for number, (told, reason) in enumerate(zip(found.unresolved, reasons, strict=True), 1):
        assert f"entry {number} " in told
        assert reason in told


@pytest.mark.parametrize(
    ("links", "problem"),
    [
        ("", "is not JSON"),
        ("[]", "holds no moves"),
        ('[{"from_file": "a.html"}]', "0.href: is missing; expected a value"),
        ('{"a": 1}', "expected a list"),
        ('[{"from_file": "a.html", "href": "/"}]', "none of its 1 moves could be resolved"),
    ],
)
def test_a_list_of_moves_that_is_none_is_refused(tmp_path: Path, links: str, problem: str) -> None:
    (tmp_path / "links.json").write_text(links, "utf-8")
    with pytest.raises(DataError, match=r"links\.json") as error:
        import_pages(tmp_path)
    assert problem in str(error.value)


def test_every_move_between_real_pages_is_resolved() -> None:
    folder = SHARED / "data" / "pages"
    if not folder.is_dir():
        pytest.skip("no ../shared/data/pages beside this clone")
    found = import_pages(folder)
    assert (len(found.sessions), found.unresolved) == (42, [])
    assert found.chosen_by["first of several"] <= 2

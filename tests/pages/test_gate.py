from decimal import Decimal
from pathlib import Path

import pytest
from tests.pages.facts import cart_controls, cart_forms, has_price, has_title, read_product
from tests.pages.gate import (
    FIGURES,
    RISING_IS_WORSE,
    Measures,
    failures,
    is_tidy,
    measure_pages,
    read_floors,
)
from tests.pages.visible import Visibility, find_actionable, find_toggle_labels, read_text

from shop_r1.pages.parse.document import parse_document

# What must hold whatever gate.json says: at least so much, of a size at most so much.
DEMANDS = {
    "named": 0.99,
    "unique": 1.0,
    "found_again": 1.0,
    "idempotent": 1.0,
    "links_found": 1.0,
    "stable_banner": 0.99,
    "stable_moved": 0.99,
    "title_kept": 1.0,
    "price_kept": 1.0,
    "cart_named": 1.0,
    "size_median": 0.15,  # the aim is 0.12: docs/pages.md says why it is missed
}


@pytest.fixture(scope="session")
def measures(real_pages: Path) -> Measures:
    return measure_pages(real_pages)


def _check(measures: Measures, figure: str, bound: float) -> None:
    value = FIGURES[figure](measures)
    good = value <= bound if figure in RISING_IS_WORSE else value >= bound
    assert good, "\n".join([f"{figure} is {value:.6f}, not {bound}", *failures(measures, figure)])


@pytest.mark.parametrize("figure", FIGURES)
def test_no_figure_is_worse_than_its_floor(measures: Measures, figure: str) -> None:
    floors = read_floors()["figures"]
    assert isinstance(floors, dict)
    assert figure in floors, "no floor yet: python tests/pages/gate.py --write"
    _check(measures, figure, floors[figure])


@pytest.mark.parametrize("figure", DEMANDS)
def test_what_is_demanded_of_any_simplifier_holds(measures: Measures, figure: str) -> None:
    _check(measures, figure, DEMANDS[figure])


def test_the_floors_are_of_this_corpus(measures: Measures) -> None:
    floors = read_floors()
    assert (floors["digest"], floors["pages"]) == (measures.digest, len(measures.pages))
    assert set(FIGURES) == set(floors["figures"])  # type: ignore[call-overload]


def _visible(html: str) -> Visibility:
    return Visibility(parse_document(html))


@pytest.mark.parametrize(
    ("html", "kinds"),
    [
        ("<a href=/>x</a><a>y</a><a href=/ hidden>z</a><p aria-hidden=true><a href=/>w</a>", ["link"]),
        ("<div style='color:red;display:none'><button>x</button></div><button>y</button>", ["button"]),
        ("<style>.off{display:none}</style><p class=off><a href=/>x</a></p>", []),
        ("<style>.off{display:none} p.off{display:block}</style><p class=off><a href=/>x</a>", ["link"]),
        ("<style>@media print{.off{display:none}}</style><p class=off><a href=/>x</a>", ["link"]),
        ("<style>nav .off{display:none}</style><p class=off><a href=/>x</a>", ["link"]),
        ("<style>body{display:none}</style><a href=/>x</a>", ["link"]),
        ("<dialog><a href=/>x</a></dialog><dialog open><a href=/>y</a></dialog>", ["link"]),
        ("<input type=hidden><input type=image><input><select><option>1</select>", None),
        ("<p tabindex=0>x</p><p tabindex=-1>y</p><p role=tab>z</p><p role=note>w</p>", ["tabindex", "role"]),
    ],
)
def test_the_gate_finds_what_can_be_seen_and_acted_on(html: str, kinds: list[str] | None) -> None:
    found = [actionable.kind for actionable in find_actionable(_visible(html))]
    assert sorted(found) == sorted(["button", "input", "select", "option"] if kinds is None else kinds)


def test_labels_of_boxes_are_found_by_id_and_by_nesting() -> None:
    html = "<label for=a>A</label><input id=a type=radio><label>B<input type=checkbox hidden></label><label>C"
    assert [label.own_visible for label in find_toggle_labels(_visible(html))] == [True, False]


def test_text_runs_on_within_a_line_and_skips_what_is_hidden() -> None:
    html = "<p>$19<sup>.99</sup><i hidden>old</i><script>5</script><img alt=Mug><a href=/>go</a>on"
    assert read_text(_visible(html)).split() == ["$19.99", "Mug", "go", "on"]


@pytest.mark.parametrize(
    ("text", "price", "held"),
    [
        ("only 1,299.00 today", "1299", True),
        ("1.299,00 €", "1299", True),
        ("EUR 1299", "1299", True),
        ("1299.50", "1299", False),
        ("119.99", "19.99", False),
        ("19,9 €", "19.9", True),
    ],
)
def test_a_price_is_found_in_every_way_of_writing_it(text: str, price: str, held: bool) -> None:
    assert has_price(text, Decimal(price)) is held


def test_a_title_needs_most_of_its_words_close_together() -> None:
    assert has_title("Shop Nordal red ceramic mug, now", "Nordal Red Ceramic Mug | Harbor")
    assert not has_title("Nordal shop " + "x " * 20 + "red mug", "Nordal Red Ceramic Mug")


def test_structured_data_gives_title_and_price() -> None:
    ld = '{"@graph":[{"@type":"Product","name":"Red &amp; blue","offers":{"price":"12.50"}}]}'
    facts = read_product(parse_document(f'<script type="application/ld+json">{ld}</script><p>x'))
    assert (facts.titles, facts.prices) == (("Red & blue",), (Decimal("12.50"),))
    item = (
        "<p itemscope itemtype=http://schema.org/Product><b itemprop=name>Mug</b><i itemprop=price>3,20</i>"
    )
    facts = read_product(parse_document(item))
    assert (facts.titles, facts.prices) == (("Mug",), (Decimal("3.20"),))


def test_the_labelled_form_and_what_sends_it_are_found() -> None:
    html = "<form><button>Go</button></form><form><input name=qty><img onclick=buy() alt=Buy></form>"
    visibility = _visible(html)
    forms = cart_forms(visibility.document, 'forms=["s", "b"] fields=[{}, {"qty": "qt"}]')
    assert forms is not None
    assert [control.tag for control in cart_controls(visibility, forms[0])] == ["img"]
    assert cart_forms(visibility.document, "") is None


def test_names_are_tidy_without_blanks_capitals_and_length() -> None:
    assert [is_tidy(name) for name in ("a.b_2", "É", "A", "a b", "", "x" * 81)] == [True, True] + [False] * 4

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.importers.rrweb.snapshots import Entry, add, document, entered, full, mutation, tag, text

from shop_r1.importers.rrweb.events import NodeKind
from shop_r1.importers.rrweb.mirror import Mirror
from shop_r1.importers.rrweb.nodes import DomNode, set_attributes
from shop_r1.importers.rrweb.writer import write_page

BODY = 4


def mirror(*body: Entry) -> Mirror:
    page = Mirror(Counter())
    assert page.load(full(document(*body))["data"])
    return page


def mutate(page: Mirror, **parts: list[Entry]) -> str:
    page.mutate(mutation(**parts)["data"])
    return written(page)


def written(page: Mirror) -> str:
    assert page.root is not None
    html = write_page(page.root, "")
    return html.removeprefix("<!DOCTYPE html><html><body>").removesuffix("</body></html>")


def test_nodes_are_added_removed_and_moved() -> None:
    page = mirror(tag(10, "ul", None, tag(11, "li", None, text(12, "a")), tag(13, "li", None, text(14, "b"))))
    assert written(page) == "<ul><li>a</li><li>b</li></ul>"
    adds = [add(10, 13, tag(15, "li")), add(15, None, text(16, "new")), add(BODY, None, tag(17, "p"))]
    assert mutate(page, adds=adds) == "<ul><li>a</li><li>new</li><li>b</li></ul><p></p>"
    assert mutate(page, removes=[{"parentId": 10, "id": 11}]) == "<ul><li>new</li><li>b</li></ul><p></p>"
    moved = [add(10, 15, tag(13, "li")), add(13, None, text(14, "b"))]
    shown = mutate(page, removes=[{"parentId": 10, "id": 13}], adds=moved)
    assert (shown, +page.counts) == ("<ul><li>b</li><li>new</li></ul><p></p>", {})


def test_nodes_that_come_before_their_parent_or_next_sibling_wait_for_it() -> None:
    page = mirror(tag(10, "ul"))
    adds = [
        add(20, 23, text(22, "x")),  # waits for its parent, then for its next sibling
        add(10, 21, tag(20, "li")),
        add(20, None, text(23, "y")),
        add(10, None, tag(21, "b")),
    ]
    assert mutate(page, adds=adds) == "<ul><li>xy</li><b></b></ul>"
    assert +page.counts == {}


def test_a_long_chain_in_the_wrong_order_and_a_deep_tree_take_no_time() -> None:
    page = mirror(tag(10, "ul"))
    wide = [add(10, number + 1, tag(number, "i")) for number in range(100, 20_099)]
    wide.append(add(10, None, tag(20_099, "i")))
    assert mutate(page, adds=wide).count("<i>") == 20_000
    deep = [add(number - 1, None, tag(number, "b")) for number in range(30_001, 50_000)]
    deep.insert(0, add(10, None, tag(30_000, "b")))
    assert mutate(page, adds=deep[::-1]).count("<b>") == 20_000
    assert mutate(page, removes=[{"parentId": BODY, "id": 10}]) == ""


def test_texts_and_attributes_change() -> None:
    page = mirror(tag(10, "p", {"class": "a", "title": "t", "hidden": ""}, text(11, "old")))
    attributes = [
        {"id": 10, "attributes": {"class": "b", "title": None, "hidden": None, "data-n": 3, "checked": True}}
    ]
    shown = mutate(page, texts=[{"id": 11, "value": "new <i>"}], attributes=attributes)
    assert shown == '<p class="b" data-n="3" checked>new &lt;i&gt;</p>'
    assert mutate(page, texts=[{"id": 11, "value": None}]) == '<p class="b" data-n="3" checked></p>'


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ("", {"display": "none"}, "display: none"),
        ("display: none", {"display": False}, ""),
        ("color: red; display: none", {"display": "block"}, "color: red; display: block"),
        ("color: red", {"display": ["none", "important"]}, "color: red; display: none !important"),
        ('a: url("x;y"); b: c', {"b": False}, 'a: url("x;y")'),
        ("a: url(x;y); b: c", {"a": False}, "b: c"),
        ("a: (;( ' \" ; b: c", {"b": False}, "a: (;( ' \""),  # what is broken stays as it is
    ],
)
def test_a_style_changes_property_by_property(before: str, change: dict[str, Any], after: str) -> None:
    node = DomNode(1, NodeKind.ELEMENT, "p")
    node.attributes["style"] = before
    set_attributes(node, {"style": change})
    assert node.get("style") == after


def test_a_broken_style_takes_no_time() -> None:
    node = DomNode(1, NodeKind.ELEMENT, "p")
    for style in ("(" * 19_000, "'" * 19_000, "a:(" * 6000, ";" * 1_000_000):
        node.attributes["style"] = style
        set_attributes(node, {"style": {"b": "c"}})
        assert node.get("style").endswith("b: c")


def test_fields_keep_what_is_entered() -> None:
    options = [tag(21, "option", {"value": "s", "selected": True}), tag(22, "option", None, text(23, "M "))]
    page = mirror(
        tag(10, "input", {"value": ""}),
        tag(11, "textarea", None, text(12, "old")),
        tag(13, "input", {"type": "checkbox", "value": "v"}),
        tag(20, "select", {"value": "s"}, *options),
    )
    for identity, value, checked in (
        (10, 'a"<', False),
        (11, "</textarea>", False),
        (13, "on", True),
        (20, "M", False),
    ):
        node = page.get(identity)
        assert node is not None
        page.enter(node, entered(identity, value, checked=checked)["data"])
    assert written(page) == (
        '<input value="a&quot;&lt;"><textarea>&lt;/textarea&gt;</textarea>'
        '<input type="checkbox" value="v" checked>'
        '<select><option value="s"></option><option selected>M </option></select>'
    )
    node = page.get(13)
    assert node is not None
    page.enter(node, entered(13, "on")["data"])
    assert "checked" not in written(page)


def test_what_is_said_of_nodes_that_are_not_there_is_counted() -> None:
    page = mirror(tag(10, "p"))
    before = written(page)
    after = mutate(
        page,
        removes=[{"id": 99}, {"id": 1}, {"id": [1]}, {}],
        adds=[
            add(99, None, tag(30, "b")),
            add(10, 99, tag(31, "b")),
            {"parentId": 10},
            add(10, -1, tag(33, "b")),
        ],
        texts=[{"id": 99, "value": "x"}],
        attributes=[{"id": 99, "attributes": {}}, {"id": 10, "attributes": "x"}],
    )
    assert after == before
    assert +page.counts == {"changes to nodes that are not there": 4 + 4 + 1 + 2}
    page.mutate({"adds": "no list", "removes": [1, None], "texts": None})
    assert written(page) == before


def test_a_node_that_comes_again_moves() -> None:
    page = mirror(tag(10, "div", None, tag(11, "p", None, tag(12, "b"))), tag(13, "i"))
    assert mutate(page, adds=[add(BODY, 10, tag(11, "p"))]) == "<p></p><div></div><i></i>"
    assert page.get(12) is None
    assert mutate(page, adds=[add(10, 13, tag(11, "p"))]) == "<div><p></p></div><i></i>"
    assert page.counts == {"nodes put beside one of another parent": 1}
    assert mutate(page, adds=[add(10, 11, tag(11, "u"))]) == "<div><u></u></div><i></i>"


def test_a_node_that_is_put_into_itself_is_gone_and_the_document_stays() -> None:
    page = mirror(tag(10, "div", None, tag(11, "p", None, tag(12, "b"))), tag(13, "i"))
    assert mutate(page, adds=[add(12, None, document())]) == "<div><p><b></b></p></div><i></i>"
    assert mutate(page, adds=[add(12, None, tag(10, "div"))]) == "<i></i>"
    assert mutate(page, adds=[add(13, None, tag(13, "i"))]) == ""
    assert page.counts == {"nodes put into themselves": 3}


def test_frames_are_counted_and_not_shown() -> None:
    page = mirror(tag(14, "iframe", {"rr_src": "x"}))
    inner = document(tag(90, "a", {"href": "/x"}), first=80)
    assert mutate(page, adds=[add(14, None, inner)]) == "<iframe></iframe>"
    assert page.counts == {"frames, not looked into": 1}
    assert page.get(90) is not None  # changes in it find their nodes


def test_a_style_elements_texts_change_although_its_sheet_came_as_an_attribute() -> None:
    page = mirror(
        tag(10, "style", {"_cssText": ".a{}/* rr_split */.b{}"}, text(11, ""), text(12, "")),
        tag(20, "style", {"_cssText": ".c{}"}, text(21, "")),
    )
    texts = [{"id": 12, "value": ".d{}"}, {"id": 21, "value": ".e{}"}]
    assert mutate(page, texts=texts) == "<style>.a{}.d{}</style><style>.e{}</style>"


@pytest.mark.parametrize(
    "again",
    [
        document(tag(10, "ul", None, tag(11, "li", None, text(12, "b"))), tag(13, "input", {"value": "x"})),
        document(tag(10, "ul", None, tag(11, "b", None, text(12, "a"))), tag(13, "input", {"value": "x"})),
        document(tag(10, "ul", None, tag(12, "li"), tag(11, "i")), tag(13, "input", {"value": "x"})),
        document(tag(10, "ul", None, tag(11, "li", None, text(12, "a"))), tag(13, "input")),
    ],
)
def test_a_page_that_was_loaded_again_is_told_from_the_same_once_more(again: Entry) -> None:
    body = tag(10, "ul", None, tag(11, "li", None, text(12, "a"))), tag(13, "input", {"value": "x"})
    page = mirror(*body)
    assert page.is_same({"node": document(*body)})
    assert page.is_same({"node": document(*body, tag(14, "p"))})  # not told of yet
    assert page.is_same({"node": document(*body, first=20)})
    assert not page.is_same({"node": again})


@pytest.mark.parametrize(
    "node", [None, 3, {}, {"id": 1}, {"type": 2, "id": 1, "tagName": "p"}, {"type": [], "id": 1}]
)
def test_a_snapshot_without_a_document_leaves_the_page_as_it_was(node: Any) -> None:
    page = mirror(tag(10, "p"))
    assert not page.load({"node": node})
    assert written(page) == "<p></p>"
    assert page.counts["snapshots that hold no page"] == 1


def test_nodes_that_cannot_be_read_or_are_there_twice_are_counted() -> None:
    wrong: list[Any] = [{"type": 9, "id": 11}, tag(10, "b"), "p", tag(True, "i")]
    page = mirror(tag(10, "p"), *wrong, text(12, "x"))
    assert written(page) == "<p></p>x"
    assert page.counts == {"nodes that cannot be read or are there twice": 4}


# -- The tree against a reference ---------------------------------------------------------------------------


@dataclass
class Reference:
    """A page as plain lists of children; edited at random, it tells the edits as a recorder does."""

    children: dict[int, list[int]] = field(default_factory=lambda: {BODY: []})
    texts: dict[int, str] = field(default_factory=dict)
    next_id: int = 10
    touched: set[int] = field(default_factory=set)
    removed: dict[int, set[int]] = field(default_factory=dict)

    def below(self, node: int) -> list[int]:
        return [node, *(each for child in self.children[node] for each in self.below(child))]

    def parent(self, node: int) -> int:
        return next(parent for parent, children in self.children.items() if node in children)

    def take_out(self, node: int) -> None:
        self.children[self.parent(node)].remove(node)

    def edit(self, kind: int, first: int, second: int, place: int) -> None:
        there = self.below(BODY)
        node, other = there[first % len(there)], there[second % len(there)]
        if kind == 0 and len(there) < 60:
            self.children[self.next_id] = []
            self.texts[self.next_id] = ""
            self.children[node].insert(place % (len(self.children[node]) + 1), self.next_id)
            self.next_id += 1
        elif node != BODY and kind == 1:
            self.touched.add(node)
            self.take_out(node)
        elif node != BODY and kind == 2 and other not in self.below(node):
            self.touched.add(node)
            self.take_out(node)
            self.children[other].insert(place % (len(self.children[other]) + 1), node)
        elif node != BODY:
            self.texts[node] = f"t{place}"

    def html(self, node: int) -> str:
        inner = "".join(map(self.html, self.children[node]))
        return inner if node == BODY else f'<i title="{self.texts[node]}">{inner}</i>'


edits = st.lists(
    st.lists(st.tuples(st.integers(0, 3), *[st.integers(0, 99)] * 3), min_size=1, max_size=12), max_size=6
)


@settings(max_examples=150, deadline=None)
@given(edits, st.randoms(use_true_random=False))
def test_any_run_of_edits_gives_the_page_that_it_gave_the_shopper(
    batches: list[list[tuple[int, int, int, int]]], random: Any
) -> None:
    page, reference = mirror(), Reference()
    for batch in batches:
        before = {node: reference.below(node) for node in reference.below(BODY)}
        reference.touched = set()
        for edit in batch:
            reference.edit(*edit)
        gone = [node for node in reference.touched if node in before]
        forgotten = {each for node in gone for each in before[node]}
        after = reference.below(BODY)
        adds = []
        for node in after:
            if node not in before or node in forgotten:
                siblings = reference.children[reference.parent(node)]
                following = (*siblings, None)[siblings.index(node) + 1]
                adds.append(add(reference.parent(node), following, tag(node, "i", {"title": ""})))
        random.shuffle(adds)
        removes = [{"id": node} for node in gone if not any(node in before[other][1:] for other in gone)]
        attributes = [
            {"id": node, "attributes": {"title": reference.texts[node]}} for node in after if node != BODY
        ]
        assert mutate(page, removes=removes, adds=adds, attributes=attributes) == reference.html(BODY)
        assert +page.counts == {}

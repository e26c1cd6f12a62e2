import pytest

from shop_r1.records.action_words import action_words, element_label
from shop_r1.records.actions import SPACES, Action, click

HTML = (
    '<page>\n<input name="search_input" type="search"> <button name="search.go">Go</button>\n'
    '<li><a name="results.cups_saucers" current>Cups &amp;  Saucers</a>\n<a name="empty"></a>'
)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (click("search.go"), "Clicked “Go”"),
        (click("results.cups_saucers"), "Clicked “Cups & Saucers”"),
        (click("buy_box.not_there"), "Clicked “not there”"),
        (click("empty"), "Clicked “empty”"),
        (click("search_input"), "Clicked “search input”"),
        (Action(type="input", name="form.e_mail", text="a"), "Typed “a” into e mail"),
        (Action(type="select", name="buy_box.size", text="large"), "Chose “large” in size"),
        (Action(type="terminate"), "Left the shop"),
        (click(""), "Clicked “something without a name”"),
    ],
)
def test_actions_in_words(action: Action, words: str) -> None:
    assert action_words(action, HTML) == words


def test_what_was_not_done_was_tried() -> None:
    assert action_words(Action(type="back"), "", was_done=False) == "Tried to go back"
    assert action_words(click("search.go"), HTML, was_done=False) == "Tried to click “Go”"


def test_every_type_of_action_has_words() -> None:
    types = {kind.name for space in SPACES.values() for kind in space.types}
    for kind in types:
        takes = next(k for s in SPACES.values() for k in s.types if k.name == kind).fields
        fields = dict.fromkeys(takes, "red")
        assert action_words(Action(type=kind, **fields), "") != kind


def test_labels_on_pages_that_are_cut_short() -> None:
    for html in ('<a name="x"', '<a name="x">', ' name="x">text<', '<a name="x">  <'):
        assert element_label("x", html) == "x"


def test_long_labels_are_cut() -> None:
    assert len(action_words(click("x" * 500), "")) == len("Clicked “”") + 80

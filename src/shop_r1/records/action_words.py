"""What a shopper did, in words for people; the same wherever a step is shown."""

import re
from html import unescape

from shop_r1.records.actions import Action

_TAG = re.compile("<[^<>]*>")
_LABEL_MAX = 80
"""Characters of a label or a text that are shown. Ours."""


def action_words(action: Action, html: str, *, was_done: bool = True) -> str:
    """Return an action in words; elements are called by the label that they have on the simplified page.

    With `was_done` false, it is what was tried.

    >>> from shop_r1.records.actions import click, type_and_submit
    >>> action_words(click("results.red_mug"), '<a name="results.red_mug">Red Mug</a>')
    'Clicked “Red Mug”'
    >>> action_words(type_and_submit("search_input", "red mug"), "<page>", was_done=False)
    'Tried to type “red mug” into search input and press Enter'
    """
    done, tried = _forms(action, html)
    return done if was_done else f"Tried to {tried}"


def _forms(action: Action, html: str) -> tuple[str, str]:
    name = action.value("name")
    place, text = _place(name), _quoted(action.value("text"))
    match action.type:
        case "click":
            label = _quoted(element_label(name, html))
            return f"Clicked {label}", f"click {label}"
        case "type_and_submit":
            return (
                f"Typed {text} into {place} and pressed Enter",
                f"type {text} into {place} and press Enter",
            )
        case "input":
            return f"Typed {text} into {place}", f"type {text} into {place}"
        case "select":
            return f"Chose {text} in {place}", f"choose {text} in {place}"
        case "hover":
            label = _quoted(element_label(name, html))
            return f"Moved the mouse over {label}", f"move the mouse over {label}"
        case "scroll":
            return "Scrolled", "scroll"
        case "back":
            return "Went back", "go back"
        case "terminate":
            return "Left the shop", "leave the shop"
        case other:
            return other, other


def element_label(name: str, html: str) -> str:
    """Return the text of the link or button with this name on a simplified page, else the name in words.

    >>> element_label("mugs.red_mug", '<a name="mugs.red_mug"><img alt="A mug"> Red Mug $4</a>')
    'Red Mug $4'
    """
    at = html.find(f' name="{name}"')
    tag = html.rfind("<", 0, at) if at >= 0 else -1
    for kind in ("a", "button"):
        if tag >= 0 and html.startswith(f"<{kind} ", tag):
            begin = html.find(">", at) + 1
            end = html.find(f"</{kind}>", begin)
            inside = _TAG.sub(" ", html[begin:end]) if 0 < begin < end else ""
            if label := " ".join(unescape(inside).split()):
                return label
    return _place(name)


def _place(name: str) -> str:
    """Return the last part of an element's name in words."""
    return _cut(name.rpartition(".")[2].replace("_", " ")) or _cut(name) or "something without a name"


def _quoted(text: str) -> str:
    return f"“{_cut(text)}”"


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LABEL_MAX else text[: _LABEL_MAX - 1] + "…"

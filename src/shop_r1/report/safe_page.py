"""Hostile page content made harmless: a recorded page as inert HTML for a sandboxed frame.

Only the tags and attributes listed here pass, so nothing that runs, loads, links or submits is left. The
frame's sandbox and the report's content security policy each forbid the same once more.
"""

import re

import nh3
from selectolax.lexbor import LexborHTMLParser

_CONTROLS = ("button", "input", "select", "textarea")
_INPUT_TYPES = "text search number checkbox radio email tel range date"
_KEPT = """
a abbr address article aside b blockquote br button caption code dd del details div dl dt em fieldset
figcaption figure footer h1 h2 h3 h4 h5 h6 header hr i input ins label legend li main mark nav ol optgroup
option p pre s section select small span strong sub summary sup table tbody td textarea tfoot th thead tr u ul
"""
"""Tags that pass; any other is replaced by its children."""
_DROPPED = """
applet audio base canvas embed frame frameset head iframe link math meta noembed noframes noscript object
param plaintext script source style svg template title track video xmp
"""
"""Tags that go with all they hold."""
_ATTRIBUTES = (
    "alt aria-label checked colspan label multiple name open placeholder role rowspan selected title value"
)
"""Attributes that pass on every tag; none of them takes a URL or code."""
_CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

_CLEANER = nh3.Cleaner(
    tags=set(_KEPT.split()),
    clean_content_tags=set(_DROPPED.split()),
    attributes={"*": set(_ATTRIBUTES.split())},
    tag_attribute_values={"input": {"type": set(_INPUT_TYPES.split())}},
    set_tag_attribute_values={tag: {"disabled": ""} for tag in _CONTROLS},
    link_rel=None,
)


def clean_text(text: str) -> str:
    """Return the text with what HTML cannot carry (NUL, controls, surrogates) replaced by U+FFFD."""
    return _CONTROL_CHARACTERS.sub("\ufffd", text)


def make_safe(html: str) -> str:
    """Return the page's body as inert HTML: text, structure, names and form states; nothing else.

    Images become their alternative text, links lose their target, controls are disabled.
    """
    text = clean_text(html)
    return _CLEANER.clean(_name_images(text) if "<img" in text.lower() else text).strip()


def _name_images(html: str) -> str:
    """Return the page with each image replaced by its alternative text; nothing is made safe here."""
    document = LexborHTMLParser(html)
    for image in document.css("img"):
        alternative = image.attributes.get("alt")
        if alternative:
            shown = document.create_node("span")
            shown.attrs["role"] = "img"
            shown.insert_child(alternative)
            image.replace_with(shown)
        else:
            image.decompose()
    return document.html or ""

"""Hostile page content made harmless: a recorded page as inert HTML for a sandboxed frame.

Only the tags and attributes listed here pass, so nothing that runs, loads, links or submits is left. The
frame's sandbox and the report's content security policy each forbid the same once more.
"""

import re
from html import escape

import lxml.etree
import lxml.html

_KEPT_NAMES = """
a abbr address article aside b blockquote br button caption code dd del details div dl dt em fieldset
figcaption figure footer h1 h2 h3 h4 h5 h6 header hr i input ins label legend li main mark nav ol optgroup
option p pre s section select small span strong sub summary sup table tbody td textarea tfoot th thead tr u ul
"""
_KEPT = frozenset(_KEPT_NAMES.split())
"""Tags that pass; any other is replaced by its children."""
_DROPPED_NAMES = """
applet audio base canvas embed frame frameset head iframe link math meta noembed noframes noscript object
param plaintext script source style svg template title track video xmp
"""
_DROPPED = frozenset(_DROPPED_NAMES.split())
"""Tags that go with all they hold."""
_VOID = frozenset(("br", "hr", "input"))
_CONTROLS = frozenset(("button", "input", "select", "textarea"))
_ATTRIBUTE_NAMES = """
alt aria-label checked colspan label multiple name open placeholder role rowspan selected title type value
"""
_ATTRIBUTES = frozenset(_ATTRIBUTE_NAMES.split())
"""Attributes that pass; none of them takes a URL or code."""
_INPUT_TYPES = frozenset(("text", "search", "number", "checkbox", "radio", "email", "tel", "range", "date"))
_MAX_DEPTH = 200
"""Deeper elements are left out: no shop nests so deep, and a hostile page must not exhaust the stack."""
_CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def clean_text(text: str) -> str:
    """Return the text with what HTML cannot carry (NUL, controls, surrogates) replaced by U+FFFD."""
    return _CONTROL_CHARACTERS.sub("\ufffd", text)


def make_safe(html: str) -> str:
    """Return the page's body as inert HTML: text, structure, names and form states; nothing else.

    Images become their alternative text, links lose their target, controls are disabled.
    """
    text = clean_text(html).strip()
    if not text:
        return ""
    try:
        root = lxml.html.document_fromstring(
            text, parser=lxml.html.HTMLParser(remove_comments=True, remove_pis=True)
        )
    except lxml.etree.ParserError:  # nothing but comments
        return ""
    parts: list[str] = []
    _emit(root, parts, 0)
    return "".join(parts)


def _emit(element: lxml.html.HtmlElement, parts: list[str], depth: int) -> None:
    """Append the element's safe form, without its tail."""
    tag = element.tag
    if not isinstance(tag, str) or tag in _DROPPED or depth > _MAX_DEPTH:
        return
    if tag == "img":
        alternative = element.get("alt")
        if alternative:
            parts.append(f"<span>[{escape(alternative)}]</span>")
        return
    if tag in _KEPT:
        parts.append(f"<{tag}{_attributes(element)}>")
    if tag not in _VOID:
        parts.append(escape(element.text or ""))
        for child in element:
            _emit(child, parts, depth + 1)
            parts.append(escape(child.tail or ""))
        if tag in _KEPT:
            parts.append(f"</{tag}>")


def _attributes(element: lxml.html.HtmlElement) -> str:
    kept = []
    for key, value in element.attrib.items():
        if key in _ATTRIBUTES and not (key == "type" and value.lower() not in _INPUT_TYPES):
            kept.append(f' {key}="{escape(value)}"')
    if element.tag in _CONTROLS:
        kept.append(" disabled")
    return "".join(kept)

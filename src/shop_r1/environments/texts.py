"""Texts as gymnasium's spaces hold them: ASCII, nothing lost, and a page within its length."""

import json
import string

from gymnasium.spaces import Text

from shop_r1.pages.elements import element_names
from shop_r1.pages.serialize.truncate import fit_html

CHARACTERS = "".join(sorted({*string.printable} - {*"\r\x0b\x0c"}))
"""What texts consist of: ASCII that can be printed, spaces, tabs and line ends."""

MAX_ACTION_CHARACTERS = 8_192
"""Of a completion. Ours."""


def text_space(max_length: int) -> Text:
    """Return the space of these texts up to this length."""
    return Text(max_length, min_length=0, charset=CHARACTERS)


def to_ascii(text: str) -> str:
    r"""Return a text in which all else stands as HTML's character references, control characters as spaces.

    >>> to_ascii("Café\r\n")
    'Caf&#233; \n'
    """
    plain = text.encode("ascii", "xmlcharrefreplace").decode("ascii")
    return "".join(each if each in CHARACTERS else " " for each in plain)


def fit_page(html: str, max_characters: int) -> tuple[str, bool]:
    """Return a simplified page in ASCII within this length, and whether it was shortened for that.

    Raises:
        PageError: not even the page's frame fits.
    """
    plain = to_ascii(html)
    if len(plain) <= max_characters:
        return plain, False
    return to_ascii(fit_html(html, max_characters, lambda text: len(to_ascii(text)))), True


def list_names(page: str) -> str:
    r"""Return the names of a page's elements in order, as a JSON list in ASCII.

    >>> print(list_names('<page>\n<a name="results.caf&#233;">x</a>\n<input name="search.q">'))
    ["results.caf\u00e9", "search.q"]
    """
    return json.dumps(element_names(page))

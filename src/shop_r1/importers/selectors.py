"""CSS selectors as browsers read them; a selector in another tool's language is named."""

import re
from collections.abc import Sequence
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from shop_r1.errors import PageError

_ESCAPED_OR_OTHER = re.compile(r"(\\.)|[^\x00-\x7f]", re.DOTALL)
_LANGUAGES: Final[Sequence[tuple[re.Pattern[str], str]]] = tuple(
    (re.compile(pattern, re.DOTALL), words)
    for pattern, words in (
        (r"\s*(?:xpath[=/]|\(*\.{0,2}/|id\()", "is an XPath expression; expected a CSS selector"),
        (r"\s*(?:aria|pierce|text|xpath)/|.*(?:>>>|::-p-)", "is a selector of Puppeteer; expected CSS alone"),
        (
            r"\s*(?:text|role|id|css|label|placeholder|alt|title|data-[\w-]+|aria-ref|internal:[\w-]+)="
            r"|\s*(?:page\.)?(?:getBy\w+|get_by_\w+|locator)\(|.*>>"
            r"|.*:(?:has-text|text|text-is|text-matches|visible|nth-match|right-of|left-of|above|below|near)\b",
            "is a selector of Playwright; expected CSS alone, or the text as label",
        ),
        (
            r".*:(?:contains|eq|first|last|even|odd|gt|lt|hidden|button|submit|input|selected)\b(?!-)",
            "is a selector of jQuery; expected CSS alone, or the text as label",
        ),
        (
            r".*::[a-z]",
            "ends in a pseudo-element, which is no element of a page; give the element's own selector",
        ),
        (r".*[#.]:", r"has a colon that is not escaped; expected it as CSS.escape() writes it: #\:r1\:"),
        (
            r".*[#.][0-9]",
            r"has a name that begins with a digit; expected it as CSS.escape() writes it: #\31 23",
        ),
    )
)
"""How a selector of another language begins or what it holds, and what to say of it; the first that fits."""


def select_nodes(document: LexborHTMLParser, selector: str) -> list[LexborNode]:
    r"""Return the elements that a CSS selector matches, in the document's order.

    Browsers take every character beyond ASCII in a name, as in React's ids `«r2»`; the parser here does not
    take all of them unless they are escaped, which means the same (CSS Syntax Level 3, section 4.3.7).

    Raises:
        PageError: it is not CSS; the message names the language that it seems to be in.

    >>> select_nodes(LexborHTMLParser('<p id="«r2»">'), "#«r2»")[0].tag
    'p'
    >>> select_nodes(LexborHTMLParser("<p>"), "//p")
    Traceback (most recent call last):
    shop_r1.errors.PageError: is an XPath expression; expected a CSS selector
    """
    try:
        return document.css(_ESCAPED_OR_OTHER.sub(lambda match: match[1] or f"\\{match[0]}", selector))
    except SelectolaxError:
        words = (words for pattern, words in _LANGUAGES if pattern.match(selector))
        expected = "cannot be read; expected a CSS selector, as document.querySelector() takes it"
        raise PageError(next(words, expected)) from None

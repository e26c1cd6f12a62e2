"""The records of a simplified page, and the way from a name back to its element."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import unescape
from typing import NamedTuple

from rapidfuzz import process

from shop_r1.errors import PageError
from shop_r1.pages.serialize.nodes import Line

_NAMES_SHOWN = 5  # close names in an error message (ours)
_TAG = re.compile(r"""<[a-zA-Z](?:[^<>"']|"[^"]*"|'[^']*')*+>""")
_NAME = re.compile(r"""\sname\s*=\s*(?:"([^"]*)"|'([^']*)')""")


class Element(NamedTuple):
    """Something on a page that a shopper can act on."""

    name: str
    """Unique on the page, e.g. `results.red_mug.add_to_cart`; at most 80 characters."""
    tag: str
    """The tag in the original document."""
    role: str
    """link, button, submit, reset, textbox, searchbox, checkbox, radio, slider, combobox, option, or as given
    by the page."""
    label: str
    """Its accessible name, as far as static HTML tells."""
    path: str
    """A CSS path for `document.querySelector` or `locate` in the original document."""
    href: str | None = None
    """Where a link leads, as written; None for the rest."""
    value: str | None = None
    """What a field holds, or what an option or button sends; None where there is none."""
    states: tuple[str, ...] = ()
    """Of checked, selected, pressed, disabled, expanded, collapsed, current."""
    options: tuple[str, ...] = ()
    """The names of a select's options."""
    also: tuple[str, ...] = ()
    """Paths of other elements that do the same: the picture that links where the title beside it does, the
    label of a checkbox, the list item around a menu's link."""


@dataclass(frozen=True)
class SimplifiedPage:
    """What the model sees of a page.

    Attributes:
        html: the short page; `name` attributes are the elements' names.
        elements: in page order, names unique.
        dropped: how many parts were left out, by reason.
        shown: how many parts that are hidden as the page stands are shown all the same, since they hold
            nearly all of it or a script of the page's own shows them, by reason.
        examples: the first parts left out for each reason, as raw HTML cut short; only when asked for.
        url: the address that the page itself says it was saved from, "" where it does not.
        base: what its addresses are resolved against, itself relative to the page's own address; "" for that.
        lines: `html` as nodes, for `fit_page`; () where only the text is at hand.
        cut: what a token budget took, by kind, in characters, items or elements as the kind says.
    """

    html: str
    elements: tuple[Element, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cut: Mapping[str, int] = field(default_factory=dict)
    shown: Mapping[str, int] = field(default_factory=dict)
    url: str = ""
    base: str = ""
    lines: tuple[Line, ...] = field(default=(), repr=False, compare=False)

    @cached_property
    def by_name(self) -> dict[str, Element]:
        """The elements under their names."""
        return {element.name: element for element in self.elements}


def find_element(page: SimplifiedPage, name: str) -> Element:
    """Return the element with this name.

    >>> from shop_r1 import find_element, simplify_page
    >>> page = simplify_page("<h1>Red Mug</h1><form><button>Add to cart</button></form>")
    >>> find_element(page, "add_to_cart").path
    'html > body:nth-child(2) > form:nth-child(2) > button:nth-child(1)'

    Raises:
        PageError: no element has it; the message lists the closest names.
    """
    element = page.by_name.get(name)
    if element is not None:
        return element
    if not page.elements:
        raise PageError(f"no element is named {name[:120]!r}: the page has none that can be acted on")
    close = [match[0] for match in process.extract(name[:120], list(page.by_name), limit=_NAMES_SHOWN)]
    raise PageError(
        f"none of the page's {len(page.elements)} elements is named {name[:120]!r}; "
        f"the closest: {', '.join(close)}"
    )


def element_names(html: str) -> list[str]:
    """Return the `name` of each element of a simplified page that has one, in order.

    >>> element_names('<page><a name="mugs.red" href="x">name="no"</a> <input type="text" name="q">')
    ['mugs.red', 'q']
    """
    named = (_NAME.search(tag) for tag in _TAG.findall(html))
    return [unescape(match[1] if match[1] is not None else match[2]) for match in named if match]

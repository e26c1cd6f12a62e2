"""The names on a simplified page, which are what actions act on."""

import re
from html import unescape

_TAG = re.compile(r"""<[a-zA-Z](?:[^<>"']|"[^"]*"|'[^']*')*+>""")
_NAME = re.compile(r"""\sname\s*=\s*(?:"([^"]*)"|'([^']*)')""")


def element_names(html: str) -> list[str]:
    """Return the `name` of each element of a simplified page that has one, in order.

    >>> element_names('<page><a name="mugs.red" href="x">name="no"</a> <input type="text" name="q">')
    ['mugs.red', 'q']
    """
    named = (_NAME.search(tag) for tag in _TAG.findall(html))
    return [unescape(match[1] if match[1] is not None else match[2]) for match in named if match]

"""What a page's own first scripts do to it before anyone sees it: streamed parts are put in their place.

Servers send what takes long at the end of a page, hidden, and a line of script after each part moves it to
where a placeholder stands. React's commands (`$RC`, `$RR`: a whole part in place of what said "Loading";
`$RS`: a piece of one) and Marko's (`$af`) are done here as those scripts do them.
"""

import re
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from shop_r1.pages.parse.shadow_roots import ancestors

_CALL: Final = re.compile(
    r"""\$(RC|RR|RS|af)\(\s*["']?([\w:«»-]{1,80})["']?(?:\s*,\s*["']([\w:«»-]{1,80})["'])?"""
)
_CALLS_MAX: Final = 10_000
PENDING: Final = "$?"
"""The comment before a placeholder whose part has not come."""


def complete(document: LexborHTMLParser) -> int:
    """Put the streamed parts of a page in their place and return how many; linear in the page's size."""
    calls = [call for script in document.css("script") for call in _CALL.findall(script.text() or "")]
    if not calls:
        return 0
    ids: dict[str, LexborNode] = {}
    for node in document.css("[id]"):
        ids.setdefault(node.attributes.get("id") or "", node)
    # What is taken away is kept apart, not freed: a later command may still name something in it.
    apart = document.create_node("div")
    return sum(_do(command, first, second, ids, apart) for command, first, second in calls[:_CALLS_MAX])


def _do(command: str, first: str, second: str, ids: dict[str, LexborNode], apart: LexborNode) -> bool:
    """Do one command; return whether its part and its placeholder were there."""
    if command == "af":
        first, second = f"af{first}", f"afph{first}"
    one, other = ids.pop(first, None), ids.pop(second, None)
    place, part = (one, other) if command in ("RC", "RR") else (other, one)
    if place is None or part is None:
        return False
    if part.mem_id in (around.mem_id for around in (place, *ancestors(place))):
        return False
    if command in ("RC", "RR"):
        _clear_fallback(place, apart)
    for child in list(part.iter(include_text=True)):
        place.insert_before(child, move=True)
    apart.insert_child(place, move=True)
    apart.insert_child(part, move=True)
    return True


def _clear_fallback(place: LexborNode, apart: LexborNode) -> None:
    """Take away what stands between a placeholder and the end of its part, marked `<!--/$-->`."""
    if place.parent is not None and place.parent.mem_id == apart.mem_id:
        return  # it went with the fallback around it; moved within `apart`, what follows it would never end
    before = place.prev
    if before is not None and before.comment_content == PENDING:
        apart.insert_child(before, move=True)
    depth = 0
    node = place.next
    while node is not None:
        following = node.next
        mark = node.comment_content
        if mark == "/$" and not depth:
            return
        if mark is not None:
            depth += (mark in ("$", "$?", "$!", "$~")) - (mark == "/$")
        apart.insert_child(node, move=True)
        node = following

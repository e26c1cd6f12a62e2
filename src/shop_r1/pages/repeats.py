"""Links that say again what stands elsewhere on the page: pictures beside titles, menus written twice."""

import re

from shop_r1.pages import rules
from shop_r1.pages.node import Node, spoken_text
from shop_r1.pages.tree import Tree

_WORD = re.compile(r"[^\W_]")


def fold_into(spare: Node, kept: Node) -> None:
    """Leave a control out: whoever acts on it acts on `kept`."""
    spare.folded = True
    kept.also = (*kept.also, spare, *spare.also)


def fold_duplicate_links(tree: Tree) -> None:
    """Mark image links that stand beside a text link to the same address and say nothing more."""
    recent: dict[str, tuple[int, Node]] = {}
    for index, link in enumerate(tree.links):
        href = link.get("href").strip()
        if not href or href.lower().startswith(rules.EMPTY_HREFS) or link.controls:
            continue
        seen = recent.get(href)
        recent[href] = (index, link)
        if seen is None or index - seen[0] > 3:
            continue
        spare = _spare_link(seen[1], link)
        if spare is not None:
            kept = link if spare is seen[1] else seen[1]
            fold_into(spare, kept)
            tree.drop("duplicate_link", spare)
            recent[href] = (index, kept)


def _spare_link(first: Node, second: Node) -> Node | None:
    """Return the one of two links to one address that can go, or None when both say something."""
    texts = [spoken_text(link).lower() for link in (first, second)]
    drawn = [not _WORD.search(link.text) for link in (first, second)]
    if not _WORD.search(texts[0]) or (drawn[0] and texts[0] in texts[1]):
        return first
    if not _WORD.search(texts[1]) or texts[0] == texts[1] or (drawn[1] and texts[1] in texts[0]):
        return second
    if (drawn[0] and texts[1] in texts[0]) or (drawn[1] and texts[0] in texts[1]):
        return first if drawn[0] else second
    return None

"""Links that say again what stands elsewhere on the page: menus written twice, pictures beside titles."""

from collections import Counter
from collections.abc import Sequence

from shop_r1.pages import rules
from shop_r1.pages.naming.names import to_words
from shop_r1.pages.naming.same_links import Items, act_alike, same_menu, stand_together
from shop_r1.pages.parse.node import Node, spoken_text
from shop_r1.pages.parse.tree import Tree

_Key = tuple[str, str]  # a link's address and words


def fold_repeats(tree: Tree) -> None:
    """Leave out what is on the page twice; who acts on a part left out acts on the one that stays."""
    if tree.is_simplified:
        return
    addresses = [(link.attributes.get("href") or "").strip() for link in tree.links]
    times = Counter(addresses)
    keys = [
        _key_of(link, href) if times[href] > 1 else None
        for link, href in zip(tree.links, addresses, strict=True)
    ]
    _fold_repeated_menus(tree, keys)
    _fold_duplicate_links(tree, keys)


def _fold_repeated_menus(tree: Tree, keys: Sequence[_Key | None]) -> None:
    """Fold blocks that hold only links, the same in the same order as a run of links before them.

    Shops write their menu once for wide screens and once for phones, or above and below the goods.
    """
    places: dict[_Key, list[int]] = {}
    for index, key in enumerate(keys):
        if key is not None and len(known := places.setdefault(key, [])) < rules.MENU_PLACES_MAX:
            known.append(index)
    folded_to, work_left, items = 0, rules.MENU_WORK_MAX, Items()
    for start, end, menu in sorted(tree.menus, key=lambda found: (found[0], -found[1])):
        key = keys[start]
        if start < folded_to or key is None or places[key][0] >= start:
            continue
        work_left -= (end - start) * len(places[key]) + rules.SAME_LINK_CLIMB
        if work_left < 0:  # nested menus would be compared again on each level
            return
        run, links, size = keys[start:end], tree.links[start:end], end - start
        before = [place for place in places[key] if place + size <= start]
        first = next((place for place in before if keys[place : place + size] == run), None)
        if first is None or None in run or not _says_only_links(menu, links):
            continue
        others = tree.links[first : first + size]
        if same_menu(menu, links, others, items):
            menu.folded = True
            menu.bits |= rules.TELLS
            tree.drop("repeated_menu", menu)
            for link, other in zip(links, others, strict=True):
                _fold_into(link, other)
            folded_to = end


def _key_of(link: Node, href: str) -> _Key | None:
    if not href or href.lower().startswith(rules.EMPTY_HREFS):
        return None
    return href, spoken_text(link).lower()


def _says_only_links(menu: Node, links: list[Node]) -> bool:
    """Return whether no word of a menu stands outside of its links; marks that set them apart may."""
    said = [spoken_text(link) for link in links]
    limit = 2 * sum(map(len, said)) + 100
    return _letters(spoken_text(menu, limit=limit)) == sum(map(_letters, said))


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))


def _fold_into(spare: Node, kept: Node) -> None:
    """Leave a control out: whoever acts on it acts on `kept`."""
    while kept.same is not None:
        kept = kept.same
    spare.folded, spare.same = True, kept
    kept.stand_for(spare)


def _fold_duplicate_links(tree: Tree, keys: Sequence[_Key | None]) -> None:
    """Let one of several links to one address that stand close together be the link, the others mere text.

    A product's picture, title, price and "view details" mostly lead to the same page.
    """
    items = Items()
    recent: dict[str, tuple[int, Node]] = {}
    for index, link in enumerate(tree.links):
        key = keys[index]
        if key is None or link.controls or link.folded:
            continue
        seen = recent.get(key[0])
        recent[key[0]] = (index, link)
        if seen is None or index - seen[0] > rules.SAME_LINK_DISTANCE:
            continue
        # Kept is the link that says better where it leads: in words, and in more of them.
        kept, spare = (seen[1], link) if _rank(seen[1]) >= _rank(link) else (link, seen[1])
        if items.part(seen[1], link) or not all(act_alike(other, link) for other in (seen[1], *seen[1].also)):
            continue
        if not stand_together(seen[1], link):
            continue
        _fold_into(spare, kept)
        tree.drop("duplicate_link", spare)
        if not _is_said(spare, kept):
            spare.folded, spare.control = False, ""
        recent[key[0]] = (index, kept)


def _rank(link: Node) -> tuple[bool, bool, int]:
    words = to_words(link.text)
    return link.heading is not None, any(not word.isdigit() for word in words), len(words)


def _is_said(spare: Node, kept: Node) -> bool:
    """Return whether the kept link's text has the other's, so that leaving the whole link out loses nothing.

    A link within a sentence is part of it.
    """
    if spare.text and spare.parent is not None and spare.parent.text != spare.text:
        return False
    return spoken_text(spare).lower() in spoken_text(kept).lower()

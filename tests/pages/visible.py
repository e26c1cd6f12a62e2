"""What of an original page can be seen and acted on, found without any of the simplifier's code.

It works on the tree that `parse_document` builds, since paths are valid there, and reads nothing else of
`shop_r1`. Seen means: nothing in the document itself hides it. Linked style sheets are not read, and of a
page's own `<style>` elements only rules of one simple selector (`.menu`, `div#top.off`, `[hidden]`) outside
of `@` blocks. A menu that opens when pointed at is hidden by such a rule or by a `style` attribute: the
simplifier keeps it on purpose, and here it is neither demanded nor held against anyone. Rules that hide the
whole body are no rules: pages begin so and show themselves by a script.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

# Tags that show nothing of what stands in them, or show what is not in this document.
_UNSEEN_TAGS = frozenset({
    "script", "style", "template", "noscript", "head", "datalist", "iframe", "object", "svg", "canvas",
    "video", "audio",
})  # fmt: skip
_HIDING = re.compile(r"(?:^|[;\s])(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.I)
_SHOWING = re.compile(r"(?:^|[;\s])display\s*:\s*(?!none)[a-z]", re.I)
_DECLARATION = re.compile(r"(?:^|[;\s])(display|visibility)\s*:\s*([a-z-]+)\s*(!\s*important)?", re.I)
_COMPOUND = re.compile(
    r"(?P<tag>[a-z][a-z0-9-]*|\*)?(?P<rest>(?:[.#][\w-]+|\[[\w-]+(?:=[\"']?[\w -]*[\"']?)?\])*)", re.I
)
_SIMPLE = re.compile(r"([.#])([\w-]+)|\[([\w-]+)(?:=[\"']?([\w -]*)[\"']?)?\]")
_COMMENT = re.compile(r"/\*.*?\*/|<!--|-->", re.S)
_BRACE = re.compile(r"[{};]")
_SPACE = re.compile(r"\s+")

_ACTIONABLE = (
    "a[href], area[href], button, input, select, option, textarea, summary, [role], [onclick], [tabindex], "
    "[contenteditable]"
)
_ROLES = frozenset({
    "button", "link", "tab", "menuitem", "option", "checkbox", "radio", "switch", "searchbox", "combobox",
})  # fmt: skip
_BUTTON_TYPES = frozenset({"submit", "button", "reset", "image"})
_TOGGLES = "input[type=checkbox], input[type=radio]"
# Elements that go on with the word before them; all others, links and struck-out prices too, end it.
_INLINE_TAGS = frozenset({
    "abbr", "b", "bdi", "bdo", "big", "cite", "code", "data", "em", "font", "i", "ins", "mark", "small",
    "span", "strong", "sub", "sup", "time", "tt", "u",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule of one simple selector that speaks of display or visibility."""

    tag: str
    wanted: tuple[tuple[str, str, str | None], ...]  # ".", class / "#", id / "[", attribute, value
    strength: tuple[int, int, int]
    declared: tuple[tuple[str, str, bool], ...]  # property, value, important


@dataclass(frozen=True, slots=True)
class Actionable:
    """An element of the original page that a shopper can see and act on."""

    kind: str
    node: LexborNode


@dataclass(frozen=True, slots=True)
class ToggleLabel:
    """A visible label of a checkbox or radio button, and whether that itself can be seen."""

    node: LexborNode
    own_visible: bool


@dataclass
class Visibility:
    """Whether elements of one document can be seen; answers are kept."""

    document: LexborHTMLParser
    _known: dict[int, bool] = field(default_factory=dict)
    _rules: dict[str, list[tuple[int, _Rule]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        order = 0
        for style in self.document.css("style"):
            if (style.attributes.get("media") or "all").strip().lower() in ("all", "screen"):
                for rule in read_rules(style.text() or ""):
                    self._rules.setdefault(_key(rule), []).append((order, rule))
                    order += 1

    def sees(self, node: LexborNode) -> bool:
        """Return whether neither the element nor one around it is hidden."""
        chain: list[LexborNode] = []
        current: LexborNode | None = node
        visible = True
        while current is not None and current.is_element_node:
            known = self._known.get(current.mem_id)
            if known is not None:
                visible = known
                break
            chain.append(current)
            current = current.parent
        for link in reversed(chain):
            visible = visible and not self.hides(link)
            self._known[link.mem_id] = visible
        return visible

    def hides(self, node: LexborNode) -> bool:
        """Return whether the element itself is of a kind that is not seen, or is taken off the screen."""
        tag = node.tag
        if tag in _UNSEEN_TAGS:
            return True
        attributes = node.attributes
        if tag == "dialog" and "open" not in attributes:
            return True
        if not attributes and tag not in self._rules:
            return False
        if "hidden" in attributes or attributes.get("aria-hidden") == "true":
            return True
        style = attributes.get("style") or ""
        return bool(style and _HIDING.search(style)) or self._hidden_by_rule(tag or "", attributes, style)

    def _hidden_by_rule(self, tag: str, attributes: dict[str, str | None], style: str) -> bool:
        if not self._rules or tag in ("html", "body"):
            return False
        classes = set((attributes.get("class") or "").split())
        keys = [tag, "*", f"#{attributes.get('id')}", *(f".{name}" for name in classes)]
        best: dict[str, tuple[tuple[bool, tuple[int, int, int], int], str]] = {}
        for key in keys:
            for order, rule in self._rules.get(key, ()):
                if _matches(rule, tag, attributes, classes):
                    for name, value, important in rule.declared:
                        rank = (important, rule.strength, order)
                        if name not in best or best[name][0] <= rank:
                            best[name] = (rank, value)
        display, visibility = best.get("display"), best.get("visibility")
        if display and display[1] == "none" and (display[0][0] or not _SHOWING.search(style)):
            return True
        return bool(visibility and visibility[1] == "hidden")


def _key(rule: _Rule) -> str:
    """Return the one word that an element must have for the rule to speak of it."""
    for sign, name, _ in rule.wanted:
        if sign in ".#":
            return sign + name
    return rule.tag or "*"


def _matches(rule: _Rule, tag: str, attributes: dict[str, str | None], classes: set[str]) -> bool:
    if rule.tag not in ("", "*", tag):
        return False
    for sign, name, value in rule.wanted:
        if sign == "." and name not in classes:
            return False
        if sign == "#" and attributes.get("id") != name:
            return False
        if sign == "[" and (name not in attributes or (value is not None and attributes[name] != value)):
            return False
    return True


def read_rules(sheet: str) -> Iterator[_Rule]:
    """Yield the sheet's simple rules on display and visibility, in order; what stands in `@` blocks is left.

    >>> [rule.declared for rule in read_rules(".a{color:red} b.a{display:none!important} a .b{display:none}")]
    [(('display', 'none', True),)]
    """
    for prelude, body in _blocks(_COMMENT.sub(" ", sheet)):
        if "display" not in body and "visibility" not in body:
            continue
        declared = tuple(
            (name.lower(), value.lower(), bool(important))
            for name, value, important in _DECLARATION.findall(body)
        )
        for selector in prelude.split(","):
            match = _COMPOUND.fullmatch(selector.strip())
            if match is not None and match.group() and declared:
                yield _rule(match, declared)


def _rule(match: re.Match[str], declared: tuple[tuple[str, str, bool], ...]) -> _Rule:
    tag = (match["tag"] or "").lower()
    wanted = tuple(
        (sign, name, None) if sign else ("[", attribute.lower(), value or None)
        for sign, name, attribute, value in _SIMPLE.findall(match["rest"])
    )
    ids = sum(sign == "#" for sign, _, _ in wanted)
    return _Rule(tag, wanted, (ids, len(wanted) - ids, int(tag not in ("", "*"))), declared)


def _blocks(sheet: str) -> Iterator[tuple[str, str]]:
    """Yield selector and declarations of each rule that stands in no `@` block."""
    start = 0
    while (brace := _BRACE.search(sheet, start)) is not None:
        if brace.group() != "{":
            start = brace.end()
            continue
        prelude = sheet[start : brace.start()].strip()
        end = _block_end(sheet, brace.end())
        if not prelude.startswith("@"):
            yield prelude, sheet[brace.end() : end]
        start = end + 1


def _block_end(sheet: str, start: int) -> int:
    depth = 1
    for brace in _BRACE.finditer(sheet, start):
        depth += {"{": 1, "}": -1}.get(brace.group(), 0)
        if depth == 0:
            return brace.start()
    return len(sheet)


def find_actionable(visibility: Visibility) -> list[Actionable]:
    """Return all that can be seen and acted on, each once."""
    found: dict[int, Actionable] = {}
    for node in visibility.document.css(_ACTIONABLE):
        kind = _kind(node)
        if kind and node.mem_id not in found and visibility.sees(node):
            found[node.mem_id] = Actionable(kind, node)
    return list(found.values())


def _kind(node: LexborNode) -> str:
    """Return what sort of element it is for a shopper; "" when it cannot be acted on."""
    attributes = node.attributes
    match node.tag:
        case "a" | "area" if "href" in attributes:
            return "link"
        case "button" | "select" | "textarea" | "summary" | "option":
            return node.tag or ""
        case "input":
            kind = (attributes.get("type") or "").strip().lower()
            return "" if kind == "hidden" else "button" if kind in _BUTTON_TYPES else "input"
    role = (attributes.get("role") or "").lower().split()
    if role and role[0] in _ROLES:
        return "role"
    if "onclick" in attributes:
        return "onclick"
    if _takes_focus(attributes.get("tabindex")):
        return "tabindex"
    return "editable" if (attributes.get("contenteditable") or "false").lower() != "false" else ""


def _takes_focus(tabindex: str | None) -> bool:
    """Return whether the tab key stops there: 0 and above. Below, only scripts move the focus there."""
    text = (tabindex or "").strip()
    return text.isdecimal() and text.isascii()


def find_toggle_labels(visibility: Visibility) -> list[ToggleLabel]:
    """Return the visible labels of the document's checkboxes and radio buttons."""
    document = visibility.document
    toggles = {node.mem_id: node for node in document.css(_TOGGLES)}
    by_id: dict[str, LexborNode] = {}
    for node in toggles.values():
        by_id.setdefault(node.attributes.get("id") or "", node)
    found = []
    for label in document.css("label"):
        target = label.attributes.get("for")
        own = by_id.get(target) if target else label.css_first(_TOGGLES)
        if own is not None and visibility.sees(label):
            found.append(ToggleLabel(label, visibility.sees(own)))
    return found


def read_text(visibility: Visibility, *, apart: bool = False) -> str:
    """Return the text that can be seen, with images' texts and buttons' values, whitespace collapsed.

    Args:
        visibility: of the document.
        apart: whether every tag ends a word; otherwise `$19<sup>.99</sup>` is `$19.99`.
    """
    parts: list[str] = []
    root = visibility.document.root
    assert root is not None, "parse_document returns a document with a root"
    stack: list[LexborNode | str] = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            parts.append(node)
        elif node.tag == "-text":
            parts.append(node.text_content or "")
        elif node.is_element_node and not visibility.hides(node):
            _stack_children(node, stack, " " if apart or node.tag not in _INLINE_TAGS else "")
    return _SPACE.sub(" ", "".join(parts))


def _stack_children(node: LexborNode, stack: list[LexborNode | str], apart: str) -> None:
    said = node.attributes.get("alt") if node.tag == "img" else None
    if node.tag == "input" and (node.attributes.get("type") or "").lower() in _BUTTON_TYPES:
        said = node.attributes.get("value")
    stack.append(apart)
    child = node.last_child
    while child is not None:
        stack.append(child)
        child = child.prev
    stack.append(f"{apart}{said or ''}{apart}" if said else apart)

"""Recorded events made harmless: of rrweb's events only what draws the page passes, value by value.

A recording is what a page chose to be, so hostile. Here everything is left out that is not on a list: other
events, elements that load or run something, attributes that lead anywhere. The player's sandbox and content
security policy each forbid the same once more; this is what keeps a mistake in one of them from mattering.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeGuard

from shop_r1.records.recordings import REFERENCE, Event, is_mark
from shop_r1.report.safe_page import clean_text

_SNAPSHOT, _INCREMENT, _META = 2, 3, 4
_DOCUMENT, _DOCTYPE, _ELEMENT, _TEXT, _CDATA, _COMMENT = range(6)
_DEPTH_MAX: Final = 400
"""Levels of elements; deeper ones are left out. Browsers' own parsers stop at 512."""
_SIDE_MAX: Final = 20_000
"""Of a window, in CSS pixels."""
_REPLACED = """
script object embed applet base meta frame frameset portal fencedframe noscript template param animate
animatemotion animatetransform set foreignobject handler listener
"""
"""Elements that would run, load, lead or change something; an empty one of no meaning stands for each."""
_PLACEHOLDER: Final = "shop-r1-left-out"
_FRAMES = frozenset({"iframe"})
_FRAME_ATTRIBUTES = frozenset({"class", "id", "style", "title", "width", "height", "rr_width", "rr_height"})
_DROPPED = """
srcdoc ping action formaction target formtarget download integrity nonce crossorigin http-equiv content
srcset imagesrcset background poster data codebase classid archive autofocus is contenteditable popovertarget
popovertargetaction commandfor command autoplay loading fetchpriority attributionsrc referrerpolicy allow
sandbox csp manifest lowsrc dynsrc longdesc profile cite itemid
"""
"""Attributes that lead somewhere, load something or do something by themselves."""
_NUMBERS = frozenset({"rr_scrollLeft", "rr_scrollTop"})
_LENGTHS = frozenset({"rr_width", "rr_height"})
_LINKS = frozenset({"a", "area"})
_LINK_TARGET: Final = "#"
"""In place of every link's address: it is drawn as a link, and leads nowhere."""
_SIZED = {"img": "src", "source": "srcset"}
"""Elements that offer pictures in several sizes, and the attribute that then has the one that is kept."""
_PICTURES = frozenset({"img", "input", "image", "feimage"})
_REACHED_BY_NAME = frozenset({"img", "form"})
"""Elements whose name takes the place of the document's own property, such as `createElement`."""

_REPLACED_TAGS, _DROPPED_ATTRIBUTES = frozenset(_REPLACED.split()), frozenset(_DROPPED.split())
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9._:-]{0,60}")
_ATTRIBUTE = re.compile(r"[A-Za-z_@:][A-Za-z0-9_:.@-]{0,100}")
_PROPERTY = re.compile(r"-{0,2}[A-Za-z_][A-Za-z0-9_-]{0,100}")
_IMAGE = re.compile(r"data:image/[a-z0-9.+-]+[;,]", re.IGNORECASE)
_ASSET = re.compile(rf"{REFERENCE}[0-9a-f]{{1,64}}:[0-9a-f]{{64}}")
_IN_SET = re.compile(rf"{_ASSET.pattern}|data:image/[a-z0-9.+-]+;base64,[A-Za-z0-9+/=]+")
_OUTSIDE = re.compile(
    rf"""(@import)\b|\b(url|src|image-set)\((?!\s*["']?\s*(?:data:|#|{REFERENCE}))""", re.IGNORECASE
)
_LENGTH = re.compile(r"[\d.]{1,10}(px|%)?")


def safe_events(events: Iterable[Event]) -> tuple[list[Event], Counter[str]]:
    """Return the events that draw pages, made harmless, and what was left out, in words.

    Style sheets may hold references to assets (`records.replays`); `safe_css` is for those themselves.
    """
    cleaner = _Cleaner()
    kept = []
    for event in events:
        data = cleaner.data_of(event)
        if data is not None:
            kept.append({"type": event["type"], "data": data, "timestamp": event["timestamp"]})
    return kept, cleaner.left_out


def safe_css(text: str) -> str:
    """Return the style sheet without what it would fetch, as far as that is plain; the policy sees all.

    >>> safe_css('a { background: url(https://shop.test/a.png) }')
    'a { background: left-out(https://shop.test/a.png) }'
    """
    return _OUTSIDE.sub(lambda match: "@left-out" if match[1] else "left-out(", clean_text(text))


class _Cleaner:
    def __init__(self) -> None:
        self.left_out: Counter[str] = Counter()
        self._tags: dict[int, str] = {}
        self._sheets: set[int] = set()  # texts that are style sheets

    def data_of(self, event: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what an event may say; None where it may say nothing."""
        kind, data = event["type"], event["data"]
        if kind == _META:
            return self._size(data) and {"href": "", **(self._size(data) or {})}
        if kind == _SNAPSHOT:
            node = self._node(data.get("node"), "", 0)
            return node and {
                "node": node,
                "initialOffset": _numbers(data.get("initialOffset"), "left", "top"),
            }
        if kind == _INCREMENT:
            return self._increment(data)
        if kind not in (0, 1) and not is_mark(event):  # the page's loading, which nobody replays, and ours
            self.left_out["events of scripts and plugins"] += 1
        return None

    def _increment(self, data: Mapping[str, Any]) -> dict[str, Any] | None:
        source = data.get("source")
        makers: dict[Any, Callable[[Mapping[str, Any]], dict[str, Any] | None]] = {
            0: self._mutation,
            1: _positions,
            2: _interaction,
            3: lambda found: _numbers(found, "id", "x", "y"),
            4: self._size,
            5: _input,
            6: _positions,
            8: _rules,
            12: _positions,
            13: _declaration,
            15: _adopted,
        }
        made = makers[source](data) if isinstance(source, int) and source in makers else None
        if source in (7, 9, 10):
            self.left_out["sound, drawings on canvases and fonts"] += 1
        return made and {"source": source, **made}

    @staticmethod
    def _size(data: Mapping[str, Any]) -> dict[str, Any] | None:
        width, height = data.get("width"), data.get("height")
        for side in (width, height):
            if not _is_number(side) or not 0 < side <= _SIDE_MAX:
                return None
        return {"width": width, "height": height}

    def _mutation(self, data: Mapping[str, Any]) -> dict[str, Any]:
        adds = []
        for each in _objects(data.get("adds")):
            if node := self._node(each.get("node"), self._tags.get(_id(each.get("parentId")), ""), 0):
                adds.append({"node": node, **_ids(each, "parentId", "nextId", "previousId")})
        texts = [
            {"id": each["id"], "value": self._text(each["value"], each["id"])}
            for each in _objects(data.get("texts"))
            if _is_id(each.get("id")) and isinstance(each.get("value"), str)
        ]
        changes = [
            {
                "id": each["id"],
                "attributes": self._attributes(self._tags.get(each["id"], ""), each["attributes"]),
            }
            for each in _objects(data.get("attributes"))
            if _is_id(each.get("id")) and isinstance(each.get("attributes"), dict)
        ]
        removes = [
            {**_ids(each, "id", "parentId"), "isShadow": each.get("isShadow") is True}
            for each in _objects(data.get("removes"))
        ]
        frame = {"isAttachIframe": True} if data.get("isAttachIframe") is True else {}
        return {"adds": adds, "texts": texts, "attributes": changes, "removes": removes, **frame}

    def _node(self, node: Any, parent: str, depth: int) -> dict[str, Any] | None:
        """Return a serialised node; None for what is none, and for what lies too deep."""
        if not isinstance(node, dict) or not _is_id(node.get("id")):
            return None
        if depth > _DEPTH_MAX:
            self.left_out["elements that lie too deep"] += 1
            return None
        made = _ids(node, "id", "rootId")
        kind = node.get("type")
        if parent == "style":
            self._sheets.add(node["id"])
        if kind in (_TEXT, _CDATA, _COMMENT):
            # A comment says nothing that is drawn, and CDATA cannot be made in HTML.
            text = node.get("textContent") if kind == _TEXT else ""
            kept = self._text(text, node["id"]) if isinstance(text, str) else ""
            return made | {"type": _COMMENT if kind == _CDATA else kind, "textContent": kept}
        if kind == _DOCTYPE:
            return made | {"type": kind, "name": "html", "publicId": "", "systemId": ""}
        if kind == _ELEMENT:
            made |= self._element(node)
        elif kind == _DOCUMENT:
            made["type"] = kind
        else:
            return None
        tag = self._tags.get(node["id"], "") if kind == _ELEMENT else ""
        inner = node.get("childNodes") if tag != _PLACEHOLDER else None
        children = [self._node(each, tag, depth + 1) for each in (inner if isinstance(inner, list) else ())]
        return made | {"childNodes": [each for each in children if each is not None]}

    def _element(self, node: Mapping[str, Any]) -> dict[str, Any]:
        tag, attributes = node.get("tagName"), node.get("attributes")
        is_known = isinstance(tag, str) and _TAG.fullmatch(tag) is not None
        if not is_known or str(tag).lower() in _REPLACED_TAGS or not isinstance(attributes, dict):
            self.left_out["elements that run or load something"] += 1
            self._tags[node["id"]] = _PLACEHOLDER
            return {"type": _ELEMENT, "tagName": _PLACEHOLDER, "attributes": {}}
        self._tags[node["id"]] = str(tag).lower()
        flags = {name: True for name in ("isSVG", "isShadowHost", "isShadow") if node.get(name) is True}
        return {
            "type": _ELEMENT,
            "tagName": tag,
            "attributes": self._attributes(str(tag).lower(), attributes),
        } | flags

    def _attributes(self, tag: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, value in attributes.items():
            if not _ATTRIBUTE.fullmatch(name) or name.lower().startswith("on") or tag == _PLACEHOLDER:
                continue
            if value is None:
                kept[name] = None
            elif (found := _attribute(tag, name, value)) is not None:
                kept[name] = found
        # Of several sizes that a page offers, the one that was loaded is the one that is stored.
        if tag in _SIZED and (stored := _IN_SET.search(str(attributes.get("srcset")))):
            kept[_SIZED[tag]] = stored[0]
        return kept

    def _text(self, text: str, number: int) -> str:
        """Return a node's text; a style sheet may be a reference to an asset."""
        if number not in self._sheets:
            return clean_text(text)
        return text if _ASSET.fullmatch(text) else safe_css(text)


def _attribute(tag: str, name: str, value: Any) -> Any:
    """Return what an attribute may say; None where it may say nothing."""
    lower = name.lower()
    if lower in _DROPPED_ATTRIBUTES or (tag in _FRAMES and lower not in _FRAME_ATTRIBUTES):
        return None
    if lower == "name" and tag in _REACHED_BY_NAME:
        return None
    if name.startswith("rr_"):
        return _replay_attribute(name, value)
    if lower == "style" and isinstance(value, dict):
        return _style_values(value)
    if value is True:
        return True
    if not isinstance(value, str):
        return str(value) if _is_number(value) else None
    if lower in ("style", "_csstext"):
        return value if _ASSET.fullmatch(value) else safe_css(value)
    if lower in ("href", "xlink:href", "src"):
        return _address(tag, lower, value)
    return (
        safe_css(value)
        if "(" in value and lower not in ("value", "alt", "title", "placeholder")
        else clean_text(value)
    )


def _address(tag: str, name: str, value: str) -> str | None:
    if name != "src" and tag in _LINKS:
        return _LINK_TARGET
    if name != "src" and value.startswith("#"):
        return clean_text(value)  # a part of the same picture
    return value if tag in _PICTURES and (_IMAGE.match(value) or _ASSET.fullmatch(value)) else None


def _replay_attribute(name: str, value: Any) -> Any:
    """Return one of rrweb's own attributes; those of sound and film are left out."""
    if name in _NUMBERS:
        return value if _is_number(value) else None
    if name in _LENGTHS:
        return value if isinstance(value, str) and _LENGTH.fullmatch(value) else None
    if name == "rr_open_mode":
        return value if value in ("modal", "non-modal") else None
    is_picture = isinstance(value, str) and (_IMAGE.match(value) or _ASSET.fullmatch(value))
    return value if name == "rr_dataURL" and is_picture else None


def _style_values(values: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in values.items():
        if not _PROPERTY.fullmatch(name):
            continue
        if value is False:
            kept[name] = False
        elif isinstance(value, str):
            kept[name] = safe_css(value)
        elif isinstance(value, list) and value and all(isinstance(each, str) for each in value):
            kept[name] = [safe_css(each) for each in value[:2]]
    return kept


def _positions(data: Mapping[str, Any]) -> dict[str, Any] | None:
    found = [_numbers(each, "x", "y", "id", "timeOffset") for each in _objects(data.get("positions"))]
    kept = [each for each in found if each is not None]
    return {"positions": kept} if kept else None


def _interaction(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return where the mouse pressed; focus would take the keyboard away from the player."""
    made = _numbers({"x": 0, "y": 0, **data}, "type", "id", "x", "y")
    return made if made is not None and made["type"] in (0, 1, 2) else None


def _input(data: Mapping[str, Any]) -> dict[str, Any] | None:
    if not _is_id(data.get("id")) or not isinstance(data.get("text"), str):
        return None
    return {"id": data["id"], "text": clean_text(data["text"]), "isChecked": data.get("isChecked") is True}


def _rules(data: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = _ids(data, "id", "styleId")
    for key in ("replace", "replaceSync"):
        if isinstance(data.get(key), str):
            made[key] = safe_css(data[key])
    made["adds"] = _added_rules(data.get("adds"))
    made["removes"] = [
        {"index": each["index"]} for each in _objects(data.get("removes")) if _is_index(each.get("index"))
    ]
    return made


def _added_rules(rules: Any) -> list[dict[str, Any]]:
    return [
        {"rule": safe_css(each["rule"])} | ({"index": each["index"]} if _is_index(each.get("index")) else {})
        for each in _objects(rules)
        if isinstance(each.get("rule"), str)
    ]


def _declaration(data: Mapping[str, Any]) -> dict[str, Any] | None:
    if not isinstance(data.get("index"), list) or not _is_index(data["index"]):
        return None
    made: dict[str, Any] = _ids(data, "id", "styleId") | {"index": data["index"]}
    change, removed = data.get("set"), data.get("remove")
    if isinstance(change, dict) and _PROPERTY.fullmatch(str(change.get("property"))):
        value = change.get("value")
        made["set"] = {
            "property": change["property"],
            "value": safe_css(value) if isinstance(value, str) else "",
            "priority": "important" if change.get("priority") == "important" else "",
        }
    if isinstance(removed, dict) and _PROPERTY.fullmatch(str(removed.get("property"))):
        made["remove"] = {"property": removed["property"]}
    return made


def _adopted(data: Mapping[str, Any]) -> dict[str, Any] | None:
    numbers = data.get("styleIds")
    if not _is_id(data.get("id")) or not isinstance(numbers, list) or not all(map(_is_id, numbers)):
        return None
    styles = [
        {"styleId": each["styleId"], "rules": _added_rules(each.get("rules"))}
        for each in _objects(data.get("styles"))
        if _is_id(each.get("styleId"))
    ]
    return {"id": data["id"], "styleIds": numbers, "styles": styles}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _ids(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return those of the numbers of nodes that are there; null says that there is no such node."""
    return {name: data[name] for name in names if name in data and (data[name] is None or _is_id(data[name]))}


def _numbers(data: Any, *names: str) -> dict[str, Any] | None:
    """Return these numbers; None where one is missing."""
    if not isinstance(data, dict) or not all(_is_number(data.get(name)) for name in names):
        return None
    return {name: data[name] for name in names}


def _is_number(value: Any) -> TypeGuard[float]:
    return type(value) in (int, float) and abs(value) < 1e12  # which infinity and NaN are not


def _id(value: Any) -> int:
    return value if _is_id(value) else -1


def _is_id(value: Any) -> bool:
    return type(value) is int and -1 <= value < 1 << 50


def _is_index(value: Any) -> bool:
    return _is_id(value) or (isinstance(value, list) and bool(value) and all(map(_is_id, value)))

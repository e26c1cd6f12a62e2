"""A recording as a player needs it: style sheets back in their places, and pictures as data: addresses.

Nothing in it leads out of the replay but the addresses of links, which a player does not follow. It is still
a page's content: what shows it needs a sandbox and a content security policy, which are the wall.
"""

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urldefrag, urljoin

from shop_r1.records.recordings import (
    MAX_RECORDING_BYTES,
    REFERENCE,
    Assets,
    Event,
    Recording,
    entries_in,
    nodes_in,
    referenced,
)

BLANK: Final = "data:,"
"""In place of what is not in the recording."""

_INCREMENTAL: Final = 3
_NOT_REPLAYED: Final = {
    9: "drawings on canvases",
    10: "fonts set by scripts",
}
"""Sources of incremental events that carry addresses and commands out of reach, and what they count as."""
_PICTURES = frozenset({"src", "poster", "background", "rr_src", "rr_dataURL", "rrweb-original-src"})
_PICTURE_SETS = frozenset({"srcset", "imagesrcset"})
_LINKS = frozenset({"a", "area"})
_DROPPED = frozenset({"srcdoc", "ping", "integrity", "crossorigin", "rrweb-original-srcset"})
_FRAMES = frozenset({"iframe", "frame", "object", "embed", "script", "base"})
_CSS_URL = re.compile(
    r"""(@import\s+)?(?:url\(\s*+(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|((?:[^\s"'()\\]|\\.)*))\s*+\)"""
    r"""|(?<=@import)\s+(?:"([^"]*)"|'([^']*)'))""",
    re.IGNORECASE,
)
_CSS_SET = re.compile(
    r"""(image-set\(\s*|,\s*)(?:"([^"]*)"|'([^']*)')(?=\s+[\d.]+(?:x|dppx|dpi)|\s+type\()""", re.I
)
_EMBEDDED = ("data:", "#")
_SIZES_MAX = 100  # of one picture
_IMAGE = re.compile(r"image/[a-z0-9.+-]+")


@dataclass
class Replay:
    """Events for rrweb's Replayer, in which references stand for style sheets and pictures."""

    reference: str
    """What stands before the SHA-256 in a reference, and in no text of a page's."""
    events: list[Event] = field(default_factory=list)
    assets: dict[str, str] = field(default_factory=dict)
    """By SHA-256: a picture as a data: address, or a sheet's text, in which references to pictures stand."""
    left_out: Counter[str] = field(default_factory=Counter)
    """What is blank in the replay, in words."""

    def self_contained(self, max_chars: int = MAX_RECORDING_BYTES) -> list[Event]:
        """Return the events with the assets in the places of their references.

        A page may show one picture a million times, so references past `max_chars` of assets in all are left
        blank, and counted.
        """
        pattern = re.compile(rf"{re.escape(self.reference)}([0-9a-f]{{64}})")
        left = max_chars

        def text_of(match: re.Match[str]) -> str:
            nonlocal left
            text = self.assets.get(match[1], BLANK)
            left -= len(text)
            if left < 0:
                self.left_out["style sheets and pictures past the most that a replay holds"] += 1
                return ""
            return json.dumps(pattern.sub(text_of, text))[1:-1]

        return [json.loads(pattern.sub(text_of, json.dumps(event))) for event in self.events]


def make_replay(
    recording: Recording, assets: Assets, token: str | None = None, max_picture_bytes: int = 1_000_000
) -> Replay:
    """Return what a player needs of a recording; larger pictures are left blank and counted.

    `token` is a part of the references: one that no recorded page can know, since it is made from the
    recording itself. Replays with the same token can share their assets.

    Raises:
        DataError: an asset is missing or corrupt.
    """
    texts = [json.dumps(event) for event in recording.events]
    if token is None:
        token = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    return _Maker(recording, assets, token, max_picture_bytes).make(texts)


class _Maker:
    def __init__(self, recording: Recording, assets: Assets, token: str, max_picture_bytes: int) -> None:
        self._recording, self._assets, self._max_bytes = recording, assets, max_picture_bytes
        self._replay = Replay(f"{REFERENCE}{token}:")
        self._tags: dict[int, str] = {}  # of the nodes of the page so far, by number
        self._style_texts: set[int] = set()
        self._base = ""

    def make(self, texts: list[str]) -> Replay:
        """Return the replay; the texts are the events as JSON."""
        for event, text in zip(self._recording.events, texts, strict=True):
            source = event["data"].get("source") if event["type"] == _INCREMENTAL else None
            if isinstance(source, int) and source in _NOT_REPLAYED:
                self._replay.left_out[_NOT_REPLAYED[source]] += 1
            elif event["type"] in range(6):  # of plugins, the player has none
                self._replay.events.append(self._event(json.loads(text)))
        return self._replay

    def _event(self, event: Event) -> Event:
        data = event["data"]
        if isinstance(data.get("href"), str):
            self._base = data["href"]
        for parent, entry in [(each.get("parentId"), each.get("node")) for each in entries_in(event, "adds")]:
            if isinstance(entry, dict) and self._tags.get(_number(parent)) == "style":
                self._style_texts.add(_number(entry.get("id")))
        for node, parent in nodes_in(event):
            self._node(node, parent)
        for change in entries_in(event, "attributes"):
            if isinstance(attributes := change.get("attributes"), dict):
                self._attributes(self._tags.get(_number(change.get("id")), ""), attributes)
        for change in entries_in(event, "texts"):
            if _number(change.get("id")) in self._style_texts:
                self._css_in(change, "value")
        self._sheet_changes(data)
        return event

    def _node(self, node: dict[str, Any], parent: dict[str, Any] | None) -> None:
        number = _number(node.get("id"))
        tag = str(node.get("tagName", "")).lower()
        self._tags[number] = tag
        if isinstance(attributes := node.get("attributes"), dict):
            self._attributes(tag, attributes)
        elif parent is not None and parent.get("tagName") == "style":
            self._style_texts.add(number)
        if number in self._style_texts:
            self._css_in(node, "textContent")

    def _attributes(self, tag: str, attributes: dict[str, Any]) -> None:
        if tag == "link" and "_cssText" not in attributes:
            self._link(attributes)
        for name in _PICTURE_SETS & attributes.keys():
            self._picture_set(attributes, name)
        for name in list(attributes):
            value = attributes[name]
            if name == "style" and isinstance(value, dict):
                attributes[name] = {each: self._css_values(found) for each, found in value.items()}
            elif isinstance(value, str):
                found = self._attribute(tag, name, value)
                if found is None:
                    del attributes[name]
                else:
                    attributes[name] = found

    def _attribute(self, tag: str, name: str, value: str) -> str | None:
        """Return what an attribute says in the replay; None where it is left out."""
        lower = name.lower()
        if lower.startswith("on") or lower in _DROPPED:
            return None
        if tag in _FRAMES and lower in ("src", "href", "data"):
            return None
        if name == "_cssText" and (sha256 := referenced(value)):
            return self._sheet(sha256)
        if name == "_cssText" or lower == "style":
            return self._css(value)
        if lower in _PICTURES:
            return self._picture(value)
        if lower in _PICTURE_SETS:
            return value
        if lower in ("href", "xlink:href") and tag not in _LINKS:
            return self._picture(value)
        # Of SVG: fill, mask, filter and the like.
        return (
            self._css(value)
            if "url(" in value.lower() and lower not in ("href", "value", "title", "alt")
            else value
        )

    def _link(self, attributes: dict[str, Any]) -> None:
        """Put the sheet of another origin, which rrweb cannot read, where rrweb has those that it can."""
        href, rel = attributes.pop("href", None), str(attributes.pop("rel", ""))
        attributes.pop("imagesrcset", None)
        if not isinstance(href, str) or "stylesheet" not in rel.lower():
            return
        asset = self._find(href)
        if asset is None:
            self._replay.left_out["style sheets that were not stored"] += 1
            return
        attributes["_cssText"] = self._replay.reference + asset[0]
        self._add_sheet(asset[0], base=urljoin(self._base, href))

    # Style sheets

    def _sheet(self, sha256: str) -> str:
        self._add_sheet(sha256, self._base)
        return self._replay.reference + sha256

    def _add_sheet(self, sha256: str, base: str) -> None:
        if sha256 not in self._replay.assets:
            self._replay.assets[sha256] = self._css(self._assets.read_text(sha256), base)

    def _css_in(self, holder: dict[str, Any], key: str) -> None:
        text = holder.get(key)
        if isinstance(text, str):
            sha256 = referenced(text)
            holder[key] = self._sheet(sha256) if sha256 else self._css(text)

    def _css_values(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._css(each) if isinstance(each, str) else each for each in value]
        return self._css(value) if isinstance(value, str) else value

    def _sheet_changes(self, data: dict[str, Any]) -> None:
        """Take what scripts did to style sheets: rules added, sheets replaced, declarations set."""
        work: list[Any] = [
            data[key] for key in ("adds", "styles", "set") if key in data and "node" not in data
        ]
        for key in ("replace", "replaceSync"):
            self._css_in(data, key)
        while work:
            each = work.pop()
            if isinstance(each, list):
                work += each
            elif isinstance(each, dict) and "node" not in each:
                self._css_in(each, "rule")
                self._css_in(each, "value")
                work.append(each.get("rules"))

    def _css(self, text: str, base: str | None = None) -> str:
        """Return CSS with its pictures as references, and without what else it would fetch."""

        def replaced(match: re.Match[str]) -> str:
            url = next((group for group in match.groups()[1:] if group is not None), "")
            if match[1] or match[0].lstrip()[:3].lower() != "url":
                self._replay.left_out["style sheets that sheets import"] += 1
                return f'{match[1] or " "}url("{BLANK}")'
            return f'url("{self._picture(_unescaped(url), base)}")'

        def replaced_in_set(match: re.Match[str]) -> str:
            return f'{match[1]}url("{self._picture(match[2] or match[3] or "", base)}")'

        return _CSS_SET.sub(replaced_in_set, _CSS_URL.sub(replaced, text))

    # Pictures

    def _picture_set(self, attributes: dict[str, Any], name: str) -> None:
        """Keep of a picture's sizes those that were fetched, which is one mostly."""
        value = attributes.pop(name)
        if not isinstance(value, str):
            return
        kept = [(url, size) for url, size in _sizes_in(value) if _is_embedded(url) or self._find(url)]
        if kept:
            attributes[name] = ", ".join(f"{self._picture(url)} {size}".strip() for url, size in kept)
            source = attributes.get("src")
            if isinstance(source, str) and not _is_embedded(source) and not self._find(source):
                attributes["src"] = kept[0][0]

    def _picture(self, url: str, base: str | None = None) -> str:
        """Return a picture's reference, or `BLANK`; an address in the same page stays."""
        if _is_embedded(url):
            return url
        asset = self._find(url, base)
        if asset is None:
            self._replay.left_out["pictures that were not stored"] += 1
            return BLANK
        sha256, media_type = asset
        if sha256 not in self._replay.assets:
            data = self._assets.read(sha256)
            if len(data) > self._max_bytes:
                self._replay.left_out["pictures that are too large"] += 1
                return BLANK
            self._replay.assets[sha256] = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
        return self._replay.reference + sha256

    def _find(self, url: str, base: str | None = None) -> tuple[str, str] | None:
        """Return the SHA-256 and the media type of what stands at an address."""
        try:
            address = urldefrag(urljoin(base or self._base, url.strip())).url
        except ValueError:
            return None
        asset = self._recording.assets.get(address)
        if asset is None:
            return None
        kind = asset.media_type.partition(";")[0].strip().lower()
        return asset.sha256, kind if _IMAGE.fullmatch(kind) else "image/x-unknown"


def _number(value: Any) -> int:
    return value if type(value) is int else -1


def _is_embedded(url: str) -> bool:
    """Return whether an address holds its data, or is a place in the page: nothing has to be fetched."""
    address = url.strip().lower()
    return not address or address.startswith(_EMBEDDED)


def _sizes_in(srcset: str) -> Iterator[tuple[str, str]]:
    """Yield each address in the attribute with its size, such as `2x`, or an empty text.

    >>> list(_sizes_in("/a.png, /b.png 2x,/c.png 300w"))
    [('/a.png', ''), ('/b.png', '2x'), ('/c.png', '300w')]
    """
    url = ""
    for word in srcset.split()[: 2 * _SIZES_MAX]:
        if not url:
            url = word.lstrip(",")
            if url.endswith(","):
                yield url.rstrip(","), ""
                url = ""
        elif "," in word:
            size, _, rest = word.partition(",")
            yield url, size
            url = rest.strip(",")
        else:
            yield url, word
            url = ""
    if url:
        yield url, ""


def _unescaped(url: str) -> str:
    return re.sub(r"\\(.)", r"\1", url)

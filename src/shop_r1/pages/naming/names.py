"""Words to names: `section.sub_section.label`, short, readable and unique on the page."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from shop_r1.pages import rules
from shop_r1.pages.naming import vocabulary

_ASCII_WORDS = re.compile(r"[a-z0-9]+")
_COUNT = re.compile(r"\s*[(\[]\s*[\d.,\s+]+\s*[)\]]\s*$")
_SLUG_SPLIT = re.compile(r"[/=.;:]+")
_NOT_PATH = re.compile(r"^[a-zA-Z]+://[^/]*|[?#].*", re.S)
_EXTENSION = re.compile(r"\.[a-zA-Z]{2,5}$")
_QUERY_VALUE = re.compile(r"[?&;][^=&;]*=([^&;#]*)")
_IDENTIFIER = re.compile(r"[0-9a-f]{12,}|(?:\D*\d){4,}\D*")
_NAME = re.compile(r"[^\s.\"'<>&]+(?:\.[^\s.\"'<>&]+)*")


def to_words(text: str) -> list[str]:
    """Return the lower-case words of a text; letters, digits and marks of every script count.

    >>> to_words("Men's 4.5-star “Café” mugs (12)")
    ['mens', '4', '5', 'star', 'café', 'mugs']
    """
    text = text[: 2 * rules.LABEL_TEXT_MAX]
    if text[-1:] in ")] ":
        text = _COUNT.sub("", text) or text
    if text.isascii():
        return _ASCII_WORDS.findall(text.replace("'", "").lower())
    text = text.replace("'", "").replace("’", "")
    text = unicodedata.normalize("NFC", text.lower())
    kept = (c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in text)
    return "".join(kept).split()


def join_words(words: Sequence[str], limit: int) -> str:
    """Return the words joined by `_`, or their beginning where they are longer than `limit` characters.

    The cut is after a whole word (one that is too long is cut itself), and well below the limit: a name that
    does not say all the same needs not be long.

    >>> join_words(["nordal", "red", "ceramic", "mug"], 19)
    'nordal_red'
    """
    joined = "_".join(words)
    if len(joined) <= limit:
        return joined
    limit = int(limit * rules.CUT_SHARE)
    cut = joined[: limit + 1].rfind("_")
    return joined[:cut] if cut > 0 else joined[:limit]


def is_name(text: str) -> bool:
    """Return whether a text can be a name: non-empty parts joined by dots, without blanks or markup."""
    return len(text) <= rules.NAME_MAX and _NAME.fullmatch(text) is not None


def label_within(label: Sequence[str], title: Sequence[str]) -> list[str]:
    """Return a label's words without the title of the item that it stands in.

    >>> label_within(["add", "red", "mug", "to", "cart"], ["red", "mug"])
    ['add', 'to', 'cart']
    >>> label_within(["reviews", "of", "red", "mug"], ["red", "mug"])
    ['reviews']
    """
    size = len(title)
    if not size or len(label) <= size:
        return list(label)
    for start in range(len(label) - size + 1):
        if list(label[start : start + size]) == list(title):
            rest = [*label[:start], *label[start + size :]]
            while len(rest) > 1 and rest[-1] in vocabulary.DANGLING_WORDS:
                rest.pop()
            return rest
    return list(label)


def is_identifier(word: str) -> bool:
    """Return whether a word was made by a machine: many digits, or a long hexadecimal number."""
    return _IDENTIFIER.fullmatch(word) is not None


def slug_words(href: str) -> list[str]:
    """Return the words of an address's last telling part, without numbers that only a machine reads.

    >>> slug_words("https://shop.example/kitchen/red-mug_2041.html?sid=88")
    ['red', 'mug']
    """
    if href.strip().lower().startswith(rules.EMPTY_HREFS[1:]):
        return []
    path = _EXTENSION.sub("", _NOT_PATH.sub("", href.strip()[:2000]))
    return next(filter(None, map(_telling_words, reversed(_SLUG_SPLIT.split(path)))), [])


def query_words(href: str) -> list[str]:
    """Return the words of the values that an address sends along.

    >>> query_words("gateway?s_id=0&search_value=Quilted+covers&page=2")
    ['quilted', 'covers']
    """
    values = _QUERY_VALUE.findall(href[:2000])
    return [word for value in values for word in _telling_words(unquote_plus(value))]


def _telling_words(text: str) -> list[str]:
    words = [word for word in to_words(text) if len(word) > 1 and word not in vocabulary.SLUG_NOISE]
    return [word for word in words if not word.isdigit() and not is_identifier(word)]


@dataclass(slots=True)
class NameRequest:
    """What is known of an element that needs a name."""

    sections: tuple[str, ...]  # the parts of the page that it stands in, outermost first
    label: str  # its own words, joined
    address: str = ""  # where it leads: its words tell it from others of the same label
    given: str = ""  # the name that it already carries on a simplified page
    shown: int = rules.SECTIONS_SHOWN  # how many sections its name has at first
    select: int | None = None  # of an option, the index of its select's request
    subject: Any = None  # the element, for `nearby`


def unique_names(
    requests: Sequence[NameRequest],
    nearby: Callable[[NameRequest], str] = lambda request: "",
    place: Callable[[NameRequest], str] = lambda request: "",
) -> list[str]:
    """Return one name per request, all different; linear in their number.

    Elements that would share a name all get one more section, then all, then what stands near them, then
    words of their address, then what the page's author calls their place; a counter comes last. So a name
    depends on its own place and on its namesakes, not on what else the page holds. An option's name is its
    select's and its own words.

    Args:
        requests: in page order, a select's before its options'.
        nearby: the title of what an element stands in, joined words or ""; asked for namesakes only.
        place: what the page's author calls the part around it, likewise.
    """
    names = [""] * len(requests)
    taken: set[str] = set()
    waiting: list[int] = []
    for index, request in enumerate(requests):
        if request.given and request.given not in taken:
            names[index] = request.given
            taken.add(request.given)
        elif request.select is None:
            waiting.append(index)
    stages: tuple[Callable[[NameRequest], str], ...] = (
        lambda request: compose_name(request.sections, request.label, request.shown),
        lambda request: compose_name(request.sections, request.label, request.shown + 1),
        lambda request: compose_name(request.sections, request.label, len(request.sections)),
        lambda request: _hinted_name(request, nearby(request)),
        lambda request: _hinted_name(request, _address_hint(request)),
        lambda request: compose_name((*request.sections[-1:], place(request)), request.label, 1),
    )
    for compose in stages:
        waiting = _name_those_alone(waiting, [compose(requests[index]) for index in waiting], names, taken)
    numbers: dict[str, int] = {}
    for index in waiting:
        request = requests[index]
        wished = compose_name(request.sections, request.label, request.shown)
        names[index] = _count_up(wished, taken, numbers)
    _name_options(requests, names, taken, numbers)
    return names


def _name_those_alone(
    waiting: Sequence[int], wished: Sequence[str], names: list[str], taken: set[str]
) -> list[int]:
    """Give its name to each element that alone wishes it; return the others."""
    times = Counter(wished)
    left = []
    for index, name in zip(waiting, wished, strict=True):
        if times[name] == 1 and name not in taken:
            names[index] = name
        else:
            left.append(index)
    taken.update(name for name, count in times.items() if count == 1)
    return left


def _count_up(base: str, taken: set[str], numbers: dict[str, int]) -> str:
    """Return the first free name with a number; `numbers` holds the last one given to each base."""
    name, number = base, numbers.get(base, 1)
    while name in taken:
        number += 1
        suffix = f"_{number}"
        name = base[: rules.NAME_MAX - len(suffix)].rstrip("_.") + suffix
    taken.add(name)
    numbers[base] = number
    return name


def _name_options(
    requests: Sequence[NameRequest], names: list[str], taken: set[str], numbers: dict[str, int]
) -> None:
    """Name options after their select: by the last part of its name where no other select has the same."""
    selects = {request.select for request in requests if request.select is not None}
    endings = Counter(names[select].rpartition(".")[2] for select in selects)
    for index, request in enumerate(requests):
        if request.select is not None and not names[index]:
            whole = names[request.select]
            ending = whole.rpartition(".")[2]
            name = f"{ending if endings[ending] == 1 else whole}.{request.label}"[: rules.NAME_MAX]
            names[index] = _count_up(name.rstrip("_."), taken, numbers)


def _hinted_name(request: NameRequest, hint: str) -> str:
    sections = (*request.sections, hint) if hint and hint != request.label else request.sections
    return compose_name(sections, request.label, rules.SECTIONS_SHOWN)


def _address_hint(request: NameRequest) -> str:
    """Return the words of the path, or of what is sent along where the path only says the label again."""
    hints = (join_words(words(request.address), rules.SECTION_MAX) for words in (slug_words, query_words))
    return next((hint for hint in hints if hint not in ("", request.label)), "")


def compose_name(sections: Sequence[str], label: str, shown: int) -> str:
    """Return the innermost `shown` sections and the label, joined by dots, without repeats.

    >>> compose_name(("results", "red_mug"), "red_mug", 2)
    'results.red_mug'
    >>> compose_name(("footer", "footer_help"), "returns", 2)
    'footer_help.returns'
    """
    parts = [label]
    for section in reversed(sections):
        if len(parts) > shown:
            break
        if section and section not in parts and not (len(parts) > 1 and parts[-1].startswith(f"{section}_")):
            parts.append(section)
    parts.reverse()
    while len(parts) > 1 and sum(map(len, parts)) + len(parts) - 1 > rules.NAME_MAX:
        parts.pop(0)
    return ".".join(parts)[: rules.NAME_MAX]

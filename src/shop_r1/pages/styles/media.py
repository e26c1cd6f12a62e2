"""Which media queries hold on a shopper's screen (Media Queries 4)."""

import re

from shop_r1.pages import rules

_LENGTH = r"(\d{1,6}(?:\.\d{0,6})?|\.\d{1,6})(px|r?em)?"
_BOUND = re.compile(rf"(min|max)-(?:device-)?(width|height)\s*:\s*{_LENGTH}")
_RANGE = re.compile(rf"(?:{_LENGTH}\s*([<>]=?)\s*)?(?:device-)?(width|height)(?:\s*([<>]=?)\s*{_LENGTH})?")
_PART = re.compile(r"\(([^()]*)\)|([a-z-]+)")
_BLANK = re.compile(r"\s+")


def media_holds(media: str | None) -> bool:
    """Return whether one of these queries holds; one that is not understood does not.

    >>> media_holds("print, screen and (width >= 48rem)"), media_holds("not all and (min-width: 768px)")
    (True, False)
    """
    return any(_query_holds(query.strip()) for query in (media or "all").lower().split(","))


def _query_holds(query: str) -> bool:
    is_negated = query.startswith("not ")
    parts = _PART.findall(query, 4 if is_negated else 0)
    if not parts or _PART.sub("", query).strip():
        return False
    verdicts = [_feature(feature) if feature else _word(word) for feature, word in parts]
    return None not in verdicts and all(verdicts) is not is_negated


def _word(word: str) -> bool | None:
    """Return whether a media type is this screen's; None for a word that is not understood."""
    if word in ("all", "screen", "only", "and"):
        return True
    return False if word in ("print", "speech") else None


def _feature(feature: str) -> bool | None:
    """Return whether `width>=48rem` or `hover:hover` holds; None where it is not understood."""
    feature = feature.strip()
    bound = _BOUND.fullmatch(feature)
    if bound is not None:
        least, size, number, unit = bound.groups()
        return _compare(_screen(size), ">=" if least == "min" else "<=", _pixels(number, unit))
    between = _RANGE.fullmatch(feature)
    if between is None:
        return rules.MEDIA_FEATURES.get(_BLANK.sub("", feature))
    low, low_unit, before, size, after, high, high_unit = between.groups()
    holds = before is None or _compare(_pixels(low, low_unit), before, _screen(size))
    return holds and (after is None or _compare(_screen(size), after, _pixels(high, high_unit)))


def _screen(size: str) -> float:
    return rules.SCREEN_WIDTH if size == "width" else rules.SCREEN_HEIGHT


def _pixels(number: str, unit: str | None) -> float:
    return float(number) * (1 if unit in (None, "px") else rules.EM_PIXELS)


def _compare(left: float, sign: str, right: float) -> bool:
    if left == right:
        return sign.endswith("=")
    return (left < right) is sign.startswith("<")

"""Ratings that are only drawn: stars that a class or a width paints, with no word in them."""

import re

from shop_r1.pages.parse.node import Node

_WIDGET = re.compile(
    r"(?:^|[\s_-])(?:star|stars|rating|ratings|rate|review-?stars?|stars?-?rating)(?:$|[\s_-]|\d)", re.I
)
_NUMBER = re.compile(r"(?:star|rating|rate)s?[-_]?(\d{1,3})(?:[-_.](\d))?(?=$|[\s_-])", re.I)
_WIDTH = re.compile(r"(?:^|[;\s])width\s*:\s*(\d{1,3}(?:\.\d+)?)\s*%", re.I)
_STARS = 5.0


def rating_of(node: Node) -> str:
    """Return the rating that an element without text draws, as `4.5 stars`; "" where it draws none.

    Read from its class (`star-4-5`, `stars-45`, `rating-90`) or, within a rating, from its width in percent.

    Two digits up to 50 are tenths of a star; what is higher is a percentage. Ours: shops write both.
    """
    classes = node.get("class")
    around = node.parent.get("class") if node.parent is not None else ""
    if not (_WIDGET.search(classes) or _WIDGET.search(around)):
        return ""
    if number := _NUMBER.search(classes):
        stars = float(number[1])
        if stars <= _STARS:
            stars += int(number[2] or 0) / 10
        else:
            stars = stars / 10 if stars <= 10 * _STARS else stars / 100 * _STARS
    elif width := _WIDTH.search(node.get("style")):
        stars = float(width[1]) / 100 * _STARS
    else:
        return ""
    return f"{stars:.1f} stars" if 0 < stars <= _STARS else ""

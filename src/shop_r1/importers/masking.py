"""Texts that a recorder masked: what was typed is not in the data, so nothing can be learned or measured."""

from collections.abc import Iterable
from typing import Final

from shop_r1.errors import DataError
from shop_r1.records.actions import Action

MASKS: Final = frozenset("*\u2022\u25cf\u25aa\u2588")
"""What stands for each character of a masked text: the star of rrweb, PostHog and Sentry, the dots and blocks
of others."""

_WORDS_MIN: Final = 4  # a page with fewer masked words than these is not taken for masked (ours)


def is_masked(text: str) -> bool:
    """Return whether a text is a recorder's mask.

    >>> is_masked("*** ****"), is_masked("4 * mug"), is_masked("")
    (True, False, False)
    """
    return bool(text.strip()) and MASKS.issuperset("".join(text.split()))


def are_masked(texts: Iterable[str]) -> bool:
    """Return whether a page's texts are masked: half of their words or more."""
    words = [word for text in texts for word in text.split()]
    masked = sum(map(is_masked, words))
    return masked >= max(_WORDS_MIN, len(words) / 2)


def refuse_masked(place: str, action: Action) -> None:
    """Stop at an action whose text is masked.

    Raises:
        DataError: it is; the message begins with `place`.
    """
    text = action.value("text")
    if is_masked(text):
        raise DataError(
            f"{place}: the text {text[:40]!r} is a recorder's mask, not what was typed, so there is nothing "
            "to learn from it or to measure against; leave such steps out (shop-r1 data import rrweb "
            "--masked drop), or record without masking the shop's search field"
        )

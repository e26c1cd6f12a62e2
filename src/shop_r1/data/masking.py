"""Texts that a recorder masked: what was typed is not in the data, so nothing can be learned or measured."""

from typing import Final

MASKS: Final = frozenset("*\u2022\u25cf\u25aa\u2588")
"""What stands for each character of a masked text: the star of rrweb, PostHog and Sentry, the dots and blocks
of others."""


def is_masked(text: str) -> bool:
    """Return whether a text is a recorder's mask.

    >>> is_masked("*** ****"), is_masked("4 * mug"), is_masked("")
    (True, False, False)
    """
    return bool(text.strip()) and MASKS.issuperset("".join(text.split()))

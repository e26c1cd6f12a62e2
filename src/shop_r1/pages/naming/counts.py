"""Numbers that change from page to page, such as how much is in the cart: no name holds them."""

from collections.abc import Sequence

from shop_r1.pages.naming import vocabulary

_KNOWN = vocabulary.COUNTED_WORDS | vocabulary.COUNT_WORDS | vocabulary.COUNTED_AROUND


def is_counted(words: Sequence[str]) -> bool:
    """Return whether words name what shops count, such as a cart, and nothing else."""
    known = all(word.isdigit() or word in _KNOWN for word in words)
    return known and any(word in vocabulary.COUNTED_WORDS for word in words)


def is_number(words: Sequence[str]) -> bool:
    """Return whether words are numbers alone, as a badge's are."""
    return all(word.isdigit() for word in words)


def without_count(words: list[str]) -> list[str]:
    """Return the words without what only says how much is in a cart; as they are where they say more.

    >>> without_count("shopping cart with 1 items".split()), without_count("view cart 2 items 12 50".split())
    (['shopping', 'cart'], ['view', 'cart'])
    >>> without_count("add set 75192 to cart".split())
    ['add', 'set', '75192', 'to', 'cart']
    """
    if not any(word.isdigit() for word in words) or not is_counted(words):
        return words
    return [word for word in words if not word.isdigit() and word not in vocabulary.COUNT_WORDS]

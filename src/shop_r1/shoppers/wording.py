"""What scripted shoppers say: queries, and one sentence in the first person for every reason they have.

Few words, so that a tiny tokenizer knows them; each sentence names the fact that decided.
"""

from collections.abc import Sequence

CHEAP, BEST = "cheap", "best"
SIZES = ("small", "medium", "large")
MODIFIERS = frozenset({CHEAP, BEST})


def money(cents: int) -> str:
    """Return a price as the store shows it.

    >>> money(129900)
    '$1,299.00'
    """
    return f"${cents / 100:,.2f}"


def thing(words: Sequence[str]) -> str:
    """Return what is looked for, with its article where it takes one.

    >>> thing(("cheap", "red", "mug")), thing(("iron", "pan")), thing(("blue", "gloves"))
    ('a cheap red mug', 'an iron pan', 'blue gloves')
    """
    text = " ".join(words) or "something"
    if not words or (text.endswith("s") and not text.endswith("ss")):
        return text
    return f"{'an' if text.startswith(tuple('aeiou')) else 'a'} {text}"


def with_option(words: Sequence[str], option: str) -> tuple[str, ...]:
    """Return the words with an option value where English puts it.

    >>> with_option(("red", "jacket"), "large"), with_option(("red", "mug"), "pair")
    (('large', 'red', 'jacket'), ('red', 'mug', 'pair'))
    """
    if not option:
        return tuple(words)
    return (option, *words) if option in SIZES else (*words, option)


def count(number: int, what: str, ending: str = "s") -> str:
    """Return how many there are of something.

    >>> count(1, "product"), count(2, "search", "es")
    ('1 product', '2 searches')
    """
    return f"{number} {what}{'' if number == 1 else ending}"

"""Rules by which a typed text counts as one of similar meaning; docs/metrics.md has examples.

The paper counts a typed text of "similar meaning" as right and does not say when that is (4.1). Here are
rules that can be checked by hand, each with its own name in every result, and none takes the place of the
exact match. A predicted action counts under a rule where it is exact, or where it types into the same field
(same type, and the name equal to the letter) a text that the rule finds alike. Clicks, options chosen from a
list and leaving have no text of their own wording, so for them nothing changes.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shop_r1.errors import ConfigError
from shop_r1.records.actions import Action, ActionSpace, exact_match
from shop_r1.records.results import Prediction
from shop_r1.rewards.rouge import rouge_l, split_words

NORMALIZED_WORDS, ROUGE_L, EMBEDDING = "normalized_words", "rouge_l", "embedding"
"""The rules' names."""
ROUGE_L_THRESHOLD = 0.75
"""As in the reward; the paper's example (3)."""
EMBEDDING_THRESHOLD = 0.85
"""Of the cosine, for all-MiniLM-L6-v2; ours, measured in docs/metrics.md. Another encoder needs its own."""
FUNCTION_WORDS = frozenset(("a", "an", "the", "and", "for", "in", "of", "on", "to", "with"))
"""Words that a query means the same without. Ours; `without`, `not` and `or` are none."""
_TYPES_TEXT = ("type", "submit")

Pair = tuple[str, str]
"""A predicted text and the shopper's."""


@dataclass(frozen=True)
class Rule:
    """One way to tell texts of similar meaning."""

    name: str
    label: str
    """What tables call it."""
    threshold: float | None
    """The similarity that must be exceeded; None where there is none."""
    match: Callable[[Sequence[Pair]], Sequence[bool]]
    """Says of each pair whether the texts are alike. It is given no text without a word."""


def list_rules(threshold: float = ROUGE_L_THRESHOLD) -> tuple[Rule, ...]:
    """Return the two rules that need no model: the same normalised words, and ROUGE-L above the threshold.

    Raises:
        ConfigError: the threshold is outside [0, 1).
    """
    if not 0 <= threshold < 1:
        raise ConfigError(f"the similarity threshold is {threshold:g}; expected at least 0 and less than 1")

    def alike(pairs: Sequence[Pair]) -> list[bool]:
        return [rouge_l(predicted, target) > threshold for predicted, target in pairs]

    return (
        Rule(NORMALIZED_WORDS, "same words", None, _have_same_words),
        Rule(ROUGE_L, f"ROUGE-L > {threshold:g}", threshold, alike),
    )


def normalize_words(text: str) -> tuple[str, ...]:
    """Return the text's words without what a query means the same without, sorted.

    Case, punctuation and white space go (Unicode's case folding and NFKC), so do function words unless there
    are no others, English plurals become singulars, and the order goes.

    >>> normalize_words("The Red Mugs, for coffee")
    ('coffee', 'mug', 'red')
    >>> normalize_words("with or without")
    ('or', 'without')
    """
    words = split_words(unicodedata.normalize("NFKC", text).casefold())
    content = [word for word in words if word not in FUNCTION_WORDS] or words
    return tuple(sorted(map(_singular, content)))


def match_texts(
    predictions: Sequence[Prediction], space: ActionSpace, rules: Sequence[Rule]
) -> Mapping[str, Sequence[bool]]:
    """Return by the rule's name whether each prediction counts under it only since its text is alike.

    An exact prediction does not need the rule, and has False like one that is wrong.
    """
    places, pairs = [], []
    for place, each in enumerate(predictions):
        action = each.valid_action(space)
        if action is not None and _types_into_same_field(action, each.target, space):
            pair = action.value("text"), each.target.value("text")
            if all(map(split_words, pair)) and not exact_match(action, each.target):
                places.append(place)
                pairs.append(pair)
    found = {}
    for rule in rules:
        alike = [False] * len(predictions)
        for place, same in zip(places, rule.match(pairs) if pairs else (), strict=True):
            alike[place] = bool(same)
        found[rule.name] = alike
    return found


def types_text(name: str, space: ActionSpace) -> bool:
    """Return whether an action of this type has a text in the shopper's own words."""
    kind = space.kind(name)
    return kind is not None and "text" in kind.fields and kind.effect in _TYPES_TEXT


def _types_into_same_field(action: Action, target: Action, space: ActionSpace) -> bool:
    same = action.type == target.type and action.value("name") == target.value("name")
    return same and types_text(target.type, space)


def _have_same_words(pairs: Sequence[Pair]) -> list[bool]:
    return [normalize_words(predicted) == normalize_words(target) for predicted, target in pairs]


def _singular(word: str) -> str:
    """Return an English plural's singular, or a form that both have, as `cooky` for cookies and cookie.

    A rule of endings in the manner of D. Harman's S-stemmer (How effective is suffixing?, Journal of the
    American Society for Information Science 42, 1991), with the plurals in -es that follow a hiss; it knows
    no irregular plurals.
    """
    if len(word) <= 3:
        return word
    if word.endswith(("ies", "ie")) and len(word) > 4:
        return word.removesuffix("s").removesuffix("ie") + "y"
    if word.endswith(("sses", "xes", "ches", "shes", "zzes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word

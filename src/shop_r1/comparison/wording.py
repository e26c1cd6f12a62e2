"""Results in plain sentences, never without their interval."""

from collections.abc import Sequence

from shop_r1.records.comparison_words import change_words, interval_words, p_words, value_words
from shop_r1.records.comparisons import Balance, Difference

CAUTION = (
    "This screens ideas with simulated shoppers. It is no evidence of what people will do, and replaces no "
    "experiment on people."
)
FIXED = (
    "95 %, of each metric alone; of shares by the adjusted Wald interval for pairs, of numbers by a "
    "studentized bootstrap over shoppers"
)
SEQUENTIAL = (
    "95 % at all looks together (confidence sequences), of each metric alone; of money and seconds in large "
    "samples"
)


def verdict_sentence(difference: Difference, balance: Balance) -> str:
    """Return what the comparison says of a version, in one sentence with its interval."""
    first, second = difference.baseline, difference.version
    if difference.of_baseline is None or difference.of_version is None:
        return f"Nothing can be said of {difference.label}: no shopper met {first} and {second} to an end."
    unit = " points" if difference.kind == "share" else ""
    change = f"{change_words(difference, difference.of_version - difference.of_baseline)}{unit}"
    level = f"{100 * difference.level:.4g} %"
    known = (
        f"{change} {interval_words(difference, difference.decisive)} ({level}, {difference.pairs:,} shoppers)"
    )
    means = " against ".join(
        value_words(difference, value) for value in (difference.of_version, difference.of_baseline)
    )
    if not balance.is_even:
        return (
            f"This comparison cannot be trusted, since one version lost more visits than the other "
            f"(p {p_words(balance.p_value)}); {difference.label} differ by {known}."
        )
    if difference.finding == "not known":
        return f"Whether {difference.label} differ cannot be told, too few shoppers differ in them: {known}."
    if difference.finding == "no difference found":
        least = ""
        if difference.smallest_found is not None:
            size = change_words(difference, difference.smallest_found).lstrip("+")
            least = f"; one of {size}{unit} or more would have been found with 80 % power"
        return f"No difference in {difference.label} between {second} and {first} was found: {known}{least}."
    return f"In {second} there are {difference.finding} {difference.label} than in {first}: {means}, {known}."


def warning_sentences(balance: Balance, differences: Sequence[Difference], counted: int) -> list[str]:
    """Return what has to be known to read the results."""
    found = []
    lost = {name: sum(each.values()) for name, each in balance.lost.items() if each}
    if lost:
        each = ", ".join(f"{count} in {name}" for name, count in lost.items())
        found.append(
            f"{each}: visits that did not end by themselves; their shoppers count in no comparison of that "
            "version"
        )
    if not balance.is_even:
        found.append(
            "One version lost more visits than another: what is compared are other shoppers than were "
            "planned. "
            "Find out why (visits.jsonl) before you read the figures"
        )
    if 0 < counted < 30:
        found.append(f"{counted} shoppers are few: only very large differences can be found")
    return found

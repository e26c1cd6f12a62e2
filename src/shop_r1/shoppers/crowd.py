"""What a crowd of shoppers does, in numbers, beside the paper's and real people's.

`python -m shop_r1.shoppers.crowd sessions.jsonl` prints the tables of docs/crowd.md for any sessions of the
store.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median_low

from shop_r1.errors import ShopR1Error
from shop_r1.jsonl import read_records
from shop_r1.records.sessions import Session
from shop_r1.shoppers.subtypes import END, SUBTYPES, subtype

START = "<start>"

PAPER_MIX = {"click": 690, "type_and_submit": 677, "terminate": 512}
"""Actions of the paper's test set (Appendix C)."""

# From OPeRA (NEU-HAI/OPeRA, CC-BY-4.0), 218 sessions, clicks and inputs only. Its input and its search (a
# click on the search button or the field) are one act here, `search`, so their rows are averaged by how often
# each occurs (186, 279) and their columns added. What has no counterpart here (pictures, other clicks) is in
# `other`.
_OPERA_ROWS = {
    START: (0.262, 0.032, 0.188, 0.023, 0.028, 0.0, 0.046, 0.064, 0.018, 0.101, 0.064, 0.101),
    "search": (0.613, 0.125, 0.019, 0.009, 0.148, 0.017, 0.004, 0.009, 0.0, 0.013, 0.022, 0.022),
    "suggested_term": (0.222, 0.014, 0.0, 0.0, 0.431, 0.028, 0.028, 0.028, 0.042, 0.083, 0.056, 0.042),
    "nav_bar": (0.195, 0.024, 0.207, 0.024, 0.098, 0.0, 0.024, 0.037, 0.024, 0.012, 0.098, 0.171),
    "page_related": (0.048, 0.0, 0.029, 0.6, 0.076, 0.009, 0.029, 0.048, 0.0, 0.009, 0.019, 0.009),
    "product_link": (0.096, 0.0, 0.005, 0.048, 0.123, 0.005, 0.155, 0.16, 0.021, 0.027, 0.102, 0.048),
    "filter": (0.115, 0.0, 0.0, 0.077, 0.154, 0.538, 0.0, 0.038, 0.0, 0.0, 0.0, 0.077),
    "review": (0.021, 0.0, 0.003, 0.008, 0.008, 0.0, 0.854, 0.035, 0.005, 0.022, 0.016, 0.011),
    "product_option": (0.035, 0.002, 0.009, 0.013, 0.015, 0.0, 0.044, 0.788, 0.004, 0.007, 0.044, 0.022),
    "quantity": (0.056, 0.028, 0.0, 0.028, 0.083, 0.0, 0.028, 0.139, 0.194, 0.167, 0.167, 0.056),
    "cart_side_bar": (0.136, 0.0, 0.012, 0.0, 0.086, 0.0, 0.136, 0.049, 0.086, 0.161, 0.086, 0.111),
}
_OPERA_COLUMNS = (*SUBTYPES[:11], END)  # all but `back`
OPERA_NEXT: Mapping[str, Mapping[str, float]] = {
    last: {kind: share for kind, share in zip(_OPERA_COLUMNS, row, strict=True) if share}
    for last, row in _OPERA_ROWS.items()
}
"""For each subtype, the share of each that came next; what is not named is in `other`."""
OPERA_FACTS = {"purchases": 0.541, "actions_mean": 11.7, "actions_median": 5.0, "inputs_mean": 0.85}
"""Share of sessions with a purchase click; clicks and inputs per session; inputs per session (186 / 218)."""
OPERA_DECILES = (0, 0, 1, 2, 4, 5, 7, 11, 16, 29, 241)
"""Of the clicks and inputs of a session."""
OPERA_INPUTS: Mapping[int, int] = {0: 124, 1: 47, 2: 24, 3: 13, 4: 4, 5: 1, 6: 4, 7: 1}
"""Number of sessions by their number of inputs."""


@dataclass(frozen=True)
class CrowdFacts:
    """What a crowd does."""

    mix: Counter[str] = field(default_factory=Counter)
    """The actions after each session's first (the ones that are predicted and scored), by type."""
    lengths: Counter[int] = field(default_factory=Counter)
    """Number of sessions by their number of clicks and searches, the end apart."""
    searches: Counter[int] = field(default_factory=Counter)
    """Number of sessions by their number of searches."""
    outcomes: Counter[str] = field(default_factory=Counter)
    following: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """For each subtype (and `START`), how often each subtype (or `END`) came next; terminating is `END`."""


def describe_crowd(sessions: Iterable[Session]) -> CrowdFacts:
    """Return what the shoppers of these sessions did."""
    facts = CrowdFacts()
    for session in sessions:
        types = [step.action.type for step in session.steps]
        facts.mix.update(types[1:])
        kinds = [START, *map(subtype, session.steps)]
        facts.lengths[len(kinds) - 1 - kinds.count(END)] += 1
        facts.searches[kinds.count("search")] += 1
        facts.outcomes[session.outcome or "unknown"] += 1
        for last, kind in pairwise(kinds if kinds[-1] == END else [*kinds, END]):
            facts.following[last][kind] += 1
    return facts


def crowd_tables(facts: CrowdFacts) -> str:
    """Return the tables of docs/crowd.md, in Markdown."""
    return "\n\n".join(
        (
            _mix_table(facts),
            _session_table(facts),
            _length_table(facts),
            _search_table(facts),
            _next_table(facts),
        )
    )


def _mix_table(facts: CrowdFacts) -> str:
    whole, paper = facts.mix.total(), sum(PAPER_MIX.values())
    rows = [(kind, _share(facts.mix[kind], whole), _share(count, paper)) for kind, count in PAPER_MIX.items()]
    return _table(("action after the first", "crowd", "paper, test set"), rows)


def _session_table(facts: CrowdFacts) -> str:
    real, inputs = OPERA_FACTS, OPERA_FACTS["inputs_mean"]
    bought = _share(facts.outcomes["purchase"], facts.lengths.total())
    rows = [
        ("sessions that buy", bought, f"{real['purchases']:.3f}"),
        ("clicks and searches, mean", f"{fmean(facts.lengths.elements()):.2f}", f"{real['actions_mean']}"),
        (
            "clicks and searches, median",
            f"{median_low(facts.lengths.elements())}",
            f"{real['actions_median']:.0f}",
        ),
        ("searches, mean", f"{fmean(facts.searches.elements()):.2f}", f"{inputs} (typed inputs)"),
    ]
    return _table(("per session", "crowd", "OPeRA, 218 sessions"), rows)


def _length_table(facts: CrowdFacts) -> str:
    lengths = sorted(facts.lengths.elements())
    deciles = [lengths[min(len(lengths) - 1, len(lengths) * tenth // 10)] for tenth in range(11)]
    head = ("clicks and searches of a session", *(f"{tenth * 10} %" for tenth in range(11)))
    return _table(head, [("crowd", *map(str, deciles)), ("OPeRA", *map(str, OPERA_DECILES))])


def _search_table(facts: CrowdFacts) -> str:
    most = max(*facts.searches, *OPERA_INPUTS)
    rows = [
        (name, *(_share(counts.get(n, 0), sum(counts.values())) for n in range(most + 1)))
        for name, counts in (("crowd", facts.searches), ("OPeRA, typed inputs", OPERA_INPUTS))
    ]
    return _table(("sessions with so many searches", *map(str, range(most + 1))), rows)


def _next_table(facts: CrowdFacts) -> str:
    rows = []
    columns = (*SUBTYPES[:-1], "other", END)
    for last in (START, *SUBTYPES[:-1]):
        if last not in facts.following:
            continue
        counts, total = facts.following[last], facts.following[last].total()
        rows.append((f"`{last}` (n = {total})", *(_share(counts[kind], total) for kind in columns)))
        if last in OPERA_NEXT:
            real = {**OPERA_NEXT[last], "other": max(0.0, 1 - sum(OPERA_NEXT[last].values()))}
            rows.append(("OPeRA", *(f"{real.get(kind, 0.0):.3f}" for kind in columns)))
    return _table(("last \\ next", *(f"`{kind}`" for kind in columns)), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "-"


def main(arguments: Sequence[str]) -> int:
    """Print the tables for a file of sessions; 0, or 2 with one line on what is wrong."""
    try:
        if len(arguments) != 1:
            raise ShopR1Error("usage: python -m shop_r1.shoppers.crowd SESSIONS.jsonl")
        facts = describe_crowd(read_records(Path(arguments[0]), Session))
    except ShopR1Error as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{crowd_tables(facts)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

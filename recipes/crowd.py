"""Remake the figures of docs/crowd.md: `python recipes/crowd.py CROWD`, which is focused or wandering.

Further numbers may follow: sessions (2,000), catalogue seed (1), seed (1), products to a page (6). On one
core the focused crowd takes half a minute; the wandering one a minute, and another for what is reachable.
"""

import sys
from collections import Counter
from collections.abc import Sequence

from shop_r1.cli.pipeline.stores import create_store
from shop_r1.records.results import Prediction
from shop_r1.shoppers.crowd import PAPER_MIX, crowd_tables, describe_crowd
from shop_r1.shoppers.crowd_kinds import CrowdName
from shop_r1.shoppers.persona import Market
from shop_r1.shoppers.queries import REAL_QUERIES, describe_queries, queries_of
from shop_r1.shoppers.reachable import reachable_in_mixes, type_weights
from shop_r1.shoppers.scripted import generate_sessions
from shop_r1.simulation.loop import Tally
from shop_r1.store.kinds import KINDS

_FORECAST = 300
"""Sessions of the wandering crowd whose reachable accuracy is found."""


def main(
    crowd: CrowdName, count: int = 2000, catalogue_seed: int = 1, seed: int = 1, page_size: int = 6
) -> None:
    """Print the tables, the queries' figures and the reachable accuracy."""
    market, tally = Market(KINDS), Tally()
    store = create_store(crowd, catalogue_seed, page_size, seed)
    sessions = list(generate_sessions(store, market, count, seed, crowd=crowd, tally=tally))
    _print(crowd_tables(describe_crowd(sessions)))
    _print("")
    _print("| queries | crowd | people |\n| --- | ---: | ---: |")
    for name, share in describe_queries(queries_of(sessions)).items():
        _print(f"| {name} | {share:.3g} | {REAL_QUERIES[name]:.3g} |")
    _print("")
    some = sessions if crowd == "focused" else sessions[:_FORECAST]
    mixes = {"as they come": None, "in the paper's mix": PAPER_MIX}
    found = reachable_in_mixes(some, market, crowd, list(mixes.values()))
    for (title, mix), best in zip(mixes.items(), found, strict=True):
        weights = type_weights([p.target.type for p in best.exact], mix) if mix else {}
        for name, predictions, expected in (
            ("exact action", best.exact, best.expected_exact),
            ("action type", best.types, best.expected_types),
        ):
            _print(
                f"steps {title}, {name}: {_came_true(predictions, name, weights)}, expected {expected:.3f}"
            )
    _print(f"actions that a page did not offer: {tally.errors.total()}")


def _came_true(predictions: Sequence[Prediction], name: str, weights: dict[str, float]) -> str:
    """Return the share that came true, and by type of the target."""
    whole: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for p in predictions:
        whole[p.target.type] += 1
        is_right = p.action is not None and p.action.type == p.target.type
        right[p.target.type] += p.action == p.target if name == "exact action" else is_right
    total = sum(weights.get(kind, 1.0) * count for kind, count in whole.items())
    share = sum(weights.get(kind, 1.0) * count for kind, count in right.items()) / total
    by_type = ", ".join(f"{kind} {right[kind] / count:.3f} of {count}" for kind, count in whole.items())
    return f"{share:.3f} ({by_type})"


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in ("focused", "wandering"):
        sys.exit(
            "usage: python recipes/crowd.py focused|wandering [sessions] [catalogue seed] [seed] [page size]"
        )
    main("focused" if sys.argv[1] == "focused" else "wandering", *(int(word) for word in sys.argv[2:]))

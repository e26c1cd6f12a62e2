"""What the intervals and the noise floor of `shop-r1 fidelity` hold, in simulations whose truth is known.

`python -m benchmarks.fidelity [--runs N] [--table NAME] [--json FILE]`. `coverage`: how often the interval of
a distance holds it; two crowds of `shoppers` each do one of `kinds` things, the simulated one the first more
often by `shift`. `beyond the floor`: how often a distance between two crowds of one kind exceeds the floor's
upper end, where 5 % would if the floor were exact. Two minutes of one core together.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from shop_r1.evaluation.bootstrap import Floats
from shop_r1.evaluation.related_metrics import kl_divergence, total_variation
from shop_r1.fidelity.measures import wasserstein
from shop_r1.fidelity.resampling import (
    Shoppers,
    distance_interval,
    resample,
    split_shoppers,
    summarize_floor,
)

Distance = Callable[[Floats, Floats], float]
RESAMPLES = 200
TABLES = ("coverage", "beyond the floor")
SHOPPERS, KINDS, SHIFTS = (50, 300), (2, 5, 20), (0.0, 0.1, 0.3)


def list_distances(kinds: int) -> dict[str, Distance]:
    """Return the distances by name."""
    values = np.arange(kinds, dtype=float)
    return {
        "TV": total_variation,
        "KL": kl_divergence,
        "W1": lambda real, found: wasserstein(values, real, found),
    }


def shift_mix(kinds: int, shift: float) -> tuple[Floats, Floats]:
    """Return two mixes whose total variation is the shift."""
    real = np.full(kinds, 1 / kinds)
    moved = shift / (1 - 1 / kinds)
    return real, real * (1 - moved) + moved * np.eye(kinds)[0]


def measure_coverage(name: str, shoppers: int, kinds: int, shift: float, runs: int) -> dict[str, Any]:
    """Return how often the interval holds the truth."""
    rng, distance = np.random.default_rng(1), list_distances(kinds)[name]
    mixes = shift_mix(kinds, shift)
    truth, held = distance(*(1e9 * mix for mix in mixes)), 0
    alone = Shoppers(np.arange(shoppers), shoppers)
    for run in range(runs):
        real, found = (rng.multinomial(1, mix, shoppers).astype(float) for mix in mixes)
        values = resample(
            lambda left, right, real=real, found=found: np.array([distance(left @ real, right @ found)]),  # type: ignore[misc]
            alone,
            alone,
            RESAMPLES,
            run,
        )
        interval = distance_interval(values[:, 0], name == "KL")
        assert interval is not None
        held += interval.low <= truth + 1e-9 <= interval.high
    case = {"distance": name, "shoppers": shoppers, "kinds": kinds, "shift": shift}
    return {**case, "truth": truth, "held": held / runs}


def measure_beyond(name: str, shoppers: int, others: int, kinds: int, runs: int) -> dict[str, Any]:
    """Return how often a crowd of one kind with the real one is said to differ."""
    rng, distance = np.random.default_rng(2), list_distances(kinds)[name]
    mix, beyond = np.full(kinds, 1 / kinds), 0
    alone = Shoppers(np.arange(shoppers), shoppers)
    for run in range(runs):
        real, found = (rng.multinomial(1, mix, count).astype(float) for count in (shoppers, others))
        parts = [
            distance(right @ real, left @ real)
            for left, right in split_shoppers(alone, others, RESAMPLES, run)
        ]
        floor = summarize_floor(np.array(parts))
        assert floor is not None
        beyond += distance(real.sum(axis=0), found.sum(axis=0)) > floor.most
    return {"distance": name, "real": shoppers, "simulated": others, "kinds": kinds, "beyond": beyond / runs}


def measure(table: str, runs: int) -> Iterator[dict[str, Any]]:
    """Yield the figures of each case of a table."""
    if table == "coverage":
        for name, shoppers, kinds, shift in product(("TV", "KL", "W1"), SHOPPERS, KINDS, SHIFTS):
            yield measure_coverage(name, shoppers, kinds, shift, runs)
    else:
        for name, others, kinds in product(("TV", "W1"), (30, 300, 3000), (2, 20)):
            yield measure_beyond(name, 300, others, kinds, runs)


def main() -> None:
    """Measure all cases, print them, and write them where they are to go."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--table", choices=TABLES, action="append")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    tables: dict[str, Any] = {"runs": options.runs, "resamples": RESAMPLES}
    for table in options.table or TABLES:
        tables[table] = []
        for figures in measure(table, options.runs):
            tables[table].append(figures)
            print(table, ", ".join(f"{name} {value}" for name, value in figures.items()), flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps(tables, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

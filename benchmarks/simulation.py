"""How fast scripted shoppers shop, and how fast the reachable accuracy is found: one core, no sockets.

`python benchmarks/simulation.py [sessions]`; add `profile` to see where the time goes.
"""

import cProfile
import pstats
import statistics
import sys
import time

from shop_r1.shoppers.persona import Market
from shop_r1.shoppers.reachable import reachable_predictions
from shop_r1.shoppers.scripted import generate_sessions
from shop_r1.simulation.loop import Tally
from shop_r1.store.app import create_app
from shop_r1.store.catalogue import generate_catalogue
from shop_r1.store.kinds import KINDS


def main(count: int) -> None:
    """Time `count` sessions in batches of 50, then the inference over all of them."""
    market, app = Market(KINDS), create_app(generate_catalogue(1))
    sessions, rates = [], []
    for seed in range(max(1, count // 50)):
        tally, started = Tally(), time.perf_counter()
        sessions += list(generate_sessions(app, market, 50, seed, tally=tally))
        rates.append(tally.steps / (time.perf_counter() - started))
    print(
        f"{len(sessions)} sessions: {statistics.median(rates):.0f} steps/s (slowest batch {min(rates):.0f})"
    )
    started = time.perf_counter()
    best = reachable_predictions(sessions, market)
    print(f"reachable accuracy of {len(best.exact)} steps: {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    if "profile" in sys.argv:
        profiler = cProfile.Profile()
        profiler.runcall(main, sessions)
        pstats.Stats(profiler).sort_stats("cumulative").print_stats(35)
    else:
        main(sessions)

"""Remake the figures of docs/crowd.md: `python recipes/crowd.py [sessions] [catalogue seed] [seed]`.

2,000 sessions take about half a minute on one core.
"""

import sys

from shop_r1.shoppers.crowd import crowd_tables, describe_crowd
from shop_r1.shoppers.persona import Market
from shop_r1.shoppers.reachable import reachable_predictions
from shop_r1.shoppers.scripted import generate_sessions
from shop_r1.simulation.loop import Tally
from shop_r1.store.app import create_app
from shop_r1.store.catalogue import generate_catalogue
from shop_r1.store.kinds import KINDS


def main(count: int = 2000, catalogue_seed: int = 1, seed: int = 1) -> None:
    """Print the tables and the reachable accuracy."""
    market, tally = Market(KINDS), Tally()
    app = create_app(generate_catalogue(catalogue_seed))
    sessions = list(generate_sessions(app, market, count, seed, tally=tally))
    best = reachable_predictions(sessions, market)
    sys.stdout.write(f"{crowd_tables(describe_crowd(sessions))}\n\n")
    for name, predictions, expected in (
        ("exact action", best.exact, best.expected_exact),
        ("action type", best.types, best.expected_types),
    ):
        right = sum(
            p.action == p.target
            if name == "exact action"
            else p.action is not None and p.action.type == p.target.type
            for p in predictions
        )
        sys.stdout.write(f"reachable, {name}: {right / len(predictions):.3f} (expected {expected:.3f})\n")
    sys.stdout.write(f"actions that a page did not offer: {tally.errors.total()}\n")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))

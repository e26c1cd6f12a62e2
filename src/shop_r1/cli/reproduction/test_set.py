"""The test steps: drawn by type from held-out sessions, in the mix of the paper's test set."""

import random
from collections.abc import Sequence

from shop_r1.datasets.examples import Example, list_examples
from shop_r1.errors import DataError
from shop_r1.evaluation.metrics import PAPER_TEST_MIX
from shop_r1.records.sessions import Session


def draw_test_steps(sessions: Sequence[Session], most: int, seed: int) -> list[Example]:
    """Return a seeded sample of the sessions' steps, in their order, types in the paper's ratio.

    As many as there are: the scarcest type sets the number of the others; at most about `most` in all
    (each type's number is rounded).

    Raises:
        DataError: a type of the ratio never occurs.
    """
    by_type: dict[str, list[Example]] = {name: [] for name in PAPER_TEST_MIX}
    for example in list_examples(sessions):
        by_type.setdefault(example.taken.action.type, []).append(example)
    if missing := [name for name, found in by_type.items() if not found]:
        raise DataError(
            f"no held-out session has a {' or a '.join(missing)} to predict, and the test set needs each "
            "type; raise held_out_sessions"
        )
    unit = min(len(by_type[name]) / parts for name, parts in PAPER_TEST_MIX.items())
    unit = min(unit, most / sum(PAPER_TEST_MIX.values()))
    rng = random.Random(seed)
    chosen = {
        (each.session.session_id, each.step)
        for name, parts in PAPER_TEST_MIX.items()
        for each in rng.sample(by_type[name], max(1, round(unit * parts)))
    }
    return [each for each in list_examples(sessions) if (each.session.session_id, each.step) in chosen]

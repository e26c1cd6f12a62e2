"""Shoppers on Ray: sessions a second of one process and of 1 and 2 actors, each on a raylet of its own.

`python -m benchmarks.shoppers [--shoppers N] [--browser] [--json FILE]`, in an environment with Ray. Nothing
else should run meanwhile. The records are checked to be those of the single process. Times are from the first
visit's beginning to the last one's end, so starting Ray and Chromium does not count.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from shop_r1.jsonl import read_records, write_json
from shop_r1.records.visits import SESSIONS_FILE, VISITS_FILE, VisitEnd

SEED, CONCURRENCY = 1, 8


@contextmanager
def two_raylets() -> Iterator[str]:
    """Yield the address of a cluster of two raylets on this machine, with a CPU each."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 100_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    cluster.add_node(**node)
    try:
        yield cluster.address
    finally:
        cluster.shutdown()


def measure(out: Path, shoppers: int, browser: bool, words: Sequence[str]) -> dict[str, Any]:
    """Return how long a simulation took: its command, its visits, and sessions a second of these."""
    command = [sys.executable, "-m", "shop_r1", "simulate", "--out", str(out), "--shoppers", str(shoppers)]
    command += ["--seed", str(SEED), *(["--browser"] if browser else []), *words]
    began = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    command_s = time.monotonic() - began
    ends = list(read_records(out / VISITS_FILE, VisitEnd))
    visits_s = max(end.started + end.seconds for end in ends) - min(end.started for end in ends)
    return {
        "command_s": round(command_s, 1),
        "visits_s": round(visits_s, 1),
        "sessions_per_s": round(len(ends) / visits_s, 2),
    }


def compare(shoppers: int, browser: bool, place: Path) -> dict[str, Any]:
    """Return the figures of each way by its name.

    Raises:
        ValueError: the records of two ways differ; in a browser they have times, so these are not compared.
    """
    at_once = str(CONCURRENCY if not browser else CONCURRENCY // 4)
    found: dict[str, Any] = {}
    single = place / "single"
    found["one process"] = measure(single, shoppers, browser, ["--concurrency", at_once])
    with two_raylets() as address:
        for actors in (1, 2):
            out = place / f"{actors}"
            words = ["--ray", address, "--actors", str(actors), "--concurrency", at_once]
            found[f"{actors} actors"] = measure(out, shoppers, browser, words)
            if not browser and (out / SESSIONS_FILE).read_bytes() != (single / SESSIONS_FILE).read_bytes():
                raise ValueError(f"the records of {actors} actors are not those of one process")
    return found


def main() -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shoppers", type=int, default=200)
    parser.add_argument("--browser", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with TemporaryDirectory() as place:
        figures = compare(given.shoppers, given.browser, Path(place))
    result = {"shoppers": given.shoppers, "browser": given.browser, "ways": figures}
    print(json.dumps(result, indent=2))
    if given.json is not None:
        write_json(given.json, result)


if __name__ == "__main__":
    main()

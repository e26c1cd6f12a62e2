"""Pages a second of `simplify --out`: the function alone, one process, and one and two workers of Ray Data.

`python -m benchmarks.jobs [FOLDER] [--times N] [--rounds N] [--json FILE]`, with an environment that has Ray
and nothing else running. FOLDER holds saved pages, ../shared/data/pages beside the clone unless given; all of
them, so many times over, are the rows of one Parquet file. Each round measures every side in turn, and
medians count. Seconds are from the first block that is given out to the last that came back, the start of
workers included; core-seconds are those of all processes that have a part in it, Ray's own too, so they hold
on a busy machine as well.
"""

import argparse
import json
import platform
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from shop_r1.jobs import blocks
from shop_r1.jobs.blocks import Block, cut_pages
from shop_r1.jobs.cluster import Cluster, joined_workers
from shop_r1.jobs.pages import PageFile, SimplifyWork
from shop_r1.jobs.run import BlockFunction, run_blocks
from shop_r1.pages.simplify import simplify_page

PAGES = Path(__file__).resolve().parents[2] / "shared" / "data" / "pages"
MILLION = 1_000_000
PAGES_PER_BLOCK = 16
"""Fewer than the job's own, so that a short run has as many blocks as two workers need to end together."""

Row = dict[str, Any]


def main() -> None:
    """Print the figures, and write them to `--json FILE`."""
    parser = argparse.ArgumentParser(description="Pages a second of a job, beside the function alone.")
    parser.add_argument("folder", type=Path, nargs="?", default=PAGES)
    parser.add_argument("--times", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    pages = [file.read_bytes() for file in sorted(options.folder.rglob("*.html"))]
    if not pages:
        parser.error(f"{options.folder}: no .html file in it; name a folder of saved pages")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "pages.parquet"
        pq.write_table(pa.table({"html": pages * options.times}), path)
        found = measure(path, pages * options.times, options.rounds)
    result = {
        "machine": describe(),
        "pages": found[0]["pages"],
        "megabytes": found[0]["megabytes"],
        "sides": found,
    }
    for line in report(result):
        print(line)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


def measure(path: Path, pages: Sequence[bytes], rounds: int) -> list[Row]:
    """Return a row for each side: medians of seconds and core-seconds over the rounds."""
    blocks.PAGES_PER_BLOCK = PAGES_PER_BLOCK
    cut = dict(enumerate(cut_pages([path], "html", ()).blocks))
    started = time.perf_counter()
    with joined_workers("local", workers=2) as both:
        start_s = time.perf_counter() - started
        sides: dict[str, Callable[[], object]] = {
            "simplify_page alone": lambda: deque(map(simplify_page, pages), maxlen=0),
            "one process": lambda: run(cut, None),
            "Ray, 1 worker": lambda: run(cut, Cluster(1)),
            "Ray, 2 workers": lambda: run(cut, both),
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
        for _ in range(rounds):
            for name, side in sides.items():
                times[name].append(timed(side))
    size = sum(map(len, pages)) / 1e6
    return [
        {
            "side": name,
            "pages": len(pages),
            "megabytes": size,
            "seconds": statistics.median(wall for wall, _ in each),
            "core_seconds": statistics.median(cores for _, cores in each),
            "start_seconds": start_s if name.startswith("Ray") else 0.0,
        }
        for name, each in times.items()
    ]


_spent: dict[int, float] = {}
"""Core-seconds of each process when the last block had come at which it was still there."""


def run(cut: dict[int, Block], cluster: Cluster | None) -> None:
    """Work on all blocks."""
    function = BlockFunction(SimplifyWork(), encode=PageFile(".parquet").encode)
    for _ in run_blocks(cut, function, cluster, ordered=False):
        _spent.update(core_seconds())  # at the end of the loop the workers are gone


def timed(side: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds and core-seconds that it takes."""
    _spent.clear()
    before, started = core_seconds(), time.perf_counter()
    side()
    wall, after = time.perf_counter() - started, _spent or core_seconds()
    return wall, sum(used - before.get(process, 0.0) for process, used in after.items())


def core_seconds() -> dict[int, float]:
    """Return what this process and each below it have used of the cores, by its number."""
    found = {}
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        try:
            used = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        found[process.pid] = used.user + used.system
    return found


def describe() -> Row:
    """Return what the figures were measured on."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": psutil.cpu_count(),
        "python": platform.python_version(),
        "ray": version("ray"),
        "pyarrow": version("pyarrow"),
    }


def report(result: Row) -> list[str]:
    """Return the lines to print, each of at most 80 characters."""
    lines = [
        f"{result['pages']:,} pages, {result['megabytes']:.0f} MB; {result['machine']['processor'][:40]}",
        f"{'':22}{'pages/s':>9}{'ms of a core':>14}{'core-hours a million pages':>29}",
    ]
    for row in result["sides"]:
        a_page = row["core_seconds"] / row["pages"]
        lines.append(
            f"{row['side']:22}{row['pages'] / row['seconds']:9.1f}{a_page * 1000:14.1f}"
            f"{a_page * MILLION / 3600:29.1f}"
        )
    return lines


if __name__ == "__main__":
    main()

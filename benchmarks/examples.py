"""Examples of many sessions: disk, memory, first batch, prompts a second, random access; beside naive ways.

`python -m benchmarks.examples [--json FILE] [--sessions 52137]`. Each measurement runs in a process of its
own; only training's checks need torch. The sessions are copies of 1,500 real ones of the built-in store, each
with goods of its own: every brand is renamed and every price, rating and count drawn anew, with the copy's
number as the seed. Copies of one session are 1,500 sessions apart, about 9 MB, further than zstd looks back
(2 MB), so a copy is never compressed by pointing at another.
"""

import argparse
import json
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import zstandard

from shop_r1.datasets import parquet, session_files
from shop_r1.datasets.examples import Example, balance_examples, list_examples, remember_counts
from shop_r1.datasets.parquet import ParquetSessions
from shop_r1.datasets.session_files import conversion_path, open_sessions
from shop_r1.jsonl import LEVEL, read_records, replacing
from shop_r1.pages.tokens import estimate_tokens
from shop_r1.prompts.render import Prompt, PromptConfig, render_prompt
from shop_r1.records.sessions import Session

SESSIONS = 52_137
"""The paper's number."""
FEW = 5_000
FEW_NAME = "few.jsonl.zst"
ACCESS_TURNS = 5
REAL = 1_500
SEED = 0
BATCH = 64
STORED = 2_000
"""Sessions whose prompts are stored; their disk and memory are scaled to all."""
MIB = 1 << 20
TOKENS = range(1_500, 2_500)
"""Estimated tokens of the prompts whose rendering is timed."""

_NUMBER = re.compile(r"\$\d+|\(\d+\)|\d\.\d stars|\d+ found")
_ID = re.compile(r'"(session_id|user_id)":"[^"]*"')

Render = Callable[[Example], Prompt]


# -- sessions ---------------------------------------------------------------------------------------------


def real_lines(count: int) -> tuple[list[str], list[str]]:
    """Return so many sessions of the store as lines, and the names of its brands."""
    from shop_r1.shoppers.persona import Market
    from shop_r1.shoppers.scripted import generate_sessions
    from shop_r1.store.app import create_app
    from shop_r1.store.catalogue import generate_catalogue
    from shop_r1.store.kinds import KINDS

    catalogue = generate_catalogue(1)
    found = generate_sessions(create_app(catalogue), Market(KINDS), count, SEED)
    lines = [session.model_dump_json(exclude_none=True) for session in found]
    return lines, sorted({product.brand for product in catalogue.products})


def varied_lines(count: int, lines: list[str], brands: list[str]) -> Iterator[str]:
    """Yield so many sessions as lines, each of a shop with brands and numbers of its own."""
    brand = re.compile("|".join(name for each in brands for name in (each, each.lower())))
    for number in range(count):
        draw, names = random.Random(f"{SEED} {number}"), dict[str, str]()

        def rename(found: re.Match[str], draw: random.Random = draw, names: dict[str, str] = names) -> str:
            old = found.group()
            if old.lower() not in names:
                pairs = (draw.choice("bdfghjklmnprstvwyz") + draw.choice("aeiou") for _ in range(3))
                names[old.lower()] = "".join(pairs)
            new = names[old.lower()]
            return new if old.islower() else new.capitalize()

        def redraw(found: re.Match[str], draw: random.Random = draw) -> str:
            return re.sub(r"\d", lambda _: draw.choice("123456789"), found.group())

        line = _NUMBER.sub(redraw, brand.sub(rename, lines[number % len(lines)]))
        yield _ID.sub(rf'"\1":"{number:06}"', line)


def write_sessions(path: Path, lines: Iterator[str]) -> dict[str, int]:
    """Write the lines, and return the bytes of their text and what they would take in one zstd frame."""
    size = 0
    single = zstandard.ZstdCompressor(level=LEVEL).compressobj()
    packed = 0
    with replacing(path) as stream:
        for line in lines:
            data = f"{line}\n".encode()
            stream.write(data)
            packed += len(single.compress(data))
            size += len(data)
    return {"text": size, "one_frame": packed + len(single.flush())}


# -- measurements, each in a process of its own -----------------------------------------------------------


def measure_conversion(path: Path, started: float) -> dict[str, float]:
    """Return what the first opening costs, which converts the file to Parquet."""
    conversion_path(path).unlink(missing_ok=True)
    session_files.CONVERTED_FROM_BYTES = 0  # the short file too
    sessions = open_sessions(path)
    assert isinstance(sessions, ParquetSessions)
    return {
        "seconds": time.monotonic() - started,
        "peak_mib": peak_mib(),
        "steps": int(sessions.columns.counts.sum()),
    }


def measure_parquet(path: Path, started: float) -> dict[str, float]:
    """Return what training from Parquet costs; the first batch is timed from the process's start."""
    sessions = ParquetSessions(conversion_path(path))
    examples = balance_examples(list_examples(sessions), type_ratio=1.1, seed=SEED)
    render = renderer()
    for example in examples[:BATCH]:
        render(example)
    first_batch = time.monotonic() - started
    found = {"first_batch_s": first_batch, "examples": len(examples)}
    found["at_random_a_second"] = rate(examples[BATCH : BATCH + 5000], render)
    found["in_order_a_second"] = rate(list_examples(sessions)[:20_000], render)
    found["peak_mib"] = peak_mib()
    middling = [each for each in list_examples(sessions)[:9_000] if (render(each).tokens or 0) in TOKENS]
    found["tokens"] = statistics.mean(render(each).tokens or 0 for each in middling)
    found["rendered_a_second"] = rate(middling, render)
    parquet.KEPT_BYTES = 0
    again = balance_examples(list_examples(ParquetSessions(conversion_path(path))), type_ratio=1.1, seed=SEED)
    return found | {"unkept_a_second": rate(again[:1000], render)}


def measure_checks(path: Path, started: float) -> dict[str, float]:
    """Return how long GRPO's checks of all examples before the first step take, imports apart."""
    from shop_r1.rewards.total import RewardConfig
    from shop_r1.training.checkpoints import digest_examples
    from shop_r1.training.grpo.examples_check import check_target

    before = time.monotonic()
    examples = balance_examples(
        list_examples(ParquetSessions(conversion_path(path))), type_ratio=1.1, seed=SEED
    )
    opened = time.monotonic()
    check_target(examples, RewardConfig())
    digest_examples(examples)
    return {"opened_s": opened - before, "checks_s": time.monotonic() - opened}


def measure_access(path: Path, started: float) -> dict[str, Any]:
    """Return how long reading one of 1,000 random sessions takes, in a short file and in a long one.

    No row group is kept: else more of the short file would be found in memory.
    """
    parquet.KEPT_BYTES = 0
    files = [path.with_name(FEW_NAME), path]
    times: list[list[float]] = [[], []]
    for turn in range(ACCESS_TURNS):
        for place, file in enumerate(files):
            sessions = ParquetSessions(conversion_path(file))
            drawn = random.Random(turn).sample(range(len(sessions)), 1000 // ACCESS_TURNS)
            before = time.perf_counter()
            for number in drawn:
                sessions[number]
            times[place].append((time.perf_counter() - before) * 1000 / len(drawn))
    few, many = (statistics.median(each) for each in times)
    return {"few": FEW, "few_ms": few, "many_ms": many, "ratio": many / few}


def measure_list(path: Path, started: float) -> dict[str, float]:
    """Return what a list of all sessions costs."""
    sessions = list(read_records(path, Session))
    render = renderer()
    for example in balance_examples(list_examples(sessions), type_ratio=1.1, seed=SEED)[:BATCH]:
        render(example)
    return {"first_batch_s": time.monotonic() - started, "peak_mib": peak_mib()}


def measure_stored(path: Path, started: float) -> dict[str, float]:
    """Return what the prompts of some sessions cost as strings: in memory, and compressed as one frame."""
    render = renderer()
    sessions = list(islice(read_records(path, Session), STORED))
    before = peak_mib()
    prompts = [json.dumps(render(example).messages) for example in list_examples(sessions)]
    memory = peak_mib() - before
    single = zstandard.ZstdCompressor(level=LEVEL).compressobj()
    disk = sum(len(single.compress(f"{prompt}\n".encode())) for prompt in prompts) + len(single.flush())
    return {
        "seconds": time.monotonic() - started,
        "prompts": len(prompts),
        "characters": sum(map(len, prompts)),
        "memory_mib": memory,
        "disk": disk,
    }


MEASUREMENTS = {
    "conversion": measure_conversion,
    "parquet": measure_parquet,
    "checks": measure_checks,
    "access": measure_access,
    "list": measure_list,
    "stored": measure_stored,
}


def renderer() -> Render:
    """Return the function that renders an example; pages are counted by the estimate, each once."""
    config, count = PromptConfig(), remember_counts(estimate_tokens)
    return lambda example: render_prompt(example.session, example.step, example.space, config, count)


def rate(examples: Sequence[Example], render: Render, turns: int = 3) -> float:
    """Return how many of these are read and rendered in a second, once the pages are counted."""
    times = []
    for _ in range(turns + 1):
        before = time.perf_counter()
        for example in examples:
            render(example)
        times.append(time.perf_counter() - before)
    return len(examples) / statistics.median(times[1:])


def peak_mib() -> float:
    """Return the most memory that this process held so far (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


# -- all of it --------------------------------------------------------------------------------------------


def measure(name: str, path: Path) -> dict[str, Any]:
    """Return a measurement, made in a new process."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.examples",
        "--measure",
        name,
        str(path),
        f"{time.monotonic()}",
    ]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{path.name}: {name}: {found}", flush=True)
    return found


def run(sessions: int, folder: Path) -> dict[str, Any]:
    """Return all figures for so many sessions, written to the folder."""
    lines, brands = real_lines(REAL)
    few, many = folder / FEW_NAME, folder / "many.jsonl.zst"
    write_sessions(few, varied_lines(FEW, lines, brands))
    size = write_sessions(many, varied_lines(sessions, lines, brands))
    conversion = measure("conversion", many)
    measure("conversion", few)
    disk = {"jsonl_zst": many.stat().st_size, "parquet": conversion_path(many).stat().st_size, **size}
    stored, scale = measure("stored", many), sessions / STORED
    return {
        "sessions": sessions,
        "steps": conversion.pop("steps"),
        "disk": disk | {"ratio": disk["parquet"] / disk["one_frame"]},
        "conversion": conversion,
        "parquet": measure("parquet", many) | measure("checks", many),
        "access": measure("access", many),
        "list": measure("list", many),
        "stored": {
            "sessions": STORED,
            "seconds": stored["seconds"] * scale,
            "memory_mib": stored["memory_mib"] * scale,
            "disk": stored["disk"] * scale,
            "text": stored["characters"] * scale,
        },
    }


def main() -> None:
    """Print the figures, and write them to `--json FILE`."""
    parser = argparse.ArgumentParser(description="Examples of many sessions.")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        name, path, started = options.measure
        print(json.dumps(MEASUREMENTS[name](Path(path), float(started))))
        return
    with TemporaryDirectory() as folder:
        found = run(options.sessions, Path(folder))
    if options.json:
        from benchmarks.machine import describe_machine

        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"machine": describe_machine()} | found, indent=1) + "\n")


if __name__ == "__main__":
    main()

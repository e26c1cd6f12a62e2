"""The tables of docs/benchmarks.md, from `benchmarks/results/*.json`.

`python -m benchmarks.tables` puts them in their places: between `<!-- NAME -->` and `<!-- end -->`.
"""

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scipy import stats

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
NAMES = ("grpo_step", "engine", "memory", "examples", "browser", "left_out", "equal_time")
"""Of the results, in the order in which `fill_page` takes them."""

Result = Mapping[str, Any]


def fill_page(
    text: str,
    step: Result,
    engine: Result,
    memory: Result,
    examples: Result,
    browser: Result,
    left_out: Result,
    equal_time: Result,
) -> str:
    """Return the page with every table made from these results.

    Raises:
        ValueError: a table has no place in the page.
    """
    tables = {
        "machine": describe(step["machine"]),
        "steps": table(("P", "G", "ours, s", "stock, s", "times faster", "tokens/s"), step_rows(step)),
        "memory": table(("P", "G", "ours, MiB", "stock, MiB", "share"), memory_rows(step)),
        "left_out": table(
            ("checkpoint", "zero variance", "whole, s", "left out, s", "times faster", "the update alone"),
            left_out_rows(left_out),
        ),
        "left_out_load": left_out_line(left_out),
        "equal_time": table(
            ("way", "steps", "exact %", "by seed", "less whole, points", "macro F1 %"),
            equal_time_rows(equal_time),
        ),
        "equal_time_line": equal_time_line(equal_time),
        "parts": table(("part", "ours", "beside", "ratio"), part_rows(engine)),
        "limit": limit_line(engine["limit"]),
        "estimate": table(
            ("step", "context", "numbers", "checkpointing", "estimate, MiB", "measured, MiB", "ratio"),
            estimate_rows(memory),
        ),
        "examples": table(
            ("", "at most", "Parquet", "list of sessions", "stored prompts"), example_rows(examples)
        ),
        "rates": table(("", "at least", "a second"), rate_rows(examples)),
        "content": content_line(examples),
        "browser": table(("", "at most", "ours", "beside"), browser_rows(browser)),
        "visits": visits_line(browser),
    }
    return put_tables(text, tables)


def put_tables(text: str, tables: Mapping[str, str]) -> str:
    """Return the page with each table in its place.

    Raises:
        ValueError: a table has no place in the page.
    """
    for name, content in tables.items():
        before, *after = text.split(f"<!-- {name} -->\n")
        if len(after) != 1:
            raise ValueError(f"the page has {len(after)} places for the table {name}; expected is one")
        rest = after[0].partition("<!-- end -->")
        text = f"{before}<!-- {name} -->\n{content}\n{rest[1]}{rest[2]}"
    return text


def table(titles: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def describe(machine: Result) -> str:
    """Return a line about the machine and the versions."""
    versions = ", ".join(f"{name} {machine[name]}" for name in ("torch", "transformers", "trl", "accelerate"))
    device = machine.get("gpu", f"{machine['processor']}, {machine['threads']} thread(s)")
    return f"{device}; Python {machine['python']}, {versions}."


def step_rows(step: Result) -> Iterator[Sequence[str]]:
    """Yield a row for each size of a GRPO step."""
    for each in step["steps"]:
        yield (
            f"{each['prompt']:,}",
            f"{each['group']}",
            f"{each['ours_s']:.3g}",
            f"{each['stock_s']:.3g}",
            f"{each['faster']:.2f}",
            f"{each['tokens_a_second']:,.0f}",
        )


def memory_rows(step: Result) -> Iterator[Sequence[str]]:
    """Yield a row for each size that memory was measured at."""
    for each in step["memory"]:
        yield (
            f"{each['prompt']:,}",
            f"{each['group']}",
            f"{each['ours_mib']:,.0f}",
            f"{each['stock_mib']:,.0f}",
            f"{each['share']:.2f}",
        )


def left_out_rows(left_out: Result) -> Iterator[Sequence[str]]:
    """Yield a row for each checkpoint whose steps were taken with and without groups that cannot teach."""
    for name, title in (("early", "SFT, where RL begins"), ("late", "after Shop-R1")):
        each = left_out[name]
        yield (
            title,
            f"{each['zero_variance']:.0%}",
            f"{each['whole']['processor']:.3g}",
            f"{each['left_out']['processor']:.3g}",
            f"{each['faster']['processor']:.2f}",
            f"{each['faster']['update']:.2f}",
        )


def left_out_line(left_out: Result) -> str:
    """Return how much else ran on the machine, and how many steps count."""
    machine = left_out["machine"]
    numbers = "bfloat16" if left_out["bf16"] else "float32"
    return (
        f"Medians of {left_out['early']['steps']} steps in {numbers} on {machine['threads']} thread(s); the "
        f"machine's load was {machine['load_before']:g} when they began."
    )


def equal_time_rows(found: Result) -> Iterator[Sequence[str]]:
    """Yield a row for SFT and for each way to spend the same minutes on GRPO behind it, means over seeds."""
    sft, whole = found["sft"], found["ways"]["whole"]
    yield (
        "SFT, where all begin",
        "0",
        f"{100 * sft['exact']:.1f}",
        "",
        "",
        f"{100 * sft['type_f1_macro']:.1f}",
    )
    for name, title in (
        ("whole", "all groups"),
        ("left-out", "groups that cannot teach left out"),
        ("dynamic", "and `dynamic_sampling` besides"),
    ):
        runs = found["ways"][name]
        points = [100 * each["exact"] for each in runs]
        less = [one - 100 * other["exact"] for one, other in zip(points, whole, strict=True)]
        yield (
            title,
            f"{statistics.fmean(each['steps'] for each in runs):.0f}",
            f"{statistics.fmean(points):.1f}",
            ", ".join(f"{each:.1f}" for each in points),
            "" if name == "whole" else difference(less),
            f"{100 * statistics.fmean(each['type_f1_macro'] for each in runs):.1f}",
        )


def difference(less: Sequence[float]) -> str:
    """Return the mean of two values or more, in their own unit, with Student's 95 % interval."""
    mean = statistics.fmean(less)
    half = stats.t.ppf(0.975, len(less) - 1) * statistics.stdev(less) / len(less) ** 0.5
    return f"{mean:+.1f} [{mean - half:+.1f}, {mean + half:+.1f}]"


def equal_time_line(found: Result) -> str:
    """Return for how long which numbers were computed, on how many threads."""
    numbers = "bfloat16" if found["bf16"] else "float32"
    machine, seeds = found["machine"], len(found["ways"]["whole"])
    return (
        f"Each run has {found['minutes']:g} minutes in {numbers} on {machine['threads']} thread(s) of "
        f"{machine['processor']}. Intervals are over the {seeds} seeds of GRPO alone."
    )


def part_rows(engine: Result) -> Iterator[Sequence[str]]:
    """Yield a row for each part of the engine and what it replaces."""
    for name, title, other in (
        ("scoring", "scoring, P 2,048, G 8, C 96", "plain"),
        ("sampling", "sampling, P 2,048, G 8, C 96", "generate"),
        ("evaluation", "greedy evaluation of sessions", "generate"),
    ):
        part = engine[name]
        beside = {"plain": "each completion with its prompt", "generate": "transformers' `generate`"}[other]
        yield title, f"{part['ours']:.3g} s", f"{part[other]:.3g} s, {beside}", f"{part['faster']:.2f}"
    sft = engine["sft"]
    for other, beside in (("pairs", "stock, a pair a step"), ("chats", "stock, one row a session")):
        ratio = sft[f"faster_than_{other}"]
        yield (
            "SFT, time",
            f"{sft['ours']:.3g} s, {sft['tokens_a_second']:,.0f} tokens/s",
            f"{sft[other]:.3g} s, {beside}",
            f"{ratio:.2f}",
        )
        share = sft["ours_mib"] / sft[f"{other}_mib"]
        yield (
            "SFT, memory",
            f"{sft['ours_mib']:,.0f} MiB",
            f"{sft[f'{other}_mib']:,.0f} MiB, {beside}",
            f"{share:.2f}",
        )
    certainty = engine["certainty"]
    yield (
        "self-certainty, 32,768 x 151,936",
        f"{certainty['with']:.3g} s, {certainty['extra_mib']:+.2f} MiB",
        f"{certainty['without']:.3g} s without it",
        f"{1 + certainty['slower']:.3f}",
    )


def limit_line(limit: Result) -> str:
    """Return how near scoring comes to a plain matrix product's rate."""
    return (
        f"Scoring P = 2,048, G = 8, C = 96 takes {limit['gflop']:.1f} GFLOP by arithmetic and "
        f"{limit['score_s']:.3g} s: {limit['score_gflops']:.0f} GFLOP/s, where a plain matrix product of the "
        f"same width does {limit['product_gflops']:.0f}. That is {limit['share']:.0%} of it."
    )


def estimate_rows(memory: Result) -> Iterator[Sequence[str]]:
    """Yield a row for each run whose memory was estimated and measured."""
    for each in memory["cases"]:
        yield (
            {"grpo": "GRPO", "sft": "SFT"}[each["kind"]],
            f"{each['context']:,}",
            "bfloat16" if each["bf16"] else "float32",
            "yes" if each["checkpointed"] else "no",
            f"{each['estimate_mib']:,.0f}",
            f"{each['measured_mib']:,.0f}",
            f"{each['ratio']:.2f}",
        )


def example_rows(examples: Result) -> Iterator[Sequence[str]]:
    """Yield a row for each thing that many sessions take, three ways."""
    disk, parquet, stored = examples["disk"], examples["parquet"], examples["stored"]
    yield (
        "disk, MiB",
        "",
        f"{_mib(disk['parquet'])}",
        f"{_mib(disk['one_frame'])}, one zstd frame",
        f"{_mib(stored['disk'])}, one zstd frame; {_mib(stored['text'])} as text",
    )
    share = stored["disk"] / disk["one_frame"]
    yield "disk, times one zstd frame", "1.15", f"{disk['ratio']:.3f}", "1", f"{share:.2f}"
    memory = [parquet["peak_mib"], examples["list"]["peak_mib"], stored["memory_mib"]]
    yield "memory at its highest, MiB", "1,536", *(f"{each:,.0f}" for each in memory)
    yield (
        "first batch of 64 prompts, s from the process's start",
        "5",
        f"{parquet['first_batch_s']:.2g}",
        f"{examples['list']['first_batch_s']:.2g}",
        f"{stored['seconds']:.0f} to write them",
    )
    checked = f"GRPO's checks of {parquet['examples']:,} balanced examples, s more"
    yield checked, "", f"{parquet['checks_s']:.2g}", "", ""
    access = examples["access"]
    yield (
        f"a session at random, ms: of {access['few']:,}; of all",
        "the same",
        f"{access['few_ms']:.2g}; {access['many_ms']:.2g} ({access['ratio']:.2f} times)",
        "",
        "",
    )


def rate_rows(examples: Result) -> Iterator[Sequence[str]]:
    """Yield a row for each rate of prompts."""
    parquet = examples["parquet"]
    size = f"of {parquet['tokens']:,.0f} tokens at the mean"
    yield f"rendered, {size}", "2,000", f"{parquet['rendered_a_second']:,.0f}"
    yield "read in the file's order and rendered", "2,000", f"{parquet['in_order_a_second']:,.0f}"
    yield "read at random and rendered", "500", f"{parquet['at_random_a_second']:,.0f}"
    yield "the same where no row group is kept", "", f"{parquet['unkept_a_second']:,.0f}"


def content_line(examples: Result) -> str:
    """Return a line about the sessions."""
    conversion = examples["conversion"]
    return (
        f"{examples['sessions']:,} sessions with {examples['steps']:,} steps, "
        f"{_mib(examples['disk']['text'])} MiB of JSON. Opened first, which converts them, they "
        f"took {conversion['seconds']:.2g} s and {conversion['peak_mib']:,.0f} MiB."
    )


def browser_rows(browser: Result) -> Iterator[Sequence[str]]:
    """Yield a row for each thing that shoppers in Chromium take time for."""
    step, window, reset = browser["step_s"], browser["window_s"], browser["reset_s"]
    parts = ", ".join(f"{_ms(step[name])} {name}" for name in ("act", "settle", "observe"))
    yield (
        f"a step, ms; median of {browser['steps']:,}",
        "400",
        f"{_ms(step['step'])}: {parts}",
        f"{_ms(step['plain_load'])} until loaded; {_ms(step['plain_networkidle'])} until the network is idle",
    )
    with_recording = f"{_ms(window['recorded_open'])} with recording"
    yield (
        "a new window, ms",
        "300",
        f"{_ms(window['ours_open'])}; {with_recording}",
        f"{_ms(window['plain_open'])}",
    )
    yield "the store as new, for a visit, ms", "50", f"{_ms(reset['visitor_s'])}", ""


def visits_line(browser: Result) -> str:
    """Return what many visits at once did, and what they left."""
    many, alone, machine = browser["many"], browser["in_process"], browser["machine"]
    memory = [held["chromium_mib"] + held["playwright_mib"] for held in many["held"]]
    middle, end = memory[min(2, len(memory) - 1)], memory[-1]
    first, left = many["held"][0], many["left"]
    return (
        f"{browser['browser']}, {machine['cores']} cores, load {machine['load_before']:g} before. "
        f"{many['sessions']} visits at concurrency {many['concurrency']}, with recordings: "
        f"{many['sessions_a_minute']:.0f} visits a minute, a step {_ms(many['median_step_s'])} ms at the "
        f"median. Chromium and Playwright held {middle:,.0f} MiB after 20 visits and {end:,.0f} MiB at the "
        f"end; then {left['contexts']} contexts were left, {left['processes']} processes ("
        f"{first['processes']} at first) and {left['own_files'] + left['playwright_files']} files "
        f"({first['own_files'] + first['playwright_files']} at first). {alone['sessions']:,} visits in this "
        f"process: {alone['sessions_a_second']:.0f} a second, {alone['grown_mib']:+.1f} MiB, "
        f"{alone['grown_files']:+d} files."
    )


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f}"


def _mib(size: float) -> str:
    return f"{size / 2**20:,.3g}" if size < 2**30 else f"{size / 2**20:,.0f}"


def read_results() -> list[Result]:
    """Return what the benchmarks wrote, by `NAMES`."""
    return [json.loads((RESULTS / f"{name}.json").read_text("utf-8")) for name in NAMES]


if __name__ == "__main__":
    PAGE.write_text(fill_page(PAGE.read_text("utf-8"), *read_results()), "utf-8")

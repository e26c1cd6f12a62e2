"""The tables of docs/benchmarks.md, from `benchmarks/results/*.json`.

`python -m benchmarks.tables` puts them in their places: between `<!-- NAME -->` and `<!-- end -->`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"

Result = Mapping[str, Any]


def fill_page(text: str, step: Result, engine: Result, memory: Result, examples: Result) -> str:
    """Return the page with every table made from these results.

    Raises:
        ValueError: a table has no place in the page.
    """
    tables = {
        "machine": describe(step["machine"]),
        "steps": table(("P", "G", "ours, s", "stock, s", "times faster", "tokens/s"), step_rows(step)),
        "memory": table(("P", "G", "ours, MiB", "stock, MiB", "share"), memory_rows(step)),
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
    }
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


def _mib(size: float) -> str:
    return f"{size / 2**20:,.3g}" if size < 2**30 else f"{size / 2**20:,.0f}"


def read_results() -> tuple[Result, Result, Result, Result]:
    """Return what `grpo_step`, `engine`, `memory` and `examples` wrote."""
    step, engine, memory, examples = (
        json.loads((RESULTS / f"{name}.json").read_text("utf-8"))
        for name in ("grpo_step", "engine", "memory", "examples")
    )
    return step, engine, memory, examples


if __name__ == "__main__":
    PAGE.write_text(fill_page(PAGE.read_text("utf-8"), *read_results()), "utf-8")

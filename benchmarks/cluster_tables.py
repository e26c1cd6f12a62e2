"""The measured tables of docs/cluster.md, from `benchmarks/results/cluster.json`.

`python -m benchmarks.cluster_tables` puts them in their places: between `<!-- NAME -->` and `<!-- end -->`.
"""

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from benchmarks.cluster import Step, predict
from benchmarks.tables import RESULTS, ROOT, describe, put_tables, table

PAGE = ROOT / "docs" / "cluster.md"
RESULT = RESULTS / "cluster.json"

Result = Mapping[str, Any]


def render(found: Result) -> dict[str, str]:
    """Return the tables of what was measured, by their names in the page."""
    machine = found["machine"]
    load = f"The machine's load was {machine['load_before']:.1f} when it began."
    tables = {"cluster machine": f"{describe(machine)} {load}"}
    titles: tuple[str, ...]
    if "engines" in found:
        tables["cluster engines"] = table(("", "TRL", "verl"), engine_rows(found["engines"]))
    if "prefixes" in found:
        titles = ("P", "G", "cached, s", "not cached, s", "times faster", "of the prompts cached")
        tables["cluster prefixes"] = table(titles, prefix_rows(found["prefixes"]))
    if "scoring" in found:
        titles = ("P", "G", "scoring: ours, s", "verl's, s", "times", "update: ours, s", "verl's, s", "times")
        tables["cluster scoring"] = table(titles, scoring_rows(found["scoring"]))
    if "devices" in found:
        titles = ("processes", "prompts", "context", "tokens", "step, s", "by the model, s", "update, s")
        tables["cluster devices"] = table(titles, device_rows(found["devices"]))
        tables["cluster model"] = model_line(found["devices"]["model"])
    return tables


def engine_rows(engines: Result) -> Iterator[Sequence[str]]:
    """Yield a row for each figure of a run by either engine."""
    for name, title in (
        ("seconds", "a step, s"),
        ("sampling", "sampling, s"),
        ("scoring", "probabilities of policy and reference, s"),
        ("update", "update, s"),
        ("other", "the rest, s"),
        ("sampled_a_second", "sampling, tokens/s"),
        ("learnt_a_second", "all but sampling, tokens/s"),
    ):
        cells = [engines[engine][name] for engine in ("trl", "verl")]
        yield title, *(f"{cell:,.0f}" if name.endswith("second") else f"{cell:.2f}" for cell in cells)


def prefix_rows(prefixes: Sequence[Result]) -> Iterator[Sequence[str]]:
    """Yield a row for each group that vLLM sampled with its prefix caching and without."""
    for each in prefixes:
        yield (
            f"{each['prompt']:,}",
            f"{each['group']}",
            f"{each['cached_s']:.2f}",
            f"{each['plain_s']:.2f}",
            f"{each['faster']:.2f}",
            f"{each['cached_share']:.0%}",
        )


def scoring_rows(scoring: Sequence[Result]) -> Iterator[Sequence[str]]:
    """Yield a row for each group that was scored and learnt from by our engine and by verl's."""
    for each in scoring:
        yield (
            f"{each['prompt']:,}",
            f"{each['group']}",
            f"{each['ours_score_s']:.2f}",
            f"{each['verl_score_s']:.2f}",
            f"{each['score_faster']:.2f}",
            f"{each['ours_update_s']:.2f}",
            f"{each['verl_update_s']:.2f}",
            f"{each['update_faster']:.2f}",
        )


def device_rows(devices: Result) -> Iterator[Sequence[str]]:
    """Yield a row for each run of verl: its median step, measured and by the model."""
    times = devices["model"]["times"]
    steps = [Step(**point) for point in devices["points"]]
    for key, run in groupby(steps, lambda step: (step.devices, step.prompts, step.context)):
        whole = list(run)
        numbers = (f"{number:,}" for number in key)
        medians = (
            statistics.median(step.tokens for step in whole),
            statistics.median(step.whole for step in whole),
            statistics.median(predict(times, step) for step in whole),
            statistics.median(step.seconds["update"] for step in whole),
        )
        yield *numbers, f"{medians[0]:,.0f}", *(f"{each:.2f}" for each in medians[1:])


def model_line(model: Result) -> str:
    """Return how well the model fits, and what it predicts."""
    scaling = model["scaling"]
    seconds = ", ".join(f"{value:.2f} s on {count}" for count, value in scaling["seconds"].items())
    constant, each, several = (sum(part[index] for part in model["times"].values()) for index in range(3))
    return (
        f"A step takes {constant:.2f} s, {each:.3f} s for each thousand tokens that a process runs, and "
        f"{several:.2f} s more with several processes. Of {model['steps']} steps the model is off by "
        f"{model['error_median']:.0%} at the median and {model['error_max']:.0%} at most; fitted without the "
        f"run that it is asked for, by {model['left_out_median']:.0%} and {model['left_out_max']:.0%}. It "
        f"predicts of {scaling['prompts']} prompts, {scaling['tokens']:,.0f} tokens: {seconds}. From "
        f"{scaling['half']:.1f} processes on more than half of a step is what is not divided."
    )


if __name__ == "__main__":
    filled = put_tables(PAGE.read_text("utf-8"), render(json.loads(RESULT.read_text("utf-8"))))
    PAGE.write_text(filled, "utf-8")

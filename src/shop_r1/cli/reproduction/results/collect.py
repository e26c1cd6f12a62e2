"""The results of a run as one record, and the files that are written from it."""

import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from shop_r1.cli.reproduction.folder import ReproductionFolder
from shop_r1.cli.reproduction.plan import Predict, Reachable, Rl, Sft, Stage, Visits
from shop_r1.cli.reproduction.results.effects import judge_effects
from shop_r1.cli.reproduction.results.figures import draw_figures
from shop_r1.cli.reproduction.results.measure import Measurement
from shop_r1.cli.reproduction.results.records import RESULTS, MachineFacts, Reproduction, StageSeconds
from shop_r1.cli.reproduction.results.tables import list_grids, shown_grids
from shop_r1.cli.reproduction.rows import WHOLE, Row, Table
from shop_r1.cli.reproduction.time_left import describe_time
from shop_r1.cli.terminal import console
from shop_r1.evaluation.tables import to_latex, to_markdown, to_text
from shop_r1.jsonl import write_json, write_text
from shop_r1.models.precision import format_name
from shop_r1.runs import package_versions, source_revision

FORMATS = {"tables.txt": to_text, "tables.md": to_markdown, "tables.tex": to_latex}
DIGITS = 6
"""Of the figures in `results.json`, where tables show three or four. Ours."""
_KINDS = {Visits: "visits", Reachable: "reachable", Sft: "sft", Rl: "rl", Predict: "predict"}


def collect_results(
    folder: ReproductionFolder, tables: Mapping[Table, Sequence[Row]], command: str
) -> Reproduction:
    """Return what the folder's predictions say, over the seeds of its plan."""
    measured, config = Measurement(folder), folder.config
    rows = list(dict.fromkeys(row for found in tables.values() for row in found))
    with console.progress("Measuring", len(rows)) as move:
        results = []
        for done, row in enumerate(rows, 1):
            results.append(measured.row_result(row))
            move(done, len(rows))
    has_effects = any(table in WHOLE for table in tables)
    found = Reproduction(
        command=command,
        crowd=config.crowd,
        seeds=folder.seeds,
        settings=config.model_dump(mode="json"),
        machine=describe_machine(bool(config.bf16)),
        versions=package_versions(),
        revision=source_revision(),
        natural_mix=measured.natural_mixes(rows),
        rows=tuple(results),
        reachable=tuple(measured.reachable_results(rows)),
        tables=tuple(measured.table_result(table, found) for table, found in tables.items()),
        effects=judge_effects(measured) if has_effects else (),
        stages=tuple(_stage_seconds(folder, stage) for stage in folder.plan),
        quick=config.quick,
    )
    return Reproduction.model_validate(_round(found.model_dump(mode="json")))


def _round(value: Any) -> Any:
    """Return a JSON value with its numbers rounded: the file is to be read, and kept beside its page."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: each if key == "settings" else _round(each) for key, each in value.items()}
    return [_round(each) for each in value] if isinstance(value, list) else value


def write_results(folder: ReproductionFolder, found: Reproduction) -> None:
    """Write the results as JSON, the tables as text and Markdown, and the figures."""
    write_json(folder.out / RESULTS, found.model_dump(mode="json"))
    grids, warning = list_grids(found), folder.config.warning
    for name, write in FORMATS.items():
        parts = [*([warning] if warning else []), *map(write, grids)]
        write_text(folder.out / name, "\n\n".join(parts) + "\n")
    for name, plot in draw_figures(found).items():
        write_text(folder.out / "figures" / f"{name}.svg", plot.svg)


def print_results(out: Path, found: Reproduction, warning: str) -> None:
    """Print the main tables, and where everything is."""
    console.echo("")
    if warning:
        console.echo(f"{warning}\n")
    for grid in shown_grids(found):
        console.echo(to_text(grid))
    console.echo_wrapped(f"All stages took {describe_time(3600 * found.hours)}.")
    console.echo_wrapped(f"All tables: {out}/tables.txt, {out}/{RESULTS}. Figures: {out}/figures.")
    console.echo_wrapped(f"Report: open {out}/report/index.html in a browser.")


def describe_machine(bf16: bool) -> MachineFacts:
    """Return what the run is computed on."""
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU"
    return MachineFacts(
        device=device, cpu=_cpu(), threads=torch.get_num_threads(), number_format=format_name(bf16)
    )


def _cpu() -> str:
    """Return the processor's name, as far as the system tells it."""
    info = Path("/proc/cpuinfo")
    text = info.read_text("utf-8") if info.exists() else ""
    if found := re.search(r"^model name\s*: (.+)$", text, re.MULTILINE):
        return found[1]
    return platform.processor() or platform.machine()


def _stage_seconds(folder: ReproductionFolder, stage: Stage) -> StageSeconds:
    kind = _KINDS[type(stage)]
    return StageSeconds.model_validate(
        {"stage": stage.name, "kind": kind, "seconds": round(folder.seconds(stage), 1)}
    )

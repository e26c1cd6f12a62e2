"""What a run of the demo prints and shows: the start, the tables, the alerts, the report."""

from pathlib import Path
from typing import Any

import torch

from shop_r1.cli.pipeline.config import TEMPERATURE, DemoConfig, estimate_seconds
from shop_r1.cli.pipeline.stages import DemoRun
from shop_r1.cli.terminal import console
from shop_r1.datasets.session_files import read_sessions
from shop_r1.evaluation import tables
from shop_r1.evaluation.metrics import evaluate_predictions
from shop_r1.evaluation.plots.results import plot_evaluation
from shop_r1.evaluation.plots.rewards import read_curves
from shop_r1.jsonl import read_records, write_text
from shop_r1.models.precision import Precision, choose_precision, product_rate
from shop_r1.prompts.render import Context
from shop_r1.records.actions import SHOP
from shop_r1.records.results import Grid, Prediction, TableRow, read_table, write_table
from shop_r1.report.build import ReportInputs, build_report
from shop_r1.report.evaluation_folder import describe_evaluation
from shop_r1.training.health_checks import Alert
from shop_r1.training.run import begun_with


def list_tables(demo: DemoRun) -> list[Grid]:
    """Return every table of the run, the main one first."""
    rows = read_table(demo.out / "table.json")
    found = [
        tables.main_grid(rows, "Held-out sessions, sampled at temperature 0.6 (the paper's)"),
        tables.reweighted_grid(rows),
        tables.per_type_grid(rows),
        tables.mix_grid(rows),
        tables.temperature_grid(read_table(demo.out / "temperatures.json")),
        tables.context_grid(read_table(demo.out / "contexts.json")),
        *tables.paper_grids(),
    ]
    return [grid for grid in found if grid is not None]


def list_alerts(demo: DemoRun) -> tuple[str, ...]:
    """Return the run's alerts, training's and evaluation's."""
    raised = [
        f"{name}, step {alert.step}: {alert.message}"
        for name in ("sft", "binary", "shop-r1")
        if (demo.out / name / "alerts.jsonl").exists()
        for alert in read_records(demo.out / name / "alerts.jsonl", Alert)
    ]
    rows = read_table(demo.out / "table.json")
    return (*raised, *(told for row in rows for told in row.alerts))


def announce_run(config: DemoConfig, out: Path) -> DemoConfig:
    """Return the settings with a number format and the seed for every stage.

    The format and how long all will take here are printed. A demo that goes on keeps the format that it began
    with.
    """
    precision = choose_precision(config.bf16)
    if config.bf16 == "auto" and (begun := begun_with(out)) is not None:
        precision = Precision(begun, f"as the demo in {out} began")
    console.note(f"Number format: {precision}")
    if not torch.cuda.is_available():
        rate = product_rate(precision.bf16)
        minutes = estimate_seconds(config, rate) / 60
        console.note(
            f"Products here: {rate / 1e9:.0f} GFLOP/s on {torch.get_num_threads()} threads. "
            f"The whole demo takes about {minutes:.0f} min."
        )
    stages: dict[str, Any] = {"bf16": precision.bf16}
    for name, stage in (("sft", config.sft), ("grpo", config.grpo)):
        bf16 = precision.bf16 if stage.bf16 == "auto" else stage.bf16
        stages[name] = stage.model_copy(update={"seed": config.seed, "bf16": bf16})
    return config.model_copy(update=stages)


def print_results(demo: DemoRun, seconds: float) -> None:
    """Print the main tables, the alerts and where all files are."""
    console.echo("")
    if warning := demo.config.warning:
        console.echo(f"{warning}\n")
    for grid in list_tables(demo)[:3]:
        console.echo(tables.to_text(grid))
    for text in [f"Alert: {alert}" for alert in list_alerts(demo)] or ["Alerts: none."]:
        console.echo_wrapped(text)
    console.echo_wrapped(f"Took {seconds:.0f} s. Tables: {demo.out}/tables.txt, {demo.out}/table.json.")
    console.echo_wrapped(f"Report: open {demo.out}/report/index.html in a browser.")
    console.echo("Next: shop-r1 store (visit the store), shop-r1 sft --help (your own sessions).")


def write_report(demo: DemoRun) -> None:
    """Vary temperature and context; write the tables as text and Markdown, and the report."""
    vary(demo)
    grids, warning = list_tables(demo), demo.config.warning
    for name, write in (("tables.txt", tables.to_text), ("tables.md", tables.to_markdown)):
        parts = [*([warning] if warning else []), *map(write, grids)]
        write_text(demo.out / name, "\n\n".join(parts) + "\n")
    rows, sweep = (read_table(demo.out / name) for name in ("table.json", "temperatures.json"))
    curves = [each for each in read_curves(demo.out / "shop-r1", points=25) if each.part != "total"]
    inputs = ReportInputs(
        title="Shop-R1 on the built-in store",
        summary=f"{warning}A model of a million parameters, "
        "taught on scripted shoppers' sessions. Predictions at temperature 0.6, the paper's.",
        about=describe_evaluation(demo.out, {"settings": {"data": demo.held_out}}),
        settings=demo.config.describe(),
        rows=tuple(rows),
        tables=tuple(grids[1:]),
        plots=tuple(plot_evaluation(rows, sweep, curves)),
        warnings=list_alerts(demo),
        sessions=tuple(read_sessions(demo.held_out)),
        predictions={
            setting: tuple(read_records(demo.predictions_file(setting), Prediction))
            for setting in demo.checkpoints
        },
    )
    build_report(demo.out / "report" / "index.html", inputs)


def vary(demo: DemoRun) -> None:
    """Vary the temperature (Figure 2) and the context (Table 5) of the last checkpoint."""
    part = list(read_sessions(demo.held_out))[: demo.config.sweep_sessions]
    ids = {session.session_id for session in part}
    setting, checkpoint = list(demo.checkpoints.items())[-1]

    def measure(temperature: float = TEMPERATURE, context: Context = "whole-session") -> TableRow:
        config = demo.predict_config(temperature, context)
        if config == demo.predict_config():  # The evaluation has made these predictions.
            made = read_records(demo.predictions_file(setting), Prediction)
            predictions = [each for each in made if each.session_id in ids]
        else:
            predictions = demo.predict(setting, checkpoint, part, config)
        metrics = evaluate_predictions(predictions, SHOP, seed=demo.config.seed)
        return tables.table_row(setting, metrics, temperature=temperature, context=context)

    write_table(demo.out / "temperatures.json", [measure(temperature) for temperature in demo.config.sweep])
    write_table(demo.out / "contexts.json", [measure(), measure(context="latest-step")])
    demo.drop_partial()

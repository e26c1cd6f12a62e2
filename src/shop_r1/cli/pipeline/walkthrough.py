"""The whole pipeline as a script, on the built-in store: read it from the top to see what each stage calls.

Sessions -> SFT -> GRPO with the binary and with the Shop-R1 reward -> predictions -> metrics -> tables ->
report. The commands call the same functions on your own data.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from shop_r1.cli.pipeline.config import BINARY, QUICK_WARNING, TEMPERATURE, DemoConfig
from shop_r1.cli.pipeline.results import announce_run, list_alerts, list_tables, print_results
from shop_r1.cli.pipeline.stages import DemoRun
from shop_r1.cli.terminal.console import print_note, progress
from shop_r1.config import load_config
from shop_r1.datasets.examples import balance_examples, count_types, list_examples
from shop_r1.evaluation.metrics import evaluate_predictions
from shop_r1.evaluation.plots.results import plot_evaluation
from shop_r1.evaluation.plots.rewards import read_curves
from shop_r1.evaluation.tables import reachable_row, table_row, to_markdown, to_text
from shop_r1.jsonl import read_records, write_records, write_text
from shop_r1.prompts.render import Context
from shop_r1.records.actions import SHOP
from shop_r1.records.results import Prediction, TableRow, read_table, write_table
from shop_r1.records.sessions import Session
from shop_r1.report.build import ReportInputs, build_report
from shop_r1.report.card import write_card
from shop_r1.rewards.total import RewardConfig
from shop_r1.shoppers.persona import Market
from shop_r1.shoppers.reachable import reachable_predictions
from shop_r1.shoppers.scripted import generate_sessions
from shop_r1.store.app import create_app
from shop_r1.store.catalogue import generate_catalogue
from shop_r1.store.kinds import KINDS
from shop_r1.store.visitors import seeded_ids
from shop_r1.training.grpo.run import train_grpo
from shop_r1.training.sft import train_sft


def run_demo(
    out: Path,
    seed: int = 0,
    config_path: Path | None = None,
    overrides: Sequence[str] = (),
    force: bool = False,
) -> None:
    """Run the whole pipeline in `out`, going on after the last finished stage, and print the tables.

    Raises:
        ShopR1Error: a setting is wrong, the disk is full, or training must not go on.
    """
    config = load_config(DemoConfig, config_path, [f"seed={seed}", *overrides])
    started = time.monotonic()
    demo = DemoRun(out, announce_run(config, out))
    demo.write_settings(force)
    demo.stage("sessions", "Scripted shoppers visit the store", lambda: record_sessions(demo))
    demo.stage("sft", "SFT: learn from what they did and why", lambda: learn_from_sessions(demo))
    demo.stage("binary", "GRPO with the binary reward", lambda: reinforce(demo, "binary", BINARY))
    demo.stage(
        "shop-r1", "GRPO with the Shop-R1 reward", lambda: reinforce(demo, "shop-r1", config.grpo.reward)
    )
    demo.stage("evaluate", "Evaluate on held-out sessions", lambda: evaluate(demo))
    demo.stage("report", "Vary temperature and context, write the report", lambda: report(demo))
    print_results(demo, time.monotonic() - started)


def record_sessions(demo: DemoRun) -> None:
    """Let scripted shoppers visit the store, and keep some of their sessions for the evaluation."""
    config = demo.config
    catalogue = generate_catalogue(config.catalogue_seed)
    app = create_app(catalogue, page_size=config.page_size, visitor_ids=seeded_ids(config.seed))
    count = config.training_sessions + config.held_out_sessions
    with progress("Sessions") as move:
        sessions = list(generate_sessions(app, Market.of(KINDS), count, config.seed, progress=move))
    write_records(demo.training, sessions[: config.training_sessions])
    write_records(demo.held_out, sessions[config.training_sessions :])


def learn_from_sessions(demo: DemoRun) -> None:
    """Fine-tune the base checkpoint on whole sessions (the cold start)."""
    config = demo.config.sft
    with demo.checkpoint_folder("sft", "sft", config) as folder:
        train_sft(read_sessions(demo.training), config, folder, resume=True)


def reinforce(demo: DemoRun, name: str, reward: RewardConfig) -> None:
    """Train the SFT checkpoint with GRPO and this reward, on steps balanced by type of action."""
    config = demo.config.grpo.model_copy(update={"model": str(demo.out / "sft"), "reward": reward})
    examples = balance_examples(
        list_examples(read_sessions(demo.training)), config.type_ratio, demo.config.seed
    )
    counts = ", ".join(f"{kind} {n}" for kind, n in sorted(count_types(examples).items()))
    print_note(f"    examples: {counts}")
    with demo.checkpoint_folder(name, "grpo", config) as folder:
        train_grpo(examples, config, folder, title=f"GRPO {name}", resume=True)


def evaluate(demo: DemoRun) -> None:
    """Predict the held-out sessions with every checkpoint, and make Table 2 of the predictions."""
    held_out, rows = read_sessions(demo.held_out), []
    for setting, checkpoint in demo.checkpoints.items():
        predictions = demo.predict(setting, checkpoint, held_out, demo.predict_config())
        write_records(demo.predictions_file(setting), predictions)
        metrics = evaluate_predictions(predictions, SHOP, seed=demo.config.seed)
        rows.append(table_row(setting, metrics, temperature=TEMPERATURE))
    best = reachable_predictions(held_out, Market.of(KINDS))
    rows.append(reachable_row(evaluate_predictions(best.exact, SHOP), evaluate_predictions(best.types, SHOP)))
    write_table(demo.out / "table.json", rows)
    for row in rows[1:-1]:  # Those of the checkpoints that were trained here.
        write_card(demo.checkpoints[row.setting], rows=[row])
    demo.drop_partial()


def report(demo: DemoRun) -> None:
    """Vary temperature and context; write the tables as text and Markdown, and the report."""
    vary(demo)
    grids, warning = list_tables(demo), f"{QUICK_WARNING}\n\n" if demo.config.quick else ""
    write_text(demo.out / "tables.txt", warning + "\n\n".join(map(to_text, grids)) + "\n")
    write_text(demo.out / "tables.md", warning + "\n\n".join(map(to_markdown, grids)) + "\n")
    rows, sweep = (read_table(demo.out / name) for name in ("table.json", "temperatures.json"))
    curves = [each for each in read_curves(demo.out / "shop-r1", points=25) if each.part != "total"]
    inputs = ReportInputs(
        title="Shop-R1 on the built-in store",
        summary=f"{QUICK_WARNING if demo.config.quick else ''}A model of a million parameters, "
        "taught on scripted shoppers' sessions. Predictions at temperature 0.6, the paper's.",
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
    part = read_sessions(demo.held_out)[: demo.config.sweep_sessions]
    setting, checkpoint = list(demo.checkpoints.items())[-1]

    def measure(temperature: float = TEMPERATURE, context: Context = "whole-session") -> TableRow:
        config = demo.predict_config(temperature, context)
        if config == demo.predict_config():  # `evaluate` has made these predictions.
            predictions = demo.read_predictions(setting, part)
        else:
            predictions = demo.predict(setting, checkpoint, part, config)
        metrics = evaluate_predictions(predictions, SHOP, seed=demo.config.seed)
        return table_row(setting, metrics, temperature=temperature, context=context)

    write_table(demo.out / "temperatures.json", [measure(temperature) for temperature in demo.config.sweep])
    write_table(demo.out / "contexts.json", [measure(), measure(context="latest-step")])
    demo.drop_partial()


def read_sessions(path: Path) -> list[Session]:
    """Return a file's sessions."""
    return list(read_records(path, Session))

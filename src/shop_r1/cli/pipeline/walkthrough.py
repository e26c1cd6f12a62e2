"""The whole pipeline as a script, on the built-in store: read it from the top to see what each stage calls.

Sessions -> SFT -> GRPO with the binary and with the Shop-R1 reward -> predictions -> metrics -> tables ->
report. The commands call the same functions on your own data.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from shop_r1.cli.pipeline.config import BINARY, TEMPERATURE, DemoConfig
from shop_r1.cli.pipeline.results import announce_run, print_results, write_report
from shop_r1.cli.pipeline.stages import DemoRun
from shop_r1.cli.terminal import console
from shop_r1.config import load_config
from shop_r1.datasets.examples import balance_examples, count_types, list_examples
from shop_r1.datasets.session_files import read_sessions
from shop_r1.evaluation.metrics import evaluate_predictions
from shop_r1.evaluation.tables import reachable_row, table_row
from shop_r1.jsonl import write_records
from shop_r1.records.actions import SHOP
from shop_r1.records.results import write_table
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
    demo.stage("report", "Vary temperature and context, write the report", lambda: write_report(demo))
    print_results(demo, time.monotonic() - started)


def record_sessions(demo: DemoRun) -> None:
    """Let scripted shoppers visit the store, and keep some of their sessions for the evaluation."""
    config = demo.config
    catalogue = generate_catalogue(config.catalogue_seed)
    app = create_app(catalogue, page_size=config.page_size, visitor_ids=seeded_ids(config.seed))
    count = config.training_sessions + config.held_out_sessions
    with console.progress("Sessions") as move:
        sessions = list(generate_sessions(app, Market(KINDS), count, config.seed, progress=move))
    write_records(demo.training, sessions[: config.training_sessions])
    write_records(demo.held_out, sessions[config.training_sessions :])


def learn_from_sessions(demo: DemoRun) -> None:
    """Fine-tune the base checkpoint on whole sessions (the cold start)."""
    config = demo.config.sft
    with demo.checkpoint_folder("sft", "sft", config) as folder:
        train_sft(list(read_sessions(demo.training)), config, folder, resume=True)


def reinforce(demo: DemoRun, name: str, reward: RewardConfig) -> None:
    """Train the SFT checkpoint with GRPO and this reward, on steps balanced by type of action."""
    config = demo.config.grpo.model_copy(update={"model": str(demo.out / "sft"), "reward": reward})
    steps = list_examples(list(read_sessions(demo.training)))
    examples = balance_examples(steps, config.type_ratio, demo.config.seed)
    console.note(f"    examples: {console.join_counts(sorted(count_types(examples).items()))}")
    with demo.checkpoint_folder(name, "grpo", config) as folder:
        train_grpo(examples, config, folder, title=f"GRPO {name}", resume=True)


def evaluate(demo: DemoRun) -> None:
    """Predict the held-out sessions with every checkpoint, and make Table 2 of the predictions."""
    held_out, rows = list(read_sessions(demo.held_out)), []
    for setting, checkpoint in demo.checkpoints.items():
        predictions = demo.predict(setting, checkpoint, held_out, demo.predict_config())
        write_records(demo.predictions_file(setting), predictions)
        metrics = evaluate_predictions(predictions, SHOP, seed=demo.config.seed)
        rows.append(table_row(setting, metrics, temperature=TEMPERATURE))
    best = reachable_predictions(held_out, Market(KINDS))
    rows.append(reachable_row(evaluate_predictions(best.exact, SHOP), evaluate_predictions(best.types, SHOP)))
    write_table(demo.out / "table.json", rows)
    for row in rows[1:-1]:  # Those of the checkpoints that were trained here.
        write_card(demo.checkpoints[row.setting], rows=[row])
    demo.drop_partial()

"""The whole path once, on a store, a tokenizer and a model small enough for a test."""

import json
from pathlib import Path

from tests.tiny import tiny_qwen2

from shop_r1.datasets.examples import list_examples
from shop_r1.evaluation.metrics import evaluate_predictions
from shop_r1.evaluation.predict import PredictConfig, predict
from shop_r1.evaluation.tables import main_grid, table_row, to_text
from shop_r1.jsonl import read_records, write_records
from shop_r1.models.checkpoint import load_model
from shop_r1.models.sampling import Sampling
from shop_r1.prompts.render import PromptConfig, render_system
from shop_r1.records.actions import SHOP
from shop_r1.records.results import Prediction, read_table, write_table
from shop_r1.records.sessions import Session
from shop_r1.report.build import ReportInputs, build_report
from shop_r1.shoppers.persona import Market
from shop_r1.shoppers.scripted import generate_sessions
from shop_r1.store.app import create_app
from shop_r1.store.catalogue import generate_catalogue
from shop_r1.store.kinds import KINDS
from shop_r1.training.grpo.run import train_grpo
from shop_r1.training.pretraining.tokenizer import train_tokenizer
from shop_r1.training.settings import GrpoConfig, SftConfig
from shop_r1.training.sft import train_sft

PROMPT = PromptConfig(max_tokens=1200, max_completion_length=64)


def record_sessions(path: Path) -> None:
    app = create_app(generate_catalogue(seed=3, size=1000))
    write_records(path, generate_sessions(app, Market(KINDS), 12, seed=4))


def make_base(sessions: list[Session], folder: Path) -> None:
    pages = [step.page.html for session in sessions for step in session.steps]
    tokenizer = train_tokenizer([render_system(SHOP), *pages], 800, lines=40)
    model = tiny_qwen2(800, eos_token_id=tokenizer.eos_token_id)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def test_from_a_store_to_a_report(tmp_path: Path) -> None:
    record_sessions(tmp_path / "sessions.jsonl.zst")
    sessions = list(read_records(tmp_path / "sessions.jsonl.zst", Session))
    assert len(sessions) == 12
    training, held_out = sessions[4:], sessions[:4]
    make_base(training, tmp_path / "base")

    sft = SftConfig(
        model=str(tmp_path / "base"),
        prompt=PROMPT,
        max_steps=3,
        warmup_steps=0,
        learning_rate=5e-3,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=1,
    )
    train_sft(training, sft, tmp_path / "sft")
    grpo = GrpoConfig(
        model=str(tmp_path / "sft"),
        prompt=PROMPT,
        max_steps=2,
        generation_batch_size=6,
        num_generations=3,
        max_completion_length=24,
    )
    last = train_grpo(list_examples(training), grpo, tmp_path / "shop-r1")
    assert {"reward/value", "policy/parsed", "kl", "loss"} <= set(last)

    rows = []
    examples = list_examples(held_out)
    for setting, folder in (("zero-shot", "base"), ("sft", "sft"), ("shop-r1", "shop-r1")):
        config = PredictConfig(prompt=PROMPT, sampling=Sampling(max_new_tokens=24))
        found = predict(load_model(str(tmp_path / folder)), examples, config)
        write_records(tmp_path / f"{setting}.jsonl", found)
        predictions = list(read_records(tmp_path / f"{setting}.jsonl", Prediction))
        assert predictions == found
        metrics = evaluate_predictions(predictions, SHOP, bootstrap=20)
        assert metrics.n == len(examples) and metrics.sessions == len(
            {e.session.session_id for e in examples}
        )
        rows.append(table_row(setting, metrics, temperature=0.6))
    write_table(tmp_path / "table.json", rows)
    assert read_table(tmp_path / "table.json") == rows
    assert [row["setting"] for row in json.loads((tmp_path / "table.json").read_text())] == [
        "zero-shot",
        "sft",
        "shop-r1",
    ]
    text = to_text(main_grid(rows))
    assert all(setting in text for setting in ("zero-shot", "sft", "shop-r1"))

    report = build_report(
        tmp_path / "report" / "index.html",
        ReportInputs(
            title="A story",
            rows=tuple(read_table(tmp_path / "table.json")),
            sessions=tuple(held_out),
            predictions={"shop-r1": tuple(read_records(tmp_path / "shop-r1.jsonl", Prediction))},
        ),
    )
    html = report.read_text()
    assert all(f">{setting}<" in html for setting in ("zero-shot", "sft", "shop-r1"))
    assert all(session.session_id in html for session in held_out)

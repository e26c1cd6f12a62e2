"""A whole GRPO step, ours beside TRL's own: sample, score by policy and reference, update.

`python -m benchmarks.grpo_step [--json FILE] [--model 0.5B] [--prompts P ...] [--groups G ...] [--rounds N]
[--bf16 auto|true|false] [--checkpointing]`. Both sides are one trainer with one random model, prompts,
rewards and seeds; the stock side has TRL's own methods back where ours differ. They take turns; medians
count. Memory is measured apart, each side in a process of its own. A side that a GPU's memory does not hold
has no figure, and the file is written after every size. On a GPU: `--model 0.5B --prompts 8192 16384
--checkpointing`.

Dimension letters: P prompt tokens, C completion tokens, G completions a prompt.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from benchmarks.machine import describe_machine, peak_bytes, reset_peak, wait_for_device
from transformers import Qwen2Config, Qwen2ForCausalLM
from trl import GRPOTrainer

from shop_r1.datasets.examples import Example
from shop_r1.models.checkpoint import BASE_CHECKPOINT, LocalModel, load_model
from shop_r1.models.precision import choose_precision
from shop_r1.records.actions import click
from shop_r1.records.sessions import Page, Session, Step
from shop_r1.rewards.total import RewardConfig
from shop_r1.training.grpo.trainer import ShopR1Trainer
from shop_r1.training.settings import GrpoConfig

COMPLETION = 96
GRID = [(64, 2), *((prompt, group) for prompt in (512, 2048, 4096) for group in (4, 8, 16))]
MEMORY = [(512, 4), (2048, 8), (4096, 8)]
ROUNDS = 5
SHAPE: dict[str, Any] = {
    "vocab_size": 2048,
    "hidden_size": 256,
    "intermediate_size": 768,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": True,
}
SHAPES: dict[str, dict[str, Any]] = {
    "small": SHAPE,
    "0.5B": SHAPE
    | {
        "vocab_size": 151_936,
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "max_position_embeddings": 32_768,
    },
}
"""The machine's own size, and Qwen2.5-0.5B's."""


class OurTrainer(ShopR1Trainer):
    """Our trainer on prompts of a given number of random tokens."""

    prompt_tokens = 0

    def _tokenize_prompts(self, prompts: list[Any]) -> Any:
        _, *rest = super()._tokenize_prompts(prompts)
        draw = random.Random(self.prompt_tokens)
        ids = [draw.randrange(300, 2048) for _ in range(self.prompt_tokens)]
        return [list(ids) for _ in prompts], *rest


class StockTrainer(OurTrainer):
    """The same with TRL's own sampling, scoring and micro-batches."""

    _get_per_token_logps_and_entropies = GRPOTrainer._get_per_token_logps_and_entropies
    _prepare_inputs = GRPOTrainer._prepare_inputs
    _compute_loss = GRPOTrainer._compute_loss

    def _generate_single_turn(self, prompt_ids: Any, *args: Any, **kwargs: Any) -> Any:
        self.sampler.prompt_ids, self.sampler.drawn = prompt_ids, []
        return GRPOTrainer._generate_single_turn(self, prompt_ids, *args, **kwargs)


SIDES: dict[str, type[OurTrainer]] = {"ours": OurTrainer, "stock": StockTrainer}


def write_model(folder: Path, shape: dict[str, Any] = SHAPE) -> Path:
    """Write a random Qwen2 of this shape with the tokenizer of our base checkpoint."""
    torch.manual_seed(0)
    tokenizer = load_model(str(BASE_CHECKPOINT)).tokenizer
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    Qwen2ForCausalLM(Qwen2Config(**shape, **ends)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_trainer(
    side: str, checkpoint: Path, prompt: int, group: int, out: Path, **changes: Any
) -> OurTrainer:
    """Return the side's trainer, one prompt a step, ready for `take_step`."""
    plain: dict[str, Any] = {
        "model": str(checkpoint),
        "generation_batch_size": group,
        "num_generations": group,
        "max_completion_length": COMPLETION,
        "temperature": 1.0,
        "bf16": False,
        "reward": RewardConfig(use_rationale=False),
    }
    config = GrpoConfig(**plain | changes)
    step = Step(page=Page(html='<a name="cart">Cart</a>'), action=click("cart"), rationale="Now I pay.")
    model = load_model(str(checkpoint))
    model.model.generation_config.eos_token_id = None  # all completions have C tokens
    endless = _Endless(model.model, model.tokenizer)
    trainer = SIDES[side](endless, [Example(Session(session_id="s", steps=(step, step)), 1)], config, out)
    trainer.prompt_tokens = prompt
    trainer.generation_config.eos_token_id = None
    trainer.current_gradient_accumulation_steps = 1
    trainer.create_optimizer()
    trainer.model.train()
    return trainer


class _Endless(LocalModel):
    """A model whose completions have no end token."""

    @property
    def end_ids(self) -> tuple[int, ...]:
        return ()


def take_step(trainer: OurTrainer) -> float:
    """Sample, score, update; return the seconds that it took."""
    wait_for_device()
    started = time.perf_counter()
    rows = [{"example": 0}] * trainer.num_generations
    trainer.training_step(trainer.model, rows, None)
    torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), 1.0)
    trainer.optimizer.step()
    trainer.optimizer.zero_grad()
    wait_for_device()
    return time.perf_counter() - started


def try_step(trainer: OurTrainer) -> float | None:
    """Return the seconds of a step, or None where the GPU's memory does not hold it."""
    try:
        return take_step(trainer)
    except torch.OutOfMemoryError:
        trainer.optimizer.zero_grad()
        torch.cuda.empty_cache()
        return None


def compare_times(
    checkpoint: Path, prompt: int, group: int, rounds: int, out: Path, **changes: Any
) -> dict[str, Any]:
    """Return both sides' median seconds a step, and how many times faster ours is."""
    trainers = {side: make_trainer(side, checkpoint, prompt, group, out, **changes) for side in SIDES}
    times: dict[str, list[float]] = {side: [] for side in SIDES}
    for turn in range(rounds + 1):
        for side in [*trainers]:
            seconds = try_step(trainers[side])
            if seconds is None:
                del trainers[side]
                times[side].clear()
            elif turn:  # the first warms up
                times[side].append(seconds)
    ours, stock = (statistics.median(times[side]) if times[side] else None for side in ("ours", "stock"))
    return {
        "prompt": prompt,
        "group": group,
        "ours_s": ours,
        "stock_s": stock,
        "faster": stock / ours if ours and stock else None,
        "tokens_a_second": group * (prompt + COMPLETION) / ours if ours else None,
        "stock_tokens_a_second": group * (prompt + COMPLETION) / stock if stock else None,
        "rounds": rounds,
    }


def measure_memory(
    side: str, checkpoint: Path, prompt: int, group: int, out: Path, **changes: Any
) -> int | None:
    """Return by how many bytes a step raises this process's memory at its highest, after a small one."""
    trainer = make_trainer(side, checkpoint, 64, 2, out, **changes)
    take_step(trainer)
    big = make_trainer(side, checkpoint, prompt, group, out, **changes)
    before = reset_peak()
    return None if try_step(big) is None else peak_bytes() - before


def compare_memory(
    checkpoint: Path, prompt: int, group: int, bf16: bool, gradient_checkpointing: bool
) -> dict[str, Any]:
    """Return both sides' peak memory in MiB, each from a process of its own."""
    peaks: dict[str, float | None] = {}
    for side in SIDES:
        words = ["--memory", side, str(checkpoint), str(prompt), str(group), "--bf16", str(bf16).lower()]
        words += ["--checkpointing"] if gradient_checkpointing else []
        command = [sys.executable, "-m", "benchmarks.grpo_step", *words]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        peaks[side] = None if found is None else found / 2**20
    ours, stock = peaks["ours"], peaks["stock"]
    return {
        "prompt": prompt,
        "group": group,
        "ours_mib": ours,
        "stock_mib": stock,
        "share": ours / stock if ours is not None and stock else None,
    }


def main() -> None:
    """Print the figures, and write them to `--json FILE`."""
    options = _read_options()
    with TemporaryDirectory() as folder:
        out = Path(folder)
        if options.memory:
            side, checkpoint, prompt, group = options.memory
            sizes = (int(prompt), int(group))
            print(json.dumps(measure_memory(side, Path(checkpoint), *sizes, out, **_changes(options))))
            return
        for report in _reports(write_model(out / "model", SHAPES[options.model]), options, out):
            if options.json:
                options.json.parent.mkdir(parents=True, exist_ok=True)
                options.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="GRPO steps, ours beside stock TRL's.")
    parser.add_argument("--model", choices=SHAPES, default="small", help="shape of the random model")
    parser.add_argument("--prompts", type=int, nargs="+", metavar="P", help="prompt tokens")
    parser.add_argument(
        "--groups", type=int, nargs="+", metavar="G", default=[8], help="completions a prompt"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--bf16", choices=("auto", "true", "false"), default="auto", help="number format")
    parser.add_argument("--checkpointing", action="store_true", help="gradient checkpointing, on both sides")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--memory", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.bf16 = choose_precision({"true": True, "false": False}.get(options.bf16, "auto")).bf16
    return options


def _changes(options: argparse.Namespace) -> dict[str, bool]:
    return {"bf16": options.bf16, "gradient_checkpointing": options.checkpointing}


def _reports(checkpoint: Path, options: argparse.Namespace, out: Path) -> Iterator[dict[str, Any]]:
    """Yield the report as it grows, a size at a time."""
    changes = _changes(options)
    report: dict[str, Any] = {
        "machine": describe_machine(),
        "completion": COMPLETION,
        "shape": SHAPES[options.model],
        **changes,
        "steps": [],
        "memory": [],
    }
    chosen = [(prompt, group) for prompt in options.prompts or () for group in options.groups]
    for prompt, group in chosen or GRID:
        rounds = options.rounds * (5 if prompt <= 64 else 1)
        found = compare_times(checkpoint, prompt, group, rounds, out, **changes)
        print(
            f"P {prompt:5} G {group:3}  ours {_figure(found['ours_s'], '.3f')} s  stock "
            f"{_figure(found['stock_s'], '.3f')} s  {_figure(found['faster'], '.2f')} times",
            flush=True,
        )
        report["steps"].append(found)
        yield report
    for prompt, group in chosen or MEMORY:
        peaks = compare_memory(checkpoint, prompt, group, **changes)
        print(
            f"P {prompt:5} G {group:3}  ours {_figure(peaks['ours_mib'], '.0f')} MiB  stock "
            f"{_figure(peaks['stock_mib'], '.0f')} MiB  {_figure(peaks['share'], '.2f')} of it",
            flush=True,
        )
        report["memory"].append(peaks)
        yield report


def _figure(value: float | None, form: str) -> str:
    return "too much memory" if value is None else format(value, form)


if __name__ == "__main__":
    main()

"""A whole GRPO step, ours beside TRL's own: sample, score by policy and reference, update.

`python -m benchmarks.grpo_step [--quick] [--json FILE]`. Both sides are one trainer with one model, prompts,
rewards and seeds; the stock side has TRL's own methods back where ours differ. They take turns; medians
count. Memory is measured apart, each side in a process of its own.

Dimension letters: P prompt tokens, C reply tokens, G replies a prompt.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from benchmarks.machine import describe_machine, peak_bytes, reset_peak
from transformers import Qwen2Config, Qwen2ForCausalLM
from trl import GRPOTrainer

from shop_r1.actions import click
from shop_r1.data.examples import Example
from shop_r1.llm.local import BASE_CHECKPOINT, LocalModel, load_model
from shop_r1.rewards.total import RewardConfig
from shop_r1.sessions import Page, Session, Step
from shop_r1.training.grpo import ShopR1Trainer
from shop_r1.training.settings import GrpoConfig

REPLY = 96
GRID = [(prompt, group) for prompt in (512, 2048, 4096) for group in (4, 8, 16)]
SMALLEST = (64, 2)
MEMORY = (2048, 8)
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


class OurTrainer(ShopR1Trainer):
    """Our trainer on prompts of a given number of random tokens."""

    prompt_tokens = 0

    def _tokenize_prompts(self, prompts: list[Any]) -> Any:
        _, *rest = super()._tokenize_prompts(prompts)
        draw = random.Random(self.prompt_tokens)
        ids = [draw.randrange(300, SHAPE["vocab_size"]) for _ in range(self.prompt_tokens)]
        return [list(ids) for _ in prompts], *rest


class StockTrainer(OurTrainer):
    """The same with TRL's own sampling, scoring and micro-batches."""

    _get_per_token_logps_and_entropies = GRPOTrainer._get_per_token_logps_and_entropies
    _prepare_inputs = GRPOTrainer._prepare_inputs

    def _generate_single_turn(self, prompt_ids: Any, *args: Any, **kwargs: Any) -> Any:
        self._prompt_ids, self._sampled = prompt_ids, None
        return GRPOTrainer._generate_single_turn(self, prompt_ids, *args, **kwargs)


SIDES: dict[str, type[OurTrainer]] = {"ours": OurTrainer, "stock": StockTrainer}


def write_model(folder: Path) -> Path:
    """Write a random Qwen2 with the tokenizer of our base checkpoint."""
    torch.manual_seed(0)
    tokenizer = load_model(str(BASE_CHECKPOINT)).tokenizer
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    Qwen2ForCausalLM(Qwen2Config(**SHAPE, **ends)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_trainer(side: str, checkpoint: Path, prompt: int, group: int, out: Path) -> OurTrainer:
    """Return the side's trainer, one prompt a step, ready for `take_step`."""
    config = GrpoConfig(
        model=str(checkpoint),
        prompts=1,
        group=group,
        reply_tokens=REPLY,
        temperature=1.0,
        bf16=False,
        reward=RewardConfig(use_rationale=False),
    )
    step = Step(page=Page(html='<a name="cart">Cart</a>'), action=click("cart"), rationale="Now I pay.")
    model = load_model(str(checkpoint))
    model.model.generation_config.eos_token_id = None  # all replies have C tokens
    endless = _Endless(model.model, model.tokenizer)
    trainer = SIDES[side](endless, [Example(Session(session_id="s", steps=(step, step)), 1)], config, out)
    trainer.prompt_tokens = prompt
    trainer.generation_config.eos_token_id = None
    trainer.current_gradient_accumulation_steps = 1
    trainer.create_optimizer()
    trainer.model.train()
    return trainer


class _Endless(LocalModel):
    """A model whose replies have no end token."""

    @property
    def end_ids(self) -> tuple[int, ...]:
        return ()


def take_step(trainer: OurTrainer) -> float:
    """Sample, score, update; return the seconds that it took."""
    started = time.perf_counter()
    rows = [{"example": 0}] * trainer.num_generations
    trainer.training_step(trainer.model, rows, None)
    torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), 1.0)
    trainer.optimizer.step()
    trainer.optimizer.zero_grad()
    return time.perf_counter() - started


def compare_times(checkpoint: Path, prompt: int, group: int, rounds: int, out: Path) -> dict[str, Any]:
    """Return both sides' median seconds a step, and how many times faster ours is."""
    trainers = {side: make_trainer(side, checkpoint, prompt, group, out) for side in SIDES}
    times: dict[str, list[float]] = {side: [] for side in SIDES}
    for turn in range(rounds + 1):
        for side, trainer in trainers.items():
            seconds = take_step(trainer)
            if turn:  # the first warms up
                times[side].append(seconds)
    ours, stock = (statistics.median(times[side]) for side in ("ours", "stock"))
    return {
        "prompt": prompt,
        "group": group,
        "ours_s": ours,
        "stock_s": stock,
        "faster": stock / ours,
        "rounds": rounds,
    }


def measure_memory(side: str, checkpoint: Path, prompt: int, group: int, out: Path) -> int:
    """Return by how many bytes a step raises this process's memory at its highest, after a small one."""
    trainer = make_trainer(side, checkpoint, 64, 2, out)
    take_step(trainer)
    big = make_trainer(side, checkpoint, prompt, group, out)
    before = reset_peak()
    take_step(big)
    return peak_bytes() - before


def compare_memory(checkpoint: Path) -> dict[str, Any]:
    """Return both sides' peak memory in MiB, each from a process of its own."""
    peaks = {}
    for side in SIDES:
        command = [sys.executable, "-m", "benchmarks.grpo_step", "--memory", side, str(checkpoint)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        peaks[side] = int(done.stdout.split()[-1]) / 2**20
    prompt, group = MEMORY
    share = peaks["ours"] / peaks["stock"]
    return {
        "prompt": prompt,
        "group": group,
        "ours_mib": peaks["ours"],
        "stock_mib": peaks["stock"],
        "share": share,
    }


def main() -> None:
    """Print the figures, and write them to `--json FILE`."""
    parser = argparse.ArgumentParser(description="GRPO steps, ours beside stock TRL's.")
    parser.add_argument("--quick", action="store_true", help="P = 512 alone, two rounds")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--memory", nargs=2, metavar=("SIDE", "CHECKPOINT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        out = Path(folder)
        if options.memory:
            side, checkpoint = options.memory
            print(measure_memory(side, Path(checkpoint), *MEMORY, out))
            return
        report = _report(write_model(out / "model"), options.quick, out)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def _report(checkpoint: Path, quick: bool, out: Path) -> dict[str, Any]:
    grid, rounds = ([(512, 4)], 2) if quick else ([SMALLEST, *GRID], ROUNDS)
    steps = []
    for prompt, group in grid:
        found = compare_times(checkpoint, prompt, group, rounds * (5 if prompt == 64 else 1), out)
        print(
            f"P {prompt:5} G {group:3}  ours {found['ours_s']:7.3f} s  stock {found['stock_s']:7.3f} s  "
            f"{found['faster']:5.2f} times",
            flush=True,
        )
        steps.append(found)
    memory = compare_memory(checkpoint)
    print("memory of a step: ours {ours_mib:.0f} MiB, stock {stock_mib:.0f}, {share:.2f}".format(**memory))
    return {"machine": describe_machine(), "reply": REPLY, "shape": SHAPE, "steps": steps, "memory": memory}


if __name__ == "__main__":
    main()

"""One long session's loss and gradients, whole and split between processes: equal, and at what cost.

`python -m benchmarks.sequence_parallel [--tokens 32768] [--ranks 2] [--checkpointing]`. The model is random,
with four layers of the demo's size; each process has one thread. Memory is by how much it rises over what the
process held once the libraries were warm. It exits with an error where the two sides differ.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed as dist
from benchmarks.machine import peak_bytes, reset_peak
from torch.distributed import ProcessGroup
from transformers import Qwen2Config, Qwen2ForCausalLM

from shop_r1.models.precision import flush_subnormals
from shop_r1.models.prefix_tree import Tree, grow_tree, pack_trees
from shop_r1.models.scoring import score_tokens

SHAPE: dict[str, Any] = {
    "vocab_size": 2048,
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 65_536,
    "tie_word_embeddings": True,
    "attn_implementation": "sdpa",
}
STEPS, COMPLETION = 24, 64
RETURNED = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20), "OMP_NUM_THREADS": "1"}
"""Makes glibc give large blocks back when they are freed; one thread for each process."""
CLOSE = 1e-5
"""How far losses and gradients may be apart; the gradients as a share of each weight's greatest."""


def make_session(tokens: int) -> Tree:
    """Return a session of `STEPS` steps with a completion after each; all pages and completions: `tokens`."""
    page = (tokens - STEPS * COMPLETION) // STEPS
    ids = [300 + 7 * place * place % 1700 for place in range(STEPS * page)]
    prompts = [ids[: page * (step + 1)] for step in range(STEPS)]
    return grow_tree(prompts, [[7 + step] * COMPLETION for step in range(STEPS)])


@flush_subnormals()
def measure(tokens: int, checkpointing: bool, group: ProcessGroup | None) -> dict[str, Any]:
    """Return loss, seconds, bytes and gradients of one pass over the session; those of this rank."""
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(Qwen2Config(**SHAPE)).train()
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    _learn(model, make_session(STEPS * (COMPLETION + 4)), group)  # warm
    model.zero_grad()
    sent = _count_sent()
    before, started, worked = reset_peak(), time.perf_counter(), time.process_time()
    loss = _learn(model, make_session(tokens), group)
    found = {
        "loss": loss,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - worked,
        "peak_mib": (peak_bytes() - before) / 2**20,
        "sent_mib": sum(sent) / 2**20,
    }
    gradients = {name: weight.grad for name, weight in model.named_parameters()}
    if group is not None:
        for gradient in gradients.values():
            dist.all_reduce(gradient, op=dist.ReduceOp.SUM, group=group)
            gradient /= group.size()
    return found | {"gradients": gradients}


def _learn(model: Any, tree: Tree, group: ProcessGroup | None) -> float:
    scores = score_tokens(model, pack_trees([tree], 0), sequence_group=group)
    loss = -scores.log_probs.mean()
    loss.backward()
    return loss.item()


def _count_sent() -> list[float]:
    """Return a list to which each exchange from now on adds the bytes that go to other ranks."""
    sent: list[float] = []
    exchange = dist.all_to_all_single

    def counted(received: torch.Tensor, given: torch.Tensor, group: ProcessGroup) -> None:
        sent.append(given.nbytes * (group.size() - 1) / group.size())
        exchange(received, given, group=group)

    setattr(dist, "all_to_all_single", counted)  # noqa: B010
    return sent


def run_rank(rank: int, ranks: int, options: argparse.Namespace, folder: Path) -> None:
    """Measure as one of the ranks, and write what was found."""
    group = None
    if ranks > 1:
        dist.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=ranks)
        group = dist.group.WORLD
    torch.save(measure(options.tokens, options.checkpointing, group), folder / f"{ranks}-{rank}.pt")
    if ranks > 1:
        dist.barrier()
        dist.destroy_process_group()


def run_ranks(ranks: int, folder: Path) -> list[dict[str, Any]]:
    """Return what each of so many processes finds."""
    command = [sys.executable, "-m", "benchmarks.sequence_parallel", *sys.argv[1:]]
    started = [
        subprocess.Popen([*command, "--rank", str(rank), str(ranks), str(folder)], env=os.environ | RETURNED)
        for rank in range(ranks)
    ]
    codes = [each.wait() for each in started]
    if any(codes):
        sys.exit(f"one of {ranks} process(es) failed")
    return [torch.load(folder / f"{ranks}-{rank}.pt") for rank in range(ranks)]


def apart(whole: dict[str, Any], split: dict[str, Any]) -> tuple[float, float]:
    """Return how far losses are apart, and gradients as a share of each weight's greatest."""
    pairs = [(whole["gradients"][name], split["gradients"][name]) for name in whole["gradients"]]
    far = max(((one - other).abs().max() / one.abs().max()).item() for one, other in pairs)
    return abs(whole["loss"] - split["loss"]), far


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="One long session, whole and split between processes.")
    parser.add_argument("--tokens", type=int, default=32_768)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--rank", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rank:
        run_rank(int(options.rank[0]), int(options.rank[1]), options, Path(options.rank[2]))
        return
    with TemporaryDirectory() as folder:
        (whole,), split = (run_ranks(ranks, Path(folder)) for ranks in (1, options.ranks))
    loss, gradient = apart(whole, split[0])
    _print([whole, *split], options)
    print(f"apart: loss {loss:.1e}, gradients {gradient:.1e} of each weight's greatest")
    if max(loss, gradient) > CLOSE:
        sys.exit(f"they differ by more than {CLOSE}")


def _print(rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    tree = make_session(options.tokens)
    print(f"a session of {STEPS} steps, {tree.size:,} tokens, {STEPS * COMPLETION:,} of them to learn")
    print(f"{'':12}{'loss':>9}{'wall s':>9}{'CPU s':>9}{'peak MiB':>11}{'sent MiB':>11}")
    for number, row in enumerate(rows):
        name = "whole" if number == 0 else f"rank {number - 1} of {options.ranks}"
        times = f"{row['seconds']:9.1f}{row['cpu_seconds']:9.1f}"
        print(f"{name:12}{row['loss']:9.6f}{times}{row['peak_mib']:11,.0f}{row['sent_mib']:11,.1f}")


if __name__ == "__main__":
    main()

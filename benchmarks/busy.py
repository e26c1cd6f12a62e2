"""A training step alone and beside a busy loop on each core, by how OpenMP's threads wait.

`python -m benchmarks.busy [--steps N] [--rounds N] [--json FILE]`. A step is the demo.s: three sessions of
the built-in store, forward, backward, AdamW. `default` is OpenMP's own policy, under which threads that wait
for one another loop for some milliseconds; `passive` is what `shop-r1` sets, under which they sleep. Each
measurement is a process of its own; medians of steps count, and of rounds their medians.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POLICIES: dict[str, dict[str, str]] = {"default": {}, "passive": {"OMP_WAIT_POLICY": "passive"}}
SESSIONS = 3


def time_steps(count: int) -> list[float]:
    """Return how many seconds each of these steps takes; all have the same batch."""
    import torch

    from shop_r1.cli.pipeline.config import PROMPT
    from shop_r1.models.attention import causal_lm
    from shop_r1.models.checkpoint import load_model
    from shop_r1.models.precision import autocast
    from shop_r1.models.prefix_tree import pack_trees
    from shop_r1.models.scoring import add_forward_redirection, score_tokens
    from shop_r1.shoppers.persona import Market
    from shop_r1.shoppers.scripted import generate_sessions
    from shop_r1.store.app import create_app
    from shop_r1.store.catalogue import generate_catalogue
    from shop_r1.store.kinds import KINDS
    from shop_r1.training.session_trees import session_trees

    loaded = load_model("base")
    model = loaded.model.train()
    add_forward_redirection(causal_lm(model))
    shoppers = generate_sessions(create_app(generate_catalogue(0)), Market(KINDS), SESSIONS, 0)
    trees = [
        tree for session in shoppers for tree in session_trees(session, loaded, PROMPT, PROMPT.max_tokens)
    ]
    batch = pack_trees(trees, loaded.pad_id)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    seconds = []
    for _ in range(count + 2):
        started = time.perf_counter()
        with autocast("auto", "cpu"):
            scores = model(redirect_to=lambda inner: score_tokens(inner, batch=batch))
        (-scores.log_probs.mean()).backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - started)
    return seconds[2:]


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Keep as many processes in an endless loop."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def measure(policy: str, steps: int) -> float:
    """Return the median step of a process of its own, in seconds."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    words = [sys.executable, "-m", "benchmarks.busy", "--worker", "--steps", str(steps)]
    done = subprocess.run(
        words, env=environment | POLICIES[policy], capture_output=True, text=True, check=True
    )
    seconds: list[float] = json.loads(done.stdout)
    return statistics.median(seconds)


def main() -> None:
    """Measure, print a table and, where it is asked for, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(json.dumps(time_steps(arguments.steps)))
        return
    cores = os.cpu_count() or 1
    times: dict[str, dict[str, list[float]]] = {policy: {"alone": [], "busy": []} for policy in POLICIES}
    for _ in range(arguments.rounds):
        for policy, found in times.items():
            found["alone"].append(measure(policy, arguments.steps))
            with busy_loops(cores):
                found["busy"].append(measure(policy, arguments.steps))
    print(
        f"{cores} busy loops beside a step, medians of {arguments.rounds} rounds of {arguments.steps} steps"
    )
    for policy, found in times.items():
        alone, busy = (statistics.median(found[name]) for name in ("alone", "busy"))
        print(f"{policy:<8} alone {alone:.3f} s, beside them {busy:.3f} s: {busy / alone:.2f} times as long")
    if arguments.json:
        from benchmarks.machine import describe_machine

        arguments.json.write_text(
            json.dumps({"machine": describe_machine(), "seconds": times}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()

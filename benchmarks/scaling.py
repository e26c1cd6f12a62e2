"""What a model of the paper's size costs at the paper's context: memory, tokens and time, from arithmetic.

`python -m benchmarks.scaling` prints the tables of docs/scaling.md. Nothing is run but, with `--measure`, one
matrix product that finds this machine's rate. Letters: T tokens of a session, P of a prompt, C of a reply,
G replies for each prompt, V vocabulary.
"""

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shop_r1.training.memory import BFLOAT16, FLOAT32, GIB, SHAPES, STATE_BYTES, Shape

LEAN_STATE_BYTES = 4 * BFLOAT16
"""The same, all in bfloat16: half the memory, and small updates are lost to rounding."""
A100_FLOPS = 312e12
"""Peak of an A100 in bfloat16, FLOP/s (NVIDIA's data sheet)."""
PAPER_SESSIONS = 52_137
"""Paper 4.1: sessions of Shop-CART; each counted at the full context, to which the paper pads."""


@dataclass(frozen=True)
class Workload:
    """One optimiser step of each stage; the paper's where it says."""

    context: int = 32_768
    """T: a session, or a prompt with its reply, in tokens. Paper 4.1: up to 32k."""
    sessions: int = 64
    """Sessions an SFT step. Paper 4.1."""
    replies: int = 4
    """Replies a session: the paper has 176,949 examples from 52,137 sessions, 3.4, and a first action."""
    reply: int = 128
    """C, tokens. Ours."""
    prompts: int = 8
    """Prompts a GRPO step; times the group, the paper's 64."""
    group: int = 8
    """G. Ours; the paper does not say."""

    @property
    def prompt(self) -> int:
        """P, tokens."""
        return self.context - self.reply


def activation_bytes(shape: Shape, tokens: int, checkpointed: bool) -> int:
    """Return what the backward pass needs of the forward pass, in bytes, all in bfloat16.

    Counted for each layer: the inputs and outputs of both norms, q and k after rotation, v, attention's
    output, and gate, up, silu(gate) and their product. A lower bound: float32 copies within norms come on
    top. Checkpointed, only the layers' inputs are kept, and one layer at a time is computed again.
    """
    attention = (2 * shape.heads + 2 * shape.kv_heads) * shape.head_size
    layer = BFLOAT16 * tokens * (4 * shape.hidden + attention + 4 * shape.intermediate)
    if not checkpointed:
        return shape.layers * layer
    return shape.layers * BFLOAT16 * tokens * shape.hidden + layer


def cache_bytes(shape: Shape, tokens: int) -> int:
    """Return the key/value cache of so many tokens, in bytes, in bfloat16."""
    return 2 * BFLOAT16 * shape.layers * shape.kv_heads * shape.head_size * tokens


def logit_bytes(shape: Shape, tokens: int) -> int:
    """Return (tokens, V) float32 logits in bytes."""
    return FLOAT32 * tokens * shape.vocabulary


def causal_pairs(tokens: int) -> int:
    """Return how many (query, key) pairs causal attention has over one sequence.

    >>> causal_pairs(3)
    6
    """
    return tokens * (tokens + 1) // 2


def group_size(work: Workload, shared: bool) -> tuple[int, int]:
    """Return tokens and attention pairs of one prompt and its G replies, the prompt run once or G times."""
    if not shared:
        return work.group * work.context, work.group * causal_pairs(work.context)
    reply_pairs = work.reply * work.prompt + causal_pairs(work.reply)
    return work.prompt + work.group * work.reply, causal_pairs(work.prompt) + work.group * reply_pairs


def forward_flops(shape: Shape, tokens: int, pairs: int, scored: int) -> int:
    """Return the floating-point operations of one forward pass; a multiplication and an addition are two.

    Args:
        shape: the model.
        tokens: run through the layers.
        pairs: (query, key) pairs that attention looks at; 4 x head size operations a head and layer.
        scored: tokens for which there are logits.
    """
    layers = 2 * shape.layers * shape.layer_matrices * tokens
    attention = 4 * shape.layers * shape.heads * shape.head_size * pairs
    return layers + attention + 2 * scored * shape.vocabulary * shape.hidden


def sft_flops(shape: Shape, work: Workload, checkpointed: bool) -> int:
    """Return the operations of one SFT step: a forward pass and a backward at twice its cost.

    Checkpointed, there is a second forward pass.
    """
    scored = work.replies * work.reply
    forward = forward_flops(shape, work.context, causal_pairs(work.context), scored)
    return work.sessions * (4 if checkpointed else 3) * forward


def grpo_flops(shape: Shape, work: Workload, shared: bool, checkpointed: bool) -> int:
    """Return the operations of one GRPO step.

    Forward passes: sampling, self-certainty, reference; then the policy's forward and backward, three or
    (checkpointed) four times one.
    """
    tokens, pairs = group_size(work, shared)
    forward = forward_flops(shape, tokens, pairs, work.group * work.reply)
    return work.prompts * (3 + (4 if checkpointed else 3)) * forward


def memory_rows(shape: Shape, work: Workload) -> Iterator[tuple[str, str, int]]:
    """Yield (what, how it is counted, bytes) for one device that holds the whole model."""
    size, tokens = shape.parameters, work.context
    yield "weights", "float32", FLOAT32 * size
    yield "weights, gradients, AdamW", "float32, 16 bytes a parameter", STATE_BYTES * size
    yield "the same", "bfloat16, 8 bytes a parameter", LEAN_STATE_BYTES * size
    yield "reference policy (GRPO)", "float32 weights", FLOAT32 * size
    yield "activations, kept", "one session, bfloat16", activation_bytes(shape, tokens, False)
    yield "activations, checkpointed", "one session, bfloat16", activation_bytes(shape, tokens, True)
    group = activation_bytes(shape, work.prompts * tokens, True)
    yield "the same, all of a GRPO step", f"{work.prompts} prompts at once", group
    yield "logits of every token", "float32, not made by us", logit_bytes(shape, tokens)
    yield "logits of a group's replies", "G x C, float32", logit_bytes(shape, work.group * work.reply)
    yield "key/value cache, shared", "P + G x C tokens", cache_bytes(shape, group_size(work, True)[0])
    yield "key/value cache, copied", "G x (P + C) tokens", cache_bytes(shape, group_size(work, False)[0])
    yield "tree mask", "T x T, 1 byte each", tokens * tokens
    yield "tree mask, as added to scores", "T x T, bfloat16", BFLOAT16 * tokens * tokens


def step_rows(shape: Shape, work: Workload, checkpointed: bool = True) -> Iterator[tuple[str, int, int]]:
    """Yield (step, tokens run through the layers in one pass, operations) for each kind of step."""
    yield (
        f"SFT, {work.sessions} sessions",
        work.sessions * work.context,
        sft_flops(shape, work, checkpointed),
    )
    for name, shared in (("prompt shared", True), ("prompt repeated", False)):
        title = f"GRPO, {work.prompts} x {work.group}, {name}"
        tokens = work.prompts * group_size(work, shared)[0]
        yield title, tokens, grpo_flops(shape, work, shared, checkpointed)


def run_rows(shape: Shape, work: Workload, checkpointed: bool = True) -> Iterator[tuple[str, int, int]]:
    """Yield (stage, steps, operations of one step) of the paper's runs."""
    epoch = math.ceil(PAPER_SESSIONS / work.sessions)
    yield f"SFT, 4 epochs of {PAPER_SESSIONS:,} sessions", 4 * epoch, sft_flops(shape, work, checkpointed)
    yield "GRPO, 500 steps, prompt shared", 500, grpo_flops(shape, work, True, checkpointed)


def measure_rate(seconds: float = 2.0) -> float:
    """Return this machine's FLOP/s in bfloat16 on a product of the 3B model's feed-forward shape."""
    import torch

    left, right = (torch.randn(size, dtype=torch.bfloat16) for size in ((512, 2048), (2048, 11_008)))
    operations, count, start = 2 * 512 * 2048 * 11_008, 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        left @ right
        count += 1
    return operations * count / spent


def describe_time(seconds: float) -> str:
    """Return a duration in the unit that suits it.

    >>> describe_time(90), describe_time(7200), describe_time(400_000)
    ('90 s', '120 min', '111 h')
    """
    for size, unit in ((1, "s"), (60, "min"), (3600, "h"), (86_400, "days")):
        if seconds < 180 * size or unit == "days":
            break
    return f"{seconds / size:.3g} {unit}"


def render_tables(shape: Shape, work: Workload, cpu_rate: float, devices: int, utilisation: float) -> str:
    """Return the tables of docs/scaling.md in Markdown.

    Args:
        shape: the model.
        work: one step.
        cpu_rate: FLOP/s of a machine without a GPU.
        devices: A100s beside it.
        utilisation: the share of their peak that they reach, in (0, 1].
    """
    rate = devices * utilisation * A100_FLOPS
    lines = [
        f"{shape.parameters:,} parameters; T = {work.context:,}, C = {work.reply}, G = {work.group}.",
        "",
        f"| memory | counted as | GiB | on each of {devices} with FSDP |",
        "|---|---|---|---|",
    ]
    for what, how, size in memory_rows(shape, work):
        sharded = what in ("weights", "weights, gradients, AdamW", "the same") or "reference" in what
        share = f"{size / devices / GIB:.1f}" if sharded else "the same"
        lines.append(f"| {what} | {how} | {size / GIB:.1f} | {share} |")
    lines += [
        "",
        f"| one step | tokens a pass | PFLOP | {cpu_rate / 1e9:g} GFLOP/s | "
        f"{devices} A100 at {utilisation:.0%} |",
        "|---|---|---|---|---|",
    ]
    for what, tokens, operations in step_rows(shape, work):
        times = " | ".join(describe_time(operations / each) for each in (cpu_rate, rate))
        lines.append(f"| {what} | {tokens:,} | {operations / 1e15:,.0f} | {times} |")
    lines += ["", f"| whole run | steps | {devices} A100 at {utilisation:.0%} |", "|---|---|---|"]
    for what, steps, operations in run_rows(shape, work):
        lines.append(f"| {what} | {steps:,} | {describe_time(steps * operations / rate)} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description="What a model costs at the paper's context, from arithmetic."
    )
    parser.add_argument("--model", choices=SHAPES, default="3B")
    parser.add_argument("--context", type=int, default=Workload.context, help="tokens of a session")
    parser.add_argument("--group", type=int, default=Workload.group, help="replies for each prompt")
    parser.add_argument("--cpu-gflops", type=float, default=100.0, help="rate of a machine without a GPU")
    parser.add_argument("--measure", action="store_true", help="measure that rate here, in two seconds")
    parser.add_argument("--devices", type=int, default=8, help="A100s")
    parser.add_argument("--utilisation", type=float, default=0.4, help="share of their peak")
    given = parser.parse_args(arguments)
    rate = measure_rate() if given.measure else given.cpu_gflops * 1e9
    work = Workload(context=given.context, group=given.group)
    print(render_tables(SHAPES[given.model], work, rate, given.devices, given.utilisation), end="")


if __name__ == "__main__":
    main()

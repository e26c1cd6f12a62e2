"""What a model of the paper's size costs at the paper's context: memory, tokens and time, from arithmetic.

`python -m benchmarks.scaling` prints the tables of docs/scaling.md. Nothing is run but, with `--measure`, one
matrix product that finds this machine's rate. Letters: T tokens of a session, P of a prompt, C of a
completion, G completions for each prompt, V vocabulary.
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shop_r1.config import load_config
from shop_r1.models.shape import SHAPES, Shape
from shop_r1.training.devices import read_launch
from shop_r1.training.memory import (
    GIB,
    MARGIN,
    SESSION_COMPLETIONS,
    Estimate,
    Strategy,
    estimate_memory,
    plan_load,
)
from shop_r1.training.settings import GrpoConfig, SftConfig

CONFIGS = Path(__file__).parents[1] / "configs"
RUNS = {
    "SFT, 1": ("sft/paper_3b", "one_gpu"),
    "SFT, 8": ("sft/eight_gpus_3b", "eight_gpus"),
    "SFT, 64": ("sft/sixty_four_gpus_3b", "sixty_four_gpus"),
    "GRPO, 1": ("grpo/one_gpu_3b", "one_gpu"),
    "GRPO, 8": ("grpo/eight_gpus_3b", "eight_gpus"),
    "GRPO, 64": ("grpo/sixty_four_gpus_3b", "sixty_four_gpus"),
}
"""By stage and number of GPUs, the settings of the run and of its launch."""
CLUSTERS = (1, 8, 64)
"""GPUs that times are given for."""
A100_FLOPS = 312e12
"""Peak of an A100 in bfloat16, FLOP/s (NVIDIA's data sheet)."""
PAPER_SESSIONS = 52_137
"""Paper 4.1: sessions of Shop-CART; each counted at the full context, to which the paper pads."""


@dataclass(frozen=True)
class Workload:
    """One optimiser step of each stage; the paper's where it says."""

    context: int = 32_768
    """T: a session, or a prompt with its completion, in tokens. Paper 4.1: up to 32k."""
    sessions: int = 64
    """Sessions an SFT step. Paper 4.1."""
    completions: int = SESSION_COMPLETIONS
    """Of a session."""
    completion: int = 128
    """C, tokens. Ours."""
    prompts: int = 8
    """Prompts a GRPO step; times the group, the paper's 64."""
    group: int = 8
    """G. Ours; the paper does not say."""

    @property
    def prompt(self) -> int:
        """P, tokens."""
        return self.context - self.completion


def causal_pairs(tokens: int) -> int:
    """Return how many (query, key) pairs causal attention has over one sequence.

    >>> causal_pairs(3)
    6
    """
    return tokens * (tokens + 1) // 2


def group_size(work: Workload, shared: bool) -> tuple[int, int]:
    """Return tokens and attention pairs of a group: its prompt run once or G times, and G completions."""
    if not shared:
        return work.group * work.context, work.group * causal_pairs(work.context)
    completion_pairs = work.completion * work.prompt + causal_pairs(work.completion)
    return work.prompt + work.group * work.completion, causal_pairs(
        work.prompt
    ) + work.group * completion_pairs


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
    scored = work.completions * work.completion
    forward = forward_flops(shape, work.context, causal_pairs(work.context), scored)
    return work.sessions * (4 if checkpointed else 3) * forward


def grpo_flops(shape: Shape, work: Workload, shared: bool, checkpointed: bool) -> int:
    """Return the operations of one GRPO step.

    Forward passes: sampling, from which self-certainty comes too, and the reference; then the policy's
    forward and backward, three or (checkpointed) four times one.
    """
    tokens, pairs = group_size(work, shared)
    forward = forward_flops(shape, tokens, pairs, work.group * work.completion)
    return work.prompts * (2 + (4 if checkpointed else 3)) * forward


def estimate_run(settings: str, launch: str, shape: Shape) -> Estimate:
    """Return what a settings file takes on each GPU of its launch, as `shop-r1 doctor` counts it."""
    path = CONFIGS / f"{settings}.toml"
    is_sft = settings.startswith("sft/")
    config = load_config(SftConfig, path) if is_sft else load_config(GrpoConfig, path)
    devices, _ = read_launch(CONFIGS / "accelerate" / f"{launch}.yaml")
    strategy: Strategy = "fsdp" if devices > 1 else "one"
    return estimate_memory(shape, plan_load(config, shape, devices, strategy, bf16=True))  # they are GPUs


def memory_rows(shape: Shape) -> Iterator[tuple[str, list[float | None]]]:
    """Yield (part, GiB on each GPU by run); None where a run has no such part."""
    found = [estimate_run(*names, shape) for names in RUNS.values()]
    parts = [each.held | each.phases["learning"] for each in found]
    for name in dict.fromkeys(name for each in parts for name in each):
        yield name, [each[name] / GIB if name in each else None for each in parts]
    for phase in ("sampling", "reference"):
        yield f"{phase}, before learning", [sum(each.phases[phase].values()) / GIB or None for each in found]
    yield f"at most, with {MARGIN:.0%}", [each.total / GIB for each in found]


@dataclass(frozen=True)
class Step:
    """A kind of step.

    Attributes:
        name: for the reader.
        tokens: run through the layers in one pass.
        operations: of the step, floating-point.
        parts: sessions or prompts, each on one device.
    """

    name: str
    tokens: int
    operations: int
    parts: int

    def seconds(self, devices: int, utilisation: float) -> float:
        """Return how long it takes on so many A100s at this share of their peak."""
        return self.operations / (min(devices, self.parts) * utilisation * A100_FLOPS)


def list_steps(shape: Shape, work: Workload, checkpointed: bool = True) -> list[Step]:
    """Return the steps of SFT, of GRPO with the prompt shared and repeated, and of GRPO on 64 devices."""
    sft = sft_flops(shape, work, checkpointed)
    steps = [Step(f"SFT, {work.sessions} sessions", work.sessions * work.context, sft, work.sessions)]
    wide = replace(work, prompts=64)
    for each, name, shared in (
        (work, "shared", True),
        (wide, "shared", True),
        (work, "repeated", False),
    ):
        tokens = each.prompts * group_size(each, shared)[0]
        operations = grpo_flops(shape, each, shared, checkpointed)
        title = f"GRPO, {each.prompts} x {each.group}, prompt {name}"
        steps.append(Step(title, tokens, operations, each.prompts))
    return steps


def run_rows(shape: Shape, work: Workload) -> Iterator[tuple[str, int, Step]]:
    """Yield (stage, steps, one of them) of the paper's runs, and of RL with 64 prompts a step."""
    sft, grpo, wide, _ = list_steps(shape, work)
    yield f"SFT, 4 epochs of {PAPER_SESSIONS:,} sessions", 4 * math.ceil(PAPER_SESSIONS / work.sessions), sft
    for step in (grpo, wide):
        yield f"GRPO, 500 steps of {step.parts} prompts", 500, step


def measure_rate(seconds: float = 2.0) -> float:
    """Return this machine's FLOP/s on a product of the 3B model's feed-forward shape, in its format."""
    from shop_r1.models.precision import choose_precision, product_rate

    return product_rate(choose_precision("auto", "cpu").bf16, seconds, (512, 2048, 11_008))


def describe_time(seconds: float) -> str:
    """Return a duration in the unit that suits it.

    >>> describe_time(90), describe_time(7200), describe_time(400_000)
    ('90 s', '120 min', '111 h')
    """
    for size, unit in ((1, "s"), (60, "min"), (3600, "h"), (86_400, "days")):
        if seconds < 180 * size or unit == "days":
            break
    return f"{seconds / size:.3g} {unit}"


def render_tables(shape: Shape, work: Workload, cpu_rate: float, utilisation: float) -> str:
    """Return the tables of docs/scaling.md in Markdown.

    Args:
        shape: the model.
        work: one step.
        cpu_rate: FLOP/s of a machine without a GPU.
        utilisation: the share of its peak that an A100 reaches, in (0, 1].
    """
    lines = [
        f"{shape.parameters:,} parameters; T = {work.context:,}, C = {work.completion}, G = {work.group}.",
        "",
        f"| GiB on each GPU | {' | '.join(RUNS)} |",
        "|---" + "|--:" * len(RUNS) + "|",
    ]
    for name, sizes in memory_rows(shape):
        cells = " | ".join("–" if size is None else f"{size:.1f}" for size in sizes)
        lines.append(f"| {name} | {cells} |")
    gpus = " | ".join(f"{count} A100" for count in CLUSTERS)
    lines += [
        "",
        f"| one step | tokens a pass | PFLOP | {cpu_rate / 1e9:g} GFLOP/s | {gpus} |",
        "|---" + "|--:" * (3 + len(CLUSTERS)) + "|",
    ]
    for step in list_steps(shape, work):
        seconds = [step.operations / cpu_rate, *(step.seconds(count, utilisation) for count in CLUSTERS)]
        times = " | ".join(map(describe_time, seconds))
        lines.append(f"| {step.name} | {step.tokens:,} | {step.operations / 1e15:,.0f} | {times} |")
    lines += ["", f"| whole run | steps | {gpus} |", "|---" + "|--:" * (1 + len(CLUSTERS)) + "|"]
    for name, steps, step in run_rows(shape, work):
        times = " | ".join(describe_time(steps * step.seconds(count, utilisation)) for count in CLUSTERS)
        lines.append(f"| {name} | {steps:,} | {times} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description="What a model costs at the paper's context, from arithmetic."
    )
    parser.add_argument("--model", choices=SHAPES, default="3B")
    parser.add_argument("--context", type=int, default=Workload.context, help="of the times: a session")
    parser.add_argument(
        "--group", type=int, default=Workload.group, help="of the times: completions to a prompt"
    )
    parser.add_argument("--cpu-gflops", type=float, default=100.0, help="rate of a machine without a GPU")
    parser.add_argument("--measure", action="store_true", help="measure that rate here, in two seconds")
    parser.add_argument("--utilisation", type=float, default=0.4, help="share of an A100's peak")
    given = parser.parse_args(arguments)
    rate = measure_rate() if given.measure else given.cpu_gflops * 1e9
    work = Workload(context=given.context, group=given.group)
    print(render_tables(SHAPES[given.model], work, rate, given.utilisation), end="")


if __name__ == "__main__":
    main()

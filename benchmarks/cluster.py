"""GRPO by verl beside GRPO by TRL's path, and how a step of verl's scales; docs/cluster.md has the tables.

    python -m benchmarks.cluster [--model DIR] [--data FILE] [--verl PYTHON] [--quick] [--json FILE]

Run with this project's own environment, after `make cluster`; nothing else should run meanwhile (45 minutes
on two cores, `--quick` ten). Four parts, `--parts` takes some of them:

- engines: `shop-r1 grpo` with either engine, same settings, checkpoint and sessions.
- devices: verl with one and with two processes of one thread each, several numbers of prompts and contexts.
- prefixes: a group sampled by vLLM with and without its prefix caching (`benchmarks.cluster_parts`).
- scoring: a group scored and learnt from by our engine and by verl's own (the same).

From the second part comes a model of a step's time: each part of a step is a constant, a time for each token
that a device runs, and a constant more where there are several devices. `python -m benchmarks.cluster_tables`
puts the tables into docs/cluster.md.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from benchmarks.machine import describe_machine
from scipy.optimize import nnls

ROOT = Path(__file__).resolve().parents[1]
GROUP = 8
COMPLETION = 64
WARM_UP = 2
"""Steps that do not count."""
PARTS = ("engines", "devices", "prefixes", "scoring")
TIMES = ("sampling", "scoring", "update", "other")
"""Of a step: drawing completions; the policy's and the reference's probabilities; the update; the rest, with
the weights' way to vLLM."""


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        steps: of each run, warm-up included.
        prompts: of a step, for the model of its time.
        contexts: tokens of a prompt and its completion at most, likewise.
        groups: (P, G) of the parts without Ray.
        rounds: of these.
    """

    steps: int
    prompts: tuple[int, ...]
    contexts: tuple[int, ...]
    groups: tuple[tuple[int, int], ...]
    rounds: int


FULL = Size(10, (2, 4, 8), (1024, 4096), ((1024, 8), (4096, 8), (4096, 16)), 5)
QUICK = Size(4, (2,), (4096,), ((1024, 8),), 2)


@dataclass(frozen=True)
class Step:
    """What a step ran, and how long it took.

    Attributes:
        devices: that it was spread over.
        prompts: of the step.
        context: the run's limit of tokens.
        tokens: run where each prompt is run once: all prompts' and all completions'.
        longest: tokens of the longest completion.
        seconds: by part of the step.
    """

    devices: int
    prompts: int
    context: int
    tokens: float
    longest: float
    seconds: dict[str, float]

    @property
    def whole(self) -> float:
        """Seconds of the step."""
        return sum(self.seconds.values())


def read_step(line: Mapping[str, Any], devices: int, prompts: int, context: int) -> Step:
    """Return the step of a line of metrics.jsonl.

    TRL's path measures the policy's probabilities within the update, so its scoring is 0 here.
    """
    whole = line["seconds/step"]
    completions = line["policy/length_mean"] * prompts * GROUP
    repeated = line["tokens_per_second"] * whole - completions  # the prompts' tokens, each G times
    known = {name: line.get(f"seconds/{name}", 0.0) for name in ("sampling", "scoring", "update")}
    return Step(
        devices,
        prompts,
        context,
        repeated / GROUP + completions,
        line["policy/length_max"],
        known | {"other": whole - sum(known.values())},
    )


@dataclass(frozen=True)
class Runner:
    """Starts runs of GRPO and programs of the cluster's environment."""

    model: Path
    data: Path
    verl: Path
    steps: int
    threads: int
    """Of a process that has all cores."""

    def train(
        self, engine: str, prompts: int, context: int, devices: int = 1, threads: int | None = None
    ) -> list[Step]:
        """Return a run's steps after the warm-up; a thread of each process is a core where `threads` is 1."""
        python = self.verl if engine == "verl" else Path(sys.executable)
        with TemporaryDirectory() as out:
            settings = {
                "max_steps": self.steps,
                "generation_batch_size": prompts * GROUP,
                "num_generations": GROUP,
                "per_device_train_batch_size": prompts * GROUP // devices,
                "max_completion_length": COMPLETION,
                "prompt.max_tokens": context,
                "learning_rate": 1e-6,  # completions stay as long as they are
                "beta": 0.001,  # every group is learnt from by both engines
                "bf16": "false",
                "save_steps": 0,
                "alerts": "false",
                "rollout_groups": 0,
            }
            if engine == "verl":
                settings |= {"cluster.devices_per_node": devices, "cluster.device": "cpu"}
            files = ["--model", self.model, "--data", self.data, "--out", f"{out}/run", "--engine", engine]
            words = ["grpo", *map(str, files), *(f"{name}={value}" for name, value in settings.items())]
            _run([str(python), "-m", "shop_r1", *words], threads or self.threads)
            lines = (Path(out) / "run" / "metrics.jsonl").read_text("utf-8").splitlines()
        steps = [read_step(json.loads(line), devices, prompts, context) for line in lines]
        return steps[WARM_UP:]

    def part(self, name: str, prompt: int, group: int, rounds: int) -> Mapping[str, Any]:
        """Return what `benchmarks.cluster_parts` finds, in a process of the cluster's environment."""
        words = ["-m", "benchmarks.cluster_parts", name, self.model, prompt, group, rounds]
        printed = _run([str(self.verl), *map(str, words)], self.threads)
        found: Mapping[str, Any] = json.loads(printed.splitlines()[-1])
        return found


def _run(command: Sequence[str], threads: int) -> str:
    """Return what a command prints to stdout.

    Ray gives its workers the lowest priority, which only matters, and then much, where something else runs.
    """
    paths = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    settings = {"PYTHONPATH": paths, "RAY_worker_niceness": "0", "OMP_NUM_THREADS": str(threads)}
    environment = os.environ | settings
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return done.stdout


# -- the model of a step's time ---------------------------------------------------------------------------


def columns(step: Step) -> list[float]:
    """Return what a part's seconds are made of: 1, thousands of tokens on each device, and 1 with several."""
    return [1.0, step.tokens / step.devices / 1000, float(step.devices > 1)]


def fit_times(steps: Sequence[Step]) -> dict[str, list[float]]:
    """Return by part the coefficients of `columns`, none negative, by least squares."""
    rows = np.array([columns(step) for step in steps])
    return {part: nnls(rows, np.array([step.seconds[part] for step in steps]))[0].tolist() for part in TIMES}


def predict(times: Mapping[str, Sequence[float]], step: Step) -> float:
    """Return the seconds of a step by the model."""
    return float(sum(np.dot(coefficients, columns(step)) for coefficients in times.values()))


def left_out_errors(steps: Sequence[Step]) -> list[float]:
    """Return |predicted / measured - 1| of every step, predicted from the runs that it is not of."""
    errors = []
    for step in steps:
        run = (step.devices, step.prompts, step.context)
        others = [each for each in steps if (each.devices, each.prompts, each.context) != run]
        errors.append(abs(predict(fit_times(others), step) / step.whole - 1))
    return errors


def scaling(times: Mapping[str, Sequence[float]], tokens: float, prompts: int) -> dict[str, Any]:
    """Return a step's seconds by the model on 1, 2, 4, … devices, up to one a prompt.

    `half` is the number of devices at which what is not divided takes as long as what is: there a step is
    only half as fast as it would be if all of it were divided.
    """
    constant, each, several = (sum(part[index] for part in times.values()) for index in range(3))
    counts = [2**power for power in range(prompts.bit_length()) if 2**power <= prompts]
    seconds = {
        str(count): constant + each * tokens / 1000 / count + several * (count > 1) for count in counts
    }
    return {
        "tokens": tokens,
        "prompts": prompts,
        "seconds": seconds,
        "half": each * tokens / 1000 / (constant + several),
    }


def model_steps(steps: Sequence[Step]) -> dict[str, Any]:
    """Return the model fitted to the steps, its errors, and what it predicts of the largest ones."""
    times = fit_times(steps)
    within = [abs(predict(times, step) / step.whole - 1) for step in steps]
    without = left_out_errors(steps)
    most = max(step.prompts for step in steps)
    large = [
        step.tokens
        for step in steps
        if step.prompts == most and step.context == max(s.context for s in steps)
    ]
    return {
        "times": times,
        "steps": len(steps),
        "error_median": statistics.median(within),
        "error_max": max(within),
        "left_out_median": statistics.median(without),
        "left_out_max": max(without),
        "scaling": scaling(times, statistics.median(large), most),
    }


# -- the parts --------------------------------------------------------------------------------------------


def summarise(steps: Sequence[Step]) -> dict[str, float]:
    """Return medians of a run: seconds of the step and its parts, and tokens a second."""
    learning = [step.whole - step.seconds["sampling"] for step in steps]
    tokens = [step.tokens for step in steps]
    return {
        "seconds": statistics.median(step.whole for step in steps),
        **{part: statistics.median(step.seconds[part] for step in steps) for part in TIMES},
        "sampled_a_second": statistics.median(
            count / step.seconds["sampling"] for count, step in zip(tokens, steps, strict=True)
        ),
        "learnt_a_second": statistics.median(
            count / seconds for count, seconds in zip(tokens, learning, strict=True)
        ),
        "steps": len(steps),
    }


def measure(runner: Runner, size: Size, parts: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield each part's name and figures once it is measured."""
    if "engines" in parts:
        prompts, context = max(size.prompts), max(size.contexts)
        runs = {name: runner.train(name, prompts, context) for name in ("trl", "verl")}
        medians = {name: summarise(steps) for name, steps in runs.items()}
        yield "engines", medians | {"prompts": prompts, "context": context, "threads": runner.threads}
    for name in ("prefixes", "scoring"):
        if name in parts:
            yield name, [dict(runner.part(name, *each, size.rounds)) for each in size.groups]
    if "devices" in parts:
        yield "devices", measure_devices(runner, size)


def measure_devices(runner: Runner, size: Size) -> dict[str, Any]:
    """Return the steps of verl with one and with two processes, and the model of their time."""
    steps = []
    for devices, prompts, context in product((1, 2), size.prompts, size.contexts):
        steps += runner.train("verl", prompts, context, devices, threads=1)
        _say(f"devices {devices}, prompts {prompts}, context {context}", summarise(steps[-1:]))
    found: dict[str, Any] = {"points": [asdict(step) for step in steps]}
    if len({(step.devices, step.prompts, step.context) for step in steps}) > 2:
        found["model"] = model_steps(steps)
    return found


def _say(name: str, value: object) -> None:
    print(f"{name}: {json.dumps(value)}", flush=True)


def main() -> None:
    """Measure, and write the figures to `--json FILE`, keeping those of parts that were not asked for."""
    parser = argparse.ArgumentParser(description="GRPO by verl beside TRL, and how it scales.")
    parser.add_argument("--model", type=Path, default=ROOT / "runs" / "demo" / "sft")
    parser.add_argument("--data", type=Path, default=ROOT / "runs" / "demo" / "sessions.jsonl.zst")
    parser.add_argument("--verl", type=Path, default=ROOT / "build" / "cluster" / "bin" / "python")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument(
        "--threads", type=int, default=len(os.sched_getaffinity(0)), help="of processes with all cores"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, few steps")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    load = os.getloadavg()[0]
    runner = Runner(
        options.model.resolve(), options.data.resolve(), options.verl, size.steps, options.threads
    )
    machine = describe_machine() | {"load_before": load, "cores": len(os.sched_getaffinity(0))}
    report: dict[str, Any] = {"machine": machine, "quick": options.quick}
    for name, figures in measure(runner, size, options.parts):
        _say(name, figures)
        report[name] = figures
        if options.json:
            keep(report, options.json)


def keep(report: Mapping[str, Any], path: Path) -> None:
    """Write the figures to a file, beside those of other parts that it has."""
    kept: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**kept, **report}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

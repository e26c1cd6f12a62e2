"""A group by vLLM and by verl's worker, without Ray; run by `benchmarks.cluster` with the cluster's Python.

`python -m benchmarks.cluster_parts prefixes|scoring CHECKPOINT P G ROUNDS` prints a JSON object.
"""

import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

COMPLETION = 64


def draw_ids(length: int, seed: object) -> list[int]:
    """Return random tokens that every vocabulary here has, none of them special."""
    draw = random.Random(str(seed))
    return [draw.randrange(300, 2000) for _ in range(length)]


def median_seconds(work: Callable[[int], object], rounds: int) -> float:
    """Return the median of the rounds, after one that warms up; `work` gets the round's number."""
    times = []
    for turn in range(rounds + 1):
        started = time.perf_counter()
        work(turn)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


# -- vLLM's prefix caching --------------------------------------------------------------------------------


def sample_groups(checkpoint: Path, prompt: int, group: int, rounds: int) -> dict[str, Any]:
    """Return the seconds of vLLM for a group, with prefix caching and without, and what it cached."""
    found: dict[str, Any] = {"prompt": prompt, "group": group, "completion": COMPLETION}
    for name, caching in (("cached", True), ("plain", False)):
        found[f"{name}_s"], found[f"{name}_share"] = sample_group(checkpoint, prompt, group, rounds, caching)
    found["faster"] = found["plain_s"] / found["cached_s"]
    found["sampled_a_second"] = group * COMPLETION / found["cached_s"]
    return found


def sample_group(
    checkpoint: Path, prompt: int, group: int, rounds: int, caching: bool
) -> tuple[float, float]:
    """Return vLLM's seconds for a group, and the share of its prompts' tokens that came from the cache."""
    os.environ |= {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
    from vllm import LLM, SamplingParams

    engine = LLM(
        model=str(checkpoint),
        dtype="float32",
        max_model_len=prompt + COMPLETION,
        enable_prefix_caching=caching,
        enforce_eager=True,
        seed=0,
    )
    sampling = SamplingParams(max_tokens=COMPLETION, min_tokens=COMPLETION, ignore_eos=True)
    cached: list[int] = []

    def work(turn: int) -> None:
        prompts = [{"prompt_token_ids": draw_ids(prompt, turn)}] * group  # as verl asks: one request each
        found = engine.generate(prompts, sampling, use_tqdm=False)
        cached.append(sum(each.num_cached_tokens or 0 for each in found))

    seconds = median_seconds(work, rounds)
    return seconds, statistics.median(cached[1:]) / (prompt * group)


# -- scoring and learning in verl's worker ----------------------------------------------------------------


@cache
def verl_step() -> Any:
    """Return the module by which the tests run a worker without Ray.

    The cluster's environment has another project's package that is called `tests`; ours takes its place.
    """
    ours = ModuleType("tests")
    ours.__path__ = [str(Path(__file__).parents[1] / "tests")]
    sys.modules["tests"] = ours
    return import_module("tests.cluster.verl_step")


def score_groups(checkpoint: Path, prompt: int, group: int, rounds: int) -> dict[str, Any]:
    """Return the seconds of a scoring pass and of an update, by our engine and by verl's own.

    verl's own runs one sequence at a time, which is its fastest on CPU: of several in one pass it computes
    the attention between them, too, and masks it.
    """
    step = verl_step()  # which sets verl's platform, and so comes before verl
    from verl.workers.engine.fsdp.transformer_impl import FSDPEngineWithLMHead

    from shop_r1.training.settings import GrpoConfig

    config = GrpoConfig(
        num_generations=group,
        generation_batch_size=group,
        per_device_train_batch_size=group,
        max_completion_length=COMPLETION,
        beta=0,
        bf16=False,
        prompt={"max_tokens": prompt + COMPLETION},
    )
    shared = draw_ids(prompt, "prompt")
    pairs = [(shared, draw_ids(COMPLETION, number)) for number in range(group)]
    found: dict[str, Any] = {"prompt": prompt, "group": group, "completion": COMPLETION}
    with TemporaryDirectory() as folder, step.worker(config, checkpoint, Path(folder)) as made:
        engine = type(made.actor.engine)
        ours = engine.forward_step
        scores = {}
        for side, forward, at_once in (("ours", ours, group), ("verl", FSDPEngineWithLMHead.forward_step, 1)):
            engine.forward_step, settings = forward, made.actor.engine_config
            settings.micro_batch_size_per_gpu = settings.infer_micro_batch_size_per_gpu = at_once
            found[f"{side}_score_s"], scores[side] = time_scoring(made, pairs, rounds)
            found[f"{side}_update_s"] = time_update(made, pairs, config, rounds)
    found["largest_gap"] = float((scores["ours"] - scores["verl"]).abs().max())
    for part in ("score", "update"):
        found[f"{part}_faster"] = found[f"verl_{part}_s"] / found[f"ours_{part}_s"]
    return found


def time_scoring(made: Any, pairs: Any, rounds: int) -> tuple[float, Any]:
    """Return the median seconds of a scoring pass, and (G, C) log probabilities before any update."""
    import torch
    from verl.workers.utils.padding import response_from_nested

    step = verl_step()
    kept: Any = None

    def work(turn: int) -> None:
        nonlocal kept
        data = step.assign(step.batch(pairs), temperature=1.0, calculate_entropy=True, compute_loss=False)
        found = made.compute_log_prob(data)
        rows = response_from_nested(found["log_probs"], data["response_mask"])
        kept = torch.stack(list(rows.unbind()))

    return median_seconds(work, rounds), kept


def time_update(made: Any, pairs: Any, config: Any, rounds: int) -> float:
    """Return the median seconds of an update that leaves the weights as they are: all advantages are 0."""
    import torch

    step = verl_step()
    rows = [torch.zeros(len(ids)) for _, ids in pairs]

    def work(turn: int) -> None:
        data = step.assign(
            step.batch(pairs, old_log_probs=step.nested(rows), advantages=step.nested(rows)),
            temperature=1.0,
            global_batch_size=len(pairs),
            mini_batch_size=len(pairs),
            epochs=1,
            seed=0,
            calculate_entropy=False,
            dataloader_kwargs={"shuffle": False},
        )
        made.update_actor(data)

    return median_seconds(work, rounds)


if __name__ == "__main__":
    part, folder, *numbers = sys.argv[1:]
    run = {"prefixes": sample_groups, "scoring": score_groups}[part]
    result = run(Path(folder), *map(int, numbers))
    print(json.dumps(result))

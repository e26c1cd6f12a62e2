"""The rows of a real pretrained model on the built-in store: zero-shot, SFT, Shop-R1, with their tables.

    python -m recipes.real_model OUT [--crowd focused|wandering] [--model smollm2-135m] [--size cpu|gpu|try]

Each stage is a command of `shop-r1`, shown before it runs. Given again after an interruption, finished stages
are left out and the one that was cut off goes on. The sizes are chosen by measured costs
(docs/how_to/real_model.md); what is left is estimated from them and from the stages that are done.
"""

import argparse
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shop_r1.models.checkpoint import LocalModel
    from shop_r1.prompts.render import PromptConfig
    from shop_r1.records.sessions import Session

CATALOGUE, TRAIN_SEED, TEST_SEED = 3, 11, 12
"""A shop that no checkpoint of this project was trained in, and two crowds of it."""


@dataclass(frozen=True)
class Size:
    """How much is done, and about how long that takes."""

    sessions: int
    """To learn from."""
    test_sessions: int
    epochs: int
    """Passes of SFT."""
    steps: int
    """Of GRPO."""
    prompts: int
    """Of a GRPO step, each with four completions."""
    batch: int
    """Sessions of an SFT step."""
    tokens: int
    """Of the longest prompt with its completion."""
    sft_s: float
    """Seconds a session of SFT."""
    grpo_s: float
    """Seconds a prompt of GRPO with its group."""
    test_s: float
    """Seconds a session of an evaluation."""


SIZES = {
    "try": Size(6, 2, 1, 2, 1, 1, 4096, sft_s=24, grpo_s=23, test_s=15),
    "cpu": Size(80, 40, 1, 24, 2, 4, 4096, sft_s=24, grpo_s=23, test_s=15),
    "gpu": Size(600, 150, 2, 40, 8, 8, 8192, sft_s=0.08, grpo_s=0.5, test_s=0.3),
}
"""On two quiet AVX2 cores as measured; on one GPU of a data centre by arithmetic, nowhere measured. SmolLM2
can read 8,192 tokens; SFT on as many takes 18 GB of memory."""
SETTINGS = {
    "sft": ("learning_rate=1e-4", "warmup_steps=2"),
    "grpo": ("learning_rate=2e-6", "temperature=1.0", "beta=0", "num_generations=4"),
}
"""Ours, and not tuned. With them 40 sessions of SFT and 12 steps of GRPO were run
(docs/how_to/real_model.md). The learning rates are above the paper's, whose runs are far longer."""
PROMPT = {"max_completion_length": 96, "cut_slack": 0.5}
"""Completions of both crowds have 40 to 60 of SmolLM2's tokens. With the slack the steps of sessions over
`Size.tokens` share enough to halve the tokens of SFT on the wandering crowd."""
LONGER = {"focused": (1.0, 1.0), "wandering": (2.2, 3.0)}
"""What a session costs beside the focused crowd's, for which the seconds of `SIZES` hold: in SFT by its
tokens, in an evaluation by its steps."""


@dataclass(frozen=True)
class Stage:
    """One command of `shop-r1`."""

    name: str
    words: tuple[str, ...]
    done: Path
    """Is there once the stage is through."""
    seconds: float
    """What it is expected to take."""


def list_stages(out: Path, model: str, crowd: str, size: Size, lora: bool, bf16: bool) -> list[Stage]:
    """Return the stages in order; all compute in the same number format."""
    lengths = {"max_tokens": size.tokens, **PROMPT}
    general = (*(f"prompt.{name}={value}" for name, value in lengths.items()), f"bf16={str(bf16).lower()}")
    train, test = out / "train.jsonl", out / "test.jsonl"
    sft, grpo = out / "sft", out / "shop_r1"
    batch = f"generation_batch_size={4 * size.prompts}"
    adapter = ("lora_r=16",) if lora else ()
    learn = ("--data", str(train), "--resume", *general, "save_steps=5", "save_total_limit=1")
    grpo_words = (*SETTINGS["grpo"], f"max_steps={size.steps}", batch, "max_completion_length=96", *adapter)
    sft_words = (*SETTINGS["sft"], f"num_train_epochs={size.epochs}", *adapter)
    accumulate = f"gradient_accumulation_steps={size.batch}"
    sft_s, grpo_s = size.sft_s * size.sessions * size.epochs, size.grpo_s * size.steps * size.prompts
    longer_sft, longer_test = LONGER[crowd]
    test_s = size.test_s * size.test_sessions * longer_test
    return [
        _simulate(train, crowd, size.sessions, TRAIN_SEED),
        _simulate(test, crowd, size.test_sessions, TEST_SEED),
        _evaluate(out, "zero_shot", "zero-shot", model, test_s, general),
        _train("sft", sft, ("--model", model, *learn, *sft_words, accumulate), sft_s * longer_sft),
        _evaluate(out, "sft", "sft", str(sft), test_s, general),
        _train("grpo", grpo, ("--model", str(sft), *learn, *grpo_words), grpo_s),
        _evaluate(out, "shop_r1", "shop-r1", str(grpo), test_s, general),
    ]


def _simulate(path: Path, crowd: str, count: int, seed: int) -> Stage:
    who = ("--crowd", crowd, "--shoppers", str(count), "--seed", str(seed))
    shop = ("--catalogue-seed", str(CATALOGUE), "--out", str(path))
    return Stage(path.stem, ("simulate", *who, *shop), path, 5)


def _train(command: str, out: Path, words: tuple[str, ...], seconds: float) -> Stage:
    return Stage(out.name, (command, "--out", str(out), *words), out / "README.md", seconds)


def _evaluate(
    out: Path, name: str, setting: str, model: str, seconds: float, general: tuple[str, ...]
) -> Stage:
    folder = out / f"evaluation_{name}"
    data, greedy = out / "test.jsonl", ("sampling.temperature=0", "sampling.max_new_tokens=96")
    words = ("--model", model, "--data", str(data), "--setting", setting, "--out", str(folder))
    command = ("evaluate", *words, *general, *greedy)
    return Stage(folder.name, command, folder / "table.json", seconds)


def run_stages(stages: Sequence[Stage], log: Path) -> None:
    """Run what is not done yet, one after another; the estimate follows how fast this machine was so far."""
    planned = took = 0.0
    for number, stage in enumerate(stages):
        if stage.done.exists():
            print(f"{stage.name}: done before")
            continue
        pace = took / planned if planned > 60 else 1.0
        left = sum(each.seconds for each in stages[number:] if not each.done.exists()) * pace
        print(f"\n{stage.name}: about {_minutes(left)} left of all\n$ shop-r1 {shlex.join(stage.words)}")
        sys.stdout.flush()
        started = time.monotonic()
        code = subprocess.run([sys.executable, "-m", "shop_r1", *stage.words], check=False).returncode
        if code:
            sys.exit(f"{stage.name}: stopped with code {code}; the same command goes on from here")
        seconds = time.monotonic() - started
        planned, took = planned + stage.seconds, took + seconds
        with log.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"stage": stage.name, "seconds": round(seconds, 1)}) + "\n")


def _minutes(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds > 5400 else f"{seconds / 60:.0f} min"


def write_tables(out: Path, facts: dict[str, object], tokens: int) -> None:
    """Write `tables.txt` and `tables.json` of the three rows, and print them."""
    from shop_r1.evaluation.tables import list_grids, to_text
    from shop_r1.jsonl import write_json, write_text
    from shop_r1.records.results import read_table

    folders = [out / f"evaluation_{name}" for name in ("zero_shot", "sft", "shop_r1")]
    rows = [row for folder in folders for row in read_table(folder / "table.json")]
    certainty = measure_certainty(out, str(facts["model"]), {"max_tokens": tokens, **PROMPT})
    lines = ["Self-certainty, nats a token (the paper's Figure 1: s = 26)"]
    lines += [f"  {name}: {_describe_certainty(found)}" for name, found in certainty.items()]
    text = "\n".join([*map(to_text, list_grids(rows)), *lines]) + "\n"
    write_text(out / "tables.txt", text)
    dumped = [row.model_dump(mode="json", exclude_none=True) for row in rows]
    write_json(out / "tables.json", {**facts, "rows": dumped, "self_certainty": certainty})
    print(text)


def _describe_certainty(found: dict[str, float | int | None]) -> str:
    sampled = "no valid response" if found["sampled"] is None else f"{found['sampled']:.2f}"
    return (
        f"{sampled} over its own rationales ({found['valid']} of {found['steps']} steps), "
        f"{found['teacher_forced']:.2f} over the shoppers'"
    )


def measure_certainty(
    out: Path, model: str, prompt: dict[str, float], sessions: int = 4
) -> dict[str, dict[str, float | int | None]]:
    """Return each checkpoint's mean self-certainty, KL(U || p): over its rationales, and over the shoppers'.

    The first is what the evaluation's rewards hold; the second is scored on the first few held-out sessions.
    """
    from statistics import fmean

    from shop_r1.jsonl import read_records
    from shop_r1.records.results import Prediction
    from shop_r1.rewards.total import RewardConfig

    weight, found = RewardConfig().certainty_weight, {}
    names = {"zero_shot": model, "sft": str(out / "sft"), "shop_r1": str(out / "shop_r1")}
    for number, (name, checkpoint) in enumerate(names.items(), 1):
        print(f"Self-certainty of checkpoint {number}/{len(names)}: {name}", flush=True)
        predictions = list(read_records(out / f"evaluation_{name}" / "predictions.jsonl", Prediction))
        valid = [each.reward.rationale / weight for each in predictions if each.reward and each.action]
        found[name.replace("_", "-")] = {
            "steps": len(predictions),
            "valid": len(valid),
            "sampled": fmean(valid) if valid else None,
            "teacher_forced": certainty_of_targets(checkpoint, out / "test.jsonl", prompt, sessions),
        }
    return found


def certainty_of_targets(checkpoint: str, data: Path, prompt: dict[str, float], sessions: int) -> float:
    """Return the mean self-certainty over the rationales that the shoppers gave, in nats per token."""
    from itertools import islice
    from statistics import fmean

    from shop_r1.datasets.session_files import open_sessions
    from shop_r1.models.checkpoint import load_model
    from shop_r1.prompts.render import PromptConfig

    model, config = load_model(checkpoint), PromptConfig.model_validate(prompt)
    chosen = islice(open_sessions(data), sessions)
    return fmean(value for each in chosen for value in list_certainties(model, each, config))


def list_certainties(model: "LocalModel", session: "Session", config: "PromptConfig") -> list[float]:
    """Return the self-certainty over the shopper's rationale of each step but the first, in nats per token.

    The steps share the pages before them: a session is read once.
    """
    import torch

    from shop_r1.datasets.examples import list_examples, renderer
    from shop_r1.models.prefix_tree import fit_pass, grow_trees, pack_trees
    from shop_r1.models.scoring import score_tokens
    from shop_r1.prompts.parse import parse_response
    from shop_r1.prompts.render import render_completion
    from shop_r1.rewards.certainty import self_certainty, token_certainty

    render, examples = renderer(model, config), list_examples([session])
    if not examples:
        return []
    texts = [render_completion(each.taken.rationale or "", each.taken.action) for each in examples]
    ids = [model.completion_ids(text) for text in texts]
    prompts = [render(each).ids for each in examples]
    trees = grow_trees(prompts, ids, lambda tree: fit_pass([tree.shape], config.max_tokens))
    with torch.no_grad():
        scores = [
            score_tokens(model.model, pack_trees([tree], model.pad_id), measure=token_certainty)
            for tree in trees
        ]
    measured = torch.cat([score.measured for score in scores if score.measured is not None])
    values = [
        self_certainty(model, completion, certainty, parse_response(text, each.space))
        for each, text, completion, certainty in zip(
            examples, texts, ids, measured.split([len(each) for each in ids]), strict=True
        )
    ]
    return [value for value in values if value is not None]


def main() -> None:
    """Do what is left to do, and write the tables."""
    import torch

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, help="folder of the runs and tables")
    parser.add_argument("--crowd", default="focused", choices=["focused", "wandering"])
    parser.add_argument("--model", default="smollm2-135m", help="as --model of shop-r1 sft")
    parser.add_argument("--size", choices=list(SIZES), help="gpu where there is one, else cpu")
    parser.add_argument("--lora", action="store_true", help="adapters of rank 16 in place of all weights")
    for name in ("sessions", "test-sessions", "steps", "epochs"):
        parser.add_argument(f"--{name}", type=int, help="in place of the size's own")
    given = parser.parse_args()
    chosen = given.size or ("gpu" if torch.cuda.is_available() else "cpu")
    numbers = {name: getattr(given, name) for name in ("sessions", "test_sessions", "steps", "epochs")}
    size = replace(SIZES[chosen], **{name: value for name, value in numbers.items() if value is not None})
    facts = {"model": given.model, "crowd": given.crowd, "lora": given.lora, "size": asdict(size)}
    facts |= {"prompt": PROMPT}
    given.out.mkdir(parents=True, exist_ok=True)
    bf16 = settle_run(given.out / "recipe.json", facts)
    stages = list_stages(given.out, given.model, given.crowd, size, given.lora, bf16)
    whole = _minutes(sum(each.seconds for each in stages))
    print(f"{given.model} on the {given.crowd} crowd, {whole} in all by the costs of a quiet machine")
    run_stages(stages, given.out / "times.jsonl")
    write_tables(given.out, facts, size.tokens)


def settle_run(path: Path, facts: dict[str, object]) -> bool:
    """Note what a folder is for, or stop if it is for something else; return whether it is in bfloat16."""
    from shop_r1.models.precision import choose_precision

    found = json.loads(path.read_text("utf-8")) if path.exists() else None
    if found is None:
        precision = choose_precision()
        print(precision)
        found = {**facts, "bf16": precision.bf16}
        path.write_text(json.dumps(found) + "\n", "utf-8")
    if {name: value for name, value in found.items() if name != "bf16"} != facts:
        sys.exit(f"{path}: the folder is of another run, {json.dumps(found)}; give another")
    return bool(found["bf16"])


if __name__ == "__main__":
    main()

"""The engine's parts, each beside what it replaces, and how near scoring comes to the machine's limit.

`python -m benchmarks.engine [--json FILE]`. Both sides take turns in one run; medians of `ROUNDS`.

Dimension letters: P prompt tokens, C completion tokens, G completions a prompt, V vocabulary, N completion
tokens in all.
"""

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from benchmarks.grpo_step import SHAPE, write_model
from benchmarks.machine import describe_machine, peak_bytes, reset_peak
from benchmarks.scaling import forward_flops
from transformers import Qwen2Config, Qwen2ForCausalLM
from trl import SFTTrainer

from datasets import Dataset
from shop_r1.datasets.examples import list_examples, renderer
from shop_r1.evaluation.predict import PredictConfig, predict
from shop_r1.models.checkpoint import LocalModel, load_model
from shop_r1.models.prefix_tree import Tree, grow_tree, pack_trees
from shop_r1.models.sampling import Sampling, sample_completions
from shop_r1.models.scoring import add_forward_redirection, score_tokens
from shop_r1.models.shape import Shape
from shop_r1.prompts.render import PromptConfig
from shop_r1.records.sessions import Session
from shop_r1.rewards.certainty import token_certainty
from shop_r1.shoppers.persona import Market
from shop_r1.shoppers.scripted import generate_sessions
from shop_r1.store.app import create_app
from shop_r1.store.catalogue import generate_catalogue
from shop_r1.store.kinds import KINDS
from shop_r1.training.session_trees import session_trees
from shop_r1.training.settings import SftConfig
from shop_r1.training.sft import TreeSftTrainer, tree_features
from shop_r1.training.trl_arguments import sft_arguments

ROUNDS = 5
PROMPT = PromptConfig(max_tokens=8192, max_completion_length=64)
LONG, VOCABULARY = 32_768, 151_936


def in_turns(sides: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Return each side's median seconds; they take turns, and the first turn warms up."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, run in sides.items():
            started = time.perf_counter()
            run()
            if turn:
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def make_group(prompt: int = 2048, group: int = 8, completion: int = 96) -> tuple[Any, Tree]:
    """Return a random model of the machine's size and a group of completions to one prompt."""
    torch.manual_seed(0)
    ids = [300 + 7 * place % 1700 for place in range(prompt)]
    completions = [[(7 + row + place) % 1700 + 300 for place in range(completion)] for row in range(group)]
    return Qwen2ForCausalLM(Qwen2Config(**SHAPE)).eval(), grow_tree([ids] * group, completions)


def compare_scoring() -> dict[str, Any]:
    """One scoring pass over a group, beside the plain model's over the prompt with each completion.

    Raises:
        RuntimeError: the log probabilities differ.
    """
    model, tree = make_group()
    rows = torch.tensor([[*tree.trunk, *branch.prompt, *branch.completion] for branch in tree.branches])
    batch, width = pack_trees([tree], 0), len(tree.branches[0].completion)

    @torch.no_grad()
    def plain() -> torch.Tensor:
        logits = model(rows, logits_to_keep=width + 1).logits[:, :-1]
        found: torch.Tensor = logits.log_softmax(-1).gather(2, rows[:, -width:, None])[..., 0]
        return found

    @torch.no_grad()
    def ours() -> torch.Tensor:
        return score_tokens(model, batch).log_probs

    if not torch.allclose(ours(), plain().flatten(), atol=1e-4):
        raise RuntimeError("log probabilities differ from those of the plain model")
    return _speedup(in_turns({"ours": ours, "plain": plain}), "plain")


def compare_sampling() -> dict[str, Any]:
    """A group of completions drawn together, beside transformers' `generate` for G copies of the prompt."""
    model, tree = make_group()
    prompt, group, completion = [*tree.trunk, *tree.branches[0].prompt], len(tree.branches), 96
    drawn = grow_tree([prompt] * group)
    rows = torch.tensor([prompt] * group)
    settings = Sampling(temperature=1.0, max_new_tokens=completion)

    def ours() -> object:
        return sample_completions(model, [drawn], settings, (), 0, range(group))

    def generate() -> object:
        return model.generate(
            rows,
            attention_mask=torch.ones_like(rows),
            do_sample=True,
            top_k=0,
            min_new_tokens=completion,
            max_new_tokens=completion,
            pad_token_id=0,
        )

    return _speedup(in_turns({"ours": ours, "generate": generate}), "generate")


def _speedup(seconds: dict[str, float], other: str) -> dict[str, Any]:
    return {**seconds, "faster": seconds[other] / seconds["ours"]}


def long_sessions(count: int) -> list[Session]:
    """Return sessions of the built-in store with six steps or more."""
    app, market = create_app(generate_catalogue(1)), Market(KINDS)
    found = (each for each in generate_sessions(app, market, 40 * count, 0) if len(each.steps) >= 6)
    return [session for session, _ in zip(found, range(count), strict=False)]


def compare_evaluation(count: int = 2) -> dict[str, Any]:
    """Greedy predictions of long sessions beside one `generate` a step.

    Raises:
        RuntimeError: the completions differ.
    """
    model, examples = load_model("base"), list_examples(long_sessions(count))
    sampling = Sampling(temperature=0, max_new_tokens=PROMPT.max_completion_length)
    config = PredictConfig(prompt=PROMPT, sampling=sampling, bf16=False)
    render = renderer(model, PROMPT)
    prompts = [render(example).ids for example in examples]
    ours = [each.completion for each in predict(model, examples, config)]
    if ours != [generate_one(model, prompt) for prompt in prompts]:
        raise RuntimeError("greedy completions differ from those of generate")
    seconds = in_turns(
        {
            "ours": lambda: predict(model, examples, config),
            "generate": lambda: [generate_one(model, prompt) for prompt in prompts],
        }
    )
    steps = len(examples) / count
    return {"sessions": count, "steps": steps, **_speedup(seconds, "generate")}


def generate_one(model: LocalModel, prompt: Sequence[int]) -> str:
    """Return the greedy completion by transformers' own `generate`."""
    ids = torch.tensor([list(prompt)])
    found = model.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=PROMPT.max_completion_length,
        eos_token_id=list(model.end_ids),
        pad_token_id=model.pad_id,
    )
    return model.decode(found[0, len(prompt) :].tolist())


def compare_certainty() -> dict[str, Any]:
    """A scoring pass of 32k tokens over 152k words, with self-certainty and without: time and peak memory."""
    torch.manual_seed(0)
    shape = SHAPE | {"vocab_size": VOCABULARY, "max_position_embeddings": 2 * LONG}
    model = Qwen2ForCausalLM(Qwen2Config(**shape | {"num_hidden_layers": 2})).eval()
    draw = random.Random(0)
    prompt = [draw.randrange(VOCABULARY) for _ in range(LONG)]
    completions = [[draw.randrange(VOCABULARY) for _ in range(96)] for _ in range(8)]
    batch = pack_trees([grow_tree([prompt] * 8, completions)], 0)
    peaks: dict[str, list[int]] = {"with": [], "without": []}

    @torch.no_grad()
    def run(name: str) -> None:
        score_tokens(model, batch, measure=token_certainty if name == "with" else None)

    seconds = in_turns({name: partial(_note_peak, partial(run, name), peaks[name]) for name in peaks})
    extra = statistics.median(peaks["with"][1:]) - statistics.median(peaks["without"][1:])
    return {**seconds, "slower": seconds["with"] / seconds["without"] - 1, "extra_mib": extra / 2**20}


def _note_peak(run: Callable[[], object], peaks: list[int]) -> None:
    """Run, and note by how many bytes memory rose at its highest."""
    before = reset_peak()
    run()
    peaks.append(peak_bytes() - before)


def compare_sft(checkpoint: Path, out: Path, count: int = 6) -> dict[str, Any]:
    """A step of SFT on long sessions beside TRL's SFTTrainer on the same pairs and chats."""
    model = load_model(str(checkpoint))
    whole = sys.maxsize
    trees = [session_trees(session, model, PROMPT, whole)[0] for session in long_sessions(count)]
    ours = make_sft_trainer(TreeSftTrainer, model, out)
    sides: dict[str, Callable[[], object]] = {
        "ours": lambda: [
            ours.training_step(ours.model, tree_features([tree], 0, whole), None) for tree in trees
        ]
    }
    for name, to_rows in {"pairs": _pairs, "chats": _chat}.items():
        stock = make_sft_trainer(SFTTrainer, load_model(str(checkpoint)), out)
        sides[name] = partial(_learn_rows, stock, [row for tree in trees for row in to_rows(tree)])
    peaks: dict[str, list[int]] = {name: [] for name in sides}
    seconds = in_turns({name: partial(_note_peak, run, peaks[name]) for name, run in sides.items()})
    tokens = sum(tree.size for tree in trees)
    return {
        "sessions": count,
        "tokens": tokens,
        "tokens_a_second": tokens / seconds["ours"],
        **seconds,
        **{f"{name}_mib": statistics.median(found[1:]) / 2**20 for name, found in peaks.items()},
        "faster_than_pairs": seconds["pairs"] / seconds["ours"],
        "faster_than_chats": seconds["chats"] / seconds["ours"],
    }


def make_sft_trainer(kind: type[Any], model: LocalModel, out: Path, **changes: Any) -> Any:
    """Return a trainer of this kind, ready for `training_step`."""
    config = SftConfig(**{"bf16": False, "gradient_accumulation_steps": 1} | changes)
    add_forward_redirection(model.model)
    trainer = kind(
        model=model.model,
        args=sft_arguments(config, out),
        train_dataset=Dataset.from_dict({"session": [0], "input_ids": [[1, 2]]}),
        data_collator=lambda rows: rows,
        processing_class=model.tokenizer,
    )
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    return trainer


def _pairs(tree: Tree) -> list[tuple[list[int], int]]:
    """Return (ids, prompt tokens) of each step by itself: the same objective as ours."""
    prompts = [[*tree.trunk[: branch.attach], *branch.prompt] for branch in tree.branches]
    return [([*p, *b.completion], len(p)) for p, b in zip(prompts, tree.branches, strict=True)]


def _chat(tree: Tree) -> list[tuple[list[int], int]]:
    """Return the session as one row: as many tokens as ours, but completions that see earlier completions."""
    completions = [token for branch in tree.branches for token in (*branch.prompt, *branch.completion)]
    return [([*tree.trunk, *completions], len(tree.trunk))]


def _learn_rows(trainer: Any, rows: Sequence[tuple[list[int], int]]) -> None:
    for ids, prompt in rows:
        row = torch.tensor([ids])
        labels = row.clone()
        labels[:, :prompt] = -100
        inputs = {"input_ids": row, "labels": labels, "attention_mask": torch.ones_like(row)}
        trainer.training_step(trainer.model, inputs, None)


def measure_limit(prompt: int = 2048, group: int = 8, completion: int = 96) -> dict[str, Any]:
    """A scoring pass's floating-point operations a second, over a plain matrix product's on this machine."""
    shape = Shape(
        layers=SHAPE["num_hidden_layers"],
        hidden=SHAPE["hidden_size"],
        heads=SHAPE["num_attention_heads"],
        kv_heads=SHAPE["num_key_value_heads"],
        head_size=SHAPE["hidden_size"] // SHAPE["num_attention_heads"],
        intermediate=SHAPE["intermediate_size"],
        vocabulary=SHAPE["vocab_size"],
    )
    model, tree = make_group(prompt, group, completion)
    batch = pack_trees([tree], 0)
    trunk, branches = prompt - 1, group * (1 + completion)
    pairs = trunk * (trunk + 1) // 2 + group * sum(prompt + place for place in range(1 + completion))
    operations = forward_flops(shape, trunk + branches, pairs, group * completion)
    left = torch.randn(trunk + branches, shape.hidden)
    right = torch.randn(shape.hidden, shape.intermediate)
    products = 50

    def score() -> None:
        with torch.no_grad():
            score_tokens(model, batch)

    def multiply() -> None:
        for _ in range(products):
            left @ right

    seconds = in_turns({"score": score, "multiply": multiply})
    rate = 2 * products * left.numel() * shape.intermediate / seconds["multiply"]
    return {
        "gflop": operations / 1e9,
        "score_s": seconds["score"],
        "product_gflops": rate / 1e9,
        "score_gflops": operations / seconds["score"] / 1e9,
        "share": operations / seconds["score"] / rate,
    }


def main() -> None:
    """Print the figures, and write them to `--json FILE`."""
    parser = argparse.ArgumentParser(description="The engine's parts beside what they replace.")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        checkpoint = write_model(Path(folder) / "model")
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "scoring": compare_scoring,
            "sampling": compare_sampling,
            "evaluation": compare_evaluation,
            "limit": measure_limit,
            "sft": partial(compare_sft, checkpoint, Path(folder)),
            "certainty": compare_certainty,
        }
        report: dict[str, Any] = {"machine": describe_machine()}
        for name, measure in parts.items():
            report[name] = measure()
            told = "  ".join(f"{key} {value:.4g}" for key, value in report[name].items())
            print(f"{name}: {told}", flush=True)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

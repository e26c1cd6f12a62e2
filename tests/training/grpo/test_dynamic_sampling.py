"""Zero-variance groups give place to groups of fresh prompts of the same target type."""

import json
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.training.grpo.test_step_metrics import MUG, OTHER_TYPE, RIGHT, completion
from tests.training.scripted import GROUP, SCRIPT, DrawnTrainer, make_mixed, settings
from tests.training.scripted import RIGHT as ALL_RIGHT

from shop_r1.models.checkpoint import load_model
from shop_r1.training.grpo.dynamic_sampling import DrawnGroup, DynamicSampling
from shop_r1.training.grpo.prompt_queue import PromptQueue
from shop_r1.training.grpo.run import train_grpo
from shop_r1.training.grpo.trainer import ShopR1Trainer

TYPES = ("click", "leave", "click", "click", "leave", "click", "leave", "click")


# -- which prompts come -----------------------------------------------------------------------------------


def test_each_type_comes_in_passes_of_a_seeded_order() -> None:
    queue = PromptQueue(TYPES, seed=3)
    clicks = [queue.take("click") for _ in range(15)]
    leaves = [queue.take("leave") for _ in range(3)]
    for start in (0, 5, 10):
        assert sorted(clicks[start : start + 5]) == [0, 2, 3, 5, 7]
    assert sorted(leaves) == [1, 4, 6]
    assert clicks[:5] != clicks[5:10]
    again, other = PromptQueue(TYPES, seed=3), PromptQueue(TYPES, seed=4)
    assert [again.take("click") for _ in range(15)] == clicks
    assert [other.take("click") for _ in range(15)] != clicks


def test_a_queue_goes_on_where_it_was() -> None:
    whole, begun, resumed = (PromptQueue(TYPES, seed=1) for _ in range(3))
    expected = [whole.take("click") for _ in range(9)]
    for _ in range(4):
        begun.take("click")
    resumed.load_state_dict(json.loads(json.dumps(begun.state_dict())))
    assert [resumed.take("click") for _ in range(5)] == expected[4:]


# -- which groups are replaced ----------------------------------------------------------------------------


class Draws:
    """Groups that vary in the given turns and places alone, and a note of what was drawn."""

    def __init__(self, varying: set[tuple[int, int]]) -> None:
        self.varying = varying
        self.calls: list[tuple[int, list[int], list[int]]] = []

    def __call__(self, examples: Sequence[int], places: Sequence[int], turn: int) -> list[DrawnGroup]:
        self.calls.append((turn, list(examples), list(places)))
        return [
            DrawnGroup(
                example,
                [place],
                [],
                None,
                [
                    completion(MUG, RIGHT),
                    completion(MUG, OTHER_TYPE if (turn, place) in self.varying else RIGHT),
                ],
            )
            for example, place in zip(examples, places, strict=True)
        ]


def make_sampling(draws: Draws, rounds: int, process: int = 0, processes: int = 1) -> DynamicSampling:
    accelerator = SimpleNamespace(process_index=process, num_processes=processes)
    return DynamicSampling(PromptQueue(TYPES, seed=0), rounds, accelerator, draws)


def test_groups_that_do_not_vary_are_replaced_by_others_of_their_type() -> None:
    # Places 0 to 3 are click, leave, click, click. Place 0 varies at once, 1 in turn 2, 2 in turn 1, 3 never.
    draws = Draws({(0, 0), (1, 2), (2, 1)})
    sampling = make_sampling(draws, rounds=2)
    groups = sampling.fill([0, 1, 2, 3])
    assert [(turn, places) for turn, _, places in draws.calls] == [
        (0, [0, 1, 2, 3]),
        (1, [1, 2, 3]),
        (2, [1, 3]),
    ]
    assert [[TYPES[example] for example in examples] for _, examples, _ in draws.calls] == [
        ["click", "leave", "click", "click"],
        ["leave", "click", "click"],
        ["leave", "click"],
    ]
    drawn = [example for _, examples, _ in draws.calls for example in examples if TYPES[example] == "leave"]
    assert len(set(drawn)) == 3  # each once
    assert [group.example for group in groups] == [
        draws.calls[0][1][0],
        draws.calls[2][1][0],
        draws.calls[1][1][1],
        draws.calls[0][1][3],  # stays as it was first drawn
    ]
    assert [group.example for group in sampling.first] == draws.calls[0][1]
    assert sampling.figures == {"policy/frac_refilled": 0.5, "policy/prompts_drawn": 9.0}


def test_a_step_that_varies_at_once_is_drawn_once() -> None:
    draws = Draws({(0, 0), (0, 1)})
    sampling = make_sampling(draws, rounds=5)
    assert sampling.fill([0, 1]) == sampling.first
    assert len(draws.calls) == 1
    assert sampling.figures == {"policy/frac_refilled": 0.0, "policy/prompts_drawn": 2.0}


def test_two_processes_draw_what_one_draws_and_equally_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads stand for the processes; a barrier holds both until all have what the other has."""
    varying = {(0, 0), (0, 1), (1, 2)}  # the first process's at once, of the second one's the last never
    alone = make_sampling(Draws(varying), rounds=2)
    expected = [group.example for group in alone.fill([0, 1, 2, 3])]
    barrier, own = threading.Barrier(2, timeout=20), threading.local()
    shared: list[list[Any]] = [[], []]

    def gather(objects: list[Any]) -> list[Any]:
        shared[own.process] = objects
        barrier.wait()
        everything = [each for part in shared for each in part]
        barrier.wait()
        return everything

    monkeypatch.setattr("shop_r1.training.grpo.dynamic_sampling.gather_object", gather)
    found: dict[int, tuple[list[int], Draws, DynamicSampling]] = {}

    def run(process: int) -> None:
        own.process, draws = process, Draws(varying)
        sampling = make_sampling(draws, 2, process, 2)
        groups = sampling.fill([2 * process, 2 * process + 1])
        found[process] = [group.example for group in groups], draws, sampling

    threads = [threading.Thread(target=run, args=(process,)) for process in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0][0] + found[1][0] == expected
    lengths = [[len(examples) for _, examples, _ in found[process][1].calls] for process in (0, 1)]
    assert lengths == [[2, 2, 1], [2, 2, 1]]
    assert found[0][2].figures == found[1][2].figures == alone.figures


# -- in a run ---------------------------------------------------------------------------------------------


def test_what_was_drawn_again_is_learnt_from_and_the_first_is_what_the_policy_does(
    tmp_path: Path, tiny_checkpoint: Path
) -> None:
    config = settings(tiny_checkpoint, dynamic_sampling=3, beta=0.0)
    trainer = DrawnTrainer(load_model(str(tiny_checkpoint)), make_mixed(), config, tmp_path)
    trainer.scripts = (SCRIPT + ALL_RIGHT, SCRIPT)
    trainer.model.train()
    batch = trainer._generate_and_score_completions([{"example": 0}] * GROUP + [{"example": 1}] * GROUP)
    # The second group, four right clicks, gave place to another prompt's.
    assert batch["advantages"].view(2, GROUP).abs().sum(1).min() > 0.1
    logged = {name: values[-1] for name, values in trainer._metrics["train"].items()}
    assert logged["policy/frac_zero_variance"] == 0.5
    assert (logged["policy/frac_refilled"], logged["policy/prompts_drawn"]) == (0.5, 3.0)
    # What the policy did on the two first prompts: of SCRIPT one in four is right, of ALL_RIGHT all.
    assert logged["policy/exact"] == (1 + 4) / 8
    assert logged["policy/parsed"] == (3 + 4) / 8
    # What is learnt from: twice SCRIPT.
    assert logged["earned/value"] == 2 * 1 / 8
    # The prompts of the batch are those of the examples whose completions were scored.
    for row in (0, GROUP):
        ids = batch["prompt_ids"][row][batch["prompt_mask"][row].bool()].tolist()
        scored = trainer.completions[row]
        number = next(
            number
            for number, each in enumerate(make_mixed())
            if (each.session.session_id, each.step) == (scored.session_id, scored.session_step)
        )
        assert ids == trainer._local.prompt_ids(trainer._messages(number))


def test_it_is_off_unless_asked_for(tmp_path: Path, tiny_checkpoint: Path) -> None:
    trainer = ShopR1Trainer(
        load_model(str(tiny_checkpoint)), make_mixed(), settings(tiny_checkpoint), tmp_path
    )
    assert trainer.dynamic_sampling is None


@pytest.mark.parametrize("kind", [DrawnTrainer, ShopR1Trainer])
def test_a_resumed_run_draws_the_same_prompts_bit_for_bit(
    kind: Any, tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With given completions, some of which teach, and with the untrained model's own, of which none does."""
    monkeypatch.setattr("shop_r1.training.grpo.run.ShopR1Trainer", kind)
    monkeypatch.setattr(DrawnTrainer, "scripts", (SCRIPT + ALL_RIGHT, ALL_RIGHT, SCRIPT))
    config = settings(
        tiny_checkpoint,
        dynamic_sampling=2,
        type_mix_weight=0.1,
        max_steps=4,
        save_steps=1,
        rollout_groups=2,
        save_total_limit=4,
    )
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    train_grpo(make_mixed(), config, whole)
    shutil.copytree(whole / "checkpoints/step-000002", resumed / "checkpoints/step-000002")
    for name in ("metrics.jsonl", "rollouts.jsonl"):
        shutil.copy(whole / name, resumed)
    train_grpo(make_mixed(), config, resumed, resume=True)
    for name in ("model.safetensors", "rollouts.jsonl"):
        assert (whole / name).read_bytes() == (resumed / name).read_bytes()
    lines = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert [line["policy/prompts_drawn"] for line in lines] == [2 + 1 + 1 if kind is DrawnTrainer else 6] * 4
    prompts = [(each["session_id"], each["session_step"]) for each in map(json.loads, open_lines(whole))]
    assert len(set(prompts)) > 4


def open_lines(folder: Path) -> list[str]:
    return (folder / "rollouts.jsonl").read_text().splitlines()

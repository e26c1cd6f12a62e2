"""Groups that cannot teach are left out of the update, which stays what it was with them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.grpo.test_stock import StockTrainer, learn, plain
from tests.training.scripted import GROUP, RIGHT, SCRIPT, ScriptedTrainer, make_clicks, settings
from torch import Tensor

from shop_r1.models.checkpoint import load_model
from shop_r1.training.grpo.micro_batches import SCORED_SHARE, choose_scored, split_step


class CountingTrainer(ScriptedTrainer):
    """Notes how many completions each scoring pass with gradients has."""

    passes: list[int]

    def _score_tokens(self, model: Any, pairs: Any, *args: Any) -> Any:
        if torch.is_grad_enabled():
            self.passes.append(len(pairs))
        return super()._score_tokens(model, pairs, *args)


class WholeTrainer(ScriptedTrainer):
    """Leaves no group out."""

    def _choose_scored(self, advantages: Tensor) -> list[int]:
        return list(range(len(advantages) // self.num_generations))


def distance(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """Return the root of the summed squared differences, relative to the size of what is expected."""
    assert found.keys() == expected.keys()
    gap = sum((found[name] - gradient).double().square().sum() for name, gradient in expected.items())
    return float((gap / sum(gradient.double().square().sum() for gradient in expected.values())) ** 0.5)


@pytest.mark.parametrize("script", [SCRIPT + RIGHT, RIGHT + SCRIPT], ids=["the last", "the first"])
@pytest.mark.parametrize("on_device", [1, 2])
def test_loss_and_gradients_are_those_with_the_group_that_is_left_out(
    script: Sequence[str], on_device: int, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    config = settings(tiny_checkpoint, beta=0.0, per_device_train_batch_size=on_device * GROUP)

    def run(kind: type[ScriptedTrainer]) -> Any:
        return learn(kind, plain(tiny_checkpoint), config, tmp_path / kind.__name__, script)

    CountingTrainer.passes = []
    ours, whole, stock = run(CountingTrainer), run(WholeTrainer), run(StockTrainer)
    assert CountingTrainer.passes == [GROUP]
    assert ours[0] == pytest.approx(whole[0], rel=1e-6, abs=1e-9)
    assert ours[0] == pytest.approx(stock[0], abs=1e-5)
    assert distance(ours[1], whole[1]) < 1e-6
    assert distance(ours[1], stock[1]) < 1e-5
    assert sum(gradient.abs().sum().item() for gradient in stock[1].values()) > 1e-2
    assert ours[2]["policy/frac_scored"] == 0.5


class LastTrainer(ScriptedTrainer):
    """Scores the last group alone."""

    def _choose_scored(self, advantages: Tensor) -> list[int]:
        return [len(advantages) // self.num_generations - 1]


def test_figures_of_the_scoring_pass_are_of_what_is_scored(tmp_path: Path, tiny_checkpoint: Path) -> None:
    config = settings(tiny_checkpoint, beta=0.0, per_device_train_batch_size=GROUP)

    def entropy(kind: type[ScriptedTrainer]) -> float:
        return learn(kind, plain(tiny_checkpoint), config, tmp_path, SCRIPT + RIGHT)[2]["entropy"]

    whole, first, last = map(entropy, (WholeTrainer, ScriptedTrainer, LastTrainer))
    # Over two micro-batches of one group each the figure is the mean of both.
    assert whole == pytest.approx((first + last) / 2, abs=1e-6)
    assert abs(first - last) > 1e-3


def test_a_step_that_cannot_teach_still_gives_every_weight_its_gradient(
    tmp_path: Path, tiny_checkpoint: Path
) -> None:
    """AdamW goes on by its momentum where a gradient is zero, and stands still where there is none."""
    config = settings(tiny_checkpoint, beta=0.0, per_device_train_batch_size=GROUP)
    CountingTrainer.passes = []
    loss, gradients, metrics = learn(CountingTrainer, plain(tiny_checkpoint), config, tmp_path, RIGHT)
    assert loss == 0.0 and CountingTrainer.passes == [GROUP]
    assert gradients.keys() == dict(load_model(str(tiny_checkpoint)).model.named_parameters()).keys()
    assert not any(gradient.any() for gradient in gradients.values())
    assert metrics["policy/frac_scored"] == 0.5 and metrics["advantage/zero"] == 1.0


def test_with_a_kl_term_every_group_teaches(tmp_path: Path, tiny_checkpoint: Path) -> None:
    CountingTrainer.passes = []
    config = settings(tiny_checkpoint, beta=0.1)
    ours = learn(CountingTrainer, plain(tiny_checkpoint), config, tmp_path / "ours", RIGHT)
    stock = learn(StockTrainer, plain(tiny_checkpoint), config, tmp_path / "stock", RIGHT)
    assert CountingTrainer.passes == [2 * GROUP]
    assert ours[2]["policy/frac_scored"] == 1.0
    assert distance(ours[1], stock[1]) < 1e-4


@pytest.mark.parametrize("guard", ["paper", "centred"])
def test_a_guard_that_lets_certainty_teach_keeps_the_group(
    guard: Any, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    CountingTrainer.passes = []
    config = settings(tiny_checkpoint, beta=0.0, certainty_guard=guard)
    learn(CountingTrainer, plain(tiny_checkpoint), config, tmp_path, RIGHT)
    assert CountingTrainer.passes == [2 * GROUP]


def test_all_processes_run_as_many_groups_as_the_one_with_the_most(
    tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(tiny_checkpoint, beta=0.0)
    trainer = ScriptedTrainer(load_model(str(tiny_checkpoint)), make_clicks(), config, tmp_path)
    advantages = torch.tensor([0.0] * GROUP + [1.0, 0.0, 0.0, -1.0])
    assert trainer._choose_scored(advantages) == [1]
    for others, chosen in ((0, [1]), (2, [0, 1])):
        counts = torch.tensor([1, others])
        monkeypatch.setattr(trainer.accelerator, "gather", lambda own, counts=counts: counts)
        assert trainer._choose_scored(advantages) == chosen
    assert trainer._metrics["train"]["policy/frac_scored"] == [0.5, 0.5, 1.0]


# -- the arithmetic --------------------------------------------------------------------------------------


def test_groups_that_teach_come_first_and_the_first_others_fill_up() -> None:
    teaching = [False, True, False, True, False]
    assert choose_scored(teaching, 2) == [1, 3]
    assert choose_scored(teaching, 4) == [0, 1, 2, 3]
    assert choose_scored([False, False], 1) == [0]


def test_the_groups_that_are_left_are_in_the_last_micro_batches() -> None:
    # Six groups of two rows, 0 and 1, 2 and 3, ...; three micro-batches of two groups.
    batch = {"advantages": torch.arange(12), "ids": torch.arange(24).view(12, 2), "num": torch.tensor(7)}
    found = split_step(batch, 2, 3, [1, 2, 5])
    # In order: 0, 3 | 4, 1 | 2, 5; of these 0, 3 and 4 are left out.
    assert [each["advantages"].tolist() for each in found] == [[], [2, 3], [4, 5, 10, 11]]
    assert [each["ids"].shape for each in found] == [(0, 2), (2, 2), (4, 2)]
    assert [each[SCORED_SHARE] for each in found] == [0.0, 0.5, 1.0]
    assert all(each["num"] == 7 for each in found)
    whole = split_step(batch, 2, 3, range(6))
    assert [each["advantages"].tolist() for each in whole] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]

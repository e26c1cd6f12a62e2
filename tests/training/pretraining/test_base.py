import random
from itertools import cycle

import pytest
import torch

from shop_r1.training.pretraining.base import (
    BaseConfig,
    CopyCurriculum,
    copy_batch,
    new_model,
    teach_copying,
    teach_pages,
)

CONFIG = BaseConfig(
    vocabulary=300, width=32, layers=2, longest_context=256, copy_steps=40, page_steps=8, copy_tokens=256
)


@torch.no_grad()
@pytest.mark.parametrize(("content", "least"), [(0.0, 0.9), (1.0, 0.5)], ids=["biases alone", "as made"])
def test_two_heads_of_the_first_layer_look_one_and_two_tokens_back(content: float, least: float) -> None:
    model = new_model(BaseConfig(longest_context=256), end_id=2)
    model.set_attn_implementation("eager")  # which alone gives the attention out
    attention = model.model.layers[0].self_attn
    for projection in (attention.q_proj, attention.k_proj):
        projection.weight.mul_(content)
    ids = torch.randint(0, 2048, (1, 60), generator=torch.Generator().manual_seed(0))
    weights = model(input_ids=ids, output_attentions=True).attentions[0][0]  # (heads, T, T)
    for head, offset in ((0, 1), (1, 2)):
        looked = torch.diagonal(weights[head], -offset)
        assert looked.mean() > least


def test_the_same_seed_gives_the_same_weights() -> None:
    first, second, third = (
        torch.cat(
            [
                weight.flatten()
                for weight in new_model(CONFIG.model_copy(update={"seed": seed}), 2).parameters()
            ]
        )
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, second) and not torch.equal(first, third)


def test_a_copy_batch_asks_only_for_what_stood_before() -> None:
    rng, generator = random.Random(0), torch.Generator().manual_seed(0)
    for strings in (2, 5):
        curriculum = CopyCurriculum(longest=9, strings=strings)
        ids, mask = copy_batch(CONFIG, curriculum, rng, generator)
        assert ids.shape == mask.shape and ids.min() >= 0 and ids.max() < 300
        for row, asked in zip(ids.tolist(), mask.tolist(), strict=True):
            repeats = asked.index(True) - 1
            count = len(row) - repeats
            length = count // strings
            originals = [tuple(row[k * length : (k + 1) * length]) for k in range(strings)]
            copies = [tuple(row[repeats + k * length : repeats + (k + 1) * length]) for k in range(strings)]
            assert sorted(originals) == sorted(copies)
            # Which string comes next cannot be known, so its first token is not asked for.
            assert asked[repeats:] == [place % length != 0 for place in range(count)]
            assert not any(asked[:repeats])


def test_strings_grow_when_they_are_mastered_and_stay_short_otherwise() -> None:
    good, poor = CopyCurriculum(), CopyCurriculum()
    for step in range(400):
        good.observe(1.0, step)
        poor.observe(0.5, step)
    assert good.longest == 90 and good.strings == 4
    assert poor.longest == 8


def test_teaching_lowers_the_loss_on_pages_and_reports_every_step() -> None:
    model = new_model(CONFIG, 2)
    steps: list[tuple[int, int]] = []

    def note(step: int, of: int, words: str) -> None:
        assert words.startswith("loss ")
        steps.append((step, of))

    curriculum = teach_copying(model, CONFIG, note)
    assert steps == [(step, 40) for step in range(1, 41)]
    pages = cycle([[5, 6, 7, 8] * 10, [9, 10, 11] * 8])

    def loss() -> float:
        ids = torch.tensor([[5, 6, 7, 8] * 10])
        with torch.no_grad():
            found: float = model(input_ids=ids, labels=ids).loss.item()
        return found

    before = loss()
    teach_pages(model, CONFIG, pages, curriculum, lambda step, of, words: None)
    assert loss() < before

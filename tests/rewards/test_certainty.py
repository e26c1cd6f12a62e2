import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical, kl_divergence

from shop_r1.models.checkpoint import LocalModel
from shop_r1.prompts.parse import Response, parse_response
from shop_r1.prompts.render import render_completion
from shop_r1.records.actions import SHOP, terminate
from shop_r1.rewards.certainty import (
    rationale_token_mask,
    self_certainty,
    token_certainty,
)
from shop_r1.rewards.total import CertaintyDirection

FOUR_WORDS = torch.tensor([0.7, 0.1, 0.1, 0.1]).log().view(1, 1, 4)


def test_uniform_to_model_on_a_vocabulary_of_four() -> None:
    # KL(U || p) = 1/4 · (log(.25/.7) + 3 · log(.25/.1))
    expected = 0.25 * (math.log(0.25 / 0.7) + 3 * math.log(0.25 / 0.1))
    assert token_certainty(FOUR_WORDS).item() == pytest.approx(expected, abs=1e-6)


def test_model_to_uniform_on_a_vocabulary_of_four() -> None:
    # KL(p || U) = .7 · log(.7/.25) + 3 · .1 · log(.1/.25)
    expected = 0.7 * math.log(0.7 / 0.25) + 0.3 * math.log(0.1 / 0.25)
    found = token_certainty(FOUR_WORDS, "kl_model_uniform").item()
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("direction", ["kl_uniform_model", "kl_model_uniform"])
@pytest.mark.parametrize("scale", [0.0, 1.0, 10.0])
def test_both_directions_equal_torchs_own_divergence(direction: CertaintyDirection, scale: float) -> None:
    logits = torch.randn(3, 5, 17, generator=torch.Generator().manual_seed(1)) * scale
    model, uniform = Categorical(logits=logits), Categorical(logits=torch.zeros_like(logits))
    pair = (uniform, model) if direction == "kl_uniform_model" else (model, uniform)
    torch.testing.assert_close(
        token_certainty(logits, direction), kl_divergence(*pair).clamp_min(0), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("rationale", ["A red one – 4 € is cheap.", "Go."])
def test_only_the_rationales_tokens_count(rationale: str, tiny_model: LocalModel) -> None:
    text = render_completion(rationale, terminate())
    ids = tiny_model.completion_ids(text)
    encoded = tiny_model.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    start = text.index(rationale)
    inside = [
        first < start + len(rationale) and last > start for first, last in encoded["offset_mapping"]
    ] + [False]
    per_token = torch.arange(float(len(ids)))
    expected = per_token[torch.tensor(inside)].mean().item()
    for other in (0.0, math.inf, math.nan):  # whatever stands outside
        certainty = torch.where(torch.tensor(inside), per_token, other)
        assert self_certainty(tiny_model, ids, certainty, parse_response(text)) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["I would click the mug.", render_completion("", terminate())])
def test_a_completion_without_a_rationale_has_no_certainty(text: str, tiny_model: LocalModel) -> None:
    ids = tiny_model.completion_ids(text)
    assert self_certainty(tiny_model, ids, torch.ones(len(ids)), parse_response(text)) is None


def test_without_measured_distributions_there_is_no_certainty(tiny_model: LocalModel) -> None:
    text = render_completion("Go.", terminate())
    assert self_certainty(tiny_model, tiny_model.completion_ids(text), None, parse_response(text)) is None


def test_half_precision_is_computed_in_float32() -> None:
    logits = torch.randn(1, 2, 1000, generator=torch.Generator().manual_seed(4)).bfloat16()
    found = token_certainty(logits)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, token_certainty(logits.float()))


@pytest.mark.parametrize("direction", ["kl_uniform_model", "kl_model_uniform"])
def test_a_uniform_model_has_no_certainty(direction: CertaintyDirection) -> None:
    found = token_certainty(torch.full((1, 3, 11), 2.5), direction)
    assert found.min() >= 0 and found.max() < 1e-6


def test_a_sure_model_approaches_log_v_one_way_and_passes_it_the_other() -> None:
    logits = torch.zeros(1, 1, 100)
    logits[..., 3] = 1000.0
    assert token_certainty(logits, "kl_model_uniform").item() == pytest.approx(math.log(100))
    # logsumexp 1000, mean 10: 990 - log 100.
    assert token_certainty(logits).item() == pytest.approx(990 - math.log(100), rel=1e-5)


def test_a_forbidden_token_is_zero_one_way_and_infinite_the_other() -> None:
    logits = torch.tensor([[[0.0, 0.0, -math.inf, -math.inf]]])
    assert token_certainty(logits, "kl_model_uniform").item() == pytest.approx(math.log(4 / 2))
    assert token_certainty(logits).item() == math.inf


def test_a_token_counts_where_it_holds_any_character_of_the_rationale() -> None:
    text = '{"rationale": "Go on.", "action": {"type": "terminate"}}'
    parsed = parse_response(text, SHOP)
    assert isinstance(parsed, Response)
    assert parsed.rationale_span == (15, 21)
    tokens = ['{"', "rationale", '":', ' "', "Go", " on", '."', ', "', "action"]
    ends = [sum(map(len, tokens[: index + 1])) for index in range(len(tokens))]
    offsets = [(end - len(token), end) for token, end in zip(tokens, ends, strict=True)]
    mask = rationale_token_mask([*offsets, (0, 0)], parsed.rationale_span)
    assert [token for token, inside in zip(tokens, mask, strict=False) if inside] == ["Go", " on", '."']
    assert mask[-1] is False


def test_an_empty_rationale_has_no_token() -> None:
    assert not any(rationale_token_mask([(0, 15), (15, 17), (0, 40)], (15, 15))[:2])


@settings(deadline=None)
@given(st.lists(st.integers(1, 4), max_size=12), st.integers(0, 20), st.integers(0, 20))
def test_the_marked_tokens_cover_the_span_and_none_could_be_spared(
    lengths: list[int], one: int, other: int
) -> None:
    ends = [sum(lengths[: index + 1]) for index in range(len(lengths))]
    offsets = [(end - length, end) for end, length in zip(ends, lengths, strict=True)]
    first, last = sorted((one, other))
    mask = rationale_token_mask(offsets, (first, last))
    for (start, end), inside in zip(offsets, mask, strict=True):
        assert inside == bool(set(range(start, end)) & set(range(first, last)))

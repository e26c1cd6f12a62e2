from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny import tiny_qwen2
from torch import Tensor
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from shop_r1.errors import ModelError
from shop_r1.models.prefix_tree import (
    MASK_ROWS,
    Branch,
    Tree,
    TreeShape,
    batch_trees,
    common_prefix,
    fit_pass,
    grow_tree,
    grow_trees,
    pack_trees,
)
from shop_r1.models.scoring import batch_by_length, hidden_states, project, score_tokens

Ids = Sequence[int]
VOCABULARY = 23
TOLERANCE = 1e-5
SMALL: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "attn_implementation": "sdpa",
}
PROMPT_SETS: dict[str, list[list[int]]] = {
    "a session, each prompt the beginning of the next but for its end": [
        [5, 1, 2, 9, 9],
        [5, 1, 2, 3, 4, 9, 9],
        [5, 1, 2, 3, 4, 6, 7, 8, 9, 9],
    ],
    "one prompt the beginning of another": [[5, 1, 2], [5, 1, 2, 3, 4]],
    "equal prompts": [[5, 1, 2, 3]] * 4,
    "nothing shared": [[1, 2, 3], [4, 5], [6, 7, 8, 9]],
    "a single token": [[7], [7], [8]],
}


def make_model(family: str) -> Any:
    torch.manual_seed(1)
    if family == "qwen2":
        return tiny_qwen2(VOCABULARY)
    if family == "llama":
        return LlamaForCausalLM(LlamaConfig(**SMALL)).eval()
    if family == "qwen3":
        return Qwen3ForCausalLM(Qwen3Config(**SMALL)).eval()
    # Gemma 3's scaled embeddings, extra norms and capped logits, without its sliding windows.
    full = {"layer_types": ["full_attention"] * 2, "final_logit_softcapping": 3.0}
    return Gemma3ForCausalLM(Gemma3TextConfig(**SMALL, **full, query_pre_attn_scalar=4)).eval()


def make_completions(count: int) -> list[list[int]]:
    return [[(7 * row + 3 * place + 1) % VOCABULARY for place in range(1 + row % 3)] for row in range(count)]


def score_alone(model: Any, prompts: Sequence[Ids], completions: Sequence[Ids]) -> Tensor:
    """Return (N, V): each pair run by itself through the model's own forward pass."""
    rows = []
    for prompt, completion in zip(prompts, completions, strict=True):
        logits = model(input_ids=torch.tensor([[*prompt, *completion]])).logits[0].float()
        rows.append(logits[len(prompt) - 1 : len(prompt) - 1 + len(completion)])
    return torch.cat(rows)


@pytest.fixture(scope="module")
def qwen2() -> Any:
    return make_model("qwen2")


@pytest.mark.parametrize("prompts", PROMPT_SETS.values(), ids=PROMPT_SETS.keys())
@pytest.mark.parametrize("family", ["qwen2", "llama", "qwen3", "gemma3"])
@torch.no_grad()
def test_a_tree_scores_each_completion_as_if_it_were_alone(family: str, prompts: list[list[int]]) -> None:
    model = make_model(family)
    completions = make_completions(len(prompts))
    batch = pack_trees([grow_tree(prompts, completions)], 0)
    packed = project(model, hidden_states(model, batch)[batch.predictors])
    alone = score_alone(model, prompts, completions)
    assert alone.std() > 0.1  # else any two scores would be alike
    torch.testing.assert_close(packed, alone, atol=TOLERANCE, rtol=0)
    targets = torch.tensor([token for completion in completions for token in completion])
    expected = alone.log_softmax(-1)[torch.arange(len(targets)), targets]
    torch.testing.assert_close(score_tokens(model, batch).log_probs, expected, atol=TOLERANCE, rtol=0)


# Few different tokens and short prompts, so that shared beginnings and equal prompts are common.
_pair = st.tuples(
    st.lists(st.integers(1, 3), min_size=1, max_size=9), st.lists(st.integers(0, 22), max_size=4)
)
_forest = st.lists(st.lists(_pair, min_size=1, max_size=4), min_size=1, max_size=3)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(_forest)
@torch.no_grad()
def test_any_forest_scores_as_its_pairs_alone(qwen2: Any, forest: list[Any]) -> None:
    trees = [grow_tree([p for p, _ in pairs], [r for _, r in pairs]) for pairs in forest]
    prompts = [prompt for pairs in forest for prompt, _ in pairs]
    completions = [completion for pairs in forest for _, completion in pairs]
    batch = pack_trees(trees, 0)
    assert batch.prompt_lengths.tolist() == [len(prompt) for prompt in prompts]
    assert batch.targets.tolist() == [token for completion in completions for token in completion]
    assert batch.owners.tolist() == [row for row, completion in enumerate(completions) for _ in completion]
    packed = project(qwen2, hidden_states(qwen2, batch)[batch.predictors])
    torch.testing.assert_close(packed, score_alone(qwen2, prompts, completions), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("prompts", PROMPT_SETS.values(), ids=PROMPT_SETS.keys())
def test_gradients_of_a_tree_are_those_of_its_pairs_alone(qwen2: Any, prompts: list[list[int]]) -> None:
    completions = make_completions(len(prompts))
    targets = torch.tensor([token for completion in completions for token in completion])
    weights = torch.linspace(-1, 2, len(targets))

    def gradients(log_probs: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad((weights * log_probs).sum(), list(qwen2.parameters())))

    packed = gradients(score_tokens(qwen2, pack_trees([grow_tree(prompts, completions)], 0)).log_probs)
    alone = score_alone(qwen2, prompts, completions).log_softmax(-1)[torch.arange(len(targets)), targets]
    for found, expected in zip(packed, gradients(alone), strict=True):
        torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=TOLERANCE)


def test_temperature_divides_the_logits_of_probabilities_and_entropy_alone(qwen2: Any) -> None:
    batch = pack_trees([grow_tree([[5, 1], [5, 2]], [[3, 4], [6]])], 0)
    scores = score_tokens(qwen2, batch, temperature=0.6)
    logits = project(qwen2, hidden_states(qwen2, batch)[batch.predictors])
    expected = (logits.double() / 0.6).softmax(-1)
    rows = torch.arange(3)
    torch.testing.assert_close(
        scores.log_probs.double().exp(), expected[rows, batch.targets], atol=1e-6, rtol=0
    )
    entropy = -(expected * expected.log()).sum(-1)
    torch.testing.assert_close(scores.entropy.double(), entropy, atol=1e-5, rtol=0)
    assert not scores.entropy.requires_grad


def test_the_layout_of_a_tiny_tree_is_as_worked_out_by_hand() -> None:
    # Prompts 1 2 3 and 1 2 4 5, completions 7 and 8. The trunk is the longest prompt without its last token,
    # 1 2 4; the first prompt leaves it after two tokens. Packed: 1 2 4 | 3 7 | 5 8.
    tree = grow_tree([[1, 2, 3], [1, 2, 4, 5]], [[7], [8]])
    assert tree == Tree((1, 2, 4), (Branch(2, (3,), (7,)), Branch(3, (5,), (8,))))
    batch = pack_trees([tree], pad_id=0)
    assert batch.input_ids.tolist() == [[1, 2, 4, 3, 7, 5, 8]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 2, 3, 3, 4]]
    assert ["".join(map(str, row)) for row in batch.branch_mask[0, 0].int().tolist()] == [
        "1101000",  # 3 sees 1 2, not the trunk's 4
        "1101100",  # 7 sees 1 2 3
        "1110010",  # 5 sees 1 2 4
        "1110011",  # 8 sees 1 2 4 5
    ]
    assert batch.predictors.tolist() == [3, 5]  # 3 predicts 7, 5 predicts 8
    assert batch.targets.tolist() == [7, 8]
    assert batch.last_prompt.tolist() == [3, 5]
    assert batch.prompt_lengths.tolist() == [3, 4]
    assert batch.slots.tolist() == [[0, 0], [0, 1]]


def test_padding_stands_on_the_right_and_no_token_sees_it() -> None:
    batch = pack_trees([grow_tree([[1, 2, 3]], [[4]]), grow_tree([[1]], [[2]])], pad_id=9)
    assert batch.input_ids.tolist() == [[1, 2, 3, 4], [9, 9, 1, 2]]
    # A prompt of one token has no trunk: its region of two columns is all padding.
    assert batch.branch_mask[1, 0].int().tolist() == [[0, 0, 1, 0], [0, 0, 1, 1]]


@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)))
def test_the_common_prefix_is_what_counting_one_by_one_gives(first: list[int], second: list[int]) -> None:
    count = 0
    while count < min(len(first), len(second)) and first[count] == second[count]:
        count += 1
    assert common_prefix(first, second) == count
    assert common_prefix(first, tuple(second)) == common_prefix(tuple(first), second) == count


def test_an_empty_prompt_or_a_missing_completion_is_refused() -> None:
    with pytest.raises(ValueError, match="no tokens"):
        grow_tree([[1], []])
    with pytest.raises(ValueError, match="shorter"):
        grow_tree([[1], [2]], [[3]])


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (Gemma3TextConfig(**SMALL), "sliding_attention"),
        (LlamaConfig(**SMALL | {"attn_implementation": "eager"}), "eager"),
    ],
)
def test_a_model_whose_attention_would_ignore_the_mask_is_refused(config: Any, why: str) -> None:
    model = (Gemma3ForCausalLM if config.model_type == "gemma3_text" else LlamaForCausalLM)(config)
    with pytest.raises(ModelError, match=why):
        score_tokens(model, pack_trees([grow_tree([[1, 2]], [[3]])], 0))


# -- trees and passes of bounded size -------------------------------------------------------------------


def test_a_session_whose_oldest_pages_are_cut_is_a_tree_for_each_run_of_like_prompts() -> None:
    """Worked by hand: a budget of 6 tokens, of which 9 is what every prompt begins with."""
    prompts = [[9, 1], [9, 1, 1, 1], [9, 1, 1, 1, 2, 2], [9, 3, 3, 4, 4], [9, 3, 3, 4, 4, 5], [9, 6, 6, 7, 7]]
    assert grow_tree(prompts).size == 6 - 1 + 1 + 1 + 1 + 4 + 5 + 4
    trees = grow_trees(prompts, None, lambda tree: tree.size <= 8)
    assert [[[*tree.trunk[: b.attach], *b.prompt] for b in tree.branches] for tree in trees] == [
        prompts[:3],
        prompts[3:5],
        prompts[5:],
    ]
    # A trunk is the longest prompt but for its last token, and here each branch has one of its own.
    assert [tree.size for tree in trees] == [5 + 3, 5 + 2, 4 + 1]
    assert grow_trees(prompts, None, lambda tree: tree.size <= 20) != [grow_tree(prompts)]
    assert grow_trees(prompts, None, lambda tree: tree.size <= 21) == [grow_tree(prompts)]


@given(_forest, st.integers(1, 30))
def test_split_trees_have_every_branch_in_order_and_fit_unless_they_are_single(
    forest: list[Any], most: int
) -> None:
    for pairs in forest:
        prompts, completions = [p for p, _ in pairs], [c for _, c in pairs]
        trees = grow_trees(prompts, completions, lambda tree: tree.size <= most)
        branches = [(tree, branch) for tree in trees for branch in tree.branches]
        assert [[*tree.trunk[: b.attach], *b.prompt] for tree, b in branches] == prompts
        assert [list(b.completion) for _, b in branches] == completions
        assert all(tree.size <= most or len(tree.branches) == 1 for tree in trees)


_shapes = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 40)), min_size=1, max_size=12)


@given(_shapes, st.integers(1, 200))
def test_batches_of_trees_hold_each_once_and_keep_the_bounds(
    widths: list[tuple[int, int]], tokens: int
) -> None:
    shapes = [TreeShape(*each) for each in widths]
    batches = list(batch_trees(shapes, tokens))
    assert sorted(number for batch in batches for number in batch) == list(range(len(shapes)))
    for batch in batches:
        trunk, branches = (max(shapes[number][side] for number in batch) for side in (0, 1))
        assert len(batch) == 1 or len(batch) * (trunk + branches) <= tokens
    plain = [TreeShape(sum(shape), 0) for shape in shapes]
    assert list(batch_trees(plain, tokens)) == list(batch_by_length([sum(each) for each in shapes], tokens))


def test_a_pass_is_bounded_by_its_mask_too() -> None:
    tokens = 100_000
    rows = MASK_ROWS * 2
    # Half of the tokens with twice the rows are as many cells as the pass may have.
    assert fit_pass([TreeShape(tokens // 2 - rows, rows)], tokens)
    assert not fit_pass([TreeShape(tokens // 2 - rows, rows + 1)], tokens)
    assert fit_pass([TreeShape(tokens // 4 - rows, rows)] * 2, tokens)
    assert not fit_pass([TreeShape(tokens // 4 - rows, rows)] * 3, tokens)

"""Trees of tokens: prompts that share a beginning, and their completions, run through a model once.

A GRPO group is one long prompt with G short completions; a session is a growing prompt with a completion
after each page. Both are a trunk with branches. A tree is packed into one sequence whose attention mask and
positions let each branch see just its own prompt and itself, so the model computes exactly what it would
for every (prompt, completion) alone, and the shared part only once.

Dimension letters: B trees, L columns of trunks, R columns of branches, T = L + R, N completion tokens of all
trees, V vocabulary.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

MASK_ROWS = 2048
"""A pass has at most so many cells of its mask, B * R * T of them, to each token that it may have: the mask,
through which branches see, grows with their square. Ours: 16 completions of 128 tokens to a context."""


class TreeShape(NamedTuple):
    """How wide a tree is when packed."""

    trunk: int
    branches: int


@dataclass(frozen=True)
class Branch:
    """One completion in its tree."""

    attach: int
    """How many of the trunk's tokens its prompt begins with."""
    prompt: tuple[int, ...]
    """The prompt's own tokens after those; at least one, since it predicts the first completion token."""
    completion: tuple[int, ...] = ()
    """The completion's tokens; empty while it is still to be sampled."""
    weight: float = 1.0
    """How much its tokens count in a loss."""


@dataclass(frozen=True)
class Tree:
    """A trunk of tokens and the branches that leave it."""

    trunk: tuple[int, ...]
    branches: tuple[Branch, ...]

    @property
    def size(self) -> int:
        """How many tokens it has when packed."""
        return sum(self.shape)

    @property
    def shape(self) -> TreeShape:
        """The same, apart: the trunk's tokens and those of all branches."""
        own = sum(len(each.prompt) + len(each.completion) for each in self.branches)
        return TreeShape(len(self.trunk), own)


def grow_tree(prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]] | None = None) -> Tree:
    """Return the tree of these prompts, one branch for each, in order.

    The longest prompt is the trunk; the others leave it where they differ. Any prompts are allowed: those
    that share nothing merely gain nothing. There are no completions while they are still to be sampled.

    Raises:
        ValueError: a prompt is empty, or there is not one completion for each prompt.
    """
    if any(len(prompt) == 0 for prompt in prompts):
        raise ValueError("a prompt has no tokens")
    if completions is None:
        completions = [()] * len(prompts)
    longest = max(prompts, key=len)
    branches = []
    for prompt, completion in zip(prompts, completions, strict=True):
        attach = min(common_prefix(prompt, longest), len(prompt) - 1)
        branches.append(Branch(attach, tuple(prompt[attach:]), tuple(completion)))
    trunk = tuple(longest[: max(branch.attach for branch in branches)])
    return Tree(trunk, tuple(branches))


def grow_trees(
    prompts: Sequence[Sequence[int]],
    completions: Sequence[Sequence[int]] | None,
    fits: Callable[[Tree], bool],
) -> list[Tree]:
    """Return one tree of the prompts if it fits, else several of prompts that follow each other, in order.

    Each takes as many prompts as fit together; that of a single prompt is never asked. A session whose
    prompts lose their oldest pages one by one would else be a tree of many branches that share little.

    Raises:
        ValueError: as `grow_tree`.

    >>> prompts = [[1, 2], [1, 2, 3], [1, 8, 9], [1, 8, 9, 7]]
    >>> [len(tree.branches) for tree in grow_trees(prompts, None, lambda tree: tree.size <= 5)]
    [2, 2]
    """
    completions = [()] * len(prompts) if completions is None else completions
    whole = grow_tree(prompts, completions)
    if len(prompts) == 1 or fits(whole):
        return [whole]
    trees: list[Tree] = []
    first = 0
    for end in range(1, len(prompts) + 1):
        tree = grow_tree(prompts[first:end], completions[first:end])
        if end - first > 1 and not fits(tree):
            first = end - 1
            tree = grow_tree(prompts[first:end], completions[first:end])
        elif trees and end - first > 1:
            trees.pop()
        trees.append(tree)
    return trees


def fit_pass(shapes: Sequence[TreeShape], tokens: int) -> bool:
    """Return whether trees of these shapes, packed together, take no more than a pass of so many tokens may.

    That is the rectangle with its padding, and `MASK_ROWS` times as many cells of the mask.
    """
    branches = max(shape.branches for shape in shapes)
    packed = len(shapes) * (max(shape.trunk for shape in shapes) + branches)
    return packed <= tokens and branches * packed <= MASK_ROWS * tokens


def batch_trees(shapes: Sequence[TreeShape], tokens: int) -> Iterator[list[int]]:
    """Yield the numbers of trees, the largest first, as many at once as are a pass of so many tokens.

    A tree that is more than that comes alone.

    >>> shapes = [TreeShape(2, 0), TreeShape(8, 1), TreeShape(1, 2), TreeShape(2, 1)]
    >>> list(batch_trees(shapes, 8))
    [[1], [2, 3], [0]]
    """
    batch: list[int] = []
    for number in sorted(range(len(shapes)), key=lambda number: -sum(shapes[number])):
        if batch and not fit_pass([shapes[each] for each in (*batch, number)], tokens):
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def common_prefix(first: Sequence[object], second: Sequence[object]) -> int:
    """Return how many tokens, or characters, both begin with.

    The sequences may be of different types.

    >>> common_prefix([1, 2, 3], (1, 2, 4, 5))
    2
    """
    if type(first) is not type(second):  # Slices of a list and of a tuple are never equal.
        first, second = tuple(first), tuple(second)
    length = min(len(first), len(second))
    if first[:length] == second[:length]:
        return length
    low, high = 0, length  # first[:low] agrees, first[:high] does not
    while high - low > 1:
        middle = (low + high) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle
    return low


@dataclass(frozen=True)
class TreeBatch:
    """Trees packed into rectangles: all trunks in the first L columns, all branches in the R after them."""

    input_ids: Tensor
    """(B, T) trunk, then each branch's prompt and completion; both regions padded on their right."""
    position_ids: Tensor
    """(B, T) each token's place in its own (prompt, completion)."""
    branch_mask: Tensor
    """(B, 1, R, T) bool, True where the branch region's token sees the column's. Trunk tokens see what stands
    before them; `models.attention` knows."""
    predictors: Tensor
    """(N,) indices into the flattened (B * T) of the tokens that predict a completion token."""
    targets: Tensor
    """(N,) the completion tokens, by tree, branch and place."""
    owners: Tensor
    """(N,) the branch each belongs to, counted over all trees."""
    last_prompt: Tensor
    """(branches,) indices into the flattened (B * T) of each prompt's last token."""
    prompt_lengths: Tensor
    """(branches,) each prompt's length in tokens."""
    slots: Tensor
    """(branches, 2) each branch's tree and its number in that tree."""
    weights: Tensor
    """(branches,) float32, how much each branch's tokens count in a loss."""

    @property
    def trunk_width(self) -> int:
        """L, the columns of the trunk region."""
        return self.input_ids.shape[1] - self.branch_mask.shape[2]

    def to(self, device: torch.device) -> "TreeBatch":
        """Return the same batch on the device."""
        return TreeBatch(**{name: tensor.to(device) for name, tensor in vars(self).items()})


def pack_trees(trees: Sequence[Tree], pad_id: int) -> TreeBatch:
    """Return the trees as one batch; every figure in it follows from `Tree` alone."""
    left = max(len(tree.trunk) for tree in trees)
    right = max(tree.size - len(tree.trunk) for tree in trees)
    shape = (len(trees), left + right)
    input_ids = torch.full(shape, pad_id)
    positions = torch.zeros(shape, dtype=torch.long)
    owner = torch.full(shape, -1)  # the token's branch in its tree; -1 in trunks and padding
    attach = torch.zeros(shape, dtype=torch.long)  # how much of the trunk the token may see
    last_prompt: list[int] = []
    for row, tree in enumerate(trees):
        input_ids[row, : len(tree.trunk)] = torch.tensor(tree.trunk, dtype=torch.long)
        positions[row, : len(tree.trunk)] = torch.arange(len(tree.trunk))
        end = left
        for slot, branch in enumerate(tree.branches):
            tokens = branch.prompt + branch.completion
            start, end = end, end + len(tokens)
            last_prompt.append(row * (left + right) + start + len(branch.prompt) - 1)
            input_ids[row, start:end] = torch.tensor(tokens)
            positions[row, start:end] = torch.arange(branch.attach, branch.attach + len(tokens))
            owner[row, start:end] = slot
            attach[row, start:end] = branch.attach
    branches = [branch for tree in trees for branch in tree.branches]
    lengths = torch.tensor([len(branch.completion) for branch in branches])
    places = [place for branch in branches for place in range(len(branch.completion))]
    return TreeBatch(
        input_ids,
        position_ids=positions,
        branch_mask=_mask(positions[:, left:], owner[:, left:], attach[:, left:], left),
        predictors=torch.tensor(last_prompt).repeat_interleave(lengths)
        + torch.tensor(places, dtype=torch.long),
        targets=torch.tensor([token for branch in branches for token in branch.completion], dtype=torch.long),
        owners=torch.arange(len(branches)).repeat_interleave(lengths),
        last_prompt=torch.tensor(last_prompt),
        prompt_lengths=torch.tensor([branch.attach + len(branch.prompt) for branch in branches]),
        slots=torch.tensor(
            [(row, slot) for row, tree in enumerate(trees) for slot in range(len(tree.branches))]
        ),
        weights=torch.tensor([branch.weight for branch in branches], dtype=torch.float32),
    )


def _mask(positions: Tensor, branch: Tensor, attach: Tensor, left: int) -> Tensor:
    """Return (B, 1, R, L + R): a token sees the trunk up to its limit, and its own branch up to itself."""
    in_trunk = torch.arange(left) < attach[:, :, None]
    same = (branch[:, :, None] == branch[:, None, :]) & (branch[:, :, None] >= 0)
    in_branch = same & (positions[:, None, :] <= positions[:, :, None])
    # A padding row sees itself: a row that sees nothing would be NaN in the softmax.
    in_branch |= torch.eye(positions.shape[1], dtype=torch.bool)
    return torch.cat([in_trunk, in_branch], dim=2)[:, None]

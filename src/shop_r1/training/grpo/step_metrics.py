"""A GRPO step's figures, computed from its completions.

Nothing here touches a trainer, a file or a clock. `docs/training.md` lists every figure with its unit.

Dimension letters: N completions of the step, on all processes; G of a group; P parts of the reward.
"""

from collections.abc import Sequence
from statistics import fmean

import torch
from torch import Tensor

from shop_r1.records.actions import exact_match
from shop_r1.rewards.total import PARTS
from shop_r1.training.grpo.scorer import ScoredCompletion


def step_metrics(
    completions: Sequence[ScoredCompletion],
    group: int,
    types: Sequence[str],
    first: Sequence[ScoredCompletion] = (),
) -> dict[str, float]:
    """Return the figures of a step's N completions, which come group by group; see docs/training.md.

    `group` is G; `types` are the action space's, whose shares are counted. Where groups were replaced by some
    that vary, `first` are the completions of the step's first prompts: only these say what the policy does.
    """
    return (
        reward_metrics(completions)
        | advantage_metrics(completions, group)
        | policy_metrics(first or completions, types)
    )


def policy_metrics(completions: Sequence[ScoredCompletion], types: Sequence[str]) -> dict[str, float]:
    """Return what the policy does on the data's prompts: parsed, exact, truncated, lengths, types."""
    return type_shares(completions, types) | {
        "policy/parsed": fmean(each.action is not None for each in completions),
        "policy/exact": fmean(exact_match(each.action, each.target) for each in completions),
        "policy/truncated": fmean(each.truncated for each in completions),
        "policy/length_mean": fmean(each.tokens for each in completions),
        "policy/length_max": float(max(each.tokens for each in completions)),
    }


def reward_metrics(completions: Sequence[ScoredCompletion]) -> dict[str, float]:
    """Return each part's mean, standard deviation (n - 1) and share of completions that earned any of it."""
    found = {}
    for part in (*PARTS, "total"):
        values = torch.tensor([getattr(each.reward, part) for each in completions], dtype=torch.float64)
        found[f"reward/{part}"] = values.mean().item()
        found[f"reward/{part}_std"] = values.std().item() if len(values) > 1 else 0.0
        found[f"earned/{part}"] = (values != 0).double().mean().item()
    earned = sum(each.reward.value for each in completions)
    if earned > 0:
        near = sum(each.reward.value for each in completions if not exact_match(each.action, each.target))
        found["earned/value_near_misses"] = near / earned
    return found


def advantage_metrics(completions: Sequence[ScoredCompletion], group: int) -> dict[str, float]:
    """Return the advantages' mean size, standard deviation, share of zeros, and which part decides them.

    A group's advantages are its centred rewards times one factor, so a part's share in them is
    Cov(part, total) / Var(total), which sums to 1 over the parts. The step's share is the mean over the
    groups, weighted by the sum of their squared advantages: where they are divided by the group's standard
    deviation, all groups that teach count the same, however large their rewards. A share can be negative:
    the part then speaks against the total.
    """
    advantages = torch.tensor([completion.advantage for completion in completions], dtype=torch.float64)
    found = {
        "advantage/size": advantages.abs().mean().item(),
        "advantage/std": advantages.std().item() if len(advantages) > 1 else 0.0,
        "advantage/zero": (advantages == 0).double().mean().item(),
    }
    rewards = [[getattr(each.reward, part) for part in PARTS] for each in completions]
    parts = torch.tensor(rewards, dtype=torch.float64).view(-1, group, len(PARTS))
    weights = advantages.view(-1, group).square().sum(1)
    if weights.any():
        centred = parts - parts.mean(1, keepdim=True)
        total = centred.sum(2, keepdim=True)  # (groups, G, 1)
        shares = (centred * total).sum(1) / total.square().sum(1).clamp(min=1e-30)
        decided = (weights @ shares / weights.sum()).tolist()
        found |= {f"advantage/from_{part}": share for part, share in zip(PARTS, decided, strict=True)}
    return found


def type_shares(completions: Sequence[ScoredCompletion], types: Sequence[str]) -> dict[str, float]:
    """Return each type's share of the completions, and of the shoppers' own actions on the same steps."""
    found = {}
    for name in types:
        chosen = (each.action is not None and each.action.type == name for each in completions)
        found[f"policy/share_{name}"] = fmean(chosen)
        found[f"data/share_{name}"] = fmean(each.target.type == name for each in completions)
    return found


def sampler_trainer_mismatch(sampled: Sequence[Tensor], scored: Sequence[Tensor]) -> tuple[float, float]:
    """Return the mean and the largest |exp(a) - exp(b)| of all tokens, in [0, 1]; 0 where there are none.

    Sampling and scoring run the same weights on the same tokens by two paths (a growing cache or another
    engine, and one pass over the whole completion). What they disagree by is error in the policy's gradient.

    Both have (T,) log probabilities for each completion: of its tokens when they were drawn, and from the
    scoring pass, at the same temperature, before any update.

    Raises:
        ValueError: the two do not have the same completions and lengths.
    """
    lengths = [len(row) for row in sampled], [len(row) for row in scored]
    if lengths[0] != lengths[1]:
        raise ValueError(f"sampled completions have {lengths[0]} tokens, scored ones {lengths[1]}")
    if not sum(lengths[0]):
        return 0.0, 0.0
    drawn, found = torch.cat(list(sampled)).detach().float(), torch.cat(list(scored)).detach().float()
    gaps = (drawn.exp() - found.to(drawn.device).exp()).abs()
    return gaps.mean().item(), gaps.max().item()

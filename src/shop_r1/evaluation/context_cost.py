"""`context.json`: how long an evaluation's pages and prompts were, and what the token budget cut."""

import hashlib
from collections.abc import Iterator, Sequence
from statistics import median

from shop_r1.datasets.examples import Example
from shop_r1.evaluation.results_folder import Predicted
from shop_r1.jsonl import Record


class PageCost(Record):
    """One page of the sessions."""

    url: str
    tokens: int


class ContextCost(Record):
    """What pages and prompts take in tokens, and what was cut so that prompts fit."""

    prompts: int
    pages_cut: int
    """Earlier pages that lost their body."""
    prompts_truncated: int
    """Prompts whose current page was shortened."""
    targets: int
    """Elements that shoppers acted on."""
    targets_cut: int
    """Those that are no longer in their prompt."""
    tokens_estimated: bool | None = None
    """True where the model's tokenizer is not here."""
    pages: tuple[PageCost, ...]


def measure_context(examples: Sequence[Example], predicted: Predicted) -> ContextCost:
    """Return what the examples' pages and prompts took under one condition."""
    pages: dict[bytes, PageCost] = {}
    for example in examples:
        for step in example.session.steps[: example.step + 1]:
            # By digest: the pages of many sessions together need not fit in memory.
            digest = hashlib.sha256(step.page.html.encode()).digest()
            if digest not in pages:
                pages[digest] = PageCost(url=step.page.url, tokens=predicted.count_tokens(step.page.html))
    predictions = predicted.predictions
    targets = [each.target_cut for each in predictions if each.target_cut is not None]
    return ContextCost(
        prompts=len(predictions),
        pages_cut=sum(each.pages_cut or 0 for each in predictions),
        prompts_truncated=sum(bool(each.page_truncated) for each in predictions),
        targets=len(targets),
        targets_cut=sum(targets),
        tokens_estimated=predicted.estimated or None,
        pages=tuple(pages.values()),
    )


def describe_context(cost: ContextCost, predicted: Predicted) -> Iterator[str]:
    """Yield the sentences that say what the pages and prompts took and what the budget cut."""
    lengths = [page.tokens for page in cost.pages]
    prompts = [each.prompt_tokens or 0 for each in predicted.predictions]
    estimated = " (estimated)" if predicted.estimated else ""
    yield (
        f"{len(lengths)} pages of {median(lengths):,.0f} tokens{estimated} at the median, "
        f"{max(lengths):,} at most; {len(prompts)} prompts of {median(prompts):,.0f} at the median, "
        f"{max(prompts):,} at most; the budget took {cost.pages_cut} earlier pages' bodies and part of the "
        f"current page in {cost.prompts_truncated} prompts"
    )
    if cost.targets_cut:
        yield (
            f"{cost.targets_cut:,} of {cost.targets:,} targets, elements that the shopper acted on, are no "
            "longer in their prompt: a larger prompt.max_tokens, in training too, would keep more"
        )

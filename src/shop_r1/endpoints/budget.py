"""What a request can cost before it is sent, and a purse that lets none go that could pass the cap."""

import asyncio
import json

from shop_r1.endpoints.protocol import Price, Request, Usage
from shop_r1.pages.tokens import estimate_tokens

_FRAME_TOKENS = 8  # Ours: a chat template's marks around a message; ChatML's `<|im_start|>user\n...` are 5.
_FRAME_TOKENS_AT_MOST = 64  # Ours, for the cap: no template that we know adds as many to a message.


def about_tokens(request: Request) -> int:
    """Return about how many tokens an endpoint reads for a request."""
    texts = _texts(request)
    return sum(estimate_tokens(text) + _FRAME_TOKENS for text in texts)


def worst_case(request: Request) -> Usage:
    """Return the most a completion to a request can be billed by.

    That is a token for each byte of its UTF-8, which no tokenizer on bytes exceeds, and a completion as long
    as is allowed. It is some three times what pages take, on purpose: a cap that an estimate could pass is
    none, and what a completion does not need of it is free again as soon as the completion is there.
    """
    texts = _texts(request)
    size = sum(len(text.encode(errors="replace")) + _FRAME_TOKENS_AT_MOST for text in texts)
    return Usage(input_tokens=size, output_tokens=request.max_tokens)


def _texts(request: Request) -> list[str]:
    texts = [message["content"] for message in request.messages]
    if request.json_schema is not None:
        texts.append(json.dumps(request.json_schema))  # The model reads it too.
    return texts


class Purse:
    """What a run has spent and how much more it may.

    A request is sent only while what is spent, what the requests now in flight could cost at worst, and what
    it could cost itself stay within the cap together. So the cap holds for all that the endpoint bills as it
    says; it cannot hold for one that bills more than the request allows.

    Attributes:
        spent: tokens of the answers, those of earlier runs included.
        lost: tokens that tries without an answer may be billed by, at worst. They count for the cap alone.
        empty: a request did not fit although none was in flight; from then on none is let go.
    """

    def __init__(self, price: Price | None, cap_usd: float | None, spent: Usage) -> None:
        self.spent = spent
        self.lost = Usage(input_tokens=0, output_tokens=0)
        self.empty = False
        self._price = price
        self._cap_usd = cap_usd
        self._held: list[Usage] = []
        self._freed = asyncio.Event()

    @property
    def spent_usd(self) -> float | None:
        """What the answers cost; None where the price is not known."""
        return None if self._price is None else self._price.cost_usd(self.spent)

    async def hold(self, worst: Usage) -> bool:
        """Return whether a request may be sent; if so, its worst case is set aside until `free`.

        Waits while requests in flight may yet leave enough.
        """
        while not self.empty and not self._fits(worst):
            if not self._held:
                self.empty = True
                self._freed.set()
                break
            self._freed.clear()
            await self._freed.wait()
        if self.empty:
            return False
        self._held.append(worst)
        return True

    def free(self, worst: Usage, spent: Usage | None, billed: bool = False) -> None:
        """Take back what was set aside.

        Args:
            worst: what `hold` was given.
            spent: what the answer took; None where there is none.
            billed: there is no answer, but the endpoint may bill for one.
        """
        self._held.remove(worst)
        if spent is not None:
            self.spent = _sum(self.spent, spent)
        elif billed:
            self.lost = _sum(self.lost, worst)
        self._freed.set()

    def _fits(self, worst: Usage) -> bool:
        if self._price is None or self._cap_usd is None:
            return True
        return self._price.cost_usd(_sum(self.spent, self.lost, worst, *self._held)) <= self._cap_usd


def _sum(*usages: Usage) -> Usage:
    return Usage(
        input_tokens=sum(each.input_tokens for each in usages),
        output_tokens=sum(each.output_tokens for each in usages),
    )

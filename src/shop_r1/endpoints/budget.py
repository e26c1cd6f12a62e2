"""What a request can cost at most, and a budget from which that is reserved before the request is sent."""

import asyncio
import json

from shop_r1.endpoints.pricing import Price
from shop_r1.endpoints.protocol import NO_USAGE, Request, Usage
from shop_r1.pages.tokens import estimate_tokens

_TEMPLATE_TOKENS = 8  # Ours: a chat template's tokens around a message; ChatML's `<|im_start|>user\n` has 5.
_MAX_TEMPLATE_TOKENS = 64  # Ours, for the cap: no template that we know adds as many to a message.


class BudgetExceededError(Exception):
    """A request could exceed the cost cap, so it was not sent."""


def estimate_prompt(request: Request) -> int:
    """Return about how many tokens an endpoint reads for a request."""
    return sum(estimate_tokens(text) + _TEMPLATE_TOKENS for text in _texts(request))


def max_usage(request: Request) -> Usage:
    """Return an upper bound of what a completion of the request is billed by.

    The bound is one token per byte of UTF-8, which no byte-level tokenizer exceeds, and a completion of the
    full length. That is about three times what pages take: with an estimate, a cap could be exceeded. The
    excess is released as soon as the completion is there.
    """
    size = sum(len(text.encode(errors="replace")) + _MAX_TEMPLATE_TOKENS for text in _texts(request))
    return Usage(input_tokens=size, output_tokens=request.max_tokens)


def _texts(request: Request) -> list[str]:
    texts = [message["content"] for message in request.messages]
    if request.json_schema is not None:
        texts.append(json.dumps(request.json_schema))  # The model reads it too.
    return texts


class Budget:
    """The usage of a run and what is left of its cost cap.

    Usage, reservations and the next request together never exceed the cap. This holds as long as the
    endpoint bills no more than the request allows. `usage` includes earlier runs', which the cap covers too.
    """

    def __init__(self, price: Price | None, cap_usd: float | None, usage: Usage) -> None:
        self.usage = usage
        self._price, self._cap_usd = price, cap_usd
        self._unconfirmed = NO_USAGE  # of failed attempts that may be billed; counts against the cap only
        self._reserved: list[Usage] = []
        self._exhausted = False  # A request did not fit with nothing reserved: no later one is sent.
        self._changed = asyncio.Event()

    @property
    def cost_usd(self) -> float | None:
        """Cost of all completions; None where the price is not known."""
        return None if self._price is None else self._price.cost_usd(self.usage)

    async def reserve(self, most: Usage) -> None:
        """Reserve the most that a request can use; waits while open reservations may yet leave enough.

        Raises:
            BudgetExceededError: the request does not fit, or an earlier one did not.
        """
        while not self._exhausted and not self._fits(most):
            if not self._reserved:
                self._exhausted = True
                self._changed.set()
            else:
                self._changed.clear()
                await self._changed.wait()
        if self._exhausted:
            raise BudgetExceededError(f"cost cap of {self._cap_usd:g} USD reached; not sent")
        self._reserved.append(most)

    def commit(self, reserved: Usage, usage: Usage) -> None:
        """Replace a reservation by what the completion used."""
        self.usage += usage
        self._free(reserved)

    def release(self, reserved: Usage, *, billed: bool) -> None:
        """Give back the reservation of a failed attempt, unless the endpoint may bill for it."""
        if billed:
            self._unconfirmed += reserved
        self._free(reserved)

    def _free(self, reserved: Usage) -> None:
        self._reserved.remove(reserved)
        self._changed.set()

    def _fits(self, most: Usage) -> bool:
        if self._price is None or self._cap_usd is None:
            return True
        used = sum(self._reserved, self.usage + self._unconfirmed)
        return self._price.cost_usd(most) <= self._cap_usd - self._price.cost_usd(used)

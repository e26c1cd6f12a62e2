"""What models cost: as configured, or as their makers publish it."""

import re

from pydantic import Field

from shop_r1.config import Config
from shop_r1.endpoints.protocol import Price
from shop_r1.errors import ConfigError


class PriceConfig(Config):
    """What a model's tokens cost, in US dollars for a million."""

    input_usd: float = Field(ge=0)
    """Of what is sent."""
    output_usd: float = Field(ge=0)
    """Of what comes back."""


_CLAUDE = {
    "claude-3-haiku": Price(0.25, 1.25),
    "claude-3-5-haiku": Price(0.8, 4.0),
    "claude-3-sonnet": Price(3.0, 15.0),
    "claude-3-5-sonnet": Price(3.0, 15.0),
    "claude-3-7-sonnet": Price(3.0, 15.0),
    "claude-sonnet-4": Price(3.0, 15.0),
    "claude-3-opus": Price(15.0, 75.0),
    "claude-opus-4": Price(15.0, 75.0),
    "claude-opus-4-1": Price(15.0, 75.0),
}
_OPENAI = {
    "gpt-4o": Price(2.5, 10.0),
    "gpt-4o-mini": Price(0.15, 0.6),
    "gpt-4.1": Price(2.0, 8.0),
    "gpt-4.1-mini": Price(0.4, 1.6),
    "gpt-4.1-nano": Price(0.1, 0.4),
}
_OLD_GPT_4O = "gpt-4o-2024-05-13"  # It kept its price of 5 and 15 when later ones became cheaper.

_CLAUDE_ID = re.compile(r"(claude-[a-z0-9-]+?)(?:-latest|-\d{8})?")
_BEDROCK_ID = re.compile(
    r"(?:[a-z]+(?:-[a-z]+)?\.)?anthropic\.(claude-[a-z0-9-]+?)(?:-\d{8})?(?:-v\d+(?::\d+)?)?"
)
_OPENAI_ID = re.compile(r"(gpt-[a-z0-9.-]+?)(?:-\d{4}-\d{2}-\d{2})?")


def find_price(name: str) -> Price | None:
    """Return what the model of an endpoint's name costs; None where we do not know.

    Base prices for input and output, without caches, batches or taxes, as Anthropic and OpenAI published them
    in August 2025 (docs.anthropic.com, "Pricing"; platform.openai.com, "Pricing"); Amazon asked the same as
    Anthropic for these models on Bedrock. They can change: before a large run, look. An endpoint given by
    its URL may be anyone's, so its price is not known. A dated id has the price of its model.

    >>> find_price("anthropic:claude-3-5-sonnet-20241022")
    Price(input_usd=3.0, output_usd=15.0)
    >>> find_price("bedrock:us.anthropic.claude-3-5-sonnet-20241022-v2:0").output_usd
    15.0
    >>> find_price("openai:qwen@http://127.0.0.1:8000/v1")
    """
    kind, _, model = name.partition(":")
    if "@" in model or model == _OLD_GPT_4O:
        return None
    ids = {"anthropic": _CLAUDE_ID, "bedrock": _BEDROCK_ID, "openai": _OPENAI_ID}
    found = ids[kind].fullmatch(model) if kind in ids else None
    return (_OPENAI if kind == "openai" else _CLAUDE).get(found.group(1)) if found else None


def settle_price(given: PriceConfig | None, known: Price | None, max_cost_usd: float | None) -> Price | None:
    """Return the price to reckon with: the configured one, else the known one, else None.

    Raises:
        ConfigError: there is a cap on the cost and no price to hold it by.
    """
    price = known if given is None else Price(given.input_usd, given.output_usd)
    if price is None and max_cost_usd is not None:
        raise ConfigError(
            "a cap on the cost (--max-cost) needs a price, and none is known for this model; give "
            "price.input_usd and price.output_usd, US dollars for a million tokens"
        )
    return price

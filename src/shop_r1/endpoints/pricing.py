"""What models cost: as the user's settings say, else as the package genai-prices publishes it."""

from pydantic import Field

from shop_r1.config import Config
from shop_r1.endpoints.protocol import Price
from shop_r1.errors import ConfigError

_PROVIDERS = {"anthropic": "anthropic", "bedrock": "aws", "openai": "openai"}


class PriceConfig(Config):
    """What a model's tokens cost, in US dollars per million."""

    input_usd: float = Field(ge=0)
    """Of what is sent."""
    output_usd: float = Field(ge=0)
    """Of what comes back."""


def find_price(name: str, prompt_tokens: int) -> Price | None:
    """Return what the model of this endpoint costs today; None where that is not known.

    The base price of input and output without caches, batches or taxes, from the data in the installed
    genai-prices; nothing is fetched. An endpoint with a URL may be anyone's, so its price is not known.

    Args:
        name: of the endpoint.
        prompt_tokens: longest prompt, by estimate. Some models cost more per token above a length; the rate
            at twice this length is taken, so that an estimate that is too low breaks no cap.

    Raises:
        ConfigError: genai-prices is not installed.
    """
    kind, _, model = name.partition(":")
    if "@" in model or kind not in _PROVIDERS:
        return None
    try:
        from genai_prices import Usage, calc_price
    except ImportError:
        raise ConfigError("prices of models need genai-prices; pip install 'shop-r1[api]'") from None
    tokens = 2 * prompt_tokens
    try:
        usage = Usage(input_tokens=tokens, output_tokens=tokens)
        found = calc_price(usage, model, provider_id=_PROVIDERS[kind])
    except LookupError:
        return None
    per_million = [float(cost * 1_000_000 / tokens) for cost in (found.input_price, found.output_price)]
    # A model without a price for text has zeros here; "free" would break the cap.
    return Price(*per_million) if all(per_million) else None


def choose_price(
    given: PriceConfig | None, name: str, prompt_tokens: int, max_cost_usd: float | None
) -> Price | None:
    """Return the price in the settings, else the published one, else None; arguments as `find_price`.

    Raises:
        ConfigError: there is a cost cap and no price, or genai-prices is not installed.
    """
    price = find_price(name, prompt_tokens) if given is None else Price(given.input_usd, given.output_usd)
    if price is None and max_cost_usd is not None:
        raise ConfigError(
            f"a cost cap (--max-cost) needs a price, and none is known for {name!r}; give price.input_usd "
            "and price.output_usd, US dollars per million tokens"
        )
    return price

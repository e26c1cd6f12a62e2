"""What models cost: as the user's settings say, else as the package genai-prices publishes it."""

from pydantic import Field

from shop_r1.config import Config
from shop_r1.endpoints.protocol import Usage
from shop_r1.errors import ConfigError

_PROVIDERS = {"anthropic": "anthropic", "bedrock": "aws", "openai": "openai"}


class Price(Config):
    """What a model's tokens cost, in US dollars per million."""

    input_usd: float = Field(ge=0)
    """Of what is sent."""
    output_usd: float = Field(ge=0)
    """Of what comes back."""

    def cost_usd(self, usage: Usage) -> float:
        """Return what this usage costs."""
        return (usage.input_tokens * self.input_usd + usage.output_tokens * self.output_usd) / 1e6


def find_price(name: str, prompt_tokens: int) -> Price | None:
    """Return what the model of this endpoint costs today; None where that is not known.

    The base price of input and output without caches, batches or taxes, from the data in the installed
    genai-prices; nothing is fetched. An endpoint with a URL may be anyone's, so its price is not known. Some
    models cost more per token above a length; the rate at twice the longest prompt, which `prompt_tokens`
    estimates, is taken, so that an estimate that is too low breaks no cap.

    Raises:
        ModuleNotFoundError: genai-prices is not installed; the commands say which extra brings it.
    """
    kind, _, model = name.partition(":")
    if "@" in model or kind not in _PROVIDERS:
        return None
    from genai_prices import Usage as Priced
    from genai_prices import calc_price

    tokens = 2 * prompt_tokens
    try:
        usage = Priced(input_tokens=tokens, output_tokens=tokens)
        found = calc_price(usage, model, provider_id=_PROVIDERS[kind])
    except LookupError:
        return None
    sent, received = (float(cost * 1_000_000 / tokens) for cost in (found.input_price, found.output_price))
    # A model without a price for text has zeros here; "free" would break the cap.
    return Price(input_usd=sent, output_usd=received) if sent and received else None


def choose_price(
    given: Price | None, name: str, prompt_tokens: int, max_cost_usd: float | None
) -> Price | None:
    """Return the price in the settings, else the published one, else None; arguments as `find_price`.

    Raises:
        ConfigError: there is a cost cap and no price.
        ModuleNotFoundError: as for `find_price`, where the settings have no price.
    """
    price = given or find_price(name, prompt_tokens)
    if price is None and max_cost_usd is not None:
        raise ConfigError(
            f"a cost cap (--max-cost) needs a price, and none is known for {name!r}; give price.input_usd "
            "and price.output_usd, US dollars per million tokens"
        )
    return price

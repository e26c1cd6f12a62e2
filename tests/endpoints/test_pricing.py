"""Which price is used."""

import sys

import pytest

from shop_r1.cli.main import EXTRAS
from shop_r1.endpoints.pricing import Price, choose_price, find_price
from shop_r1.errors import ConfigError

SONNET = "anthropic:claude-3-5-sonnet-20241022"


@pytest.mark.parametrize(
    ("name", "price"),
    [
        # As Anthropic and OpenAI published them in August 2025; Amazon asked the same for these models.
        ("anthropic:claude-3-5-sonnet-20240620", Price(input_usd=3, output_usd=15)),
        ("anthropic:claude-3-5-sonnet-latest", Price(input_usd=3, output_usd=15)),
        ("anthropic:claude-3-5-haiku-20241022", Price(input_usd=0.8, output_usd=4)),
        ("anthropic:claude-opus-4-1-20250805", Price(input_usd=15, output_usd=75)),
        ("anthropic:claude-opus-4-20250514", Price(input_usd=15, output_usd=75)),
        ("anthropic:claude-opus-4-unheard-of", None),
        ("bedrock:anthropic.claude-3-5-sonnet-20241022-v2:0", Price(input_usd=3, output_usd=15)),
        ("bedrock:us.anthropic.claude-3-7-sonnet-20250219-v1:0", Price(input_usd=3, output_usd=15)),
        ("openai:gpt-4o-mini-2024-07-18", Price(input_usd=0.15, output_usd=0.6)),
        ("openai:gpt-4o", Price(input_usd=2.5, output_usd=10)),
        ("openai:gpt-4o-2024-05-13", Price(input_usd=5, output_usd=15)),
        ("openai:ft:gpt-4o:of-mine::1", None),
        ("openai:gpt-4o@http://127.0.0.1:8000/v1", None),
        ("local:base", None),
        ("scripted", None),
    ],
)
def test_a_price_is_known_for_a_model_and_its_dated_ids_or_not_at_all(name: str, price: Price | None) -> None:
    assert find_price(name, 32_768) == price


def test_long_prompts_are_priced_at_their_higher_rate() -> None:
    # Anthropic: 3 and 15 USD, from 200,000 tokens of input on 6 and 22.5 USD.
    assert find_price("anthropic:claude-sonnet-4-5-20250929", 32_768) == Price(input_usd=3, output_usd=15)
    assert find_price("anthropic:claude-sonnet-4-5-20250929", 150_000) == Price(input_usd=6, output_usd=22.5)


def test_a_price_in_the_settings_comes_before_the_published_one() -> None:
    assert choose_price(Price(input_usd=1, output_usd=2), SONNET, 1000, None) == Price(
        input_usd=1, output_usd=2
    )
    assert choose_price(Price(input_usd=0, output_usd=0), SONNET, 1000, None) == Price(
        input_usd=0, output_usd=0
    )
    assert choose_price(None, SONNET, 1000, 1.0) == Price(input_usd=3, output_usd=15)
    assert choose_price(None, "openai:mine", 1000, None) is None


def test_a_cap_needs_a_price() -> None:
    with pytest.raises(ConfigError, match=r"none is known for 'openai:mine'; give price\.input_usd"):
        choose_price(None, "openai:mine", 1000, 1.0)


def test_a_price_in_the_settings_needs_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    price = Price(input_usd=1, output_usd=2)
    assert choose_price(price, SONNET, 1000, 1.0) == price


def test_without_the_package_it_is_one_that_the_command_says_how_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    with pytest.raises(ModuleNotFoundError) as caught:
        find_price(SONNET, 1000)
    assert caught.value.name in EXTRAS["api"]

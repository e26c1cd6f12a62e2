"""Which price is reckoned with."""

import pytest

from shop_r1.endpoints.pricing import PriceConfig, settle_price
from shop_r1.endpoints.protocol import Price
from shop_r1.errors import ConfigError


def test_a_price_that_is_given_comes_before_the_known_one() -> None:
    assert settle_price(PriceConfig(input_usd=1, output_usd=2), Price(3, 15), None) == Price(1, 2)
    assert settle_price(None, Price(3, 15), 1.0) == Price(3, 15)
    assert settle_price(None, None, None) is None


def test_a_cap_needs_a_price() -> None:
    with pytest.raises(ConfigError, match=r"give price\.input_usd and price\.output_usd"):
        settle_price(None, None, 1.0)

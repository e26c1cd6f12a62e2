import pytest

from shop_r1.patterns import matches

ADDRESS = "https://shop.test/a?b=c#d"


@pytest.mark.parametrize(
    "pattern", [ADDRESS, "*://shop.test/a?b=*", "/a", "/a?b=c", "/a?b=c#d", "*/a", "https://shop.test/a", "*"]
)
def test_an_address_is_of_a_form(pattern: str) -> None:
    assert matches(pattern, ADDRESS)


@pytest.mark.parametrize("pattern", ["/", "/ab", "/b", "shop.test/a", "/a?b=", "/a#d", "/[a]", "/?"])
def test_an_address_is_of_no_other_form(pattern: str) -> None:
    assert not matches(pattern, ADDRESS)


def test_a_pattern_that_begins_with_a_slash_is_of_what_follows_the_host() -> None:
    assert matches("/", "HTTPS://shop.test") and matches("/a", "/a") and not matches("/shop.test/a", ADDRESS)

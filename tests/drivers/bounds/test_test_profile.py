from pathlib import Path

import pytest

from shop_r1.drivers.bounds.test_profile import TestProfile
from shop_r1.errors import ConfigError, DataError, PageError

PROFILE = TestProfile({"email": "ann+test@shop.test", "card": "4242 4242 4242 4242", "code": "12"})
VALID = ("4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005")
"""Numbers that payment services give out for tests; each fulfils Luhn's check."""


def test_placeholders_are_filled() -> None:
    assert PROFILE.fill("{{email}}", is_secret=False) == "ann+test@shop.test"
    assert PROFILE.fill("to {{ email }}!", is_secret=False) == "to ann+test@shop.test!"
    assert PROFILE.fill("{{card}}", is_secret=True) == "4242 4242 4242 4242"
    assert PROFILE.fill("red mug", is_secret=False) == "red mug"
    assert PROFILE.names == ("email", "card", "code")


@pytest.mark.parametrize("text", ["hunter2", "{{card}} and more"])
def test_a_secret_of_ones_own_is_refused(text: str) -> None:
    with pytest.raises(PageError, match="from the test profile alone"):
        PROFILE.fill(text, is_secret=True)


@pytest.mark.parametrize("number", VALID)
def test_card_numbers_are_refused_anywhere(number: str) -> None:
    with pytest.raises(PageError, match="from the test profile alone"):
        PROFILE.fill(f"my card is {number}.", is_secret=False)


@pytest.mark.parametrize("number", ["4111 1111 1111 1112", "123456", "2026-11-28 11:16:29", "49 89 1234567"])
def test_other_numbers_are_typed(number: str) -> None:
    assert PROFILE.fill(number, is_secret=False) == number


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    with pytest.raises(PageError, match=r"no 'phone'; it has \{\{email\}\}, \{\{card\}\}, \{\{code\}\}"):
        PROFILE.fill("{{phone}}", is_secret=False)
    with pytest.raises(PageError, match="there is no test profile"):
        TestProfile().fill("{{phone}}", is_secret=False)


@pytest.mark.parametrize(
    ("text", "concealed"),
    [
        ("Hello ann+test@shop.test!", "Hello {{email}}!"),
        ("Hello ANN+TEST@SHOP.TEST!", "Hello {{email}}!"),
        ("/found?e=ann%2Btest%40shop.test&x", "/found?e={{email}}&x"),
        ("4242 4242 4242 4242", "{{card}}"),
        ("4242424242424242", "{{card}}"),
        ("4242-4242-4242-4242", "{{card}}"),
        ("ends in 4242, code 12", "ends in 4242, code 12"),
        ("14242424242424242", "14242424242424242"),
        ("red mug", "red mug"),
    ],
)
def test_values_are_concealed_in_every_form(text: str, concealed: str) -> None:
    assert PROFILE.conceal(text) == concealed


@pytest.mark.parametrize(
    ("text", "concealed"),
    [
        ("917", "{{cvc}}"),
        ('<input name="card" value="917">', '<input name="card" value="{{cvc}}">'),
        ("/pay?c=917&x=917", "/pay?c={{cvc}}&x={{cvc}}"),
        ("/product/917 for $917, 917 left", "/product/917 for $917, 917 left"),
        ("/pay?c=9170", "/pay?c=9170"),
    ],
)
def test_the_code_of_a_card_is_concealed_where_it_is_a_value_by_itself(text: str, concealed: str) -> None:
    assert TestProfile({"cvc": "917"}).conceal(text) == concealed


def test_values_with_signs_of_html_are_concealed() -> None:
    profile = TestProfile({"password": 'a<b & "c"'})
    assert profile.conceal('<input value="a&lt;b &amp; &quot;c&quot;">') == '<input value="{{password}}">'
    assert profile.conceal('a&lt;b &amp; "c" and a<b & "c"') == "{{password}} and {{password}}"


def test_values_are_words_not_parts_of_them() -> None:
    profile = TestProfile({"name": "Anna", "word": "pass-1"})
    assert profile.conceal("Anna, Annals and Hanna; a%20Anna, first_anna") == (
        "{{name}}, Annals and Hanna; a%20{{name}}, first_{{name}}"
    )
    assert profile.conceal("compass-1, pass-1, pass-12") == "compass-1, {{word}}, pass-12"


def test_the_longest_value_is_concealed_first() -> None:
    assert (
        TestProfile({"name": "Anna", "full": "Anna Berg"}).conceal("Anna Berg, Anna") == "{{full}}, {{name}}"
    )


def test_a_file_of_values(tmp_path: Path) -> None:
    path = tmp_path / "profile.toml"
    path.write_text('email = "a@shop.test"\n', "utf-8")
    assert TestProfile.load(path).names == ("email",)
    for wrong in ("email =", "age = 7", "[part]\nemail = 'a@shop.test'"):
        path.write_text(wrong, "utf-8")
        with pytest.raises(ConfigError, match=r"profile\.toml"):
            TestProfile.load(path)
    with pytest.raises(DataError):
        TestProfile.load(tmp_path / "none.toml")

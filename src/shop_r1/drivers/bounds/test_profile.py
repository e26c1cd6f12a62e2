"""Credentials and card data that shoppers may type: from a file of a test account, and in no record."""

import re
import tomllib
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Self
from urllib.parse import quote, quote_plus

from shop_r1.errors import ConfigError, PageError, file_errors

_PLACEHOLDER = re.compile(r"\{\{\s*([\w-]+)\s*\}\}")
_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
_NUMBER = re.compile(r"\d(?:[ -]?\d){7,}")
_SHORTEST = 4
"""Characters from which a value is concealed in what is recorded; shorter ones are all over a page. Ours."""
_CODE = re.compile(r"\d{3}")
"""A card's code; a number like it may stand anywhere, so it is concealed where it is a value by itself."""


class TestProfile:
    """Values of a test account by name; a policy writes `{{name}}`, and the field gets the value."""

    __test__ = False  # no test of pytest's

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})
        shown = [
            item for item in self._values.items() if len(item[1]) >= _SHORTEST or _CODE.fullmatch(item[1])
        ]
        shown.sort(key=lambda item: -len(item[1]))
        self._named = {f"v{index}": name for index, (name, _) in enumerate(shown)}
        forms = "|".join(f"(?P<v{index}>{_forms_of(value)})" for index, (_, value) in enumerate(shown))
        self._forms = re.compile(forms, re.IGNORECASE) if forms else None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return the profile of a TOML file of `name = "value"` lines.

        Raises:
            DataError: the file cannot be read.
            ConfigError: it is no TOML, or a value is no text.
        """
        with file_errors(path):
            text = path.read_text("utf-8")
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path}: {error}") from None
        if wrong := [name for name, value in values.items() if not isinstance(value, str)]:
            raise ConfigError(
                f'{path}: {wrong[0]} is no text; expected lines such as email = "a@shop.example"'
            )
        return cls(values)

    @property
    def names(self) -> tuple[str, ...]:
        """What a policy may write, for its prompt."""
        return tuple(self._values)

    def fill(self, text: str, *, is_secret: bool) -> str:
        """Return what is typed for this text; `is_secret` says that the field asks for a password or a card.

        Raises:
            PageError: the profile has no such name, or the text is a secret that is not the profile's.
        """
        if unknown := [name for name in _PLACEHOLDER.findall(text) if name not in self._values]:
            known = (
                ", ".join(f"{{{{{name}}}}}" for name in self._values)
                or "none, since there is no test profile"
            )
            raise PageError(f"the test profile has no {unknown[0]!r}; it has {known}")
        rest = _PLACEHOLDER.sub("", text)
        if (is_secret and rest.strip()) or any(_is_card(found) for found in _CARD.findall(rest)):
            raise PageError("passwords and card numbers are typed from the test profile alone, as {{name}}")
        return _PLACEHOLDER.sub(lambda match: self._values[match[1]], text)

    def conceal(self, text: str) -> str:
        """Return a text with the profile's values replaced by their names: plain, in HTML, in addresses."""
        if self._forms is None:
            return text
        return self._forms.sub(lambda match: f"{{{{{self._named[match.lastgroup or '']}}}}}", text)


def _forms_of(value: str) -> str:
    """Return a pattern of the ways in which a value may be written."""
    if _CODE.fullmatch(value):  # a whole text, an attribute's value, or a query's
        return rf'(?:\A|(?<=[="])){value}(?=\Z|["&#])'
    if _NUMBER.fullmatch(value):  # as cards are grouped
        digits = [digit for digit in value if digit.isdigit()]
        return rf"(?<!\d){'(?:[ +-]|%20)?'.join(digits)}(?!\d)"
    forms = {value, escape(value), escape(value, quote=False)}
    forms |= {quote(value), quote(value, ""), quote_plus(value)}
    patterns = [re.escape(form) for form in sorted(forms, key=len, reverse=True)]
    return "|".join(rf"(?:(?<![^\W_])|(?<=%[\da-f]{{2}})){form}(?![^\W_])" for form in patterns)


def _is_card(text: str) -> bool:
    """Return whether the digits fulfil Luhn's check, as card numbers do."""
    digits = [int(digit) for digit in text if digit.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0

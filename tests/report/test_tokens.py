"""The tokens' colours can be read: WCAG 2.2's contrast (1.4.3: 4.5 for text; 1.4.11: 3 for what draws)."""

import re
from pathlib import Path

import pytest

import shop_r1.report

TOKENS = (Path(shop_r1.report.__file__).parent / "templates" / "tokens.css").read_text("utf-8")
GROUNDS = ("ground", "card", "sunk")
TEXT = ("ink", "soft", "accent", "good", "part", "bad")
DRAWN = (
    *("click", "type_and_submit", "terminate", "input", "select", "hover", "scroll", "back", "unparsable"),
    *("target", "predicted"),
)


def schemes() -> dict[str, dict[str, str]]:
    """Return the colours of the light and of the dark scheme by token."""
    light, dark = TOKENS.split("@media (prefers-color-scheme: dark)")
    first, second = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", part)) for part in (light, dark))
    return {"light": first, "dark": first | second}


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_of_black_on_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_read_and_what_is_drawn_stands_out(scheme: str) -> None:
    colours = schemes()[scheme]
    pairs = [(ink, ground, 4.5) for ink in TEXT for ground in GROUNDS]
    pairs += [(mark, "card", 3) for mark in (*DRAWN, "line-strong")]
    pairs += [(word, f"{word}-wash", 4.5) for word in ("good", "part", "bad", "accent")]
    pairs += [("on-accent", "accent", 4.5)]
    found = {(a, b): (contrast(colours[a], colours[b]), least) for a, b, least in pairs}
    low = {pair: ratio for pair, (ratio, least) in found.items() if ratio < least}
    assert low == {}


def test_the_dark_scheme_changes_every_colour() -> None:
    light, dark = schemes().values()
    assert [name for name in light if name in dark and light[name] == dark[name]] == []

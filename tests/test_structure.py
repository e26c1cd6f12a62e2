"""The house can be walked: rooms are seen at one look, modules are short, and the words are the field's."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "shop_r1"

MODULES_MAX = 14
LINES_MAX = 400
LONGER: dict[str, str] = {}
"""Modules that may be longer, each with the reason."""

REPLACED = {
    r"gold|golds": "target",
    r"repl(?:y|ies)": "completion",
    r"unreadable": "invalid response",
    r"purses?": "budget",
    r"spending": "cost or usage",
    r"wires": "wire formats",
    r"pacing": "rate limit, backoff",
    r"torn": "corrupt or incomplete",
    r"mend(?:s|ed|ing)?": "fix",
    r"schooling": "pretraining",
    r"alarms?": "alert",
    r"faults?": "error, problem, invalid input",
    r"equal rules|equal_rules": "zero-variance groups",
    r"probability.gap": "sampler-trainer mismatch",
    r"neighbours?": "related-work metrics",
    r"skew(?:ed)?": "undersampling, type_ratio",
    r"keeper": "CheckpointCallback",
    r"whatever": "plain English",
    r"told while": "plain English",
    r"of the time": "1.7x faster",
}
"""Each word or phrase of an earlier dialect, as a regular expression, and what stands in its place."""
ALLOWED = {
    "gold": (
        "src/shop_r1/store/",
        "src/shop_r1/evaluation/recorded.py",
        "src/shop_r1/records/",
        "docs/data.md",
    ),
    "neighbour": ("src/shop_r1/pages/",),
    "repl": ("src/shop_r1/environments/hub/",),
    "whatever": ("src/shop_r1/prompts/texts/",),
}
"""Where one of these words means something else: a colour, other projects' fields, what stands beside; and
the prompt that rationales were written with, which stays as it was."""
_FORMER_NAMES = (
    "src/shop_r1/cli/main.py",
    "src/shop_r1/datasets/rationale_requests.py",
    "src/shop_r1/prompts/render.py",
    "src/shop_r1/training/settings.py",
)
"""Where former names of options and settings are refused with the new ones, each as a quoted key."""


def texts() -> list[Path]:
    """Return every text file of the package, the documents and the README."""
    kinds = {".py", ".md", ".jinja", ".js", ".css", ".toml"}
    files = [
        path for folder in ("src", "docs") for path in (ROOT / folder).rglob("*") if path.suffix in kinds
    ]
    return [ROOT / "README.md", *sorted(files)]


def is_former(path: Path) -> bool:
    """Return whether the file holds former names, which are strings there."""
    return str(path.relative_to(ROOT)) in _FORMER_NAMES


def test_every_room_is_seen_at_one_look() -> None:
    rooms = {path.parent for path in SOURCE.rglob("*.py")}
    sizes = {str(room.relative_to(ROOT)): len([*room.glob("*.py")]) - 1 for room in rooms}
    assert {room: size for room, size in sizes.items() if size > MODULES_MAX} == {}


def test_no_module_is_long_without_a_reason() -> None:
    lines = {
        str(path.relative_to(SOURCE)): len(path.read_text("utf-8").splitlines())
        for path in SOURCE.rglob("*.py")
    }
    long = {name for name, count in lines.items() if count > LINES_MAX}
    assert long == set(LONGER)
    assert all(LONGER.values())


@pytest.mark.parametrize("words", REPLACED)
def test_no_word_of_an_earlier_dialect_is_left(words: str) -> None:
    pattern = re.compile(rf"(?<![a-z])(?:{words})(?![a-z])", re.IGNORECASE)
    elsewhere = next((places for word, places in ALLOWED.items() if re.search(word, words)), ())
    former = re.compile(rf'"[^"]*(?:{words})[^"]*"', re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in texts()
        if not str(path.relative_to(ROOT)).startswith(elsewhere)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if pattern.search(former.sub("", line) if is_former(path) else line)
    ]
    assert found == [], f"say {REPLACED[words]} instead"

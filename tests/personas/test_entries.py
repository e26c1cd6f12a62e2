from pathlib import Path

import pytest

from shop_r1.errors import ShopR1Error
from shop_r1.personas.entries import Intent, Persona, ShopperFile, read_shoppers, write_shoppers

FILE = ShopperFile(
    persona=(
        Persona(name="student", who='A "poor" student.\nTwo lines \\ and a \x7f.', budget=12.5, patience=3),
        Persona(name="buyer", who="Kauft für Großeltern.", what_for="a gift", weight=0.25, examples=(3, 41)),
    ),
    intent=(Intent(query="red mug", weight=7), Intent(what_for="tea for two")),
)


@pytest.mark.parametrize("name", ["who.toml", "who.jsonl", "who.jsonl.zst"])
def test_what_is_written_is_read(tmp_path: Path, name: str) -> None:
    write_shoppers(tmp_path / name, FILE, ["made by a test", "of two\nlines"])
    assert read_shoppers(tmp_path / name) == FILE


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.toml", "", "a.toml: "),
        ("a.toml", '[[persona]]\nname = "a"\n', "persona.0.who"),
        ("a.toml", '[[persona]]\nname = "Ann"\nwho = "x"\n', "persona.0.name"),
        ("a.toml", '[[persona]]\nname = "a"\nwho = "x"\nage = 3\n', "persona.0.age"),
        ("a.toml", '[[persona]]\nname = "a"\nwho = "x"\nbudget = 0\n', "persona.0.budget"),
        ("a.toml", "[[intent]]\nweight = 2\n", "says neither what_for nor query"),
        ("a.toml", '[[intent]]\nquery = "x"\nweight = inf\n', "intent.0.weight"),
        ("a.toml", '[[persona]]\nname = "a"\nwho = "x"\n' * 2, "two personas are called a"),
        ("a.jsonl", '{"name": "a", "who": "x"}\n{"query": ""}\n', "a.jsonl:2"),
        ("a.jsonl", '{"name": "a", "who": "x"}\n' * 2, "two personas are called a"),
        ("a.jsonl", "[]\n", "a.jsonl:1"),
    ],
)
def test_what_is_no_shopper_is_refused_with_its_place(
    tmp_path: Path, name: str, text: str, problem: str
) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(ShopR1Error) as error:
        read_shoppers(tmp_path / name)
    assert problem in str(error.value) and name in str(error.value)

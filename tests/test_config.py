from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, ValidationError

from shop_r1.config import Config, load_config
from shop_r1.errors import ConfigError


class Inner(Config):
    rate: float = Field(default=0.5, ge=0)
    names: tuple[str, ...] = ()


class Outer(Config):
    seed: int = 0
    model: str = "tiny"
    on: bool = False
    inner: Inner = Inner()


def test_without_file_and_overrides_the_defaults_hold() -> None:
    assert load_config(Outer) == Outer()


def test_the_file_passes_the_defaults_and_the_command_line_passes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('seed = 3\nmodel = "big"\n[inner]\nrate = 2.0\n')
    settings = load_config(Outer, path, ["seed=4", "inner.names=['a', 'b']"])
    assert settings == Outer(seed=4, model="big", inner=Inner(rate=2.0, names=("a", "b")))


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("model=Qwen/Qwen2.5-3B-Instruct", "Qwen/Qwen2.5-3B-Instruct"),
        ('model="3"', "3"),
        ("model=a=b", "a=b"),
        ("model=", ""),
        (" model = x ", "x"),
        ("model=a # b", "a # b"),
    ],
)
def test_a_value_that_is_not_toml_is_a_string(override: str, expected: str) -> None:
    assert load_config(Outer, None, [override]).model == expected


def test_a_value_cannot_smuggle_in_a_second_key() -> None:
    assert load_config(Outer, None, ['model="a"\nseed = 9']) == Outer(model='"a"\nseed = 9')


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sead=3", r"settings: sead: no such setting; did you mean seed\?"),
        ("inner.rat=3", r"inner\.rat: no such setting; did you mean inner\.rate\?"),
        ("rate=3", r"rate: no such setting; did you mean inner\.rate\?"),
        ("raet=3", r"raet: no such setting; did you mean inner\.rate\?"),
        ("inner.zzz=3", r"inner\.zzz: no such setting; inner has rate, names"),
        ("inner.rate=-1", r"inner\.rate: is -1; expected a number of at least 0"),
        ("seed=many", r"seed: is 'many'; expected a whole number"),
        ("on=5", "on: "),
        ("seed", "expected key=value"),
        ("=3", "expected key=value"),
        ("seed.x=3", "seed is a value, not a table"),
    ],
)
def test_a_bad_override_is_refused_with_its_reason(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(Outer, None, ["seed=1", override])


def test_a_bad_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    with pytest.raises(ConfigError, match=r"run\.toml: cannot be read \(No such file"):
        load_config(Outer, path)
    path.write_text("seed = = 3")
    with pytest.raises(ConfigError, match=r"run\.toml: not valid TOML"):
        load_config(Outer, path)
    path.write_bytes(b"seed = 1\nmodel = '\xff'")
    with pytest.raises(ConfigError, match=r"run\.toml:2: is not UTF-8 text"):
        load_config(Outer, path)
    path.write_text("sead = 3")
    with pytest.raises(ConfigError, match=r"run\.toml: sead: no such setting; did you mean seed\?"):
        load_config(Outer, path)


class Middle(Config):
    inner: Inner = Inner(rate=0.25, names=("a",))
    depth: int = 1


class Preset(Config):
    middle: Middle = Middle(depth=3)
    other: Inner = Inner(rate=0.75)


def test_changing_one_key_of_a_table_leaves_the_tables_other_presets(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("[other]\nnames = ['x']\n")
    found = load_config(Preset, path, ["middle.inner.rate=0.5"])
    assert found.other == Inner(rate=0.75, names=("x",))
    assert found.middle == Middle(depth=3, inner=Inner(rate=0.5, names=("a",)))


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Outer().seed = 3  # type: ignore[misc]


class Chosen(Config):
    kind: Literal["none", "colocate", "server"] = "none"
    price: Inner | None = None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("kind=colocat", r"kind: 'colocat' is unknown; did you mean colocate\?"),
        ("kind=zzz", "kind: 'zzz' is unknown; expected one of none, colocate, server"),
        ("price.raet=1", r"price\.raet: no such setting; did you mean price\.rate\?"),
    ],
)
def test_a_value_of_an_enumeration_and_an_optional_tables_key_are_suggested(
    override: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(Chosen, None, [override])


class Required(Config):
    inner: Inner


def test_a_table_that_must_be_given_is_named_and_its_keys_are_suggested() -> None:
    assert load_config(Required, overrides=["inner.rate=0.75"]) == Required(inner=Inner(rate=0.75))
    with pytest.raises(ConfigError, match=r"settings: inner: is missing"):
        load_config(Required)
    with pytest.raises(ConfigError, match=r"inner\.rat: no such setting; did you mean inner\.rate\?"):
        load_config(Required, overrides=["inner.rat=1"])

import pytest
from pydantic import Field
from tests.shell import Shell

from shop_r1.cli.terminal.settings_list import SCHEMAS, render_settings
from shop_r1.config import Config


class Inner(Config):
    rate: float = Field(0.5, ge=0, le=1)
    """How fast, see Eq. 2. Paper 4.1."""


class Outer(Config):
    inner: Inner = Inner(rate=0.25)
    """What is inside."""
    seed: int | None = None
    names: tuple[str, ...] = ("a",)
    """Of the things. Ours."""


def test_settings_are_listed_with_type_default_and_the_first_sentence() -> None:
    assert list(render_settings(Outer, "of a thing")) == [
        "Settings of a thing; give them as key=value, or in a TOML file:",
        "  inner.*  What is inside.",
        "    inner.rate = 0.25  (number >= 0 and <= 1)",  # the table's own default, not the class's
        "        How fast, see Eq. 2.",
        "  seed = none  (whole number)",
        '  names = ["a"]  (list of text)',
        "      Of the things.",
        "",
    ]


@pytest.mark.parametrize("command", SCHEMAS)
def test_every_command_with_settings_lists_all_of_them_within_80_columns(command: str, shell: Shell) -> None:
    code, out, err = shell(command, "--settings")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert out.count("Settings") == len(SCHEMAS[command])
    assert "Undefined" not in out


def test_the_commands_that_list_settings_are_those_that_take_them() -> None:
    from tests.cli.test_main import COMMANDS

    takes = {name for name, each in COMMANDS.items() if any(p.name == "settings" for p in each.params)}
    lists = {name for name, each in COMMANDS.items() if any("--settings" in p.opts for p in each.params)}
    assert takes == lists == set(SCHEMAS)

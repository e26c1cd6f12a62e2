"""MkDocs hook: `<!-- commands -->` becomes the help of every command, read from the command line itself."""

from collections.abc import Iterator
from typing import Any

MARK = "<!-- commands -->"


def describe_commands() -> str:
    """Return one section of Markdown for each command: what it does, its arguments and its options."""
    import typer

    from shop_r1.cli.main import app

    return "\n".join(_sections(typer.main.get_command(app), "shop-r1"))


def _sections(group: Any, path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _sections(command, f"{path} {name}")
        else:
            yield _section(command, f"{path} {name}")


def _section(command: Any, path: str) -> str:
    parameters = [each for each in command.params if each.name != "help"]
    lines = [f"### {path}\n", command.help or "", ""]
    if parameters:
        lines += ["| argument or option | meaning |", "|---|---|", *map(_row, parameters)]
    return "\n".join([*lines, ""])


def _row(parameter: Any) -> str:
    name = ", ".join(parameter.opts) if parameter.param_type_name == "option" else ""
    value = "" if getattr(parameter, "is_flag", False) else parameter.metavar or parameter.name.upper()
    meaning = getattr(parameter, "help", None) or ""
    if isinstance(parameter.default, str | int | float) and not isinstance(parameter.default, bool):
        meaning = f"{meaning} Default: `{parameter.default}`."
    if parameter.required:
        meaning = f"{meaning} Required."
    shown = f"{name} {value}".strip().replace("|", "\\|")
    return f"| `{shown}` | {meaning.strip().replace('|', chr(92) + '|')} |"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return the page's Markdown for MkDocs."""
    return markdown.replace(MARK, describe_commands()) if MARK in markdown else markdown

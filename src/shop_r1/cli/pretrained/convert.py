"""`model convert`: a GGUF file to a checkpoint folder."""

from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from typer import Argument, Option

from shop_r1.cli.pretrained import Dtype
from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.outputs import Force, check_folder
from shop_r1.errors import ConfigError, file_errors
from shop_r1.jsonl import write_text


def convert(
    file: Annotated[Path, Argument(metavar="FILE.gguf", help="A causal LM with a chat template.")],
    out: Annotated[Path, Option("--out", metavar="DIR", help="Where the checkpoint goes.")],
    dtype: Dtype = "float32",
    force: Force = False,
) -> None:
    """Convert a GGUF file to a checkpoint folder in safetensors, its weights unpacked.

    Needs the package gguf, which comes with the extra fetch. What quantization rounded away is lost.

    Example: shop-r1 model convert model.Q8_0.gguf --out models/mine
    """
    if not file.is_file():
        raise ConfigError(f"{file}: is no file; expected a model's GGUF file")
    check_folder(out, [file], force=force)
    parameters = convert_file(file, out, dtype)
    console.echo(f"{out}: {parameters:,} parameters in {dtype}")
    console.print_next("evaluate --model", out, "--data TEST.jsonl --out", console.unused_path("runs/zero"))


def convert_file(file: Path, out: Path, dtype: str, beside: dict[str, str] | None = None) -> int:
    """Write what a GGUF file holds as a checkpoint; return how many parameters it has.

    A new folder appears whole or not at all. In one that is there, a checkpoint is replaced file by file and
    all else stays. `beside` are texts by the names of the files that stand beside the weights.

    Raises:
        ModelError: the file cannot be read, or the weights cannot be written.
        DataError: something else cannot be written.
    """
    import torch

    from shop_r1.cli.terminal.checkpoints import hide_loading
    from shop_r1.models.checkpoint import save_checkpoint
    from shop_r1.models.gguf_file import read_gguf

    hide_loading()
    console.note("Converting to safetensors; this takes about half a minute")
    with redirect_stderr(StringIO()):  # transformers' bar, which no setting of its own turns off
        model = read_gguf(file, getattr(torch, dtype))
    with file_errors(out, "written"):
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{out.name[:40]}-", dir=out.parent) as folder:
            place = out if out.is_dir() else Path(folder) / "new"
            save_checkpoint(model, place)
            for name, text in (beside or {}).items():
                write_text(place / name, text)
            if place != out:
                place.replace(out)
    return sum(each.numel() for each in model.model.parameters())

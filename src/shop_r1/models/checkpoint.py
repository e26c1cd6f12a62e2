"""A checkpoint on this machine: load it, save it, and its tokenizer's view of text."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any
from warnings import catch_warnings, simplefilter

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from shop_r1.atomic_files import file_mode
from shop_r1.errors import ConfigError, ModelError
from shop_r1.models.attention import check_attention
from shop_r1.models.chat_template import Options, has_system_role, merge_system, turn_end_id
from shop_r1.models.prefix_tree import common_prefix
from shop_r1.models.pretrained import BUNDLED, PRETRAINED, fetched_folder, is_fetched

BASE_CHECKPOINT = BUNDLED["base"]
"""Our own small checkpoint, made by `recipes/base.sh`; `--model base` means this one."""
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
UNLOADABLE = (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError)
"""What transformers raises where a folder is no checkpoint of the kind that is loaded."""
_MODEL_FILES = ("config.json", "model*.safetensors*", "adapter_*")
"""What of a checkpoint one of another kind must not be mixed with."""


@dataclass(frozen=True)
class LocalModel:
    """A Hugging Face causal LM with the standard key/value cache, and its tokenizer, with a chat template."""

    model: Any
    tokenizer: Any

    @property
    def end_ids(self) -> tuple[int, ...]:
        """The tokens that end a completion."""
        configured = self.model.generation_config.eos_token_id
        ids = configured if isinstance(configured, list) else [configured]
        return tuple({*ids, self.tokenizer.eos_token_id, self._turn_end} - {None})

    @property
    def pad_id(self) -> int:
        """The token that fills rectangles; never seen by the model's attention."""
        pad = self.tokenizer.pad_token_id
        return int(self.end_ids[0] if pad is None else pad)

    def chat(self, messages: Sequence[dict[str, str]]) -> list[dict[str, str]]:
        """Return the messages as the template takes them.

        Where it has no system role, the system's text stands before the user's first message.
        """
        return list(messages) if self._has_system_role else merge_system(messages)

    @property
    def positions(self) -> int | None:
        """How many tokens the model can read at most; None where its configuration does not say."""
        found = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        return found if isinstance(found, int) else None

    def prompt_ids(self, messages: Sequence[dict[str, str]], options: Options | None = None) -> list[int]:
        """Return the chat's token ids up to where the assistant's completion begins; options by name.

        Raises:
            ConfigError: they are more than the model can read.
        """
        kinds = {"add_generation_prompt": True, "tokenize": True, "return_dict": True}
        encoded = self.tokenizer.apply_chat_template(self.chat(messages), **kinds, **(options or {}))
        ids = list(encoded["input_ids"])
        if self.positions is not None and len(ids) >= self.positions:
            raise ConfigError(
                f"a prompt has {len(ids):,} tokens and the model reads {self.positions:,} at most, the "
                f"completion included; set prompt.max_tokens to {self.positions} or less"
            )
        return ids

    def completion_ids(self, completion: str) -> list[int]:
        """Return the completion's token ids, with the token that ends the turn."""
        return [*self.tokenizer(completion, add_special_tokens=False)["input_ids"], self._turn_end]

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the text has."""
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def decode(self, ids: Sequence[int]) -> str:
        """Return the completion's text, without the token that ends it."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    @cached_property
    def _has_system_role(self) -> bool:
        return has_system_role(self.tokenizer)

    @cached_property
    def _turn_end(self) -> int:
        return turn_end_id(self.tokenizer)  # type: ignore[return-value]


def resolve_model(name_or_path: str) -> str:
    """Return what `from_pretrained` takes: a folder's whole path, or a name on the hub.

    A name of `BUNDLED` stands for a checkpoint in the package, one of `PRETRAINED` for a model that was
    fetched.

    Raises:
        ModelError: it was not fetched yet.
    """
    if name_or_path in PRETRAINED:
        return str(_find_fetched(name_or_path))
    path = BUNDLED.get(name_or_path, Path(name_or_path))
    return str(path.resolve()) if path.is_dir() else name_or_path


def _find_fetched(name: str) -> Path:
    folder = fetched_folder(name)
    if not is_fetched(folder):
        here = f" (the folder of that name here is ./{name})" if Path(name).is_dir() else ""
        raise ModelError(
            f"model {name!r} is not in {folder}; shop-r1 model fetch {name} brings it there, once{here}"
        )
    return folder


def refuse_gguf(place: Path) -> None:
    """Refuse a GGUF file, or a folder that holds one and no checkpoint, with a word on how to convert it.

    Raises:
        ModelError: it is one.
    """
    found = [place] if place.suffix == ".gguf" else sorted(place.glob("*.gguf"))
    if found and not (place / "config.json").exists():
        raise ModelError(
            f"{found[0]}: is a GGUF file, whose weights are packed for inference; expected a checkpoint "
            f"folder in safetensors: shop-r1 model convert {found[0]} --out DIR makes one of it"
        )


def load_model(name_or_path: str, dtype: torch.dtype = torch.float32) -> LocalModel:
    """Return what `base`, a folder or a name on the Hugging Face hub is: safetensors, without remote code.

    Raises:
        ModelError: it is not there, is not a causal LM in safetensors, or its tokenizer has no chat template.
    """
    source = resolve_model(name_or_path)
    refuse_gguf(Path(source))
    if is_adapter(Path(source)):
        return finish_loading(*_load_adapter(Path(source), dtype), source)
    if Path(source).is_absolute() and not (Path(source) / "config.json").exists():
        raise ModelError(f"model {name_or_path!r}: {source} holds no checkpoint (no config.json in it)")
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        model, info = AutoModelForCausalLM.from_pretrained(
            source,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation="sdpa",
            output_loading_info=True,
        )
    except UNLOADABLE as error:
        raise ModelError(
            f"model {name_or_path!r} cannot be loaded ({reason_of(error)}); expected `base`, a folder with a "
            "Hugging Face causal LM in safetensors, or its name on the hub"
        ) from None
    refuse_made_up(info, f"model {name_or_path!r}")
    try:
        check_attention(model.config)
    except ModelError as error:
        raise ModelError(f"model {name_or_path!r}: {error}") from None
    return finish_loading(model, tokenizer, name_or_path)


def refuse_made_up(info: Mapping[str, Any], name: str) -> None:
    """Refuse a model of which transformers made up weights at random, as its loading info says.

    Raises:
        ModelError: its files lack weights that its configuration asks for, or have them in another shape.
    """
    wrong = [*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])]
    if wrong:
        raise ModelError(
            f"{name}: of {len(wrong)} weights, such as {min(wrong)}, there are none of the shape that its "
            "configuration asks for; the files may be incomplete or of another model: get them again"
        )


def finish_loading(model: Any, tokenizer: Any, name: str) -> LocalModel:
    """Return a model that was read with its tokenizer, whose chat template decides where completions end.

    Raises:
        ModelError: the tokenizer's files are missing, or it has no chat template.
    """
    # Else transformers warns of "indexing errors" at the first text over the model's length, though here
    # texts are counted first and cut after. Its mark for "has been said"; it is not saved.
    tokenizer.deprecation_warnings["sequence-length-is-longer-than-the-specified-maximum"] = True
    if not tokenizer("a", add_special_tokens=False)["input_ids"]:  # transformers makes up an empty one.
        raise ModelError(f"model {name!r} cannot be loaded: its tokenizer's files are missing")
    if tokenizer.chat_template is None:
        raise ModelError(f"model {name!r}: its tokenizer has no chat template; use an instruct model")
    found = LocalModel(model.eval(), tokenizer)
    ids = model.generation_config.eos_token_id
    known = ids if isinstance(ids, list) else [ids]
    if turn_end_id(tokenizer) not in known:  # Servers read the configuration.
        ends = [*(each for each in known if each is not None), *set(found.end_ids) - set(known)]
        model.generation_config.eos_token_id = ends
    return found


def is_adapter(folder: Path) -> bool:
    """Return whether the folder holds a LoRA adapter and not a whole model."""
    return (folder / ADAPTER_CONFIG).exists() and not (folder / "config.json").exists()


def adapted_model(folder: Path) -> str:
    """Return what an adapter was trained on: a folder or a name on the hub.

    Raises:
        ModelError: its configuration does not say.
    """
    try:
        return str(json.loads((folder / ADAPTER_CONFIG).read_text("utf-8"))["base_model_name_or_path"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"adapter {folder}: {ADAPTER_CONFIG} does not say what it was trained on ({error!r}); expected "
            "base_model_name_or_path, a folder or a name on the Hugging Face hub"
        ) from None


def _load_adapter(folder: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    """Return the model that the adapter was trained on, the adapter merged into it, and its tokenizer."""
    from peft import PeftModel, get_peft_model_state_dict

    base = adapted_model(folder)
    try:
        # PEFT itself would take a pickle where the file is missing.
        names = set(load_file(folder / ADAPTER_WEIGHTS))
        with catch_warnings():
            simplefilter("ignore")  # of names that are missing, which end in our error
            whole = PeftModel.from_pretrained(load_model(base, dtype).model, str(folder))
        missing = set(get_peft_model_state_dict(whole)) ^ names
        tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    except UNLOADABLE as error:
        raise ModelError(
            f"adapter {folder} cannot be loaded ({reason_of(error)}); expected a LoRA adapter in safetensors "
            "and, where its adapter_config.json says, the model that it was trained on"
        ) from None
    if missing:
        raise ModelError(
            f"adapter {folder} is not for the model {base}: {len(missing)} of its weights' names are not "
            f"those expected, such as {min(missing)}"
        )
    return whole.merge_and_unload(), tokenizer


def save_checkpoint(model: LocalModel, out: Path, weights: Mapping[str, Tensor] | None = None) -> None:
    """Write the model and its tokenizer beside, then move them into the folder, file by file.

    So a disk that fills up leaves an older checkpoint in the folder as it was. `weights` are given by name
    where they are not the model's own (gathered from shards).

    Raises:
        ModelError: it cannot be written, for instance because the disk is full.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        for left in out.glob(".new-*"):  # by a run that was killed here
            rmtree(left)
        with TemporaryDirectory(prefix=".new-", dir=out) as beside:
            model.model.save_pretrained(beside, state_dict=weights)
            model.tokenizer.save_pretrained(beside)
            written = [path for path in Path(beside).iterdir() if path.name != "README.md"]  # PEFT's own card
            for path in written:
                path.chmod(file_mode(out / path.name))  # safetensors makes files for their owner alone
                path.replace(out / path.name)
        earlier = {path for pattern in _MODEL_FILES for path in out.glob(pattern)}
        for path in earlier - {out / path.name for path in written}:
            path.unlink()
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{out}: the checkpoint cannot be written ({reason_of(error)})") from None


def reason_of(error: Exception) -> str:
    """Return why a library failed, on one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:")


def token_offsets(tokenizer: Any, ids: Sequence[int]) -> list[tuple[int, int]]:
    """Return which characters of the decoded text each token stands for, as (first, last + 1).

    A character of several tokens belongs to each of them, as in a fast tokenizer's own offsets; special
    tokens have none.
    """
    text = tokenizer.decode(ids, skip_special_tokens=True)
    offsets, start = [], 0
    for count in range(1, len(ids) + 1):
        beginning = tokenizer.decode(ids[:count], skip_special_tokens=True)
        whole = common_prefix(beginning, text)
        cut = len(beginning) > whole  # It ends inside a character, which reads as a replacement so far.
        offsets.append((start, whole + cut))
        start = whole
    return offsets

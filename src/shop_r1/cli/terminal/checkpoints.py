"""Checkpoints for commands: loaded without noise, and what their configuration says before that."""

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from shop_r1.cli.terminal import console
from shop_r1.errors import ConfigError, DataError, ModelError
from shop_r1.models.pretrained import BUNDLED, PRETRAINED, fetched_folder
from shop_r1.runs import RunFolder
from shop_r1.validation_messages import describe_problems

if TYPE_CHECKING:
    from shop_r1.models.checkpoint import LocalModel
    from shop_r1.prompts.render import PromptConfig


def hide_loading() -> None:
    """Turn off transformers' progress bars and the hub's messages about retries; ours are shown."""
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    # TRL 1.16 still calls what transformers 5.23 has renamed; users can do nothing about it.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|trl)\.")
    # transformers logs how it reconciles the special tokens of the model's files; `models.chat_template` has
    # chosen the end of a completion by then.
    logging.getLogger("transformers.trainer_utils").setLevel(logging.ERROR)
    hub_logging.set_verbosity(logging.ERROR)


def load(name_or_path: str) -> "LocalModel":
    """Return the checkpoint, loaded without transformers' bars.

    Raises:
        ModelError: it cannot be loaded.
    """
    from shop_r1.models.checkpoint import load_model

    check_place(name_or_path)
    hide_loading()
    return load_model(name_or_path)


def report_template(name: str, tokenizer: Any, prompt: "PromptConfig") -> dict[str, str | bool]:
    """Print what is unusual about a model's chat template, and return what the run folder records of it.

    Raises:
        ConfigError: the template has no such option.
        ModelError: there is no template, or it cannot write a user's message.
    """
    from shop_r1.models.chat_template import examine_template

    if tokenizer.chat_template is None:
        raise ModelError(f"model {name!r}: its tokenizer has no chat template; use an instruct model")
    found = examine_template(tokenizer, prompt.chat_template_kwargs)
    if not found.system_role:
        console.note(
            f"The chat template of {name!r} has no system role: the system's text stands before the user's "
            "first message"
        )
    if found.open_think:
        switch = "prompt.chat_template_kwargs.enable_thinking=false"
        help_ = f"add {switch}" if found.knows_thinking else "it has no switch enable_thinking"
        console.note(
            f"The chat template of {name!r} opens a <think> before each completion: completions and training "
            f"targets are then inside it, and servers that remove thoughts show nothing; {help_}"
        )
    place = "own role" if found.system_role else "before the user's first message"
    return {"system": place, "turn_end": found.turn_end, "open_think": found.open_think}


def model_folder(name_or_path: str) -> Path | None:
    """Return the folder that a model is read from; None for a name on the hub, and for a bundled one."""
    path = fetched_folder(name_or_path) if name_or_path in PRETRAINED else Path(name_or_path)
    return path if name_or_path not in BUNDLED and path.exists() else None


def model_origin(name_or_path: str) -> dict[str, str] | None:
    """Return whose pretrained weights a model goes back to, and their licence; None where that is not known.

    A checkpoint that was trained here has it from what it was trained on, in its `settings.json`.

    Raises:
        DataError: its `settings.json` cannot be read.
    """
    if known := PRETRAINED.get(name_or_path):
        return {"model": f"{known.made_by}/{known.title}", "licence": known.licence}
    folder = Path(name_or_path)
    if name_or_path in BUNDLED or not (folder / "settings.json").is_file():
        return None
    found = RunFolder(folder).read_settings().get("origin")
    return found if isinstance(found, dict) else None


def trained_prompt(model: str) -> dict[str, Any] | None:
    """Return the prompt settings that a checkpoint was trained with; None where its folder does not say.

    Raises:
        DataError: the folder's `settings.json` is not what training wrote.
    """
    from shop_r1.prompts.render import PromptConfig

    path = Path(model) / "settings.json"
    if model in PRETRAINED or not path.is_file():
        return None
    record = RunFolder(Path(model)).read_settings()
    found = (record.get("settings") or {}).get("prompt")
    if record.get("command") not in ("sft", "grpo") or not isinstance(found, dict):
        return None
    try:
        return PromptConfig.model_validate(found).model_dump(mode="json")
    except ValidationError as error:
        raise DataError.at(path, None, f"prompt: {describe_problems(error)}") from None


def check_place(name_or_path: str) -> None:
    """Refuse a folder that holds no checkpoint, before the hub is searched for a model of that name.

    A name that is not `owner/name`, or begins with an existing folder, can only be a folder.

    Raises:
        ModelError: there is no `config.json` in it, nor an adapter's `adapter_config.json`.
    """
    from shop_r1.models.checkpoint import refuse_gguf

    if name_or_path in BUNDLED or name_or_path in PRETRAINED:
        return
    path, files = Path(name_or_path), ("config.json", "adapter_config.json")
    is_place = path.is_absolute() or len(path.parts) > 2 or name_or_path.startswith((".", "~"))
    is_place = is_place or path.exists() or (len(path.parts) == 2 and Path(path.parts[0]).is_dir())
    if is_place and not any((path / name).exists() for name in files):
        refuse_gguf(path)
        found = "holds no checkpoint (no config.json in it)" if path.exists() else "is not there"
        raise ModelError(
            f"model {name_or_path!r}: {path} {found}; expected `base`, a checkpoint folder, or a name on the "
            "Hugging Face hub"
        )


def longest_context(name_or_path: str) -> int | None:
    """Return the context length that the checkpoint declares, in tokens; None where it does not say.

    Raises:
        ModelError: it cannot be loaded.
    """
    from transformers import AutoConfig

    from shop_r1.models.checkpoint import adapted_model, is_adapter, resolve_model

    check_place(name_or_path)
    hide_loading()
    source = resolve_model(name_or_path)
    if is_adapter(Path(source)):
        return longest_context(adapted_model(Path(source)))
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(
            f"model {name_or_path!r} cannot be loaded ({reason}); expected `base`, a checkpoint folder, or a "
            "name on the Hugging Face hub"
        ) from None
    found = getattr(config.get_text_config(), "max_position_embeddings", None)
    return found if isinstance(found, int) else None


def fit_prompt(prompt: "PromptConfig", name_or_path: str, needed: int = 0) -> "PromptConfig":
    """Return the prompt settings with the budget lowered to the model's context length, and print that.

    At least `needed` tokens of the budget are kept free for the completion.

    Raises:
        ConfigError: nothing is left for the prompt.
    """
    longest = longest_context(name_or_path)
    budget = min(prompt.max_tokens, longest or prompt.max_tokens)
    completion = max(prompt.max_completion_length, needed)
    if completion >= budget:
        raise ConfigError(
            f"model {name_or_path!r} reads {budget} tokens and {completion} are kept free for the "
            "completion; lower prompt.max_completion_length"
        )
    if budget < prompt.max_tokens:
        console.note(
            f"Prompt budget: {budget} tokens, which is all that {name_or_path!r} can read (the settings "
            f"allow {prompt.max_tokens})"
        )
    return prompt.model_copy(update={"max_tokens": budget, "max_completion_length": completion})

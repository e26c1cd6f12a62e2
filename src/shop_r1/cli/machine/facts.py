"""What this machine has, and what that is enough for."""

import os
import platform
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from shop_r1.cli.terminal.checkpoints import hide_loading
from shop_r1.drivers.browser.chromium import find_chromium
from shop_r1.endpoints.secrets import KEYS
from shop_r1.errors import ConfigError
from shop_r1.models.precision import choose_precision
from shop_r1.models.pretrained import BUNDLED
from shop_r1.runs import package_versions

PARAMETERS = {
    "the demo's model": 1_050_000,
    "Qwen2.5-0.5B-Instruct": 494_000_000,
    "Qwen2.5-1.5B-Instruct": 1_544_000_000,
    "Qwen2.5-3B-Instruct": 3_086_000_000,
}
"""Parameters by model, embeddings included (the model cards)."""
BYTES = {"evaluate": 4, "sft": 16, "grpo": 20}
"""Bytes per parameter: float32 weights; with gradients and Adam's two moments; with the reference as well."""
_GIB = 1 << 30
_VERSION_S = 20.0  # for a program to say its version


def describe_machine() -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Return (name, value) of what is here, and the table of what fits, its header first."""
    device, memory = find_device()
    number_format, strategy = _describe_training()
    facts: list[tuple[str, ...]] = [
        ("python", f"{platform.python_version()} at {sys.prefix}"),
        ("cores", str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())),
        ("memory", _gib(_memory_bytes())),
        ("device", device),
        ("number format", number_format),
        ("strategy", strategy),
        ("base checkpoint", _base_checkpoint()),
        ("endpoints", _endpoints()),
        ("browser", describe_browser()),
    ]
    facts += [(name, found) for name, found in package_versions().items() if name != "python"]
    capacity = [
        (name, *(_fits(parameters * size, memory) for size in BYTES.values()))
        for name, parameters in PARAMETERS.items()
    ]
    return facts, [("model", *BYTES), *capacity]


def _fits(need: int, memory: int | None) -> str:
    return f"{_gib(need)} {'?' if memory is None else 'yes' if need < 0.8 * memory else 'no'}"


def find_device() -> tuple[str, int | None]:
    """Return what models run on here, and its memory in bytes: of one GPU, else this machine's."""
    memory = _memory_bytes()
    if find_spec("torch") is None:
        return "unknown: torch is not installed (pip install 'shop-r1[train]')", memory
    import torch

    if torch.cuda.is_available():
        facts = torch.cuda.get_device_properties(0)
        name = f"{torch.cuda.device_count()} x {facts.name}, {_gib(facts.total_memory)}"
        return name, int(facts.total_memory)
    return f"CPU, {torch.get_num_threads()} threads", memory


def _describe_training() -> tuple[str, str]:
    """Return what bf16=auto stands for here, and how training started as this command was would be spread."""
    if find_spec("trl") is None:
        unknown = "unknown: pip install 'shop-r1[train]'"
        return unknown, unknown
    from shop_r1.training.devices import active_strategy

    hide_loading()
    return str(choose_precision()), active_strategy()


def _memory_bytes() -> int | None:
    """Return this machine's memory, or the container's limit where that is lower; None where unknown."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text("utf-8"))
    except (OSError, ValueError):  # No control groups, or "max".
        return total
    return min(total, limit)


def _base_checkpoint() -> str:
    weights = {name: folder / "model.safetensors" for name, folder in BUNDLED.items()}
    if missing := [name for name, path in weights.items() if not path.exists()]:
        return f"{', '.join(missing)} missing; recipes/base.sh makes them"
    return ", ".join(f"{name} {path.stat().st_size / 1e6:.1f} MB" for name, path in weights.items())


def _endpoints() -> str:
    """Return whether models over a network can be asked, and for which there is a key; never a key."""
    if any(find_spec(name) is None for name in ("openai", "anthropic", "tenacity")):
        return "cannot be asked: pip install 'shop-r1[api]'"
    found = ", ".join(name for name in KEYS if os.environ.get(name))
    return f"can be asked; keys in the environment: {found or 'none'}"


def describe_browser() -> str:
    """Return which Chromium `simulate --browser` starts, with its version, or what is missing for it."""
    if any(find_spec(name) is None for name in ("playwright", "protego")):
        return "cannot be driven: pip install 'shop-r1[browser]'"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    try:
        path = find_chromium(own)
    except ConfigError as error:
        return f"{error}; only simulate in a browser needs it"
    try:
        found = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=_VERSION_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"{path} does not say its version ({type(error).__name__}); is it Chromium?"
    version = re.match(r"[\w ]*?[\d.]+", found.stdout.strip())
    return f"{version[0] if version else 'a browser of unknown version'} at {path}"


def _gib(size: int | None) -> str:
    if size is None:
        return "unknown"
    return f"{size / _GIB:.1f} GiB" if size > _GIB / 10 else "< 0.1 GiB"

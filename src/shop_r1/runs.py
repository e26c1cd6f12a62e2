"""A run folder: what a run was made with, and which of its stages are done."""

import hashlib
import json
import platform
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from shop_r1.config import Config
from shop_r1.errors import DataError, file_errors
from shop_r1.jsonl import read_json, read_lines, write_json

PACKAGES = ("shop-r1", "torch", "transformers", "trl", "accelerate", "peft", "datasets", "pydantic")
"""Whose versions can change a result."""
CHECKPOINTS = "checkpoints"
"""Where in a run folder training keeps what it can go on from."""
CARD = "README.md"
"""A model's card, which is about the model and no part of it."""
CACHE = "completions.jsonl"
"""Where in an evaluation's folder an endpoint's completions are kept; one that begins anew uses them."""


class RunFolder:
    """A folder that a run writes to; made when first written to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def settings(self) -> Path:
        """The file that holds all that is needed to do the run again; it is there once a run has begun."""
        return self.path / "settings.json"

    def write_settings(self, record: Mapping[str, Any]) -> None:
        """Write what `make_record` returned to `settings.json`.

        Raises:
            DataError: the folder cannot be written.
        """
        write_json(self.settings, record)

    def read_settings(self) -> dict[str, Any]:
        """Return what `write_settings` wrote.

        Raises:
            DataError: there is no `settings.json`, or it is not a JSON object.
        """
        values = read_json(self.settings)
        if not isinstance(values, dict):
            raise DataError.at(self.settings, None, "is not a JSON object")
        return values

    def check_settings(self, record: Mapping[str, Any], free: Collection[str] = ()) -> None:
        """Make sure that `settings.json` was written for the same run; arguments as for `list_differences`.

        Raises:
            DataError: it was not; the message names what differs.
        """
        if found := self.list_differences(record, free):
            problem = f"is of another run: {', '.join(found)}; give the same, or another --out"
            raise DataError.at(self.settings, None, problem)

    def list_differences(
        self, record: Mapping[str, Any], free: Collection[str] = (), same_versions: bool = False
    ) -> list[str]:
        """Return what `settings.json` has otherwise than a record, each with both values; inputs by content.

        Settings in `free`, such as `seed` or `table.key`, may differ; with `same_versions`, Python, the
        packages and our revision may not.

        Raises:
            DataError: `settings.json` cannot be read.
        """
        there = self.read_settings()
        known = there.get("inputs", {}).values()
        before, now = (_without(each.get("settings", {}), free) for each in (there, record))
        found = describe_differences({"command": there.get("command")}, {"command": record.get("command")})
        found += describe_differences(before, now)
        found += [
            f"the contents of {name}" for name, digest in record["inputs"].items() if digest not in known
        ]
        if same_versions:
            keys = ("versions", "revision")
            old, new = ({key: each.get(key) for key in keys} for each in (there, record))
            found += describe_differences(old, new)
        return found

    def stage_done(self, name: str, digest: str) -> bool:
        """Return whether the stage was finished with this digest of settings and inputs.

        A marker that is missing, corrupt or of another digest says no.
        """
        try:
            marker = read_json(self._marker(name))
        except DataError:
            return False
        return isinstance(marker, dict) and marker.get("digest") == digest

    def finish_stage(self, name: str, digest: str) -> None:
        """Note that the stage is done. Call it last, when all that the stage writes is in place.

        Raises:
            DataError: the folder cannot be written.
        """
        write_json(self._marker(name), {"stage": name, "digest": digest})

    def _marker(self, name: str) -> Path:
        return self.path / "stages" / f"{name}.json"


def make_record(
    config: Config | Mapping[str, Any], inputs: Sequence[Path] = (), seed: int | None = None, **more: Any
) -> dict[str, Any]:
    """Return what `settings.json` holds.

    The settings are those that were resolved, defaults included; of `inputs`, the files and folders that the
    run reads, the digests are written. `seed` is of everything random.

    Raises:
        DataError: an input cannot be read.
    """
    found = _settings_and_inputs(config, inputs)
    return {
        "settings": found["settings"],
        "seed": seed,
        "inputs": found["inputs"],
        "versions": package_versions(),
        "revision": source_revision(),
        **more,
    }


def _settings_and_inputs(config: Config | Mapping[str, Any], inputs: Sequence[Path]) -> dict[str, Any]:
    settings = config.model_dump(mode="json") if isinstance(config, Config) else dict(config)
    return {"settings": settings, "inputs": {str(each): digest_file(each) for each in inputs}}


def digest_record(record: Mapping[str, Any], free: Collection[str] = ()) -> str:
    """Return the digest of a record: equal for runs equal but for `free`, wherever their inputs stand."""
    values = {
        **record,
        "settings": _without(record["settings"], free),
        "inputs": list(record["inputs"].values()),
    }
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _without(settings: Mapping[str, Any], free: Collection[str], table: str = "") -> dict[str, Any]:
    """Return the settings but for those in `free`, named as `table.key` where they stand in a table."""
    return {
        key: _without(value, free, f"{table}{key}.") if isinstance(value, Mapping) else value
        for key, value in settings.items()
        if f"{table}{key}" not in free
    }


def digest_stage(config: Config | Mapping[str, Any], inputs: Sequence[Path] = (), **more: Any) -> str:
    """Return the digest of a stage's settings, inputs and `more` JSON values; inputs count by content.

    Raises:
        DataError: an input cannot be read.
    """
    return digest_record(_settings_and_inputs(config, inputs) | more)


def describe_differences(before: Mapping[str, Any], now: Mapping[str, Any], table: str = "") -> list[str]:
    """Return what differs between two tables of settings, each as `table.key (1 there, 2 now)`.

    >>> before = {"seed": 0, "reward": {"action": {"kind": "binary"}}}
    >>> describe_differences(before, {"seed": 0, "reward": {"action": {"kind": "hierarchical"}}})
    ['reward.action.kind ("binary" there, "hierarchical" now)']
    """
    found = []
    for key in dict.fromkeys((*before, *now)):
        old, new = before.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += describe_differences(old, new, f"{table}{key}.")
        elif old != new:
            found.append(f"{table}{key} ({json.dumps(old)} there, {json.dumps(new)} now)")
    return found


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder's files with their names, in order of name.

    A trained model's folder counts without `checkpoints/`, from which only its own training reads, and
    without its card, which changes when the model is evaluated.

    Raises:
        DataError: it cannot be read.
    """
    digest = hashlib.sha256()
    with file_errors(path):
        inside = (each for each in path.rglob("*") if path / CHECKPOINTS not in each.parents)
        files = sorted(each for each in inside if each.is_file() and each != path / CARD)
        for file in files if path.is_dir() else [path]:
            if file != path:
                digest.update(str(file.relative_to(path)).encode() + b"\0")
            with file.open("rb") as stream:
                hashlib.file_digest(stream, lambda: digest)
    return digest.hexdigest()


def read_metrics(path: Path) -> Iterator[dict[str, float]]:
    """Yield the lines of a run's `metrics.jsonl`.

    Raises:
        DataError: it cannot be read, or a line is not a JSON object.
    """
    for number, text in read_lines(path):
        try:
            yield dict(json.loads(text))
        except (ValueError, TypeError) as error:
            raise DataError.at(path, number, f"is not a JSON object ({error})") from None


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages that can change a result."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def source_revision() -> str | None:
    """Return the git revision of the running source, with `-dirty` where files differ; None without git."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():  # Installed: a repository further up would be somebody else's.
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None

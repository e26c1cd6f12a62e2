"""Checkpoints of a run that is still training: each is whole or absent, and verified before it is used.

`OUT/checkpoints/step-000050/` is written beside its place, flushed to the disk, and renamed when all of it
is there. Its `checkpoint.json`, written last, names every file with size and SHA-256, and the run that it
belongs to. So a run that is killed at any moment leaves its last checkpoint as it
was; what `training.resume` reads is what was written.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage, rmtree
from typing import Any

from accelerate import PartialState
from pydantic import ValidationError
from safetensors import SafetensorError

from shop_r1.atomic_files import file_mode
from shop_r1.datasets.examples import Example, ExampleSet
from shop_r1.datasets.session_files import session_digests
from shop_r1.errors import DataError, TrainingError
from shop_r1.jsonl import Record
from shop_r1.models.checkpoint import reason_of
from shop_r1.records.sessions import Session
from shop_r1.runs import CHECKPOINTS, describe_differences, digest_file, package_versions
from shop_r1.training.progress.console import print_note
from shop_r1.validation_messages import describe_problems

MANIFEST = "checkpoint.json"
_NEW, _OLD = ".new-", ".old-"
"""Prefixes of what is being written and of what is being removed."""


class FileMark(Record):
    """What a file must be."""

    size: int
    """In bytes."""
    sha256: str
    """Of its contents, in hexadecimal."""


class RunIdentity(Record):
    """What makes two runs the same: resuming one with another's checkpoint is refused."""

    settings: dict[str, Any]
    """As resolved, but for those on which no weight depends."""
    data: str
    """Digest of the sessions and their order."""
    processes: int
    """How many train together; each has a random state of its own."""

    def differences(self, now: "RunIdentity") -> list[str]:
        """Return what is another in `now`, each as `key (1 there, 2 now)`."""
        before, after = ({**run.settings, "processes": run.processes} for run in (self, now))
        return describe_differences(before, after) + ["the data"] * (self.data != now.data)


class Manifest(Record):
    """`checkpoint.json`, written when all else is in place."""

    step: int
    """Optimiser steps done."""
    steps: int
    """Optimiser steps of the whole run."""
    run: RunIdentity
    """The run that it belongs to."""
    versions: dict[str, str]
    """Of Python and the packages that wrote it."""
    files: dict[str, FileMark]
    """Every other file, by its path in the folder."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint found whole."""

    path: Path
    manifest: Manifest


def digest_data(sessions: Iterable[Session], steps: Sequence[int] = ()) -> str:
    """Return the SHA-256 of sessions' digests, in order, and of the steps chosen of them, if they are."""
    return _digest(session_digests(sessions), steps)


def digest_examples(examples: Sequence[Example]) -> str:
    """Return `digest_data` of the examples' sessions and steps; of Parquet no page is read."""
    if isinstance(examples, ExampleSet):
        found = examples.sessions.columns.digests[examples.numbers]
        return _digest((digest.tobytes() for digest in found), examples.steps.tolist())
    known = {id(each.session): each.session for each in examples}
    digests = dict(zip(known, session_digests(known.values()), strict=True))
    return _digest((digests[id(each.session)] for each in examples), [each.step for each in examples])


def _digest(digests: Iterable[bytes], steps: Sequence[int]) -> str:
    digest = hashlib.sha256(b"".join(digests))
    digest.update(json.dumps(list(steps)).encode())
    return digest.hexdigest()


def list_checkpoints(out: Path) -> list[Path]:
    """Return the checkpoints in a run's folder, whole or incomplete, from the first step to the last."""
    return sorted(
        (path for path in (out / CHECKPOINTS).glob("step-*") if re.fullmatch(r"step-\d+", path.name)),
        key=_step,
    )


def refuse_earlier_run(out: Path) -> None:
    """Stop a start in a folder where another run left checkpoints.

    Raises:
        TrainingError: there are some.
    """
    found = list_checkpoints(out)
    if found:
        raise TrainingError(
            f"{out}: holds a run's checkpoints, the last of step {_step(found[-1])}; go on with --resume, "
            "or take another --out"
        )


def read_checkpoint(path: Path) -> Checkpoint:
    """Return the checkpoint, every file of it compared with its manifest.

    Raises:
        TrainingError: it is incomplete or corrupt.
    """
    try:
        manifest = Manifest.model_validate_json((path / MANIFEST).read_bytes())
        for name, mark in manifest.files.items():
            size = (path / name).stat().st_size
            if size != mark.size:
                raise TrainingError(f"{path / name}: has {size} bytes, was written with {mark.size}")
            if digest_file(path / name) != mark.sha256:
                raise TrainingError(f"{path / name}: its contents are not what was written")
    except OSError as error:
        raise TrainingError(f"{error.filename}: cannot be read ({error.strerror})") from None
    except DataError as error:
        raise TrainingError(f"{error}") from None
    except ValidationError as error:
        raise TrainingError(f"{path / MANIFEST}: {describe_problems(error)}") from None
    return Checkpoint(path, manifest)


def find_checkpoint(out: Path) -> Checkpoint | None:
    """Return the newest checkpoint that is whole, naming those passed over; None if there never was one.

    Raises:
        TrainingError: there are checkpoints and none is whole.
    """
    found = list_checkpoints(out)
    for path in reversed(found):
        try:
            return read_checkpoint(path)
        except TrainingError as error:
            print_note(f"{error}; {path.name} is not whole and passed over")
    if found:
        raise TrainingError(
            f"{out / CHECKPOINTS}: none of its checkpoints is whole; remove the folder to start from the "
            "beginning"
        )
    return None


class CheckpointFolder:
    """Writes one run's checkpoints into `OUT/checkpoints`, its `path`."""

    def __init__(self, out: Path, run: RunIdentity, keep: int) -> None:
        self._out = out
        self._keep = keep
        self.path = out / CHECKPOINTS
        self.run = run

    @contextmanager
    def writing(self, step: int, steps: int) -> Iterator[Path]:
        """Yield an empty folder beside; what is in it in the end becomes the checkpoint of the step.

        Of several processes all must call this, and the first one makes and moves the folder.

        Raises:
            TrainingError: it cannot be written, for instance because the disk is full. Nothing of it is left,
                and the checkpoints before it are as they were.
        """
        processes, beside = PartialState(), self.path / f"{_NEW}{_name(step)}"
        try:
            if processes.is_main_process:
                for left in (*self.path.glob(f"{_NEW}*"), *self.path.glob(f"{_OLD}*")):
                    rmtree(left)  # an earlier process was killed over it
                beside.mkdir(parents=True)
            processes.wait_for_everyone()
            yield beside
            processes.wait_for_everyone()
            if processes.is_main_process:
                self._seal(beside, step, steps)
                self._place(beside, step)
            processes.wait_for_everyone()
        # RuntimeError: torch.save, when the disk is full.
        except (OSError, SafetensorError, RuntimeError) as error:
            raise TrainingError(self._describe(step, error)) from error
        finally:
            if processes.is_main_process:
                rmtree(beside, ignore_errors=True)

    def _describe(self, step: int, error: Exception) -> str:
        before = [f"{_step(path)}" for path in list_checkpoints(self._out)]
        left = f"that of step {before[-1]} is as it was; make room, then --resume" if before else "make room"
        free = disk_usage(self._out).free / 1e6  # torch.save does not say that the disk is full
        return (
            f"{self.path}: the checkpoint of step {step} cannot be written ({reason_of(error)}; "
            f"{free:.0f} MB free); {left}"
        )

    def _seal(self, folder: Path, step: int, steps: int) -> None:
        """Flush all that is in the folder, and the logs, and write the manifest."""
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        mode = file_mode(folder / MANIFEST)
        for path in files:
            path.chmod(mode)  # safetensors makes files for their owner alone
        for path in (*files, *self._out.glob("*.jsonl")):
            _flush(path)
        manifest = Manifest(
            step=step,
            steps=steps,
            run=self.run,
            versions=package_versions(),
            files={
                path.relative_to(folder).as_posix(): FileMark(
                    size=path.stat().st_size, sha256=digest_file(path)
                )
                for path in files
            },
        )
        (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", "utf-8")
        _flush(folder / MANIFEST)
        for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
            _flush(path)

    def _place(self, beside: Path, step: int) -> None:
        """Move the folder to its place, then remove the checkpoints that are no longer needed."""
        place = self.path / _name(step)
        if place.exists():  # Not whole: the run would have gone on from it.
            self._remove(place)
        beside.rename(place)
        _flush(self.path)
        found = list_checkpoints(self._out)
        older = [path for path in found if _step(path) < step]
        newer = [path for path in found if _step(path) > step]  # Not whole either.
        for path in (*older[: max(0, len(older) + 1 - self._keep)], *newer):
            self._remove(path)

    def _remove(self, path: Path) -> None:
        """Remove a checkpoint; a kill in between leaves nothing that looks like one."""
        rmtree(path.rename(self.path / f"{_OLD}{path.name}"))


def _name(step: int) -> str:
    return f"step-{step:06d}"


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def _flush(path: Path) -> None:
    """Have the system put a file, or the names in a folder, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

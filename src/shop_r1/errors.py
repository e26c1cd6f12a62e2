"""The exceptions as a tree; `cli.main` turns each into one line and exit code 2.

ShopR1Error
├── DataError      a record, a file of records or a run folder is not what it should be
├── ConfigError    a setting is unknown, out of range or contradicts another
├── PageError      a page cannot be read, or a name stands for nothing on it
├── ModelError     a checkpoint or an endpoint cannot serve
├── StoreError     the demo store cannot start or was asked for something it does not have
├── TrainingError  a run must not go on
├── ClusterError   processes of a Ray cluster die, also when they are started again
└── RunStopped     no error: a run was asked to stop and saved itself; it has its own exit code

SIGTERM raises Terminated, a KeyboardInterrupt and no error either, in every command.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ShopR1Error(Exception):
    """An error whose message says where, what was found, what was expected and what to do."""


class DataError(ShopR1Error):
    """A record or a file is not what it should be."""

    @classmethod
    def at(cls, path: Path | str, line: int | None, problem: str) -> "DataError":
        """Return the error with its place before it: `sessions.jsonl:41: action.name is missing`."""
        place = f"{path}:{line}" if line is not None else f"{path}"
        return cls(f"{place}: {problem}")


@contextmanager
def file_errors(path: Path, done: str = "read") -> Iterator[None]:
    """Turn an OSError into a DataError: `sessions.jsonl: cannot be read (Permission denied)`."""
    try:
        yield
    except OSError as error:
        raise DataError.at(path, None, f"cannot be {done} ({error.strerror or error})") from None


class ConfigError(ShopR1Error):
    """A setting is unknown, out of range or contradicts another."""


class PageError(ShopR1Error):
    """A page cannot be read, or a name stands for nothing on it."""


class ModelError(ShopR1Error):
    """A checkpoint or an endpoint cannot serve."""


class StoreError(ShopR1Error):
    """The demo store cannot start, or was asked for something it does not have."""


class TrainingError(ShopR1Error):
    """A run must not go on."""


class ClusterError(ShopR1Error):
    """Processes of a Ray cluster die, also when they are started again."""


class RunStopped(ShopR1Error):
    """A run was asked to stop by a signal, saved what it had, and has not finished."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number  # as a shell has it: 143 after SIGTERM, 130 after Ctrl-C


class Terminated(KeyboardInterrupt):
    """SIGTERM asks the process to end.

    A KeyboardInterrupt, so that all code that cleans up after Ctrl-C, asyncio's too, does so after SIGTERM.
    """

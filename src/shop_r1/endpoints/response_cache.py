"""All completions that were paid for, on disk as soon as they arrive: no run pays for the same one twice."""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from shop_r1.endpoints.protocol import NO_USAGE, Completion, Request, Usage
from shop_r1.jsonl import AppendedFile, Record, parse_record


class CachedCompletion(Record):
    """A line of the cache: one completion, accepted or not."""

    key: str = Field(pattern=r"^[0-9a-f]{64}$")
    """`request_key` of the endpoint and the request."""
    attempt: int = Field(ge=1)
    """Which completion of this request it is, from 1."""
    endpoint: str
    """The endpoint's name."""
    completion: Completion


class _Line(NamedTuple):
    offset: int  # in the file, in bytes
    size: int  # in bytes
    usage: Usage


def request_key(endpoint_name: str, request: Request) -> str:
    """Return the cache's key of a request to an endpoint: a SHA-256, in hexadecimal.

    Equal requests have equal keys, in whichever order their mappings have their keys.
    """
    content = [endpoint_name, request.model_dump(mode="json")]
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class ResponseCache(AppendedFile):
    """An append-only JSONL file of `CachedCompletion`, locked by one run at a time.

    Each completion is one write to the file before anything else is done with it, so a run that is killed
    loses only what it had not received yet. (A machine that loses power can lose the last few seconds: the
    file is forced to the disk when the cache is closed, not before.) Texts stay on disk. A last line that is
    incomplete is dropped; the next completion replaces it.
    """

    LINE, ELSEWHERE, BEGINNING = "completion", "a cache of its own", b'{"key":"'

    def __init__(self, path: Path) -> None:
        self._lines: dict[str, list[_Line]] = {}
        super().__init__(path)

    def __len__(self) -> int:
        """How many completions there are."""
        return sum(map(len, self._lines.values()))

    def completions(self, key: str) -> list[Completion]:
        """Return all completions of the request with this `request_key`, oldest first."""
        return [self._load(line) for line in self._lines.get(key, ())]

    def add(self, key: str, endpoint_name: str, completion: Completion) -> None:
        """Write one more completion of a request; when this returns, the file has it.

        Raises:
            DataError: it cannot be written; what was there before stays whole.
        """
        attempt = len(self._lines.get(key, ())) + 1
        cached = CachedCompletion(key=key, attempt=attempt, endpoint=endpoint_name, completion=completion)
        line = cached.model_dump_json().encode() + b"\n"
        self._remember(cached, self._append(line), len(line))

    def usage(self, keys: Iterable[str] | None = None) -> Usage:
        """Return the usage of all completions, or of those to requests with these keys, each counted once."""
        wanted = self._lines if keys is None else set(keys)
        return sum((line.usage for key in wanted for line in self._lines.get(key, ())), NO_USAGE)

    def _read(self) -> None:
        for number, text, size in self._whole_lines():
            self._remember(parse_record(text, CachedCompletion, self.path, number), self._end, size)

    def _remember(self, cached: CachedCompletion, offset: int, size: int) -> None:
        line = _Line(offset, size, cached.completion.usage)
        self._lines.setdefault(cached.key, []).append(line)

    def _load(self, line: _Line) -> Completion:
        text = os.pread(self._file.fileno(), line.size, line.offset)
        return CachedCompletion.model_validate_json(text).completion

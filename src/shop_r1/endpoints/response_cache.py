"""All completions that were paid for, on disk as soon as they arrive: no run pays for the same one twice."""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from shop_r1.endpoints.protocol import Completion, Request, Usage
from shop_r1.errors import DataError
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


_BEGINNING = b'{"key":"'
"""Of a line. It tells an incomplete line from another program's text, which must not be overwritten."""


class _Line(NamedTuple):
    offset: int  # in the file, in bytes
    size: int  # in bytes
    usage: tuple[int, int]  # input and output tokens


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
    file is forced to the disk when the cache is closed, not before.) Texts stay on disk. `dropped_lines` is 1
    where the last line was incomplete when the file was opened, else 0; the next completion replaces it.
    """

    LINE, ELSEWHERE = "completion", "a cache of its own"

    def __init__(self, path: Path) -> None:
        self.dropped_lines = 0
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
        self._append(line)
        self._remember(cached, len(line))

    def usage(self, keys: Iterable[str]) -> Usage:
        """Return the usage of all completions of requests with these keys, each counted once."""
        counts = [line.usage for key in set(keys) for line in self._lines.get(key, ())]
        return Usage(input_tokens=sum(n for n, _ in counts), output_tokens=sum(n for _, n in counts))

    def _read(self) -> None:
        with self.path.open("rb") as stream:
            for number, line in enumerate(stream, 1):  # Only the last can be without its end.
                begun = line.lstrip(b"\0")  # A machine that lost power can leave zeros.
                if not line.endswith(b"\n") and begun.startswith(_BEGINNING[: len(begun)]):
                    self.dropped_lines += 1
                    return
                try:
                    text = line.decode()
                except UnicodeDecodeError:
                    raise DataError.at(self.path, number, "is not UTF-8 text") from None
                self._remember(parse_record(text, CachedCompletion, self.path, number), len(line))

    def _remember(self, cached: CachedCompletion, size: int) -> None:
        usage = cached.completion.usage
        line = _Line(self._end, size, (usage.input_tokens, usage.output_tokens))
        self._lines.setdefault(cached.key, []).append(line)
        self._end += size

    def _load(self, line: _Line) -> Completion:
        text = os.pread(self._file.fileno(), line.size, line.offset)
        return CachedCompletion.model_validate_json(text).completion

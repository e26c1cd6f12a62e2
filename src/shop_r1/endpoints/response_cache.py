"""Every answer that was paid for, on disk the moment it came: no run pays for the same one twice."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple

from pydantic import Field

from shop_r1.endpoints.protocol import Answer, Request, Usage
from shop_r1.errors import DataError
from shop_r1.jsonl import Record, parse_record


class StoredAnswer(Record):
    """A line of the cache: one answer, whether or not it was of use."""

    key: str = Field(pattern=r"^[0-9a-f]{64}$")
    """`request_key` of the endpoint and the request."""
    attempt: int = Field(ge=1)
    """Which answer to this request it is, from 1."""
    endpoint: str
    """The endpoint's name."""
    answer: Answer


_BEGINNING = b'{"key":"'
"""Of a line, by which a torn one is told from somebody else's text, which must not be written over."""


def _is_torn(line: bytes) -> bool:
    """Return whether an unfinished line is one of ours; a machine that lost its power can leave zeros."""
    begun = line.lstrip(b"\0")
    return begun.startswith(_BEGINNING[: len(begun)])


class _Place(NamedTuple):
    offset: int  # where the line begins, in bytes
    size: int  # of the line, in bytes
    input_tokens: int
    output_tokens: int


def request_key(endpoint_name: str, request: Request) -> str:
    """Return what the cache knows a request to an endpoint by: a SHA-256, in hexadecimal.

    Equal requests have equal keys, whatever the order of the keys in their mappings.
    """
    content = [endpoint_name, request.model_dump(mode="json")]
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class AnswerCache:
    """An append-only JSONL file of `StoredAnswer`, held by one run at a time.

    Each answer is one write to the file before anything else is done with it, so a run that is killed loses
    only what it had not received yet. (A machine that loses its power can lose the last few seconds: the
    file is forced to the disk when the cache is closed, not before.) In memory there are places, no texts.

    Attributes:
        path: the file.
        dropped_lines: 1 where the last line was torn when the file was opened, else 0. The next answer is
            written over it.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or make it, and lock it until `close`.

        Raises:
            DataError: another run holds the file, it cannot be opened, or a line that is not the last is no
                stored answer.
        """
        self.path = path
        self.dropped_lines = 0
        self._places: dict[str, list[_Place]] = {}
        self._end = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = path.open("a+b", buffering=0)
        except OSError as error:
            raise DataError.at(path, None, f"cannot be opened ({error.strerror or error})") from None
        try:
            self._lock()
            self._read()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "AnswerCache":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """How many answers there are."""
        return sum(len(places) for places in self._places.values())

    def answers(self, key: str) -> list[Answer]:
        """Return all answers to the request with this `request_key`, oldest first."""
        return [self._load(place) for place in self._places.get(key, ())]

    def add(self, key: str, endpoint_name: str, answer: Answer) -> None:
        """Write one more answer to a request; when this returns, the file has it.

        Raises:
            DataError: it cannot be written; what was there before stays whole.
        """
        attempt = len(self._places.get(key, ())) + 1
        stored = StoredAnswer(key=key, attempt=attempt, endpoint=endpoint_name, answer=answer)
        line = stored.model_dump_json().encode() + b"\n"
        try:
            self._append(line)
        except OSError as error:
            raise DataError.at(
                self.path,
                None,
                f"an answer cannot be written ({error.strerror or error}); make room, then "
                "run again: all answers before it are kept",
            ) from None
        self._remember(stored, len(line))

    def spent(self, keys: Iterable[str] | None = None) -> Usage:
        """Return the tokens of all answers, or of those to requests with these keys, each counted once."""
        wanted = self._places.keys() if keys is None else set(keys)
        places = [place for key in wanted for place in self._places.get(key, ())]
        return Usage(
            input_tokens=sum(place.input_tokens for place in places),
            output_tokens=sum(place.output_tokens for place in places),
        )

    def close(self) -> None:
        """Force the file to the disk and let others have it."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError.at(
                self.path,
                None,
                "another run is writing to this cache of answers; wait for its end, or give "
                "this run a cache of its own",
            ) from None
        except OSError as error:
            raise DataError.at(self.path, None, f"cannot be locked ({error.strerror or error})") from None

    def _read(self) -> None:
        for number, line in self._lines():
            if not line.endswith(b"\n") and _is_torn(line):
                self.dropped_lines += 1
                return
            try:
                text = line.decode()
            except UnicodeDecodeError:
                raise DataError.at(self.path, number, "is not UTF-8 text") from None
            self._remember(parse_record(text, StoredAnswer, self.path, number), len(line))

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield (number from 1, bytes) of each line; only the last can be without its end."""
        with self.path.open("rb") as stream:
            yield from enumerate(stream, 1)

    def _remember(self, stored: StoredAnswer, size: int) -> None:
        usage = stored.answer.usage
        place = _Place(self._end, size, usage.input_tokens, usage.output_tokens)
        self._places.setdefault(stored.key, []).append(place)
        self._end += size

    def _append(self, line: bytes) -> None:
        # Whatever stands behind the last whole line was torn, in an earlier run or in a write that failed.
        os.ftruncate(self._file.fileno(), self._end)
        left = memoryview(line)
        while left:
            left = left[self._file.write(left) :]

    def _load(self, place: _Place) -> Answer:
        line = os.pread(self._file.fileno(), place.size, place.offset)
        return StoredAnswer.model_validate_json(line).answer

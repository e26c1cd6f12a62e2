"""Requests that wait on disk: tens of thousands of long prompts take no memory until they are sent."""

import os
from collections.abc import Sequence
from typing import IO, overload

from shop_r1.endpoints.protocol import Request


class SpooledRequests(Sequence[Request]):
    """A sequence of requests in an empty binary file, which the caller closes; each is read when indexed."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._ends = [0]

    def append(self, request: Request) -> None:
        """Add a request at the end.

        Raises:
            OSError: the disk is full.
        """
        line = request.model_dump_json().encode()
        self._stream.write(line)
        self._ends.append(self._ends[-1] + len(line))

    def __len__(self) -> int:
        """How many requests there are."""
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> Request: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Request]: ...
    def __getitem__(self, index: int | slice) -> Request | Sequence[Request]:
        """Return the request at an index, or a list of those of a slice."""
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]  # negative places, and IndexError past the end
        start, end = self._ends[place : place + 2]
        self._stream.flush()
        return Request.model_validate_json(os.pread(self._stream.fileno(), end - start, start))

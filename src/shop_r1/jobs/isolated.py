"""Blocks worked on in a child process: an item that ends it or holds it up becomes a named failure."""

import signal
import subprocess
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from socket import socketpair
from typing import Any, Self

from shop_r1.errors import DataError
from shop_r1.jobs.blocks import Block, Item
from shop_r1.jobs.work import ItemFailure, Limits, Work

_START_S = 300.0
"""For the child to import and prepare its work, on a machine that is busy. Ours."""
_CODE = "import sys; sys.path[:] = {path!r}; from shop_r1.jobs.child import main; main({handle})"


class _ChildLost(Exception):
    """The child ended or was ended; `item` says on which, None between items."""

    def __init__(self, failure: ItemFailure, item: Item | None) -> None:
        super().__init__(str(failure))
        self.failure, self.item = failure, item


class IsolatedWorker:
    """Works on one block after the other in a child process, which is started anew when it is lost.

    `lost` counts the children that ended or were ended on an item, those of later attempts too.
    """

    def __init__(self, work: Work, limits: Limits, folder: Path) -> None:
        """Take the work; `folder` is what relative paths of blocks are below."""
        self.lost = 0
        self._work, self._limits, self._folder = work, limits, folder
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def run(self, block: Block) -> list[Any]:
        """Return the result of each of the block's items, in order.

        An item that ends the child, or takes longer than the limit, is tried again in a new one; after so
        many attempts its result is `Work.failed`.

        Raises:
            ShopR1Error: the work cannot be prepared, or the block cannot be read.
        """
        results: list[Any] = []
        attempts, held = 0, -1  # at the item in this place of the block
        while True:
            try:
                self._collect(block, results)
                return results
            except _ChildLost as lost:
                self.lost += 1
                attempts = attempts + 1 if held == len(results) else 1
                held = len(results)
                if attempts < self._limits.attempts:
                    continue
                message = f"{lost.failure.message}, in {attempts} attempts"
                if lost.item is None:
                    raise DataError(f"{block.name}: cannot be read after {held} items: {message}") from None
                results.append(self._work.failed(lost.item, ItemFailure(lost.failure.reason, message)))

    def close(self) -> None:
        """End the child."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._connection = self._process = None

    def _collect(self, block: Block, results: list[Any]) -> None:
        """Append the results of the items that have none yet.

        Raises:
            _ChildLost: the child ended or took too long.
            ShopR1Error: as for `run`.
        """
        connection = self._connection or self._start()
        item: Item | None = None
        self._send(connection, (block, len(results)))
        while True:
            kind, *values = self._receive(connection, self._limits.seconds, item)
            if kind == "begin":
                (item,) = values
            elif kind == "done":
                results.append(values[0])
                item = None
            elif kind == "end":
                return
            else:
                self._raise(values[0])

    def _start(self) -> Connection:
        """Return the connection to a new child that is ready.

        Raises:
            ShopR1Error: it cannot prepare the work, or the folder is not there.
            RuntimeError: the child cannot be started, or the work has an internal error.
        """
        if not self._folder.is_dir():
            problem = "is not there on a worker's machine; expected the same paths on all machines"
            raise DataError.at(self._folder, None, problem)
        ours, theirs = socketpair()
        with theirs:
            code = _CODE.format(path=sys.path, handle=theirs.fileno())
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                pass_fds=[theirs.fileno()],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
            )
        self._connection = Connection(ours.detach())
        self._connection.send((self._work, self._limits))
        try:
            kind, *values = self._receive(self._connection, _START_S, None)
        except _ChildLost as lost:
            raise RuntimeError(f"a worker's process could not be started: {lost.failure.message}") from None
        if kind == "raise":
            self._raise(values[0])
        return self._connection

    def _raise(self, error: Exception) -> None:
        self.close()
        raise error

    def _send(self, connection: Connection, message: Any) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # A lost child is found when it is listened to.
            connection.send(message)

    def _receive(self, connection: Connection, seconds: float, item: Item | None) -> Any:
        """Return the child's next message.

        Raises:
            _ChildLost: none came within so many seconds, or the child ended; it is gone by then.
        """
        try:
            if connection.poll(seconds):
                return connection.recv()
            failure = ItemFailure("timeout", f"no result within {seconds:g} s")
        except (EOFError, OSError):
            failure = ItemFailure("crash", f"its process {self._describe_end()}")
        self.close()
        raise _ChildLost(failure, item)

    def _describe_end(self) -> str:
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            code = self._process.wait(10)
            return (
                f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            )
        return "closed its connection"

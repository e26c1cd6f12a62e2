"""Predictions on disk as soon as they are made: a run that is killed goes on where it was."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from shop_r1.errors import DataError
from shop_r1.jsonl import AppendedFile, Record, parse_record
from shop_r1.records.results import Prediction

FLUSH_S = 10.0
"""Seconds after which what was written is forced to the disk: what a power failure can cost. Ours."""


class LogHead(Record):
    """The first line: which run the predictions belong to."""

    run: str = Field(min_length=1)
    """A digest of all on which a prediction depends."""


class LoggedPrediction(Record):
    """Each line after it."""

    example: int = Field(ge=0)
    """The place of the example among those of the run, from 0."""
    prediction: Prediction


class PredictionLog(AppendedFile):
    """An append-only file of predictions, held by one run at a time.

    A kill loses only the batch that was being computed. A last line that was not written whole is dropped,
    and so is a batch that is not there as a whole, since completions can differ in their last bits when they
    are computed in a batch of another shape. `kept` predictions of an earlier run were there.
    """

    LINE, ELSEWHERE, BEGINNING = "prediction", "another --out", b'{"'

    def __init__(self, path: Path, run: str) -> None:
        """Read what is there, and lock the file until `close`; `run` as in `LogHead`.

        Raises:
            DataError: the file is of another run or held by one, it cannot be opened, or a line that is not
                the last is broken.
        """
        self._run = run
        self._found: dict[int, tuple[int, Prediction]] = {}  # by example: where its line begins
        self._synced = time.monotonic()
        super().__init__(path)
        self.kept = len(self._found)

    def take(self, rows: Sequence[int]) -> dict[int, Prediction] | None:
        """Return the predictions of a batch of examples, by example; None where one is missing."""
        if not all(row in self._found for row in rows):
            return None
        return {row: self._found[row][1] for row in rows}

    def add(self, predictions: Mapping[int, Prediction]) -> None:
        """Write the predictions of a batch; when this returns, the file has them.

        Raises:
            DataError: they cannot be written; what was there before stays whole.
        """
        # A part of the batch that is there is the last thing written.
        if starts := [self._found[row][0] for row in predictions if row in self._found]:
            self._end = min(starts)
            self._found = {row: each for row, each in self._found.items() if each[0] < self._end}
        lines = [_to_line(LoggedPrediction(example=row, prediction=predictions[row])) for row in predictions]
        start = self._append(b"".join(lines))
        for (row, each), line in zip(predictions.items(), lines, strict=True):
            self._found[row] = (start, each)
            start += len(line)
        if time.monotonic() - self._synced > FLUSH_S:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def _read(self) -> None:
        for number, text, _ in self._whole_lines():
            if number > 1:
                logged = parse_record(text, LoggedPrediction, self.path, number)
                self._found[logged.example] = (self._end, logged.prediction)
            elif parse_record(text, LogHead, self.path, number).run != self._run:
                problem = (
                    "holds the predictions of another run (its settings, model, data or version are "
                    "others); remove the file, or give another --out"
                )
                raise DataError.at(self.path, number, problem)
        if self._end == 0:
            self._append(_to_line(LogHead(run=self._run)))


def _to_line(record: Record) -> bytes:
    return record.model_dump_json(exclude_none=True).encode() + b"\n"

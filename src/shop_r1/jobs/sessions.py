"""What is done to each session of a file: it is checked, or measured."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from shop_r1.datasets.duplicates import sketch_session
from shop_r1.datasets.examples import remember_counts
from shop_r1.datasets.rationale_requests import DraftRequest, RationaleConfig, draft_request
from shop_r1.datasets.statistics import Measure, MeasuredSession, remember_lines
from shop_r1.datasets.validation import CheckedLine, check_line
from shop_r1.errors import DataError
from shop_r1.jobs.blocks import Item, cut_sessions
from shop_r1.jobs.cluster import Cluster
from shop_r1.jobs.run import BlockFunction, run_blocks
from shop_r1.jobs.work import ItemFailure, Work
from shop_r1.jsonl import Moved, parse_record
from shop_r1.models.tokenizers import load_tokenizer, token_counter
from shop_r1.pages.tokens import CountTokens, estimate_tokens
from shop_r1.prompts.render import PromptConfig
from shop_r1.records.sessions import Session

ESTIMATE = "estimate"
"""The name that stands for no tokenizer."""


@dataclass(frozen=True)
class CheckWork:
    """What `data validate` does to each line or row."""

    def prepare(self) -> Callable[[Item], CheckedLine]:
        """Return the function of a line."""
        return lambda item: check_line(item.row or 0, item.content)

    def failed(self, item: Item, failure: ItemFailure) -> CheckedLine:
        """Return a line whose only problem is that it could not be checked."""
        return CheckedLine(item.row or 0, (("record", "not-checked", str(failure)),))


@dataclass(frozen=True)
class SessionWork:
    """What is done to each valid session; an error is a result, raised where all are put together."""

    def prepare(self) -> Callable[[Item], Any]:
        """Return the function of a session as it stands in the file."""
        measure = self.prepare_session()

        def run(item: Item) -> Any:
            try:
                return measure(parse_record(item.content, Session, item.file, item.row or 0))
            except DataError as error:
                return error

        return run

    def prepare_session(self) -> Callable[[Session], Any]:
        """Return the function of a session."""
        return sketch_session

    def failed(self, item: Item, failure: ItemFailure) -> DataError:
        """Return the error that names the session: figures of the others alone would be other figures."""
        return DataError(f"{item.place}: cannot be worked on: {failure}")


@dataclass(frozen=True)
class MeasureWork(SessionWork):
    """What `data stats` does to each session; to those of other files it does what `SessionWork` does."""

    tokenizer: str
    prompt: PromptConfig

    def prepare_session(self) -> Callable[[Session], MeasuredSession]:
        """Return the function that measures a session.

        Raises:
            ModelError: the tokenizer cannot be loaded.
        """
        return Measure(count_with(self.tokenizer), self.prompt)


@dataclass(frozen=True)
class DraftWork(SessionWork):
    """What `rationales` does to each session before anything is sent."""

    config: RationaleConfig

    def prepare_session(self) -> Callable[[Session], DraftRequest]:
        """Return the function that renders a session's request."""
        count = remember_counts(estimate_tokens)
        return lambda session: draft_request(session, self.config, count)


def map_sessions(path: Path, work: Work, cluster: Cluster, moved: Moved | None = None) -> Iterator[Any]:
    """Yield the result of each session of a file, in order.

    Raises:
        DataError: the file cannot be read, or a result is one.
    """
    blocks = dict(enumerate(cut_sessions(path).blocks))
    total, done = sum(block.size for block in blocks.values()), 0
    with closing(run_blocks(blocks, BlockFunction(work), cluster)) as results:
        for number, found in results:
            for result in found:
                if isinstance(result, DataError):
                    raise result
                yield result
            done += blocks[number].size
            if moved is not None:
                size = path.stat().st_size
                moved(size * done // total, size)


def count_with(tokenizer: str) -> CountTokens:
    """Return how tokens are counted by name; what most pages share is counted once.

    Raises:
        ModelError: the tokenizer cannot be loaded.
    """
    if tokenizer == ESTIMATE:
        return remember_lines(estimate_tokens)
    return lru_cache(maxsize=512)(token_counter(load_tokenizer(tokenizer)))

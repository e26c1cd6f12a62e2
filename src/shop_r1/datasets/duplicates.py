"""Sessions that are the same, or nearly: in one file, or on two sides of a split.

Exact duplicates have the same pages and actions in the same order. Near-duplicates have a Jaccard similarity
of at least `NEAR`, of sets that hold each line of each page together with what the shopper did on that page.
So the same pages with other actions are no duplicates, and neither ids, rationales, addresses nor outcomes
count.

The similarity is estimated by MinHash (Broder 1997), with a standard error of 0.03 at 0.9, and candidates
come from bands of the signature, so the work grows with the sessions and not with their pairs. Nothing here
depends on the order of the sessions or on the process.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shop_r1.jsonl import Record
from shop_r1.records.sessions import Session, Step

NEAR = 0.9
"""Sessions at least this similar are near-duplicates. Ours: one changed action in a session of ten steps is
below it, a few changed lines on each page are above."""

HASHES = 128
"""Length of a signature, 4 bytes each: the standard error is sqrt(0.9 * 0.1 / 128) = 0.027 at 0.9."""
_BANDS = 16
"""Of 8 hashes each: a pair at 0.9 shares one with a chance of 1 - (1 - 0.9^8)^16 = 0.9999."""
_COMPARED_WITH = 64
"""With how many others of one band a session is compared at most: a bound on the work, met only where
hundreds of sessions are alike, which then hang together through others."""
_LINES_AT_ONCE = 4096

Signatures = npt.NDArray[np.uint32]
"""(HASHES,) of one session, (sessions, HASHES) of several."""


# Of the hash functions, the same in every process; the multipliers are odd.
_DRAWN = np.random.Generator(np.random.PCG64(20250917)).integers(0, 2**64, (2, HASHES), dtype=np.uint64)
_MULTIPLIERS, _OFFSETS = _DRAWN[0] | np.uint64(1), _DRAWN[1]


class Sketch(NamedTuple):
    """What is remembered of a session to compare it with others: hashes of 16 bytes, a signature of 512."""

    id: bytes
    user: bytes | None
    """Both as `hash_id`."""
    actions: tuple[str, ...]
    """The type of each."""
    digest: bytes
    """Of `digest_session`."""
    signature: Signatures


class DuplicateCounts(Record):
    """How many of a file's sessions others of it repeat."""

    exact: int
    """Sessions that repeat an earlier one."""
    near: int
    """Sessions that are a near-duplicate of another, exact ones left out."""
    near_groups: int
    """In how many groups these are."""


def sketch_session(session: Session) -> Sketch:
    """Return what is remembered of the session."""
    return Sketch(
        id=hash_id(session.session_id),
        user=None if session.user_id is None else hash_id(session.user_id),
        actions=tuple(step.action.type for step in session.steps),
        digest=digest_session(session),
        signature=sign_session(session),
    )


def hash_id(text: str) -> bytes:
    """Return 16 bytes that stand for an id."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def digest_session(session: Session) -> bytes:
    """Return 16 bytes that sessions share when pages (but for blanks) and actions are the same, in order."""
    digest = blake2b(digest_size=16)
    for step in session.steps:
        for part in (" ".join(step.page.html.split()), _action_key(step)):
            encoded = part.encode("utf-8", "surrogatepass")
            digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.digest()


def sign_session(session: Session) -> Signatures:
    """Return the session's MinHash signature, (HASHES,)."""
    features = np.unique(np.concatenate([_step_features(step) for step in session.steps]))
    signature = np.full(HASHES, np.iinfo(np.uint32).max, dtype=np.uint32)
    for start in range(0, len(features), _LINES_AT_ONCE):
        some = features[start : start + _LINES_AT_ONCE]
        hashed = (some[:, None] * _MULTIPLIERS + _OFFSETS) >> np.uint64(32)  # (lines, HASHES), modulo 2^64
        signature = np.minimum(signature, hashed.min(axis=0).astype(np.uint32))
    return signature


def _step_features(step: Step) -> npt.NDArray[np.uint64]:
    """Return a hash for each line of the step's page, joined to the action; one at least."""
    lines = [_hash_line(line) for line in step.page.html.splitlines() if line.strip()] or [0]
    return np.array(lines, dtype=np.uint64) ^ np.uint64(_hash_line(_action_key(step)))


@lru_cache(maxsize=100_000)
def _hash_line(line: str) -> int:
    normal = " ".join(line.split()).casefold().encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(normal, digest_size=8).digest(), "big")


def _action_key(step: Step) -> str:
    return json.dumps(step.action.to_completion())


def similar_pairs(sketches: Sequence[Sketch]) -> Iterator[tuple[int, int]]:
    """Yield pairs of places whose signatures agree in at least `NEAR` of their hashes; some come twice.

    No two digests are the same, or of more alike some pairs can be missed.
    """
    if not sketches:
        return
    signatures = np.stack([each.signature for each in sketches])
    order_keys = np.array([int.from_bytes(each.digest[:8], "big") for each in sketches], dtype=np.uint64)
    width = HASHES // _BANDS
    for band in range(_BANDS):
        columns = np.ascontiguousarray(signatures[:, band * width : (band + 1) * width])
        keys = columns.view(np.dtype((np.void, columns.itemsize * width))).ravel()
        _, buckets = np.unique(keys, return_inverse=True)
        order = np.lexsort((order_keys, buckets.ravel()))
        sorted_buckets = buckets.ravel()[order]
        for shift in range(1, min(_COMPARED_WITH, len(order) - 1) + 1):
            (places,) = np.nonzero(sorted_buckets[shift:] == sorted_buckets[:-shift])
            if not len(places):
                break
            left, right = order[places], order[places + shift]
            agreeing = (signatures[left] == signatures[right]).mean(axis=1) >= NEAR
            yield from zip(left[agreeing].tolist(), right[agreeing].tolist(), strict=True)


class Groups:
    """Places that belong together, directly or through others (union-find)."""

    def __init__(self, size: int) -> None:
        self._parents = list(range(size))

    def find(self, place: int) -> int:
        """Return the place that stands for the group."""
        while self._parents[place] != place:
            self._parents[place] = self._parents[self._parents[place]]
            place = self._parents[place]
        return place

    def join(self, one: int, other: int) -> None:
        """Put two places, and all that belongs to them, together."""
        self._parents[self.find(one)] = self.find(other)

    def join_equal(self, keys: Iterable[bytes | None]) -> None:
        """Put places of the same key together; None is no key."""
        first: dict[bytes, int] = {}
        for place, key in enumerate(keys):
            if key is not None:
                self.join(place, first.setdefault(key, place))


def first_places(sketches: Sequence[Sketch]) -> list[int]:
    """Return where each digest stands first, in order."""
    first: dict[bytes, int] = {}
    for place, each in enumerate(sketches):
        first.setdefault(each.digest, place)
    return list(first.values())


def count_duplicates(sketches: Sequence[Sketch]) -> DuplicateCounts:
    """Return how many sessions of a file are duplicates of others in it."""
    places = first_places(sketches)
    near: set[int] = set()
    groups = Groups(len(places))
    for left, right in similar_pairs([sketches[place] for place in places]):
        near |= {left, right}
        groups.join(left, right)
    return DuplicateCounts(
        exact=len(sketches) - len(places),
        near=len(near),
        near_groups=len({groups.find(place) for place in near}),
    )


def count_leaks(sketches: Sequence[Sketch], other: Sequence[Sketch]) -> tuple[int, int]:
    """Return how many sessions have an exact duplicate in another file, and how many others a near one."""
    ours, theirs = ({each.digest for each in file} for file in (sketches, other))
    both = [*sketches, *other]
    distinct = [both[place] for place in first_places(both)]
    near: set[bytes] = set()
    for left, right in similar_pairs(distinct):
        one, two = distinct[left].digest, distinct[right].digest
        near |= {mine for mine, yours in ((one, two), (two, one)) if mine in ours and yours in theirs}
    near -= theirs
    return sum(each.digest in theirs for each in sketches), sum(each.digest in near for each in sketches)

"""Recordings that shoppers of ours left: their marks say what was seen and done, so nothing is guessed.

Anyone can write such a recording; its marks are then what its author says, as a file of sessions is. They are
checked like any input.
"""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shop_r1.errors import DataError, PageError
from shop_r1.importers.targets import TargetPage
from shop_r1.pages.sites.recipes import Recipe
from shop_r1.records.recordings import (
    ASSETS_FOLDER,
    Assets,
    PageSeen,
    Recording,
    StepDone,
    VisitBegun,
    VisitEnded,
    as_recording,
    is_mark,
)
from shop_r1.records.sessions import Page, Session, Step
from shop_r1.validation_messages import describe_problems

DROPPED = "events and assets that the recorder dropped"
"""What these are counted as."""
OTHERWISE = "pages that are simplified otherwise than when they were seen"
"""What these are counted as: the rules have changed since then, or there is a recipe."""


def is_own(value: Any) -> bool:
    """Return whether a file's JSON is a recording of ours: a list whose first event begins a visit."""
    first = value[0] if isinstance(value, list) and value else None
    if not isinstance(first, dict) or not is_mark(first):
        return False
    payload = first["data"].get("payload")
    return isinstance(payload, dict) and payload.get("kind") == "begin"


def read_own(
    path: Path, value: Any, recipes: Sequence[Recipe], counts: Counter[str], remarks: Counter[str]
) -> Session:
    """Return the session of a recording of ours; its assets are in the folder beside it.

    `counts` and `remarks` are as in `RecordingTally`.

    Raises:
        DataError: an event is not as it should be, an asset is missing, a page cannot be simplified, or
            there is no step.
    """
    try:
        recording = as_recording(value)
        return _Reader(path, recording, recipes, counts, remarks).read()
    except DataError as error:
        text = str(error)
        raise error if text.startswith(str(path.parent)) else DataError.at(path, None, text) from None
    except ValidationError as error:
        raise DataError.at(path, None, describe_problems(error, Session)) from None
    except PageError as error:
        raise DataError.at(path, None, f"a page cannot be read ({error})") from None


class _Reader:
    def __init__(
        self,
        path: Path,
        recording: Recording,
        recipes: Sequence[Recipe],
        counts: Counter[str],
        remarks: Counter[str],
    ) -> None:
        self._path, self._recording, self._recipes = path, recording, recipes
        self._counts, self._remarks = counts, remarks
        self._assets = Assets(path.parent / ASSETS_FOLDER)
        self._html: dict[str, str] = {}  # simplified pages, by the copy's SHA-256
        self._changed: set[str] = set()

    def read(self) -> Session:
        begun, ended, seen = VisitBegun(session_id="none"), VisitEnded(), None
        steps: list[Step] = []
        for _, mark in self._recording.marks():
            if isinstance(mark, VisitBegun):
                begun = mark
            elif isinstance(mark, PageSeen):
                seen = mark
            elif isinstance(mark, StepDone):
                if seen is None:
                    raise DataError(f"step {len(steps)} has no page before it")
                if mark.index != len(steps):
                    raise DataError(f"step {mark.index} stands where step {len(steps)} was expected")
                steps.append(mark.on(self._page(seen)))
            elif isinstance(mark, VisitEnded):
                ended = mark
        if not steps:
            raise DataError("holds no step; the visit ended before the shopper did anything")
        self._counts += Counter({DROPPED: sum(ended.dropped.values())})
        self._remarks += Counter({OTHERWISE: len(self._changed)})
        return Session(
            session_id=begun.session_id,
            user_id=begun.user_id,
            persona=begun.persona,
            source=begun.source,
            space=begun.space,
            outcome=ended.outcome,
            steps=tuple(steps),
        )

    def _page(self, seen: PageSeen) -> Page:
        """Return the page as the session has it: its copy, simplified."""
        digest = seen.copy_sha256
        if digest not in self._html:
            page = TargetPage(self._assets.read_text(digest), self._recipes)
            self._html[digest] = page.simplified.html
        html = self._html[digest]
        if sha256(html.encode("utf-8", "replace")).hexdigest() != seen.html_sha256:
            self._changed.add(digest)
        return Page(url=seen.url, html=html, status=seen.status)

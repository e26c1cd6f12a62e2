"""Whether a command may write to a place: over an input never, over other files with --force."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

from typer import Option

from shop_r1.errors import ConfigError
from shop_r1.models.pretrained import BUNDLED, PRETRAINED, fetched_folder

RECORD_ENDINGS = (".jsonl", ".jsonl.zst")
"""Of files of records, as they can be written."""
SESSION_ENDINGS = (*RECORD_ENDINGS, ".parquet")
"""Of files of sessions, as they can be written."""

Force = Annotated[bool, Option("--force", help="Replace what is there; an input never.")]

_INSTEAD = {
    ".gz": "gzip it afterwards, or take .jsonl.zst",
    ".csv": "pages and actions do not fit into a table",
}
"""By an ending that cannot be written, what helps."""


def check_output(
    out: Path,
    inputs: Iterable[Path | str | None] = (),
    *,
    force: bool,
    endings: tuple[str, ...] = SESSION_ENDINGS,
    is_own: Callable[[Path], bool] | None = None,
) -> None:
    """Make sure that a file may be written; with `force`, in place of another.

    `inputs` are all that the command reads; what is no place here, as a model's name, is passed over.
    `endings` are those that can be written, empty for any; `is_own` tells whether the file there is what the
    same run wrote before, which it may replace.

    Raises:
        ConfigError: its name ends otherwise, it is an input or lies in one, or something else is there.
    """
    if endings and not out.name.endswith(endings):
        hint = next((f"; {text}" for ending, text in _INSTEAD.items() if out.name.endswith(ending)), "")
        found = f"{out.suffix} cannot be written" if out.suffix else "has no ending"
        raise ConfigError(f"{out}: {found}; expected a name that ends in {' or '.join(endings)}{hint}")
    check_apart(out, inputs)
    end = _end_of(out)
    if end.is_dir():
        raise ConfigError(f"{out}: is a folder; expected the name of a file")
    if end.exists() and not force and not (is_own is not None and is_own(out)):
        raise ConfigError(f"{out}: is there already; add --force to replace it, or give another name")


def check_apart(out: Path, inputs: Iterable[Path | str | None]) -> None:
    """Make sure that what is written is none of the inputs, holds none and lies in none.

    Files are compared as the file system sees them: links, other spellings and letter case do not matter.

    Raises:
        ConfigError: it is not so.
    """
    end = _end_of(out)
    for each in inputs:
        # Unlike `Path.exists`, it also answers where a model's name can be no path at all.
        if each in PRETRAINED:
            each = fetched_folder(str(each))
        if each is None or each in BUNDLED or not os.path.exists(each):  # noqa: PTH110
            continue
        place = Path(each)
        if os.path.exists(end) and end.samefile(place):  # noqa: PTH110
            raise ConfigError(f"{out}: is read by this very command ({place}); give another --out")
        if place.is_dir() and (_lies_in(end, place) or _is_linked_in(end, place)):
            raise ConfigError(f"{out}: lies in {place}, which this command reads; give a place outside it")
        if end.is_dir() and _lies_in(place, end):
            raise ConfigError(f"{out}: holds {place}, which this command reads; give another --out")


def _end_of(out: Path) -> Path:
    """Return the place that a path means once its missing folders are made: `new/../data.jsonl` is here."""
    return Path(os.path.realpath(out))  # Unlike `resolve`, it leaves links in a circle to be refused later.


def _lies_in(path: Path, folder: Path) -> bool:
    """Return whether the path, there or not, is below the folder."""
    return any(parent.exists() and parent.samefile(folder) for parent in path.resolve().parents)


def _is_linked_in(path: Path, folder: Path) -> bool:
    """Return whether a file of the folder has the path as its second name."""
    if not path.is_file() or path.stat().st_nlink < 2:
        return False
    return any(each.is_file() and each.samefile(path) for each in folder.rglob("*"))


def check_folder(
    out: Path, inputs: Iterable[Path | str | None], *, force: bool, leftovers: Iterable[str] = ()
) -> None:
    """Make sure that a run's folder may be written by a run that does not go on with what is in it.

    A new or an empty one always may be; so may one with hidden files and `leftovers` of a run that came to
    nothing alone.

    Raises:
        ConfigError: it holds an input or lies in one, holds something else, or is a file.
    """
    check_apart(out, inputs)
    end = _end_of(out)
    if end.exists() and not end.is_dir():
        raise ConfigError(f"{out}: is a file; expected a folder, or a name for a new one")
    if force or not end.exists():
        return
    names = {path.name for path in end.iterdir()} - set(leftovers)
    if found := sorted(name for name in names if not name.startswith(".")):
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise ConfigError(
            f"{out}: holds {found[0]}{more}, which this run did not write; give another --out, or --force "
            "to write among it"
        )

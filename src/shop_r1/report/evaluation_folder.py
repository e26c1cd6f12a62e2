"""What a report shows of a folder that `evaluate` wrote: settings, page costs, and some of the sessions."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shop_r1.errors import DataError
from shop_r1.jsonl import read_json, read_records
from shop_r1.records.results import Grid, Prediction
from shop_r1.records.sessions import Session
from shop_r1.report.build import ShownSessions
from shop_r1.report.session_view import SESSIONS_SHOWN
from shop_r1.runs import digest_file


def choose_sessions(
    lengths: Sequence[tuple[str, int]], read: Callable[[int], Session], files: Mapping[str, Path]
) -> ShownSessions:
    """Return the sessions to show and their predictions.

    Only the sessions shown are read; the files of predictions, by setting, are read twice. `lengths` are
    those of all sessions: each one's name and number of steps.
    """
    steps = dict(sorted(lengths))  # Of a name that stands more than once, the most.
    wanted, unplaced = set[str](), 0
    for file in files.values():
        for prediction in read_records(file, Prediction):
            wanted.add(prediction.session_id)
            unplaced += prediction.step >= steps.get(prediction.session_id, 0)
    places = [place for place, (name, _) in enumerate(lengths) if name in wanted]
    shown = tuple(read(place) for place in places[:SESSIONS_SHOWN])
    names = {session.session_id for session in shown}
    predictions = {
        name: tuple(
            each
            for each in read_records(file, Prediction)
            if each.session_id in names and each.step < steps[each.session_id]
        )
        for name, file in files.items()
    }
    return ShownSessions(sessions=shown, predictions=predictions, available=len(places), unplaced=unplaced)


def find_predictions(folder: Path) -> dict[str, Path]:
    """Return the file of predictions of the folder, or of each of its conditions' folders, by name.

    Raises:
        DataError: there is none.
    """
    files = sorted(folder.glob("predictions.jsonl")) or sorted(folder.glob("*/predictions.jsonl"))
    if not files:
        raise DataError.at(folder, None, "holds no predictions.jsonl; expected what `shop-r1 evaluate` wrote")
    return {"model" if file.parent == folder else file.parent.name: file for file in files}


def find_sessions(settings: Mapping[str, Any]) -> tuple[Path | None, str | None]:
    """Return the sessions that were evaluated, and a warning where they are gone or have changed.

    None without a warning: somebody else's predictions were scored, and there are no pages to show.
    """
    recorded = settings.get("settings", {}).get("data")
    if recorded is None:
        return None, None
    path = Path(recorded)
    if not path.exists():
        return None, f"{path}: the sessions that were evaluated are gone, so none are shown; give --data FILE"
    if settings.get("inputs", {}).get(recorded) != digest_file(path):
        warning = f"{path} has changed since it was evaluated; the pages shown may not be those predicted on"
        return path, warning
    return path, None


def describe_evaluation(folder: Path, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return what stands beside a verdict: model, data, and the date of `table.json`, as far as known."""
    values, inputs = settings.get("settings", {}), list(settings.get("inputs", {}))
    shown = {key: Path(str(values[key])).name for key in ("model", "data") if values.get(key)}
    if not shown and inputs:  # Somebody else's predictions were scored.
        shown = {"predictions": Path(inputs[0]).name}
    written = datetime.fromtimestamp((folder / "table.json").stat().st_mtime, tz=UTC)
    return shown | {"date": f"{written:%Y-%m-%d}"}


def describe_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the few settings that a reader wants to see."""
    values = settings.get("settings", {})
    names = ("model", "data", "first_step")
    shown = {key: str(values[key]) for key in names if values.get(key) is not None}
    prompt, sampling = values.get("prompt", {}), values.get("sampling", {})
    if prompt.get("max_tokens") is not None:
        shown["prompt budget"] = f"{prompt['max_tokens']:,} tokens"
    if sampling.get("max_new_tokens") is not None:
        shown["completion"] = f"at most {sampling['max_new_tokens']:,} tokens"
    shown |= {f"SHA-256 of {name}": digest for name, digest in settings.get("inputs", {}).items()}
    versions = settings.get("versions", {})
    if versions:
        shown["versions"] = ", ".join(f"{name} {version}" for name, version in versions.items())
    return shown | {key: str(settings[key]) for key in ("seed", "revision") if settings.get(key) is not None}


def list_page_tables(folder: Path) -> list[Grid]:
    """Return a table of the pages' tokens for each `context.json` of the folder."""
    tables = []
    for path in sorted([*folder.glob("context.json"), *folder.glob("*/context.json")]):
        values = read_json(path)
        cells = [(page["url"], f"{page['tokens']:,}") for page in values["pages"][:200]]
        note = (
            f"{values['prompts']} prompts; the budget took {values['pages_cut']} earlier pages' bodies and "
            f"part of the current page in {values['prompts_truncated']}. At most 200 pages are listed."
        )
        title = "Pages" if path.parent == folder else f"Pages, {path.parent.name}"
        tables.append(Grid(title=title, header=("page", "tokens"), rows=tuple(cells), note=note))
    return tables

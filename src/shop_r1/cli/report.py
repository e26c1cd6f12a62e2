"""`report` and `card`: an evaluation as a page, a model as a card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shop_r1.cli.results import grids_of
from shop_r1.cli.terminal.console import open_sessions, print_line, print_note
from shop_r1.cli.terminal.outputs import Force, check_output
from shop_r1.errors import ConfigError, DataError
from shop_r1.jsonl import read_json, read_lines, read_records
from shop_r1.records.results import Prediction
from shop_r1.records.sessions import Session
from shop_r1.runs import CARD, RunFolder, digest_file

if TYPE_CHECKING:
    from shop_r1.evaluation.plots import RewardCurve
    from shop_r1.evaluation.tables import TableRow


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that evaluate wrote.")],
    data: Annotated[
        Path | None, typer.Option(metavar="sessions.jsonl", help="The sessions; default: those evaluated.")
    ] = None,
    training: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder that grpo wrote, for its reward curves.")
    ] = None,
    title: Annotated[str, typer.Option(help="The page's title.")] = "Shop-R1: evaluation",
    force: Force = False,
) -> None:
    """Write DIR/report/index.html: tables, plots and a reader for sessions, in one file.

    Example: shop-r1 report runs/evaluation --training runs/grpo
    """
    from shop_r1.evaluation import plots
    from shop_r1.evaluation.tables import read_table
    from shop_r1.report.build import ReportFigure, ReportInputs, build_report, read_score_rows
    from shop_r1.report.seal import is_sealed

    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; expected one that `shop-r1 evaluate --out` wrote")
    page = folder / "report" / "index.html"
    check_output(page, [data, training], force=force, endings=(), is_own=is_sealed)
    rows = read_table(folder / "table.json")
    settings = RunFolder(folder).read_settings()
    sessions, warning = _open_sessions(settings, data)
    shown = _choose_shown(sessions, _find_predictions(folder))
    figures = [(plots.plot_results(rows), "Accuracy with 95 % intervals")]
    if any(row.predicted_mix for row in rows):
        figures.append((plots.plot_mixes(rows), "What is predicted, against what shoppers do"))
    if len([row for row in rows if row.temperature]) > 1:
        figures.append((plots.plot_temperature(rows), "Sampling temperature (paper, Figure 2)"))
    if training is not None:
        figures.append((plots.plot_rewards(read_curves(training)), "Reward part by part during GRPO"))
    inputs = ReportInputs(
        title=title,
        settings=_shown(settings),
        rows=read_score_rows(folder / "table.json"),
        tables=_tables(rows, folder),
        figures=tuple(ReportFigure(svg=svg, caption=caption) for svg, caption in figures),
        warnings=(warning,) if warning else (),
        sessions=shown.sessions,
        predictions=shown.predictions,
        available=shown.available,
        unplaced=shown.unplaced,
    )
    print_line(f"{build_report(page, inputs)}")
    if warning:
        print_note(warning)


def card(
    folder: Annotated[Path, typer.Argument(metavar="MODEL", help="A folder that sft or grpo wrote.")],
    evaluations: Annotated[
        list[Path] | None, typer.Argument(metavar="DIR", help="Folders that evaluate wrote for it.")
    ] = None,
    force: Force = False,
) -> None:
    """Write MODEL/README.md, the model's card: data, settings, and the figures of its evaluations.

    Training writes it too, without figures.

    Example: shop-r1 card runs/grpo runs/evaluation
    """
    from shop_r1.report.card import write_card
    from shop_r1.report.seal import is_sealed

    check_output(folder / CARD, evaluations or [], force=force, endings=(), is_own=is_sealed)
    print_line(f"{write_card(folder, evaluations or [])}")


def read_curves(folder: Path) -> "list[RewardCurve]":
    """Return the reward curves of a folder that `grpo` wrote.

    Raises:
        DataError: its `metrics.jsonl` cannot be read, or holds no rewards.
    """
    import json

    from shop_r1.evaluation.plots import RewardCurve

    path = folder / "metrics.jsonl"
    lines: list[dict[str, float]] = []
    for number, text in read_lines(path):
        try:
            lines.append(dict(json.loads(text)))
        except (ValueError, TypeError) as error:
            raise DataError.at(path, number, f"is not a JSON object ({error})") from None
    parts = [key.removeprefix("reward/") for key in (lines[0] if lines else {}) if key.startswith("reward/")]
    parts = [part for part in parts if not part.endswith("_std")]
    if not parts:
        raise DataError.at(path, 1, "holds no rewards; expected the metrics of `shop-r1 grpo`")
    kept = [line for line in lines if all(f"reward/{part}" in line for part in parts)]
    return [
        RewardCurve(
            part=part,
            steps=tuple(int(line["step"]) for line in kept),
            means=tuple(line[f"reward/{part}"] for line in kept),
            spreads=tuple(line.get(f"reward/{part}_std", 0.0) for line in kept),
        )
        for part in parts
    ]


def _find_predictions(folder: Path) -> dict[str, Path]:
    """Return the file of predictions of the folder, or of each of its runs' folders, by name."""
    files = sorted(folder.glob("predictions.jsonl")) or sorted(folder.glob("*/predictions.jsonl"))
    if not files:
        raise DataError.at(folder, None, "holds no predictions.jsonl; expected what `shop-r1 evaluate` wrote")
    return {"model" if file.parent == folder else file.parent.name: file for file in files}


@dataclass(frozen=True)
class _Shown:
    """What of an evaluation the report's reader shows; the rest is counted and not kept in memory.

    Attributes:
        sessions: the first with predictions.
        predictions: theirs, by setting.
        available: how many sessions have predictions.
        unplaced: how many predictions belong to no recorded step.
    """

    sessions: tuple[Session, ...]
    predictions: dict[str, tuple[Prediction, ...]]
    available: int
    unplaced: int


def _choose_shown(sessions: "Sequence[Session] | None", files: Mapping[str, Path]) -> _Shown:
    """Return what is shown. Of Parquet only the sessions shown are read; predictions are read twice."""
    from shop_r1.datasets.session_files import outlines
    from shop_r1.report.build import SESSIONS_SHOWN

    ids: list[str] = []
    steps: dict[str, int] = {}
    for each in outlines(sessions or ()):
        ids.append(each.session_id)
        steps[each.session_id] = max(steps.get(each.session_id, 0), len(each.actions))
    wanted, unplaced = set[str](), 0
    for file in files.values():
        for prediction in read_records(file, Prediction):
            wanted.add(prediction.session_id)
            unplaced += prediction.step >= steps.get(prediction.session_id, 0)
    places = [place for place, name in enumerate(ids) if name in wanted]
    shown = () if sessions is None else tuple(sessions[place] for place in places[:SESSIONS_SHOWN])
    names = {session.session_id for session in shown}
    predictions = {
        name: tuple(
            each
            for each in read_records(file, Prediction)
            if each.session_id in names and each.step < steps[each.session_id]
        )
        for name, file in files.items()
    }
    return _Shown(shown, predictions, len(places), unplaced)


def _open_sessions(
    settings: Mapping[str, Any], data: Path | None
) -> "tuple[Sequence[Session] | None, str | None]":
    """Return the sessions that were evaluated, and a warning where they cannot be had as they were."""
    recorded = settings.get("settings", {}).get("data")
    if data is not None:
        return open_sessions(data), None
    if recorded is None:
        return None, None  # Somebody else's predictions: there are no pages to show.
    path = Path(recorded)
    if not path.exists():
        return None, f"{path}: the sessions that were evaluated are gone, so none are shown; give --data FILE"
    warning = None
    if settings.get("inputs", {}).get(recorded) != digest_file(path):
        warning = f"{path} has changed since it was evaluated; the pages shown may not be those predicted on"
    return open_sessions(path), warning


def _shown(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the few settings that a reader wants to see."""
    values = settings.get("settings", {})
    shown = {key: str(values[key]) for key in ("model", "data", "first_step") if key in values}
    prompt, sampling = values.get("prompt", {}), values.get("sampling", {})
    if prompt:
        shown["prompt budget"] = f"{prompt.get('max_tokens')} tokens"
    if sampling:
        shown["completion"] = f"at most {sampling.get('max_new_tokens')} tokens"
    shown |= {key: str(settings[key]) for key in ("seed", "revision") if settings.get(key) is not None}
    return shown


def _tables(rows: "Sequence[TableRow]", folder: Path) -> tuple[Any, ...]:
    from shop_r1.report.build import ReportTable

    further = grids_of(rows)[1:]  # The main table is drawn from table.json, with the paper's figures.
    shown = [ReportTable(title=g.title, header=g.header, rows=g.rows, note=g.note) for g in further if g.rows]
    for path in sorted([*folder.glob("context.json"), *folder.glob("*/context.json")]):
        values = read_json(path)
        cells = [(page["url"], f"{page['tokens']:,}") for page in values["pages"][:200]]
        note = (
            f"{values['prompts']} prompts; the budget took {values['pages_cut']} earlier pages' bodies and "
            f"part of the current page in {values['prompts_truncated']}. At most 200 pages are listed."
        )
        title = "Pages" if path.parent == folder else f"Pages, {path.parent.name}"
        shown.append(ReportTable(title=title, header=("page", "tokens"), rows=tuple(cells), note=note))
    return tuple(shown)

"""`report`: an evaluation as a page, or a simulation as a folder of pages."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.outputs import Force, check_output
from shop_r1.errors import ConfigError
from shop_r1.records.results import read_table
from shop_r1.records.sessions import Session
from shop_r1.report.seal import is_sealed
from shop_r1.runs import RunFolder

REPRODUCED = "results.json"
"""The file that `shop-r1 reproduce` leaves in its folder."""


def report(
    folder: Annotated[
        Path | None,
        Argument(metavar="[DIR]", help="Of evaluate, simulate or reproduce; default: the newest in runs/."),
    ] = None,
    data: Annotated[
        Path | None, Option(metavar="sessions.jsonl", help="The sessions; default: those evaluated.")
    ] = None,
    training: Annotated[
        Path | None, Option(metavar="DIR", help="A folder that grpo wrote, for its reward curves.")
    ] = None,
    title: Annotated[str | None, Option(help="The page's title.")] = None,
    force: Force = False,
) -> None:
    """Write DIR/report/index.html: of an evaluation its figures and sessions, in one file.

    Of a simulation it is an overview; beside it stands a page with a player for each session. Of a
    reproduction it is all tables and figures.

    Example: shop-r1 report runs/evaluation --training runs/grpo
    """
    if folder is None:
        from shop_r1.report.newest_run import find_newest_run

        folder, kind = find_newest_run()
        console.note(f"The newest run is the {kind} in {folder}")
    from shop_r1.datasets.session_files import outlines
    from shop_r1.evaluation.plots.results import plot_evaluation
    from shop_r1.evaluation.plots.rewards import read_curves
    from shop_r1.evaluation.tables import list_grids
    from shop_r1.report import evaluation_folder as evaluated
    from shop_r1.report.build import ReportInputs, build_report
    from shop_r1.report.simulation.build import build_simulation_report
    from shop_r1.report.simulation_folder import is_simulation, read_simulation

    if not folder.is_dir():
        raise ConfigError(
            f"{folder}: no such folder; expected one that shop-r1 evaluate, simulate or reproduce wrote"
        )
    page = folder / "report" / "index.html"
    if (folder / REPRODUCED).is_file():
        if data is not None or training is not None:
            raise ConfigError(f"{folder} holds a reproduction; --data and --training are for evaluations")
        check_output(page, [], force=force, endings=(), is_own=is_sealed)
        _report_reproduction(folder, title)
        return
    if is_simulation(folder) and (data is not None or training is not None):
        raise ConfigError(f"{folder} holds a simulation; --data and --training are for evaluations")
    check_output(page, [data, training], force=force, endings=(), is_own=is_sealed)
    if is_simulation(folder):
        with console.progress("Writing") as move:
            build_simulation_report(read_simulation(folder), page, title, move)
        console.echo(f"{page}")
        return
    rows = read_table(folder / "table.json")
    settings = RunFolder(folder).read_settings()
    path, warning = (data, None) if data is not None else evaluated.find_sessions(settings)
    files = evaluated.find_predictions(folder)
    sessions: Sequence[Session] = console.open_sessions(path) if path is not None else ()
    lengths = [(each.session_id, len(each.actions)) for each in outlines(sessions)]
    shown = evaluated.choose_sessions(lengths, sessions.__getitem__, files)
    # The main table is drawn from the rows, with the paper's figures.
    tables = [grid for grid in list_grids(rows)[1:] if grid.rows]
    inputs = ReportInputs(
        title=title or "Shop-R1: evaluation",
        about=evaluated.describe_evaluation(folder, settings),
        settings=evaluated.describe_settings(settings),
        rows=tuple(rows),
        tables=(*tables, *evaluated.list_page_tables(folder)),
        plots=tuple(plot_evaluation(rows, curves=read_curves(training) if training is not None else ())),
        warnings=(warning,) if warning else (),
        **dict(shown),
    )
    console.echo(f"{build_report(page, inputs)}")
    if warning:
        console.note(warning)


def _report_reproduction(folder: Path, title: str | None) -> None:
    from shop_r1.cli.reproduction.results.records import read_results
    from shop_r1.cli.reproduction.results.report import write_report

    console.echo(f"{write_report(folder, read_results(folder / REPRODUCED), title)}")

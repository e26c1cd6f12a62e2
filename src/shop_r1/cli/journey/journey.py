"""`journey`: a report on one version of a shop, and a gate for continuous integration."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Exit, Option

from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.outputs import Force, check_output
from shop_r1.errors import ConfigError, DataError
from shop_r1.records.journeys import JOURNEY_FILE, JOURNEY_PAGE, JOURNEY_SUMMARY
from shop_r1.report.seal import is_sealed

if TYPE_CHECKING:
    from shop_r1.journey.gate import Bound
    from shop_r1.records.journeys import JourneyReport
    from shop_r1.report.simulation_folder import SimulationFolder

_GATE = "Gate: exit code 1 where a condition does not hold"


def journey(
    folder: Annotated[
        Path | None, Argument(metavar="[DIR]", help="Of simulate or compare; default: the newest in runs/.")
    ] = None,
    funnel: Annotated[
        Path | None,
        Option(metavar="FILE.toml", help="The funnel's stages; default: found from the pages."),
    ] = None,
    goal: Annotated[
        str | None,
        Option(metavar="GOAL", help="A stage, or an address with *; default: the last stage."),
    ] = None,
    version: Annotated[
        str | None, Option(metavar="NAME", help="Of a comparison: whose visits are looked at.")
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        Option(metavar="NAME=NUMBER", help="Least value of a figure; repeatable.", rich_help_panel=_GATE),
    ] = None,
    fail_over: Annotated[
        list[str] | None,
        Option(metavar="NAME=NUMBER", help="Most value of a figure; repeatable.", rich_help_panel=_GATE),
    ] = None,
    baseline: Annotated[
        Path | None,
        Option(
            metavar="journey.json",
            help="An earlier report: no share may be lower by more than chance.",
            rich_help_panel=_GATE,
        ),
    ] = None,
    no_replays: Annotated[
        bool, Option("--no-replays", help="Make no report of the simulation, where its replays are.")
    ] = False,
    as_json: Annotated[bool, Option("--json", help="The results as JSON.")] = False,
    force: Force = False,
) -> None:
    """Say how far shoppers came in one version of a shop, what they met, and what it may have cost.

    Writes journey.html, journey.json and journey.md (a summary for a pull request) into DIR.

    Example: shop-r1 journey runs/simulation --fail-under purchase=0.3
    """
    from shop_r1.journey.gate import parse_bounds

    bounds = parse_bounds(fail_under or [], "--fail-under", is_least=True)
    bounds += parse_bounds(fail_over or [], "--fail-over", is_least=False)
    folder = folder or _newest()
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; expected one that shop-r1 simulate wrote")
    _check_outputs(folder, [funnel, baseline], force)
    read, found = _read(folder, funnel, goal, version)
    found = _judge(found, bounds, baseline)
    has_replays = _make_replays(read, force) if not no_replays else _page(folder).is_file()
    _write(folder, found, has_replays)
    if as_json:
        console.print_json(found.model_dump(mode="json"))
        for check in found.checks:
            if not check.is_passed:
                console.note(f"Failed: {check.sentence}")
    else:
        _print(found, folder)
    if not found.is_passed:
        raise Exit(1)


def _newest() -> Path:
    from shop_r1.report.newest_run import find_newest_run

    folder, kind = find_newest_run()
    if kind != "simulation":
        raise ConfigError(f"the newest run is the {kind} in {folder}; name the folder of a simulation")
    console.note(f"The newest run is the simulation in {folder}")
    return folder


def _page(folder: Path) -> Path:
    return folder / "report" / "index.html"


def _check_outputs(folder: Path, inputs: list[Path | None], force: bool) -> None:
    for name in (JOURNEY_PAGE, JOURNEY_SUMMARY, JOURNEY_FILE):
        own = _is_report if name == JOURNEY_FILE else is_sealed
        check_output(folder / name, inputs, force=force, endings=(), is_own=own)


def _is_report(path: Path) -> bool:
    from shop_r1.journey.gate import read_baseline

    try:
        read_baseline(path)
    except DataError:
        return False
    return True


def _read(
    folder: Path, funnel: Path | None, goal: str | None, version: str | None
) -> "tuple[SimulationFolder, JourneyReport]":
    from shop_r1.cli.journey.reading import describe_makers, describe_shop, open_funnel, read_visits
    from shop_r1.journey.analysis import JourneyQuestion, report_journeys
    from shop_r1.report.simulation_folder import read_simulation

    stages = open_funnel(funnel)  # before the visits are read
    read = read_simulation(folder)
    visits = read_visits(read, version)
    question = JourneyQuestion(
        funnel=stages,
        goal=goal,
        shop=describe_shop(read.settings, visits, version),
        made_with=describe_makers(read.settings),
        version=version,
    )
    return read, report_journeys(visits, question)


def _judge(found: "JourneyReport", bounds: "list[Bound]", baseline: Path | None) -> "JourneyReport":
    """Return the report with its gate."""
    from shop_r1.journey.gate import check_bounds, check_changes, check_lost, compare_with, read_baseline

    if not bounds and baseline is None:
        return found
    checks = [*check_bounds(found, bounds), check_lost(found)]
    if baseline is None:
        return found.model_copy(update={"checks": tuple(checks)})
    compared = compare_with(found, read_baseline(baseline), baseline)
    checks += check_changes(compared)
    return found.model_copy(update={"checks": tuple(checks), "baseline": compared})


def _make_replays(read: "SimulationFolder", force: bool) -> bool:
    """Make the report of the simulation, which has the replays, unless it is there and newer than the run."""
    from shop_r1.records.visits import VISITS_FILE
    from shop_r1.report.simulation.build import build_simulation_report

    page, visits = _page(read.path), read.path / VISITS_FILE
    made = page.stat().st_mtime if page.is_file() else 0.0
    if not made or (visits.is_file() and visits.stat().st_mtime > made):
        check_output(page, [], force=force, endings=(), is_own=is_sealed)
        with console.progress("Replays") as move:
            build_simulation_report(read, page, None, move)
    return True


def _write(folder: Path, found: "JourneyReport", has_replays: bool) -> None:
    from shop_r1.jsonl import write_json, write_text
    from shop_r1.report.journey.markdown import render_summary
    from shop_r1.report.journey.page import build_journey_page

    build_journey_page(folder / JOURNEY_PAGE, found, has_replays)
    write_text(folder / JOURNEY_SUMMARY, render_summary(found))
    write_json(folder / JOURNEY_FILE, found.model_dump(mode="json"))


def _print(found: "JourneyReport", folder: Path) -> None:
    from shop_r1.cli.journey.messages import print_checks, print_journey

    print_journey(found)
    console.echo_wrapped(f"Written to {folder}: {JOURNEY_PAGE}, {JOURNEY_SUMMARY}, {JOURNEY_FILE}")
    if found.checks:
        print_checks(found)

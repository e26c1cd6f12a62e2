"""`fidelity`: how human a crowd is, and weights that bring it nearer to the real one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.outputs import Force, check_folder
from shop_r1.errors import ConfigError
from shop_r1.runs import RunFolder, make_record

if TYPE_CHECKING:
    from shop_r1.evaluation.bootstrap import Floats
    from shop_r1.fidelity.results import Fidelity
    from shop_r1.fidelity.visits import Visit

RESULTS, WEIGHTS = "fidelity.json", "weights.json"
_MARGINS = "purchase, length, first_action, stage or searches; may be repeated. Default: the first three."


def fidelity(
    simulated: Annotated[Path, Argument(metavar="simulated.jsonl", help="Sessions of the crowd.")],
    real: Annotated[Path, Argument(metavar="real.jsonl", help="Sessions of real shoppers.")],
    out: Annotated[
        Path | None, Option(metavar="DIR", help="Also write fidelity.json and a report here.")
    ] = None,
    calibrate: Annotated[
        bool, Option("--calibrate", help="Weigh the simulated sessions to the real margins; needs --out.")
    ] = False,
    margin: Annotated[
        list[str] | None,
        Option(metavar="NAME", help=f"Of --calibrate: {_MARGINS}"),
    ] = None,
    personas: Annotated[
        Path | None,
        Option(metavar="FILE", help="Of --calibrate: personas that the simulated sessions are of."),
    ] = None,
    weights: Annotated[
        Path | None, Option(metavar="weights.json", help="Weigh the simulated sessions by these.")
    ] = None,
    bootstrap: Annotated[int, Option(min=2, help="Resamples of shoppers for the intervals.")] = 1000,
    splits: Annotated[int, Option(min=1, help="Splits of the real log for the noise floor.")] = 200,
    seed: Annotated[int, Option(min=0, help="Of resamples, splits and folds.")] = 0,
    as_json: Annotated[bool, Option("--json", help="The figures as JSON.")] = False,
    force: Force = False,
) -> None:
    """Say how far simulated sessions are from real ones, beside how far real ones are from each other.

    Example: shop-r1 fidelity simulated.jsonl real.jsonl --out runs/fidelity --calibrate
    """
    if (calibrate or margin) and out is None:
        raise ConfigError("--calibrate writes weights.json, so it needs --out DIR")
    if margin and not calibrate:
        raise ConfigError("--margin is for --calibrate, which is not given")
    if weights is not None and calibrate:
        raise ConfigError("--calibrate finds weights, and --weights gives them; give one of the two")
    if personas is not None and not calibrate:
        raise ConfigError("--personas is for --calibrate, which is not given")
    inputs = [simulated, real, *(each for each in (weights, personas) if each is not None)]
    if out is not None:
        check_folder(out, inputs, force=force)
    if personas is not None:
        _check_personas(personas)
    found = _compare(simulated, real, weights, bootstrap, splits, seed, margin or [], calibrate)
    if out is not None:
        _write(out, found, inputs)
        if personas is not None:
            _reweigh(out / personas.name, found, simulated, personas)
    if as_json:
        console.print_json(found.model_dump(mode="json", exclude={"calibration": {"weights"}}))
    else:
        _print(found)
    if out is not None:
        files = f"{RESULTS}, {WEIGHTS}" if found.calibration is not None else RESULTS
        console.note(f"Written to {out}: {files}, report/index.html")


def _compare(
    simulated: Path,
    real: Path,
    weights: Path | None,
    bootstrap: int,
    splits: int,
    seed: int,
    margins: list[str],
    is_calibrated: bool,
) -> "Fidelity":
    from shop_r1.fidelity import comparison
    from shop_r1.fidelity.calibration import calibrate, find_margins
    from shop_r1.fidelity.classifier.tells import CLASSIFIER_SPLITS, classify
    from shop_r1.fidelity.crowds import make_crowds
    from shop_r1.fidelity.reading import describe_crowd, list_warnings
    from shop_r1.fidelity.results import Fidelity

    fitted = find_margins(margins)  # before the files are read
    visits = [_read(path) for path in (simulated, real)]
    crowds, is_recorded = make_crowds(visits[1], visits[0], seed)
    own = _read_weights(weights, visits[0], simulated)
    total = bootstrap + min(splits, CLASSIFIER_SPLITS)
    with console.progress("Comparing", total) as move:
        counter = _Counter(move)
        distances = comparison.measure_distances(crowds, bootstrap, splits, seed, own, counter.add)
        classifier = classify(crowds, bootstrap, splits, seed, own, counter.add)
        counter.end(total)
    calibration = None
    if is_calibrated:
        calibration = calibrate(crowds, (str(simulated), str(real)), fitted, bootstrap, seed)
    warnings = list_warnings(*visits)
    if classifier is not None and classifier.left_out:
        warnings.append(
            f"the classifier was not given what one log alone has: {', '.join(classifier.left_out)}"
        )
    return Fidelity(
        simulated=describe_crowd(simulated, visits[0]),
        real=describe_crowd(real, visits[1]),
        clicks_by="recorded subtypes" if is_recorded else "names of elements",
        bootstrap=bootstrap,
        splits=splits,
        seed=seed,
        weighted=None if weights is None else str(weights),
        distances=tuple(distances),
        levels=tuple(comparison.measure_levels(crowds, bootstrap, seed, own)),
        mixes=comparison.measure_mixes(crowds, bootstrap, seed, own),
        quantiles=comparison.measure_quantiles(crowds, own),
        classifier=classifier,
        warnings=tuple(warnings),
        calibration=calibration,
    )


class _Counter:
    """Moves a progress bar by one at a time."""

    def __init__(self, move: console.Move) -> None:
        self._move, self._done = move, 0

    def add(self) -> None:
        self._done += 1
        self._move(self._done)

    def end(self, total: int) -> None:
        self._move(total)


def _read(path: Path) -> "list[Visit]":
    from shop_r1.fidelity.reading import read_crowd

    with console.file_progress("Reading") as moved:
        return read_crowd(path, moved)


def _read_weights(path: Path | None, visits: "list[Visit]", file: Path) -> "Floats | None":
    from shop_r1.fidelity.calibration import read_calibration, weigh_visits

    return None if path is None else weigh_visits(read_calibration(path), visits, str(file))


def _write(out: Path, found: "Fidelity", inputs: list[Path]) -> None:
    """Write the figures, the weights, the report, and with what it was made."""
    from shop_r1.fidelity.plots import plot_fidelity
    from shop_r1.fidelity.tables import list_grids, mix_grids, say_details, say_verdict
    from shop_r1.jsonl import write_json
    from shop_r1.report.build import ReportInputs, build_report

    settings = {"bootstrap": found.bootstrap, "splits": found.splits}
    RunFolder(out).write_settings(make_record(settings, inputs, found.seed, command="fidelity"))
    if found.calibration is not None:
        write_json(out / WEIGHTS, found.calibration.model_dump(mode="json"))
    build_report(
        out / "report" / "index.html",
        ReportInputs(
            title=f"Fidelity: {Path(found.simulated.file).name} beside {Path(found.real.file).name}",
            verdict=say_verdict(found),
            summary=f"{say_details(found)} Every figure stands beside the same figure between parts "
            "of the real log: no crowd can be nearer to real shoppers than they are to each other.",
            about={
                "simulated": _describe(found.simulated.sessions, found.simulated.shoppers),
                "real": _describe(found.real.sessions, found.real.shoppers),
                "clicks told apart by": found.clicks_by,
                **({"weights": found.weighted} if found.weighted is not None else {}),
            },
            tables=(*list_grids(found), *mix_grids(found)),
            plots=tuple(plot_fidelity(found)),
            warnings=tuple(f"{told[0].upper()}{told[1:]}." for told in _warnings(found)),
        ),
    )
    write_json(out / RESULTS, found.model_dump(mode="json", exclude={"calibration": {"weights"}}))


def _check_personas(path: Path) -> None:
    """Make sure that the file has personas, before anything is computed."""
    from shop_r1.personas.entries import read_shoppers

    if not read_shoppers(path).persona:
        raise ConfigError(f"--personas {path}: has no persona; expected [[persona]] tables")


def _reweigh(out: Path, found: "Fidelity", simulated: Path, personas: Path) -> None:
    """Write the personas with weights that bring the crowd nearer to the real one."""
    from shop_r1.personas.entries import read_shoppers, write_shoppers
    from shop_r1.personas.reweighing import reweigh

    assert found.calibration is not None
    weights = found.calibration.weights
    sessions = [(visit.persona, weights[visit.session_id]) for visit in _read(simulated)]
    done = reweigh(read_shoppers(personas), sessions)
    write_shoppers(
        out, done.file, [f"The personas of {personas.name}, weighed by shop-r1 fidelity --calibrate."]
    )
    console.note(f"Written: {out}, the personas with new weights")
    for told, names in (
        ("no session, so its weight stays", done.unseen),
        ("weight 0, left out", done.dropped),
    ):
        if names:
            console.note(f"{', '.join(names)}: {told}")
    if done.others:
        console.note(f"{console.count_of(done.others, 'session')} of none of these personas")


def _warnings(found: "Fidelity") -> list[str]:
    return [*found.warnings, *(found.calibration.warnings if found.calibration is not None else ())]


def _describe(sessions: int, shoppers: int) -> str:
    return f"{console.count_of(sessions, 'session')} of {console.count_of(shoppers, 'shopper')}"


def _print(found: "Fidelity") -> None:
    from shop_r1.evaluation.tables import to_text
    from shop_r1.fidelity.tables import list_grids, say_details, say_verdict

    rows = [
        (name, f"{_describe(crowd.sessions, crowd.shoppers)}, {crowd.steps:,} steps", crowd.file)
        for name, crowd in (("simulated", found.simulated), ("real", found.real))
    ]
    console.print_table(rows)
    if found.weighted is not None:
        console.echo_wrapped(f"Simulated sessions are weighted by {found.weighted}.")
    console.echo("")
    console.echo_wrapped(f"{say_verdict(found)} {say_details(found)}")
    for grid in list_grids(found):
        console.echo("")
        console.echo(to_text(grid).rstrip("\n"))
    if _warnings(found):
        console.echo("")
    for warning in _warnings(found):
        console.echo("\n".join(console.wrap(f"Note: {warning}.", later="  ")))

"""A backtest from its file to its results: comparisons run or read, then held against what was measured."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from shop_r1.cli.backtest.plot import plot_backtest
from shop_r1.cli.comparison.options import SHOP, STORE, CompareOptions
from shop_r1.cli.comparison.run import make_comparison
from shop_r1.cli.simulation.options import Options
from shop_r1.cli.simulation.versions import read_version
from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.outputs import check_apart
from shop_r1.comparison.backtest.experiments import PastExperiment, read_experiments
from shop_r1.comparison.backtest.scoring import hold, score
from shop_r1.comparison.backtest.wording import list_grids
from shop_r1.drivers.edits.page_variant import PageVariant
from shop_r1.errors import ConfigError, DataError, ShopR1Error
from shop_r1.evaluation.tables import to_text
from shop_r1.jsonl import read_json, read_records, write_json
from shop_r1.records.backtests import BACKTEST_FILE, Backtest, Held
from shop_r1.records.comparisons import COMPARISON_FILE, VersionComparison
from shop_r1.records.visits import VISITS_FILE, VisitEnd
from shop_r1.report.build import ReportInputs, build_report
from shop_r1.runs import RunFolder, make_record
from shop_r1.store.variants import StoreVariant
from shop_r1.validation_messages import describe_problems

DEFAULT_OUT = Path("runs/backtest")
BACKTEST_PAGE = "backtest.html"
AS_IT_IS = (STORE, SHOP)
"""What stands for the shop as it is in place of a file."""
_FOLDER = "experiments"
"""Where in the run's folder each experiment's comparison is."""


@dataclass(frozen=True)
class Planned:
    """A comparison that is to be run."""

    folder: str
    """The name of its folder: that of the first experiment that it is for."""
    options: CompareOptions


def run_backtest(path: Path, base: Options, processes: int | None, *, as_json: bool) -> None:
    """Compare the versions of each past experiment, or read its comparison, and write and print the results.

    Raises:
        ShopR1Error: the file or an option means nothing, or a comparison cannot be run or read.
        KeyboardInterrupt: it was interrupted; what was done is in the folder.
    """
    if base.is_one_file:
        raise ConfigError(f"{base.out}: a backtest is a folder; give --out a folder")
    checkpoint = base.policy_name if base.kind == "checkpoint" else None
    out = base.place([path, base.test_profile, *base.shopper_files, checkpoint])
    experiments = read_experiments(path)
    check_apart(out, _files_of(path, experiments))
    planned = dict(_planned(path, experiments, base, processes))
    record = make_record({"shoppers": base.shoppers, "policy": base.policy_name}, [path], base.seed)
    RunFolder(out).write_settings({**record, "command": "backtest"})
    held = list(_hold_all(path, experiments, planned, out))
    found = score(str(path), held)
    write_json(out / BACKTEST_FILE, found.model_dump(mode="json"))
    _write_page(out / BACKTEST_PAGE, found)
    if as_json:
        console.print_json(found.model_dump(mode="json"))
    else:
        _print(found)
    console.note(f"Written: {out / BACKTEST_FILE}, {out / BACKTEST_PAGE}")


def _planned(
    path: Path, experiments: tuple[PastExperiment, ...], base: Options, processes: int | None
) -> Iterator[tuple[str, Planned]]:
    """Yield the name and the comparison of each experiment that is run, all of them checked.

    Experiments with the same versions and goal share a comparison, which has all metrics.

    Raises:
        ConfigError: one cannot be run so; the message names it.
    """
    known: dict[tuple[tuple[str, str], str | None, str], Planned] = {}
    for each in experiments:
        if each.versions is None:
            continue
        key = each.versions, each.url, each.goal
        if key not in known:
            try:
                options = _comparison(path, each, each.versions, base, processes)
                options.check()
            except ConfigError as error:
                raise ConfigError(f"{path}: experiment {each.name}: {error}") from None
            known[key] = Planned(each.name, options)
        yield each.name, known[key]


def _comparison(
    path: Path, each: PastExperiment, versions: tuple[str, str], base: Options, processes: int | None
) -> CompareOptions:
    urls = [version for version in versions if "://" in version]
    if len(urls) == 1 or (urls and each.url is not None):
        raise ConfigError(
            "expected two addresses as versions, or a url with files of what is changed in its pages"
        )
    urls = urls or ([each.url] if each.url is not None else [])
    is_shown = each.url is not None or not urls
    variants = [_variant(path.parent, version, bool(urls)) for version in versions] if is_shown else []
    return CompareOptions(
        base=base,
        urls=urls,
        variants=variants,
        primary=each.metric,
        metrics=[],
        goal=each.goal,
        stop_when_certain=False,
        processes=processes,
    )


def _variant(folder: Path, version: str, at_address: bool) -> StoreVariant | PageVariant | None:
    return None if version in AS_IT_IS else read_version(folder / version, at_address=at_address)


def _files_of(path: Path, experiments: tuple[PastExperiment, ...]) -> list[Path]:
    """Return the files that the experiments name."""
    names = [name for each in experiments for name in (*(each.versions or ()), each.comparison)]
    return [path.parent / name for name in names if name and name not in AS_IT_IS and "://" not in name]


def _hold_all(
    path: Path, experiments: tuple[PastExperiment, ...], planned: Mapping[str, Planned], out: Path
) -> Iterator[Held]:
    done: dict[Path, VersionComparison] = {}
    for number, each in enumerate(experiments, 1):
        if each.name not in planned:
            place = path.parent / str(each.comparison)
            yield hold(each, read_comparison(place), str(place))
            continue
        folder = out / _FOLDER / planned[each.name].folder
        console.note(f"{number} of {len(experiments)}: {each.name}")
        if folder not in done:
            done[folder] = _run(planned[each.name].options, folder, out)
        yield hold(each, done[folder], str(folder), str(folder))


def _run(options: CompareOptions, folder: Path, out: Path) -> VersionComparison:
    """Run a comparison in its folder, or what is missing of it, within what is left of the budget."""
    base = options.base
    left = base.max_cost
    if left is not None:
        left -= sum(_cost(each) for each in (out / _FOLDER).glob(f"*/{VISITS_FILE}") if each.parent != folder)
        if left <= 0:
            raise ConfigError(f"the budget of {base.max_cost:g} USD is spent; go on with --resume --max-cost")
    is_begun = base.resume and (folder / "settings.json").exists()
    own = replace(base, out=folder, max_cost=left, resume=is_begun)
    try:
        return make_comparison(replace(options, base=own), folder, is_part=True)
    except (ShopR1Error, KeyboardInterrupt):
        console.note(f"{out}: to go on, give the same command with --resume --out {out}")
        raise


def _cost(visits: Path) -> float:
    if not visits.stat().st_size:
        return 0.0
    return sum(each.cost_usd or 0.0 for each in read_records(visits, VisitEnd))


def read_comparison(path: Path) -> VersionComparison:
    """Return the results of a comparison.

    Raises:
        DataError: the file cannot be read or is no `comparison.json`.
    """
    file = path / COMPARISON_FILE if path.is_dir() else path
    try:
        return VersionComparison.model_validate(read_json(file))
    except ValidationError as error:
        raise DataError.at(file, None, f"is no comparison.json: {describe_problems(error)}") from None


def _write_page(path: Path, found: Backtest) -> None:
    build_report(
        path,
        ReportInputs(
            title="Shop-R1: backtest",
            verdict=found.verdict[0],
            summary=" ".join((*found.verdict[1:], found.few, found.caution)),
            about={
                "experiments": str(len(found.experiments)),
                "clear": str(found.direction.of),
                "counted in no figure": str(found.unusable),
            },
            tables=tuple(list_grids(found)),
            plots=tuple(plot_backtest(found)),
        ),
    )


def _print(found: Backtest) -> None:
    for grid in list_grids(found):
        console.echo(to_text(grid))
    console.echo_wrapped(" ".join(found.verdict))
    for sentence in (found.few, found.caution):
        console.echo_wrapped(sentence)

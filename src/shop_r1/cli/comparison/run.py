"""A comparison from its first line to its last: versions opened, visits run, results written and printed."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from shop_r1.cli.comparison import messages
from shop_r1.cli.comparison.measuring import Measuring
from shop_r1.cli.comparison.options import CompareOptions
from shop_r1.cli.comparison.plan import plan_shoppers, plan_visits
from shop_r1.cli.comparison.processes import choose_processes, run_in_processes
from shop_r1.cli.comparison.shops import open_versions
from shop_r1.cli.simulation.edit_uses import edit_warnings, read_edit_uses
from shop_r1.cli.simulation.live import Totals
from shop_r1.cli.simulation.messages import check_sessions
from shop_r1.cli.simulation.planned import is_timed, run_record, variant_record
from shop_r1.cli.simulation.policies import Deciders, open_policy
from shop_r1.cli.simulation.run import run_left, until_terminated
from shop_r1.cli.simulation.shops import Shop
from shop_r1.comparison.analysis import compare_versions
from shop_r1.comparison.looking import Looks
from shop_r1.jsonl import write_json, write_records
from shop_r1.records.comparisons import (
    COMPARISON_FILE,
    COMPARISON_PAGE,
    SHOPPERS_FILE,
    ShopperPlan,
    VersionComparison,
)
from shop_r1.records.visits import SESSIONS_FILE
from shop_r1.report.comparison import build_comparison_page
from shop_r1.simulation.loop import Visit
from shop_r1.simulation.run_folder import SimulationFolder, opened, sort_by_visit

FREE = ("concurrency", "max_cost", "rate", "screenshots", "trace", "no_recording", "processes")
"""Settings that may differ when a run goes on. The number of shoppers may not: intervals of a number that is
fixed beforehand do not hold for one that grew when they were seen."""


def run_comparison(options: CompareOptions, out: Path) -> None:
    """Run the visits, write the results to `out` and print them.

    Raises:
        ShopR1Error: a version, the policy or the place cannot be used, or no visit gave a session.
        KeyboardInterrupt: it was interrupted; what was done is in the folder.
    """
    messages.print_comparison(make_comparison(options, out), out)


def make_comparison(options: CompareOptions, out: Path, *, is_part: bool = False) -> VersionComparison:
    """Run the visits, write the results to `out` and return them.

    One that is part of a larger run says neither what it will do nor how to go on with it.

    Raises:
        ShopR1Error: as `run_comparison`.
        KeyboardInterrupt: it was interrupted; what was done is in the folder.
    """
    totals = Totals()
    try:
        found = asyncio.run(until_terminated(_run(options, out, totals, is_part)))
    except BaseException:
        if not is_part:
            messages.print_unfinished(options, out, totals)
        raise
    check_sessions(totals, out, out)
    write_json(out / COMPARISON_FILE, found.model_dump(mode="json"))
    build_comparison_page(out / COMPARISON_PAGE, found)
    return found


def _with_edits(
    found: VersionComparison, options: CompareOptions, path: Path, visits: Sequence[Visit]
) -> VersionComparison:
    """Return the results with what became of the versions' edits."""
    variants = {name: each.page_variant for name, each in options.versions.items() if each.page_variant}
    if not variants or not (path / SESSIONS_FILE).exists():
        return found
    version_of = {visit.session_id: visit.version or "" for visit in visits}
    uses = read_edit_uses(path / SESSIONS_FILE, variants, version_of)
    return found.model_copy(update={"edits": uses, "warnings": (*found.warnings, *edit_warnings(uses))})


async def _run(options: CompareOptions, path: Path, totals: Totals, is_part: bool) -> VersionComparison:
    async with (
        open_versions(options, path) as (shop, shops),
        open_policy(options.first, shop, path) as deciders,
    ):
        plan = plan_shoppers(options, deciders)
        visits = plan_visits(options, shops, deciders, plan)
        with opened(path, _record(options, shop, deciders), resume=options.base.resume, free=FREE) as folder:
            write_records(path / SHOPPERS_FILE, plan)
            found = await _run_left(options, shop, deciders, folder, plan, visits, totals, is_part)
        sort_by_visit(path, [visit.session_id for visit in visits])
    return _with_edits(found, options, path, visits)


async def _run_left(
    options: CompareOptions,
    shop: Shop,
    deciders: Deciders,
    folder: SimulationFolder,
    plan: list[ShopperPlan],
    visits: list[Visit],
    totals: Totals,
    is_part: bool,
) -> VersionComparison:
    measuring, looks = Measuring(options.goal), Looks(plan, options.question)
    done = [visit for visit in visits if visit.session_id in folder.finished]
    left = [visit for visit in visits if visit.session_id not in folder.finished]
    measuring.read(folder.path, done)
    processes = choose_processes(options, len(left))
    if not is_part:
        messages.print_plan(options, shop, deciders, folder.path, len(done), processes)
    runner = partial(run_in_processes, options, processes) if processes > 1 else None
    await run_left(
        options.first,
        shop,
        deciders,
        folder,
        left,
        totals,
        observers=[measuring],
        goes_on=lambda: not (options.stop_when_certain and looks.look(measuring.visits)),
        runner=runner,
        timed=any(map(is_timed, options.versions.values())),
    )
    if not options.stop_when_certain:
        return compare_versions(plan, measuring.visits, options.question)
    looks.look(measuring.visits)
    met = plan[: looks.complete(measuring.visits)]
    return compare_versions(met, measuring.visits, options.question, looks.summary(measuring.visits))


def _record(options: CompareOptions, shop: Shop, deciders: Deciders) -> dict[str, object]:
    """Return what the run's `settings.json` holds."""
    versions = {
        name: {"url": each.url, "edits": variant_record(each)}
        if each.page_variant
        else each.url or variant_record(each)
        for name, each in options.versions.items()
    }
    asked = {
        "versions": versions,
        "primary": options.primary,
        "metrics": list(options.metrics),
        "goal": options.goal,
        "stop_when_certain": options.stop_when_certain,
    }
    return run_record(options.base, shop, deciders, "compare", **asked)

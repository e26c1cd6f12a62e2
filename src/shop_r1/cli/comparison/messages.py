"""What `compare` says: what will be done, and what came of it."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from shop_r1.cli.comparison.options import CompareOptions
from shop_r1.cli.simulation.edit_uses import edit_rows
from shop_r1.cli.simulation.live import Totals
from shop_r1.cli.simulation.messages import print_problems
from shop_r1.cli.simulation.policies import Deciders
from shop_r1.cli.simulation.shops import Shop
from shop_r1.cli.terminal import console
from shop_r1.comparison.metrics import METRICS
from shop_r1.records.comparison_words import change_words, interval_words, p_words, value_words
from shop_r1.records.comparisons import COMPARISON_FILE, COMPARISON_PAGE, Difference, VersionComparison
from shop_r1.validation_messages import harmless

_NAME_MAX = 12
"""Characters of a version's name in a table's head."""


def print_plan(
    options: CompareOptions, shop: Shop, deciders: Deciders, out: Path, finished: int, processes: int
) -> None:
    """Print what will be done, before anything is."""
    base, count = options.base, options.base.shoppers
    (title, words), *more = deciders.facts
    rows = [
        (name if place else f"{name}, first", text)
        for place, (name, text) in enumerate(options.descriptions.items())
    ]
    rows.append((title, f"{count} {words}; seed {base.seed}"))
    rows += more
    if deciders.persona:
        rows.append(("persona", harmless(deciders.persona)))
    total = count * len(options.versions)
    by = f" in {shop.browser}" if shop.browser else f" in {processes} processes" if processes > 1 else ""
    limits = f"each at most {options.first.most_steps} steps and {base.max_seconds:g} s"
    rows.append(("visits", f"{total}, every shopper to every version in balanced order; {limits}{by}"))
    rows += _browser_facts(options, shop)
    stop = (
        "looked at every 10 shoppers, ends when certain"
        if options.stop_when_certain
        else "fixed number of shoppers"
    )
    rows.append(("primary", f"{METRICS[options.primary].label}; {stop}"))
    rows.append(("folder", str(out)))
    console.print_table(rows)
    if finished:
        console.note(f"{finished} of {total} visits are finished; {total - finished} are left to do")


def _browser_facts(options: CompareOptions, shop: Shop) -> list[tuple[str, str]]:
    """Return what shoppers in a browser may do; which hosts they reach depends on the version."""
    if not shop.browser:
        return []
    hosts = list(dict.fromkeys(urlsplit(each.url).netloc for each in options.versions.values() if each.url))
    if len(hosts) < 2:
        return list(shop.facts[1:])
    more = "".join(f", {host}" for host in options.base.allow_host)
    words = f"each version's own, {' or '.join(hosts)}{more}; all else is refused"
    return [(name, words if name == "hosts" else text) for name, text in shop.facts[1:]]


def print_unfinished(options: CompareOptions, out: Path, totals: Totals) -> None:
    """Print what there is after an interruption or an error, and how to go on."""
    if not totals.outcomes:
        return
    print_problems(totals)
    done = totals.outcomes.total() - totals.outcomes["stopped"]
    total = options.base.shoppers * len(options.versions)
    where = f" --out {out}" if options.base.out is None else ""
    console.note(
        f"{out}: this run finished {done} of {total} visits. It is not compared before all are; to go on, "
        "give the "
        f"same command with --resume{where}"
    )


def print_comparison(found: VersionComparison, out: Path) -> None:
    """Print the results."""
    for version in found.versions[1:]:
        console.echo("")
        print_differences(found, version)
    console.echo("")
    console.echo_wrapped(
        f"* primary. Intervals: {found.intervals}. p: Holm's procedure over all other metrics"
        + (" and versions." if len(found.versions) > 2 else ".")
        + " found: the least difference that so many shoppers would have found, 80 % power."
    )
    if found.unknown:
        labels = ", ".join(METRICS[name].label for name in found.unknown)
        console.echo_wrapped(f"No shopper has these in both versions: {labels}.")
    _print_exits(found)
    _print_segments(found)
    _print_edits(found)
    if found.stopping is not None:
        how = "stopped when it was certain" if found.stopping.is_certain else "never certain"
        console.echo("")
        console.echo_wrapped(
            f"Looked at every {found.stopping.look_every} shoppers: {how}, after {found.stopping.shoppers} "
            "of "
            f"{found.stopping.planned}."
        )
    for warning in found.warnings:
        console.note(f"{warning}.")
    console.echo("")
    for sentence in (*found.verdict, found.caution):
        console.echo_wrapped(sentence)
    console.echo_wrapped(f"Written: {out / COMPARISON_FILE}, {out / COMPARISON_PAGE}")
    console.print_next("report", out)


def print_differences(found: VersionComparison, version: str) -> None:
    """Print the table of one version."""
    baseline = found.versions[0]
    rows: list[Sequence[str]] = [
        ("metric", baseline[:_NAME_MAX], version[:_NAME_MAX], "change", "95 %", "p", "found")
    ]
    rows += [_row(each) for each in found.differences if each.version == version]
    if sum(max(map(len, column)) + 2 for column in zip(*rows, strict=True)) - 2 > console.WIDTH:
        rows = [row[:-1] for row in rows]  # what would be found stands in the page and in comparison.json
    rule = ["-" * max(map(len, column)) for column in zip(*rows, strict=True)]
    console.print_columns([rows[0], rule, *rows[1:]])


def _row(each: Difference) -> tuple[str, str, str, str, str, str, str]:
    known = each.of_baseline is not None and each.of_version is not None
    change = (each.of_version or 0.0) - (each.of_baseline or 0.0)
    least = "–" if each.smallest_found is None else change_words(each, each.smallest_found).lstrip("+")
    return (
        f"{each.label}{' *' if each.is_primary else ''}",
        value_words(each, each.of_baseline),
        value_words(each, each.of_version),
        change_words(each, change) if known else "–",
        interval_words(each, each.difference),
        p_words(each.p_adjusted),
        least,
    )


def _print_exits(found: VersionComparison) -> None:
    kinds = list(dict.fromkeys(kind for each in found.exits for kind in each.counts))
    rows = [("visits ended at", *(each.version[:_NAME_MAX] for each in found.exits))]
    rows += [
        (
            kind,
            *(
                f"{each.counts.get(kind, 0)} ({each.counts.get(kind, 0) / max(1, each.visits):.0%})"
                for each in found.exits
            ),
        )
        for kind in kinds
    ]
    console.echo("")
    console.print_columns(rows)


def _print_edits(found: VersionComparison) -> None:
    for version in dict.fromkeys(each.version for each in found.edits):
        console.echo("")
        console.print_columns([(f"edits of {version}", "held on pages"), *edit_rows(found.edits, version)])


def _print_segments(found: VersionComparison) -> None:
    if not found.segments:
        return
    label = METRICS[found.primary].label
    rows = [(f"{label} among", "shoppers", "version", "change", "interval", "p")]
    for segment in found.segments:
        if segment.is_too_small:
            rows.append((segment.name, str(segment.shoppers), "–", "too small", "–", "–"))
        rows += [
            (
                segment.name,
                str(segment.shoppers),
                each.version[:_NAME_MAX],
                change_words(each, (each.of_version or 0.0) - (each.of_baseline or 0.0)),
                interval_words(each, each.decisive),
                p_words(each.p_adjusted),
            )
            for each in segment.differences
        ]
    console.echo("")
    console.print_columns(rows)
    console.echo_wrapped("Intervals and p by Holm's procedure over segments and versions.")

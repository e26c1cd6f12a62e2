"""`personas`: kinds of shoppers in a log, with their weights, and what they search for first."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.outputs import Force, check_output

if TYPE_CHECKING:
    from shop_r1.personas.mining import Mined
    from shop_r1.personas.wording import Summary

LEAST = 5
"""Shoppers who share what is said of them. Ours: a usual least cell of published statistics."""


def personas(
    log: Annotated[Path, Argument(metavar="LOG", help="Sessions of real shoppers.")],
    out: Annotated[Path, Option("--out", metavar="FILE", help="Where to write: .toml or .jsonl.")],
    groups: Annotated[
        int | None, Option(min=1, max=50, help="How many; default: by the mean silhouette, up to 8.")
    ] = None,
    min_shoppers: Annotated[
        int, Option(min=2, help="Who share a persona, or typed a query, at least.")
    ] = LEAST,
    describe: Annotated[
        str | None,
        Option(metavar="MODEL", help="openai:… or anthropic:…, which puts the counts into words."),
    ] = None,
    max_cost: Annotated[float | None, Option(min=0, metavar="USD", help="Of its requests.")] = None,
    seed: Annotated[int, Option(min=0, help="Of the groups' starts.")] = 0,
    force: Force = False,
) -> None:
    """Find kinds of shoppers in a log, and what they search for first, for simulate, compare and backtest.

    Example: shop-r1 personas log.jsonl --out personas.toml
    """
    from shop_r1.personas.entries import ENDINGS, write_shoppers
    from shop_r1.personas.features import read_log
    from shop_r1.personas.mining import mine

    if describe is not None or max_cost is not None:
        from shop_r1.cli.data.descriptions import check_describer

        check_describer(describe, max_cost)
    check_output(out, [log], force=force, endings=tuple(each for each in ENDINGS if not each.endswith(".gz")))
    with console.file_progress("Reading") as moved:
        seen = read_log(log, moved)
    found = mine(seen, min_shoppers, groups, seed)
    if describe is not None:
        from shop_r1.cli.data.descriptions import add_descriptions
        from shop_r1.datasets.with_rationales import beside

        found = add_descriptions(found, describe, max_cost, beside(out, "completions.jsonl"))
    write_shoppers(out, found.file, _comments(found, log, min_shoppers))
    _print(found)
    console.note(
        f"Written: {out}, {console.count_of(len(found.file.persona), 'persona')} and "
        f"{console.count_of(len(found.file.intent), 'intent')}"
    )
    more: tuple[str | Path, ...] = ("--intent", out) if found.file.intent else ()
    console.print_next("simulate", "--policy NAME --persona", out, *more)


def _comments(found: "Mined", log: Path, least: int) -> list[str]:
    """Return what the file says of itself."""
    everybody = found.everybody
    return [
        f"Made by shop-r1 personas from {log.name}: {everybody.sessions} sessions of {everybody.shoppers} "
        f"shoppers.",
        "Described from counts; examples are numbers of sessions in that file.",
        f"Queries: those that {least} shoppers or more typed first, with their number of sessions.",
        *(f"Left out, {reason}: {count} sessions." for reason, count in found.queries.left_out.items()),
    ]


def _print(found: "Mined") -> None:
    from shop_r1.personas.clusters import STRUCTURE

    rows: list[tuple[str, ...]] = [
        ("persona", "sessions", "share", "steps", "queries", "opened", "buys", "paid")
    ]
    total = found.everybody.sessions
    for each, own in zip(found.file.persona, found.summaries, strict=True):
        rows.append(_row(each.name, own, total))
    rows.append(_row("all", found.everybody, total))
    console.print_columns(rows)
    for persona in found.file.persona:
        numbers = ", ".join(map(str, persona.examples))
        console.echo("")
        console.echo(
            "\n".join(console.wrap(f"{persona.name}: {persona.who} Sessions {numbers}.", later="  "))
        )
    console.echo("")
    if found.tried:
        tried = ", ".join(f"{count}: {value:.2f}" for count, value in found.tried.items())
        console.echo_wrapped(
            f"Mean silhouette by the number of groups, {tried}; the highest was taken. 1 is perfect, below "
            f"{STRUCTURE} groups are cuts through one crowd."
        )
    queries = found.queries
    console.echo_wrapped(
        f"First queries: {queries.kept:,} of {queries.searching:,} sessions typed one of "
        f"the {len(found.file.intent):,} that are kept."
    )
    for reason, count in queries.left_out.items():
        console.echo_wrapped(f"Left out, {reason}: {console.count_of(count, 'session')}.")
    if found.constant:
        console.echo_wrapped(f"Alike in all sessions, so of no use: {', '.join(found.constant)}.")
    for warning in found.warnings:
        console.note(f"Note: {warning}.")


def _row(name: str, own: "Summary", total: int) -> tuple[str, ...]:
    return (
        name,
        f"{own.sessions:,}",
        f"{own.sessions / total:.0%}",
        f"{own.steps:.1f}",
        f"{own.searches:.1f}",
        f"{own.products:.1f}",
        f"{own.buys:.0%}",
        "–" if own.paid is None else f"{own.paid:.2f}",
    )

"""`data split`: which sessions to hold out."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from shop_r1.cli.data import File, action_types, print_mix
from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.outputs import Force, check_apart


def split(
    file: File,
    out: Annotated[Path, Option("--out", metavar="DIR", help="A new folder for the files.")],
    test: Annotated[float, Option(min=0, max=0.99, help="Share of sessions to hold out.")] = 0.1,
    test_sessions: Annotated[
        int | None, Option(min=1, help="How many sessions to hold out, in place of --test.")
    ] = None,
    valid: Annotated[float, Option(min=0, max=0.99, help="Share of sessions to validate on.")] = 0.0,
    valid_sessions: Annotated[
        int | None, Option(min=1, help="How many of them, in place of --valid.")
    ] = None,
    by: Annotated[
        str | None, Option(help="user or session; user where the sessions name their users.")
    ] = None,
    seed: Annotated[int, Option(help="Another seed, another split.")] = 0,
    dedupe: Annotated[bool, Option("--dedupe", help="Leave exact duplicates out, but for one.")] = False,
    ending: Annotated[
        str | None,
        Option("--format", help="jsonl, jsonl.zst or parquet; without it, parquet of Parquet, else jsonl."),
    ] = None,
    force: Force = False,
) -> None:
    """Split sessions into DIR/train.jsonl, test.jsonl and valid.jsonl, so that nothing leaks.

    A user's sessions, and exact and near-duplicates, stay on one side. The same sessions and seed give the
    same split in any order of the lines.

    Example: shop-r1 data split sessions.jsonl --out data --test 0.1 --seed 1
    """
    from shop_r1.datasets.session_files import read_sessions
    from shop_r1.datasets.splits import FORMATS

    console.check_choice("--by", by, ("user", "session"))
    console.check_choice("--format", ending, FORMATS)
    check_apart(out, [file])
    asked = {
        "source": str(file),
        "test": float(test_sessions or test),
        "valid": float(valid_sessions or valid),
        "seed": seed,
        "dedupe": dedupe,
        "format": ending or ("parquet" if file.suffix == ".parquet" else "jsonl"),
    }
    _split(file, out, by, asked, force)
    train = out / f"train.{asked['format']}"
    # SFT learns the rationale of every step.
    if all(step.rationale for session in read_sessions(train) for step in session.steps):
        console.print_next("sft --data", train, "--out", console.unused_path("runs/sft"))
    else:
        place = console.unused_path(train.with_name("with.jsonl"))
        console.print_next("rationales", train, "--model NAME --out", place)
        console.echo(
            "sft learns rationales too, and not every step has one; with --help rationales lists the models"
        )


def _split(file: Path, out: Path, by: str | None, asked: dict[str, Any], force: bool) -> None:
    """Plan, write and tell the split; `asked` is what of its `SplitRecord` the command line says."""
    from shop_r1.datasets import splits

    splits.check_folder(out, asked | ({"by": by} if by else {}), force)  # Before a long reading.
    with console.file_progress("Reading") as moved:
        found, digest = splits.read_input(file, moved)
    by = by or ("user" if any(each.user for each in found) else "session")
    asked |= {"by": by, "lines": digest.hex()}
    splits.check_folder(out, asked, force)
    plan = splits.plan_split(
        found, asked["by"], asked["test"], asked["valid"], asked["seed"], asked["dedupe"]
    )
    counts = splits.count_sides(found, plan.sides)
    record = splits.SplitRecord(
        sessions={side: each["sessions"] for side, each in counts.items()},
        actions={side: {name: each[name] for name in action_types(each)} for side, each in counts.items()},
        **asked,
    )
    with console.file_progress("Writing") as moved:
        splits.write_split(file, out, plan.sides, record, digest, moved)
    sides = {side: counts[side] for side in (*splits.SIDES, splits.LEFT_OUT) if side in counts}
    print_mix({"before": sum(counts.values(), Counter()), **sides})
    what = "users and duplicates" if by == "user" else "duplicates"
    largest = console.count_of(plan.largest, "session")
    console.echo(f"{console.count_of(plan.groups, 'group')} of {what}; the largest has {largest}")
    for side, missing in plan.missing.items():
        fewer = console.count_of(missing, "session")
        console.note(f"{side}: {fewer} fewer than asked, since no other group is small enough")

"""`data split`: which sessions to hold out."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from shop_r1.cli.data import File, say_mix
from shop_r1.cli.terminal.console import count_of, file_progress, print_line, print_note
from shop_r1.cli.terminal.next_command import print_next, unused_path
from shop_r1.cli.terminal.outputs import Force, check_apart
from shop_r1.config import suggest
from shop_r1.errors import ConfigError

FORMATS = ("jsonl", "jsonl.zst", "parquet")

if TYPE_CHECKING:
    from shop_r1.datasets.splits import By, SplitPlan


def split(
    file: File,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder for the files.")],
    test: Annotated[float, typer.Option(min=0, max=0.99, help="Share of sessions to hold out.")] = 0.1,
    test_sessions: Annotated[
        int | None, typer.Option(min=1, help="How many sessions to hold out, in place of --test.")
    ] = None,
    valid: Annotated[float, typer.Option(min=0, max=0.99, help="Share of sessions to validate on.")] = 0.0,
    valid_sessions: Annotated[
        int | None, typer.Option(min=1, help="How many of them, in place of --valid.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="user or session; user where the sessions name their users.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed, another split.")] = 0,
    dedupe: Annotated[
        bool, typer.Option("--dedupe", help="Leave exact duplicates out, but for one.")
    ] = False,
    ending: Annotated[
        str | None,
        typer.Option(
            "--format", help="jsonl, jsonl.zst or parquet; without it, parquet of Parquet, else jsonl."
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Split sessions into DIR/train.jsonl, test.jsonl and valid.jsonl, so that nothing leaks.

    A user's sessions, and exact and near-duplicates, stay on one side. The same sessions and seed give the
    same split in any order of the lines.

    Example: shop-r1 data split sessions.jsonl --out data --test 0.1 --seed 1
    """
    if by not in (None, "user", "session"):
        raise ConfigError(f"--by {by!r} is unknown; {suggest(by, ['user', 'session'])}")
    if ending is not None and ending not in FORMATS:
        raise ConfigError(f"--format {ending!r} is unknown; {suggest(ending, FORMATS)}")
    asked = {
        "source": str(file),
        "test": float(test_sessions or test),
        "valid": float(valid_sessions or valid),
        "seed": seed,
        "dedupe": dedupe,
        "format": ending or ("parquet" if file.suffix == ".parquet" else "jsonl"),
    }
    check_apart(out, [file])
    _split(file, out, cast("By | None", by), asked, force)


def _split(file: Path, out: Path, by: "By | None", asked: dict[str, Any], force: bool) -> None:
    """Plan, write and tell the split; `asked` is what of its `SplitRecord` the command line says."""
    from shop_r1.datasets.splits import (
        SplitRecord,
        check_folder,
        count_sides,
        plan_split,
        read_input,
        write_split,
    )

    check_folder(out, asked | ({"by": by} if by else {}), force)  # Before a long reading.
    with file_progress("Reading", file) as moved:
        found, digest = read_input(file, moved)
    asked |= {"by": by or ("user" if found.has_users else "session"), "lines": digest.hex()}
    check_folder(out, asked, force)
    plan = plan_split(found, asked["by"], asked["test"], asked["valid"], asked["seed"], asked["dedupe"])
    counts = count_sides(found, plan.sides)
    record = SplitRecord(
        sessions={side: each["sessions"] for side, each in counts.items()},
        actions={side: _types(each) for side, each in counts.items()},
        **asked,
    )
    with file_progress("Writing", file) as moved:
        write_split(file, out, plan.sides, record, digest, moved)
    _say_split(out, counts, record.by, plan)
    for side, missing in plan.missing.items():
        told = f"{count_of(missing, 'session')} fewer than asked, since no other group is small enough"
        print_note(f"{side}: {told}")


def _say_split(out: Path, counts: Mapping[str, Counter[str]], by: str, plan: "SplitPlan") -> None:
    from shop_r1.datasets.splits import LEFT_OUT, SIDES

    before = sum(counts.values(), Counter[str]())
    sides = [(side, counts[side]) for side in (*SIDES, LEFT_OUT) if side in counts]
    say_mix([("before", before), *sides], ("sessions", *_types(before)))
    what = "users and duplicates" if by == "user" else "duplicates"
    largest = count_of(plan.largest, "session")
    print_line(f"{count_of(plan.groups, 'group')} of {what}; the largest has {largest}")
    (train,) = [file for ending in FORMATS if (file := out / f"train.{ending}").exists()]
    _say_next(train)


def _say_next(train: Path) -> None:
    """Print the command that will work: SFT needs a rationale at every step that it learns from."""
    from shop_r1.datasets.session_files import read_sessions

    if all(step.rationale for session in read_sessions(train) for step in session.steps):
        print_next("sft", "--data", train, "--out", unused_path("runs/sft"))
    else:
        print_next(
            "rationales", train, "--model", "NAME", "--out", unused_path(train.with_name("with.jsonl"))
        )
        print_line(
            "sft learns rationales too, and not every step has one; with --help rationales lists the models"
        )


def _types(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: counts[name] for name in sorted(counts) if name != "sessions"}

"""`data split` and `data balance`: which sessions to hold out, and which steps RL learns from."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from shop_r1.cli.terminal.console import count_of, file_progress, print_line, print_note
from shop_r1.cli.terminal.next_command import print_next, unused_path
from shop_r1.cli.terminal.outputs import Force, check_apart, check_output
from shop_r1.config import suggest
from shop_r1.errors import ConfigError

if TYPE_CHECKING:
    from shop_r1.datasets.balance import Method
    from shop_r1.datasets.splits import By, SplitPlan

File = Annotated[Path, typer.Argument(metavar="FILE", help="Sessions, .jsonl or .jsonl.zst.")]


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
    compressed: Annotated[bool, typer.Option("--zst", help="Write .jsonl.zst.")] = False,
    force: Force = False,
) -> None:
    """Split sessions into DIR/train.jsonl, test.jsonl and valid.jsonl, such that nothing leaks.

    A user's sessions, and exact and near-duplicates, stay on one side. The same sessions and seed give the
    same split in whatever order the lines are.

    Example: shop-r1 data split sessions.jsonl --out data --test 0.1 --seed 1
    """
    if by not in (None, "user", "session"):
        raise ConfigError(f"--by {by!r} is unknown; {suggest(by, ['user', 'session'])}")
    asked = {
        "source": str(file),
        "test": float(test_sessions or test),
        "valid": float(valid_sessions or valid),
        "seed": seed,
        "dedupe": dedupe,
        "compressed": compressed,
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
    _say_counts([("before", before), *sides], ("sessions", *_types(before)))
    what = "users and duplicates" if by == "user" else "duplicates"
    largest = count_of(plan.largest, "session")
    print_line(f"{count_of(plan.groups, 'group')} of {what}; the largest has {largest}")
    ending = ".jsonl.zst" if (out / "train.jsonl.zst").exists() else ".jsonl"
    _say_next(out / f"train{ending}")


def _say_next(train: Path) -> None:
    """Print the command that will work: SFT needs a rationale at every step that it learns from."""
    from shop_r1.jsonl import read_records
    from shop_r1.records.sessions import Session

    if all(step.rationale for session in read_records(train, Session) for step in session.steps):
        print_next("sft", "--data", train, "--out", unused_path("runs/sft"))
    else:
        print_next(
            "rationales", train, "--model", "NAME", "--out", unused_path(train.with_name("with.jsonl"))
        )
        print_line(
            "sft learns rationales too, and not every step has one; with --help rationales lists the models"
        )


def balance(
    file: File,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Where the examples' names go (.jsonl).")
    ],
    skew: Annotated[
        float, typer.Option(min=0.01, help="How much more frequent each other type is than terminate.")
    ] = 1.1,
    method: Annotated[
        str,
        typer.Option(help="thin leaves examples of frequent types out, resample repeats those of others."),
    ] = "thin",
    seed: Annotated[int, typer.Option(min=0, help="Of the choice and its order.")] = 0,
    force: Force = False,
) -> None:
    """Choose the steps that RL learns from: click and type_and_submit 10 % more frequent than terminate.

    The paper's mix (4.1). Without a file of this command's, grpo does the same by itself, with --method thin.

    Example: shop-r1 data balance train.jsonl --out rl.jsonl
    """
    from shop_r1.datasets.balance import draw_balanced, refs_by_type
    from shop_r1.datasets.examples import FIRST_SCORED_STEP
    from shop_r1.jsonl import write_records
    from shop_r1.records.sessions import ExampleRef

    if method not in ("thin", "resample"):
        raise ConfigError(f"--method {method!r} is unknown; {suggest(method, ['thin', 'resample'])}")
    check_output(out, [file], force=force)
    with file_progress("Reading", file) as moved:
        ids, by_type = refs_by_type(file, FIRST_SCORED_STEP, moved)
    chosen = draw_balanced(by_type, skew, seed, cast("Method", method))
    write_records(out, (ExampleRef(session_id=ids[ref.place], step=ref.step) for ref in chosen))
    before = Counter({name: len(refs) for name, refs in by_type.items()})
    after = Counter(ref.action_type for ref in chosen)
    _say_counts([("before", before), ("after", after)], sorted(before))
    print_line(f"{out}: {count_of(len(chosen), 'example')}, {len(set(chosen)):,} different ones")
    model = "runs/sft" if Path("runs/sft").exists() else "base"
    place = unused_path("runs/grpo")
    print_next("grpo", "--data", file, "--examples", out, "--model", model, "--out", place)


def _types(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: counts[name] for name in sorted(counts) if name != "sessions"}


def _say_counts(rows: Sequence[tuple[str, Mapping[str, int]]], names: Sequence[str]) -> None:
    """Print counts in columns, each type with its share of the row's actions."""
    types = [name for name in names if name != "sessions"]
    table = [["", *names]]
    for title, counts in rows:
        total = sum(counts.get(name, 0) for name in types) or 1
        cells = [f"{counts.get(name, 0):,} ({counts.get(name, 0) / total:.0%})" for name in types]
        table.append([title, *([f"{counts['sessions']:,}"] if "sessions" in names else []), *cells])
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    for row in table:
        print_line(
            "  ".join(
                [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
            )
        )

"""`data balance`: which steps RL learns from."""

from pathlib import Path
from typing import Annotated, cast

from typer import Option

from shop_r1.cli.data import File, print_mix
from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.outputs import RECORD_ENDINGS, Force, check_output
from shop_r1.datasets.balance import Method


def balance(
    file: File,
    out: Annotated[Path, Option("--out", metavar="FILE", help="Where the examples' names go (.jsonl).")],
    type_ratio: Annotated[
        float, Option(min=0.01, help="How many times as frequent as terminate each other type is.")
    ] = 1.1,
    method: Annotated[
        str, Option(help="undersample drops steps of frequent types, resample repeats those of others.")
    ] = "undersample",
    seed: Annotated[int, Option(min=0, help="Of the choice and its order.")] = 0,
    force: Force = False,
) -> None:
    """Choose the steps that RL learns from: click and type_and_submit 10 % more frequent than terminate.

    The paper's mix (4.1). Without a file from this command, grpo makes the same choice, by undersampling.

    Example: shop-r1 data balance train.jsonl --out rl.jsonl
    """
    from shop_r1.datasets.examples import balance_examples, count_types, example_outlines, list_examples
    from shop_r1.datasets.session_files import refuse_repeated_ids
    from shop_r1.jsonl import write_records
    from shop_r1.records.sessions import ExampleRef

    console.check_choice("--method", method, ("undersample", "resample"))
    check_output(out, [file], force=force, endings=RECORD_ENDINGS)
    sessions = console.open_sessions(file)
    refuse_repeated_ids(file, sessions)
    examples = list_examples(sessions)
    chosen = balance_examples(examples, type_ratio, seed, cast(Method, method))
    refs = [ExampleRef(session_id=each.session_id, step=each.step) for each in example_outlines(chosen)]
    write_records(out, refs)
    print_mix({"before": count_types(examples), "after": count_types(chosen)})
    different = len({(ref.session_id, ref.step) for ref in refs})
    console.echo(f"{out}: {console.count_of(len(refs), 'example')}, {different:,} different ones")
    model = "runs/sft" if Path("runs/sft").exists() else "base"
    place = console.unused_path("runs/grpo")
    console.print_next("grpo --data", file, "--examples", out, f"--model {model} --out", place)

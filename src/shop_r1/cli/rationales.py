"""`rationales`: have a model write why customers did what their sessions record."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from shop_r1.cli.jobs import Ray, RayOptions, RayWorkers
from shop_r1.cli.terminal.outputs import Force
from shop_r1.cli.terminal.settings_list import ListSettings
from shop_r1.cli.terminal.training_run import Words


def rationales(
    data: Annotated[Path, Argument(metavar="SESSIONS.jsonl", help="Sessions that lack rationales.")],
    model: Annotated[
        str,
        Option(
            "--model",
            metavar="NAME",
            help="anthropic:MODEL, bedrock:MODEL, openai:MODEL (each with @URL for another place), or a "
            "checkpoint here: base, a folder, a name on the hub.",
        ),
    ],
    out: Annotated[Path, Option("--out", metavar="WITH.jsonl", help="Where to write (.jsonl, .jsonl.zst).")],
    settings: Words = None,
    max_cost: Annotated[
        float | None, Option(min=0.0, metavar="USD", help="Most that all completions may cost.")
    ] = None,
    cache: Annotated[
        Path | None,
        Option(metavar="FILE", help="The cache of completions [WITH.completions.jsonl beside --out]."),
    ] = None,
    estimate: Annotated[bool, Option("--estimate", help="Show what it would cost; send nothing.")] = False,
    keep_failed: Annotated[
        bool, Option("--keep-failed", help="Also write sessions that got no rationales.")
    ] = False,
    ray: Ray = None,
    ray_workers: RayWorkers = None,
    force: Force = False,
    list_settings: ListSettings = False,
) -> None:
    """Have a model write the rationales that sessions lack: why the customer did what was recorded.

    Every completion is kept: after an interruption of any kind, the same command continues.

    Example: shop-r1 rationales train.jsonl --model anthropic:claude-3-5-sonnet-20241022 --out with.jsonl
    --max-cost 50
    """
    from shop_r1.cli.models.rationale_writer import write

    where = RayOptions(ray, ray_workers)
    write(data, model, out, settings or [], max_cost, cache, estimate, keep_failed, force, where)

"""`shop-r1 backtest`: what comparisons say, held against what experiments on people said."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from shop_r1.cli.simulation.arguments import (
    KEPT,
    RUN,
    AllowHost,
    Browser,
    CatalogueSeed,
    Concurrency,
    Crowd,
    IgnoreRobots,
    Intent,
    MaxBytes,
    MaxCost,
    MaxSeconds,
    MaxSteps,
    NoRecording,
    PageSize,
    Persona,
    Policy,
    Query,
    Rate,
    Resume,
    Seed,
    Shoppers,
    TestProfile,
)
from shop_r1.cli.terminal.outputs import Force
from shop_r1.cli.terminal.settings_list import ListSettings


def backtest(
    past: Annotated[Path, Argument(metavar="FILE", help="Past experiments, TOML or JSONL.")],
    settings: Annotated[
        list[str] | None, Argument(metavar="[key=value]", help="Settings of a model.")
    ] = None,
    shoppers: Shoppers = 400,
    policy: Policy = None,
    persona: Persona = None,
    intent: Intent = None,
    query: Query = None,
    seed: Seed = 0,
    crowd: Crowd = "focused",
    max_cost: MaxCost = None,
    browser: Browser = False,
    catalogue_seed: CatalogueSeed = 0,
    page_size: PageSize = 6,
    concurrency: Concurrency = 8,
    processes: Annotated[
        int | None,
        Option(
            min=1, max=64, help="For visits in the built-in store; default: one a core.", rich_help_panel=RUN
        ),
    ] = None,
    max_steps: MaxSteps = None,
    max_seconds: MaxSeconds = 600.0,
    max_bytes: MaxBytes = None,
    rate: Rate = None,
    allow_host: AllowHost = None,
    test_profile: TestProfile = None,
    ignore_robots: IgnoreRobots = False,
    no_recording: NoRecording = False,
    as_json: Annotated[bool, Option("--json", help="The figures as JSON.", rich_help_panel=KEPT)] = False,
    resume: Resume = False,
    force: Force = False,
    list_settings: ListSettings = False,
    out: Annotated[
        Path | None, Option(metavar="DIR", help="Default: runs/backtest.", rich_help_panel=KEPT)
    ] = None,
) -> None:
    """Hold simulated shoppers against past experiments: how often they are right, and how far off.

    Example: shop-r1 backtest past.toml --shoppers 400
    """
    from shop_r1.cli.backtest.run import DEFAULT_OUT, run_backtest
    from shop_r1.cli.simulation.options import Options

    given = {name: value for name, value in locals().items() if name in Options.__dataclass_fields__}
    given |= {"words": settings or [], "allow_host": allow_host or [], "store": None}
    given |= {"allow_purchase": False, "screenshots": False, "trace": False, "watch": False, "watch_port": 0}
    run_backtest(past, Options(**given, default_out=DEFAULT_OUT), processes, as_json=as_json)

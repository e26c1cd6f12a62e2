"""`shop-r1 compare`: the same shoppers in two versions of a shop, or more, and an honest verdict."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from shop_r1.cli.simulation.arguments import (
    KEPT,
    RUN,
    WHERE,
    AllowHost,
    AllowPurchase,
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
    Screenshots,
    Seed,
    Shoppers,
    TestProfile,
    Trace,
    Watch,
    WatchPort,
)
from shop_r1.cli.simulation.options import Options
from shop_r1.cli.terminal.outputs import Force
from shop_r1.cli.terminal.settings_list import ListSettings

_WHAT = "What is compared"


def compare(
    settings: Annotated[
        list[str] | None, Argument(metavar="[key=value]", help="Settings of a model.")
    ] = None,
    url: Annotated[
        list[str] | None,
        Option(
            metavar="[NAME=]URL",
            help="A version, by a browser; give two or more, or one and --variant.",
            rich_help_panel=WHERE,
        ),
    ] = None,
    variant: Annotated[
        list[str] | None,
        Option(
            metavar="FILE.toml",
            help="A version of the built-in store, or page edits; one is compared with the shop as it is, "
            "for which `store` stands too.",
            rich_help_panel=WHERE,
        ),
    ] = None,
    primary: Annotated[
        str, Option(metavar="METRIC", help="The metric that the verdict is about.", rich_help_panel=_WHAT)
    ] = "purchase",
    metric: Annotated[
        list[str] | None,
        Option(
            metavar="METRIC", help="A further metric; default: all. May be repeated.", rich_help_panel=_WHAT
        ),
    ] = None,
    goal: Annotated[
        str,
        Option(
            metavar="GOAL",
            help="product, cart, checkout, purchase, or an address with *.",
            rich_help_panel=_WHAT,
        ),
    ] = "purchase",
    stop_when_certain: Annotated[
        bool,
        Option(
            "--stop-when-certain",
            help="End as soon as the primary metric is certain; its intervals hold at every look.",
            rich_help_panel=_WHAT,
        ),
    ] = False,
    check: Annotated[
        bool,
        Option(
            "--check",
            help="Only say what the page edits of versions find on the shop's pages.",
            rich_help_panel=_WHAT,
        ),
    ] = False,
    check_page: Annotated[
        list[str] | None,
        Option(metavar="PATH", help="A further page for --check; may be repeated.", rich_help_panel=_WHAT),
    ] = None,
    processes: Annotated[
        int | None,
        Option(
            min=1, max=64, help="For visits in the built-in store; default: one a core.", rich_help_panel=RUN
        ),
    ] = None,
    browser: Browser = False,
    shoppers: Shoppers = 20,
    policy: Policy = None,
    persona: Persona = None,
    intent: Intent = None,
    query: Query = None,
    concurrency: Concurrency = 8,
    max_steps: MaxSteps = None,
    max_seconds: MaxSeconds = 600.0,
    max_bytes: MaxBytes = None,
    rate: Rate = None,
    allow_host: AllowHost = None,
    allow_purchase: AllowPurchase = False,
    test_profile: TestProfile = None,
    ignore_robots: IgnoreRobots = False,
    max_cost: MaxCost = None,
    no_recording: NoRecording = False,
    screenshots: Screenshots = False,
    trace: Trace = False,
    watch: Watch = False,
    watch_port: WatchPort = 0,
    resume: Resume = False,
    force: Force = False,
    seed: Seed = 0,
    catalogue_seed: CatalogueSeed = 0,
    crowd: Crowd = "focused",
    page_size: PageSize = 6,
    list_settings: ListSettings = False,
    out: Annotated[
        Path | None, Option(metavar="DIR", help="Default: runs/comparison.", rich_help_panel=KEPT)
    ] = None,
) -> None:
    """Let the same shoppers visit two versions of a shop, or more, and say what differs, with intervals.

    Example: shop-r1 compare --variant no_ratings.toml --shoppers 400
    """
    from shop_r1.cli.comparison.options import DEFAULT_OUT, STORE, CompareOptions
    from shop_r1.cli.comparison.run import run_comparison
    from shop_r1.cli.simulation.versions import read_version

    given = {name: value for name, value in locals().items() if name in Options.__dataclass_fields__}
    given |= {"words": settings or [], "allow_host": allow_host or [], "store": None, "variant": None}
    base = Options(**given, default_out=DEFAULT_OUT)
    options = CompareOptions(
        base=base,
        urls=url or [],
        variants=[
            None if each == STORE else read_version(Path(each), at_address=bool(url))
            for each in variant or []
        ],
        primary=primary,
        metrics=metric or [],
        goal=goal,
        stop_when_certain=stop_when_certain,
        processes=processes,
    )
    options.check()
    if check or check_page:
        from shop_r1.cli.comparison.check import check_edits

        return check_edits(options, check_page or [])
    files = [each for each in variant or [] if each != STORE]
    inputs = [
        test_profile,
        *files,
        *base.shopper_files,
        policy if options.first.kind == "checkpoint" else None,
    ]
    run_comparison(options, base.place(inputs))

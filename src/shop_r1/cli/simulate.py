"""`shop-r1 simulate`: shoppers in the built-in store, or in any shop by a browser."""

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from shop_r1.cli.simulation.options import Options
from shop_r1.cli.terminal.outputs import Force
from shop_r1.cli.terminal.settings_list import ListSettings

_HOST = "A further host that pages may reach, such as cdn.example or *.cdn.example; may be repeated."
WHERE, WHO, BOUNDS = "The shop", "Who shops", "What a shopper may do"
KEPT, RUN = "What is kept", "How it runs"
_POLICY = "scripted, random, base, a checkpoint folder, a name on the hub, openai:… or anthropic:…"


def simulate(
    settings: Annotated[
        list[str] | None,
        Argument(metavar="[URL] [key=value]", help="The shop, by a browser; settings of a model."),
    ] = None,
    store: Annotated[
        str | None, Option(help="builtin, which is the default without a URL.", rich_help_panel=WHERE)
    ] = None,
    browser: Annotated[
        bool, Option("--browser", help="By Chromium, as a URL is.", rich_help_panel=WHERE)
    ] = False,
    shoppers: Annotated[int, Option(min=1, help="How many visits.", rich_help_panel=WHO)] = 20,
    policy: Annotated[str | None, Option(metavar="NAME", help=_POLICY, rich_help_panel=WHO)] = None,
    persona: Annotated[
        str | None, Option(metavar="TEXT", help="Who a model pretends to be.", rich_help_panel=WHO)
    ] = None,
    intent: Annotated[
        str | None, Option(metavar="TEXT", help="What it comes for.", rich_help_panel=WHO)
    ] = None,
    query: Annotated[
        str | None,
        Option(metavar="TEXT", help="What is searched for first; a hint for models.", rich_help_panel=WHO),
    ] = None,
    concurrency: Annotated[
        int,
        Option(min=1, max=1000, help="Visits at a time; with --ray, of each process.", rich_help_panel=RUN),
    ] = 8,
    max_steps: Annotated[
        int | None,
        Option(min=1, help="Of a visit; 20, or 60 with the wandering crowd.", rich_help_panel=BOUNDS),
    ] = None,
    max_seconds: Annotated[
        float, Option(min=1, help="Of a visit, waiting for a model apart.", rich_help_panel=BOUNDS)
    ] = 600.0,
    max_bytes: Annotated[
        float | None, Option(min=0.1, metavar="MB", help="That a visit may load.", rich_help_panel=BOUNDS)
    ] = None,
    rate: Annotated[
        float | None,
        Option(
            min=0, help="Page loads a second and host; 0: no limit. 2 at an address.", rich_help_panel=BOUNDS
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None, Option(metavar="HOST", help=_HOST, rich_help_panel=BOUNDS)
    ] = None,
    allow_purchase: Annotated[
        bool, Option("--allow-purchase", help="Really buy.", rich_help_panel=BOUNDS)
    ] = False,
    test_profile: Annotated[
        Path | None,
        Option(
            metavar="FILE.toml", help="What may be typed into logins and card fields.", rich_help_panel=BOUNDS
        ),
    ] = None,
    ignore_robots: Annotated[
        bool, Option("--ignore-robots", help="For a shop of your own.", rich_help_panel=BOUNDS)
    ] = False,
    max_cost: Annotated[
        float | None, Option(min=0, metavar="USD", help="Of a model's requests.", rich_help_panel=WHO)
    ] = None,
    no_recording: Annotated[
        bool, Option("--no-recording", help="Sessions only, no replays.", rich_help_panel=KEPT)
    ] = False,
    screenshots: Annotated[
        bool, Option("--screenshots", help="Keep a picture of each step.", rich_help_panel=KEPT)
    ] = False,
    trace: Annotated[
        bool, Option("--trace", help="Keep Playwright's traces, secrets included.", rich_help_panel=KEPT)
    ] = False,
    watch: Annotated[
        bool, Option("--watch", help="Open a page that shows the shoppers.", rich_help_panel=RUN)
    ] = False,
    watch_port: Annotated[
        int,
        Option(
            min=0, max=65_535, help="Of that page, on this machine alone; 0: a free one.", rich_help_panel=RUN
        ),
    ] = 0,
    resume: Annotated[
        bool, Option("--resume", help="Go on with a run: do what is missing.", rich_help_panel=KEPT)
    ] = False,
    force: Force = False,
    seed: Annotated[int, Option(help="Of the shoppers.", rich_help_panel=WHO)] = 0,
    catalogue_seed: Annotated[int, Option(help="Of the built-in store's goods.", rich_help_panel=WHERE)] = 0,
    crowd: Annotated[
        Literal["focused", "wandering"],
        Option(help="Of scripted shoppers, and what the built-in store has for them.", rich_help_panel=WHO),
    ] = "focused",
    page_size: Annotated[
        int, Option(min=1, max=100, help="Products on a page of the built-in store.", rich_help_panel=WHERE)
    ] = 6,
    out: Annotated[
        Path | None,
        Option(
            metavar="DIR", help="Default: runs/simulation. FILE.jsonl: sessions alone.", rich_help_panel=KEPT
        ),
    ] = None,
    ray: Annotated[
        str | None,
        Option(
            metavar="ADDRESS",
            help="A Ray cluster's HOST:PORT, auto, or local: visits in many processes.",
            rich_help_panel=RUN,
        ),
    ] = None,
    actors: Annotated[
        int | None,
        Option(min=1, help="Processes there; one for each of its CPUs.", rich_help_panel=RUN),
    ] = None,
    replicas: Annotated[
        int | None, Option(min=1, help="Of a checkpoint there; 1.", rich_help_panel=RUN)
    ] = None,
    list_settings: ListSettings = False,
) -> None:
    """Let shoppers visit the built-in store, or a shop at an address, and keep what they saw and did.

    Example: shop-r1 simulate https://my.shop --shoppers 20 --watch
    """
    from shop_r1.cli.simulation.run import simulate_visits

    given = {name: value for name, value in locals().items() if name in Options.__dataclass_fields__}
    options = Options(**given | {"words": settings or [], "allow_host": allow_host or []})
    options.check()
    inputs = [test_profile, policy if options.kind == "checkpoint" else None]
    simulate_visits(options, options.place(inputs))

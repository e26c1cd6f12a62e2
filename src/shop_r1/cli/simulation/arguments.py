"""The options of `simulate` and `compare` as the command line has them."""

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

_HOST = "A further host that pages may reach, such as cdn.example or *.cdn.example; may be repeated."
WHERE, WHO, BOUNDS = "The shop", "Who shops", "What a shopper may do"
KEPT, RUN = "What is kept", "How it runs"
_POLICY = "scripted, random, base, a checkpoint folder, a name on the hub, openai:… or anthropic:…"

Words = Annotated[
    list[str] | None,
    Argument(metavar="[URL] [key=value]", help="The shop, by a browser; settings of a model."),
]
Store = Annotated[
    str | None, Option(help="builtin, which is the default without a URL.", rich_help_panel=WHERE)
]
Browser = Annotated[bool, Option("--browser", help="By Chromium, as a URL is.", rich_help_panel=WHERE)]
Shoppers = Annotated[int, Option(min=1, help="How many visits.", rich_help_panel=WHO)]
Policy = Annotated[str | None, Option(metavar="NAME", help=_POLICY, rich_help_panel=WHO)]
Persona = Annotated[
    str | None,
    Option(
        metavar="TEXT|FILE", help="Who a model pretends to be; a file: drawn from it.", rich_help_panel=WHO
    ),
]
Intent = Annotated[str | None, Option(metavar="TEXT|FILE", help="What it comes for.", rich_help_panel=WHO)]
Query = Annotated[
    str | None,
    Option(metavar="TEXT|FILE", help="What is searched for first; a hint for models.", rich_help_panel=WHO),
]
Concurrency = Annotated[
    int,
    Option(min=1, max=1000, help="Visits at a time; with --ray, of each process.", rich_help_panel=RUN),
]
MaxSteps = Annotated[
    int | None,
    Option(min=1, help="Of a visit; 20, or 60 with the wandering crowd.", rich_help_panel=BOUNDS),
]
MaxSeconds = Annotated[
    float, Option(min=1, help="Of a visit, waiting for a model apart.", rich_help_panel=BOUNDS)
]
MaxBytes = Annotated[
    float | None, Option(min=0.1, metavar="MB", help="That a visit may load.", rich_help_panel=BOUNDS)
]
Rate = Annotated[
    float | None,
    Option(min=0, help="Page loads a second and host; 0: no limit. 2 at an address.", rich_help_panel=BOUNDS),
]
AllowHost = Annotated[list[str] | None, Option(metavar="HOST", help=_HOST, rich_help_panel=BOUNDS)]
AllowPurchase = Annotated[bool, Option("--allow-purchase", help="Really buy.", rich_help_panel=BOUNDS)]
TestProfile = Annotated[
    Path | None,
    Option(
        metavar="FILE.toml", help="What may be typed into logins and card fields.", rich_help_panel=BOUNDS
    ),
]
IgnoreRobots = Annotated[
    bool, Option("--ignore-robots", help="For a shop of your own.", rich_help_panel=BOUNDS)
]
MaxCost = Annotated[
    float | None, Option(min=0, metavar="USD", help="Of a model's requests.", rich_help_panel=WHO)
]
NoRecording = Annotated[
    bool, Option("--no-recording", help="Sessions only, no replays.", rich_help_panel=KEPT)
]
Screenshots = Annotated[
    bool, Option("--screenshots", help="Keep a picture of each step.", rich_help_panel=KEPT)
]
Trace = Annotated[
    bool, Option("--trace", help="Keep Playwright's traces, secrets included.", rich_help_panel=KEPT)
]
Watch = Annotated[bool, Option("--watch", help="Open a page that shows the shoppers.", rich_help_panel=RUN)]
WatchPort = Annotated[
    int,
    Option(
        min=0, max=65_535, help="Of that page, on this machine alone; 0: a free one.", rich_help_panel=RUN
    ),
]
Resume = Annotated[
    bool, Option("--resume", help="Go on with a run: do what is missing.", rich_help_panel=KEPT)
]
Seed = Annotated[int, Option(help="Of the shoppers.", rich_help_panel=WHO)]
CatalogueSeed = Annotated[int, Option(help="Of the built-in store's goods.", rich_help_panel=WHERE)]
Crowd = Annotated[
    Literal["focused", "wandering"],
    Option(help="Of scripted shoppers, and what the built-in store has for them.", rich_help_panel=WHO),
]
PageSize = Annotated[
    int, Option(min=1, max=100, help="Products on a page of the built-in store.", rich_help_panel=WHERE)
]
Variant = Annotated[
    Path | None,
    Option(
        metavar="FILE.toml",
        help="A version of the built-in store, or page edits (docs: versions of any shop).",
        rich_help_panel=WHERE,
    ),
]
Out = Annotated[
    Path | None,
    Option(metavar="DIR", help="Default: runs/simulation. FILE.jsonl: sessions alone.", rich_help_panel=KEPT),
]
Ray = Annotated[
    str | None,
    Option(
        metavar="ADDRESS",
        help="A Ray cluster's HOST:PORT, auto, or local: visits in many processes.",
        rich_help_panel=RUN,
    ),
]
Actors = Annotated[
    int | None,
    Option(min=1, help="Processes there; one for each of its CPUs.", rich_help_panel=RUN),
]
Replicas = Annotated[int | None, Option(min=1, help="Of a checkpoint there; 1.", rich_help_panel=RUN)]

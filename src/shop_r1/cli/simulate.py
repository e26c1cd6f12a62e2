"""`shop-r1 simulate`: shoppers in the built-in store, or in any shop by a browser."""

from shop_r1.cli.simulation.arguments import (
    Actors,
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
    Out,
    PageSize,
    Persona,
    Policy,
    Query,
    Rate,
    Ray,
    Replicas,
    Resume,
    Screenshots,
    Seed,
    Shoppers,
    Store,
    TestProfile,
    Trace,
    Variant,
    Watch,
    WatchPort,
    Words,
)
from shop_r1.cli.simulation.options import Options
from shop_r1.cli.terminal.outputs import Force
from shop_r1.cli.terminal.settings_list import ListSettings


def simulate(
    settings: Words = None,
    store: Store = None,
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
    variant: Variant = None,
    out: Out = None,
    ray: Ray = None,
    actors: Actors = None,
    replicas: Replicas = None,
    list_settings: ListSettings = False,
) -> None:
    """Let shoppers visit the built-in store, or a shop at an address, and keep what they saw and did.

    Example: shop-r1 simulate https://my.shop --shoppers 20 --watch
    """
    from shop_r1.cli.simulation.run import simulate_visits

    given = {name: value for name, value in locals().items() if name in Options.__dataclass_fields__}
    if variant is not None:
        from shop_r1.cli.simulation.versions import read_version

        is_address = any(word.startswith(("http://", "https://")) for word in settings or [])
        given["variant"] = read_version(variant, at_address=is_address)
    options = Options(**given | {"words": settings or [], "allow_host": allow_host or []})
    options.check()
    inputs = [test_profile, variant, *options.shopper_files, policy if options.kind == "checkpoint" else None]
    simulate_visits(options, options.place(inputs))

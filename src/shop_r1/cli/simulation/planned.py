"""What a run of `simulate` is: its visits, and what its folder records of how it was made."""

from typing import Any

from shop_r1.cli.simulation.options import Options
from shop_r1.cli.simulation.policies import DeciderFacts
from shop_r1.cli.simulation.shops import ShopFacts
from shop_r1.runs import make_record
from shop_r1.simulation.loop import Limits, Visit

FREE = (
    "shoppers",
    "concurrency",
    "max_cost",
    "rate",
    "screenshots",
    "trace",
    "no_recording",
    "ray",
    "actors",
    "replicas",
)
"""Settings that may differ when a run goes on."""
_NOT_RECORDED = ("words", "out", "force", "resume", "watch", "watch_port", "default_out", "mix")


def plan_visits(options: Options, shop: ShopFacts, deciders: DeciderFacts) -> list[Visit]:
    """Return the visits of a run; visit `k` depends on the seed and `k` alone."""
    session, user = deciders.names
    keys = [f"{options.seed}-{index:05d}" for index in range(options.shoppers)]
    return [
        Visit(
            key,
            f"{session}-{key}",
            f"{user}-{key}",
            persona=deciders.persona_of(key),
            start=shop.start,
            source=shop.source,
            space=deciders.space.name,
        )
        for key in keys
    ]


def run_record(
    options: Options, shop: ShopFacts, deciders: DeciderFacts, command: str = "simulate", **more: Any
) -> dict[str, Any]:
    """Return what the run's `settings.json` holds; `more` are further settings."""
    chosen = {name: value for name, value in vars(options).items() if name not in _NOT_RECORDED}
    chosen |= {"url": options.url, "policy": options.policy_name, "allow_host": list(options.allow_host)}
    chosen["test_profile"] = str(options.test_profile) if options.test_profile else None
    chosen["variant"] = variant_record(options)
    inputs = [*deciders.inputs, *([options.test_profile] if options.test_profile else [])]
    inputs += options.shopper_files
    return make_record(
        {**chosen, **more, "model": dict(deciders.settings)},
        inputs,
        options.seed,
        command=command,
        browser=shop.browser,
    )


def limits_of(options: Options) -> Limits:
    """Return when a visit ends by itself."""
    return Limits(max_steps=options.most_steps, max_seconds=options.max_seconds)


def is_timed(options: Options) -> bool:
    """Return whether steps say when they were done: in a browser, and where the store takes its time."""
    version = options.store_variant
    return options.in_browser or (version is not None and version.latency_s > 0)


def variant_record(options: Options) -> dict[str, Any] | None:
    """Return what `settings.json` says of the version; None for the shop as it is."""
    if options.store_variant is not None:
        return options.store_variant.model_dump(mode="json")
    return options.page_variant.record() if options.page_variant is not None else None

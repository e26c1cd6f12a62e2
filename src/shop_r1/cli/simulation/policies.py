"""Who decides for the shoppers of `simulate`, as the options have it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shop_r1.cli.simulation.options import Options
from shop_r1.cli.simulation.shops import Shop
from shop_r1.cli.terminal import console
from shop_r1.records.actions import LIVE, SHOP, ActionSpace
from shop_r1.simulation.loop import Policy, Visit


@dataclass(frozen=True)
class Deciders:
    """The policies of a run's visits."""

    policy_of: Callable[[Visit], Policy]
    names: tuple[str, str]
    """What the ids of sessions and of users begin with."""
    space: ActionSpace
    fact: str
    """Who they are, in words."""
    persona: str | None = None
    """As sessions have it."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """That were resolved, for the run's record."""
    inputs: tuple[Path, ...] = ()
    """Files and folders that they are made of."""
    cost_of: Callable[[Visit], float | None] = field(default=lambda visit: None)


@asynccontextmanager
async def open_policy(options: Options, shop: Shop, out: Path) -> AsyncIterator[Deciders]:
    """Open the policy that the options name, and close it at the end.

    Raises:
        ConfigError: a setting is wrong, or the model has no price and a cost cap.
        ModelError: the model cannot be loaded.
    """
    space = LIVE if options.in_browser else SHOP
    if options.kind == "scripted":
        yield _scripted()
    elif options.kind == "random":
        yield _random(options, shop, space)
    else:
        yield _checkpoint(options)


def _scripted() -> Deciders:
    from shop_r1.shoppers.persona import Market
    from shop_r1.shoppers.scripted import scripted_policy
    from shop_r1.store.kinds import KINDS

    market = Market(KINDS)
    return Deciders(
        lambda visit: scripted_policy(market, visit.key),
        ("store", "shopper"),
        SHOP,
        "scripted shoppers, each with a persona and an intent of its own",
    )


def _random(options: Options, shop: Shop, space: ActionSpace) -> Deciders:
    from shop_r1.simulation.policies.random_policy import RandomPolicy

    policy = RandomPolicy(space, options.query, shop.typed)
    first = f"; first they search for {options.query!r}" if options.query else ""
    return Deciders(
        lambda _: policy, ("random", "random"), space, f"random shoppers, which need no model{first}"
    )


def _checkpoint(options: Options) -> Deciders:
    from shop_r1.cli.terminal.checkpoints import fit_prompt, load
    from shop_r1.models.precision import choose_precision
    from shop_r1.simulation.policies.checkpoint import ModelPolicy, PolicyConfig

    name = options.policy_name
    config = console.read_settings(PolicyConfig, options.settings)
    model = load(name)
    prompt = fit_prompt(config.prompt, name, needed=config.sampling.max_new_tokens)
    console.note(str(choose_precision(config.bf16, model.model.device.type)))
    config = config.model_copy(update={"prompt": prompt})
    policy = ModelPolicy(model, config)
    return Deciders(
        lambda _: policy,
        ("model", "model"),
        SHOP,
        f"the checkpoint {name}",
        settings=config.model_dump(mode="json"),
        inputs=(*console.existing_paths([name]),),
    )

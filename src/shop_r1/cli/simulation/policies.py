"""Who decides for the shoppers of `simulate`, as the options have it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shop_r1.cli.models import NO_PRICE
from shop_r1.cli.simulation.options import Options
from shop_r1.cli.simulation.shops import Shop
from shop_r1.cli.terminal import console
from shop_r1.models.pretrained import BUNDLED
from shop_r1.records.actions import LIVE, SHOP, ActionSpace, find_space
from shop_r1.runs import CACHE
from shop_r1.simulation.loop import Policy, Visit
from shop_r1.simulation.policies.brief import brief

if TYPE_CHECKING:
    from shop_r1.prompts.render import PromptConfig


def _no_cost(_: Visit | None = None) -> float | None:
    return None


@dataclass(frozen=True)
class Deciders:
    """The policies of a run's visits."""

    policy_of: Callable[[Visit], Policy]
    names: tuple[str, str]
    """What the ids of sessions and of users begin with."""
    space: ActionSpace
    facts: tuple[tuple[str, str], ...]
    """Who they are, in words, by title; the first follows the number of shoppers."""
    persona: str | None = None
    """As sessions have it."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """That were resolved, for the run's record."""
    inputs: tuple[Path, ...] = ()
    """Files and folders that they are made of."""
    cost_of: Callable[[Visit], float | None] = _no_cost
    """What a visit cost, in US dollars; None where that is not known, or nothing costs."""
    total_cost: Callable[[], float | None] = _no_cost
    """The same of the run so far."""


@asynccontextmanager
async def open_policy(options: Options, shop: Shop, out: Path) -> AsyncIterator[Deciders]:
    """Open the policy that the options name, and close it at the end.

    Raises:
        ConfigError: a setting is wrong, or the model has no price and a cost cap.
        ModelError: the model cannot be loaded.
    """
    async with AsyncExitStack() as stack:
        if options.kind == "scripted":
            yield _scripted(options)
        elif options.kind == "random":
            yield _random(options, shop)
        elif options.kind == "checkpoint":
            yield _checkpoint(options, shop, stack)
        else:
            yield _endpoint(options, shop, stack, out)


def _scripted(options: Options) -> Deciders:
    from shop_r1.shoppers.persona import Market
    from shop_r1.shoppers.scripted import scripted_policies
    from shop_r1.store.kinds import KINDS

    policy_of = scripted_policies(Market(KINDS), options.crowd)
    words = f"scripted shoppers of the {options.crowd} crowd, each with a persona and an intent of its own"
    names = ("store", "shopper")
    return Deciders(lambda visit: policy_of(visit.key), names, SHOP, (("shoppers", words),))


def _random(options: Options, shop: Shop) -> Deciders:
    from shop_r1.simulation.policies.random_policy import RandomPolicy

    space = LIVE if options.in_browser else SHOP
    policy = RandomPolicy(space, options.query, shop.typed)
    first = f"; first they search for {options.query!r}" if options.query else ""
    words = f"random shoppers, which need no model{first}"
    return Deciders(lambda _: policy, ("random", "random"), space, (("shoppers", words),))


def _checkpoint(options: Options, shop: Shop, stack: AsyncExitStack) -> Deciders:
    from shop_r1.cli.terminal.checkpoints import fit_prompt, load, model_folder, trained_prompt
    from shop_r1.models.precision import choose_precision
    from shop_r1.simulation.policies.checkpoint import ModelPolicy, PolicyConfig

    name = options.policy_name
    trained = trained_prompt(name)
    config = console.read_settings(PolicyConfig, options.settings, {"prompt": trained} if trained else None)
    persona = _brief(options, shop)
    prompt = _with_persona(config.prompt, persona)
    if persona and trained and not trained.get("persona"):
        console.note(f"{name} was trained without personas: it may not heed this one")
    space = _space(config.space, options, knows_shop_alone=trained is not None or name in BUNDLED)
    model = load(name)
    prompt = fit_prompt(prompt, name, needed=config.sampling.max_new_tokens)
    precision = choose_precision(config.bf16, model.model.device.type)
    console.note(str(precision))
    config = config.model_copy(update={"prompt": prompt, "bf16": precision.bf16})
    policy = ModelPolicy(model, config, space, persona)
    stack.push_async_callback(policy.close)
    return Deciders(
        lambda _: policy,
        ("model", "model"),
        space,
        (("shoppers", f"decided for by the checkpoint {name}, many at once"), _describe_space(space)),
        persona,
        config.model_dump(mode="json"),
        () if (folder := model_folder(name)) is None else (folder,),
    )


def _endpoint(options: Options, shop: Shop, stack: AsyncExitStack, out: Path) -> Deciders:
    from shop_r1.endpoints.pricing import choose_price
    from shop_r1.endpoints.providers import open_endpoint
    from shop_r1.endpoints.response_cache import ResponseCache
    from shop_r1.simulation.policies.endpoint import EndpointConfig, EndpointModel, EndpointPolicy

    name = options.policy_name
    chosen = {"requests.max_cost_usd": options.max_cost}
    config = console.read_settings(EndpointConfig, options.settings, None, **chosen)
    persona = _brief(options, shop)
    config = config.model_copy(update={"prompt": _with_persona(config.prompt, persona)})
    space = _space(config.space, options, knows_shop_alone=False)
    price = choose_price(config.price, name, config.prompt.max_tokens, config.requests.max_cost_usd)
    endpoint = open_endpoint(name, config.requests, console.note)
    stack.push_async_callback(endpoint.close)
    cache = stack.enter_context(ResponseCache(out / CACHE))
    model = EndpointModel(endpoint, config, cache, price, space, persona)
    policies: dict[str, EndpointPolicy] = {}

    def policy_of(visit: Visit) -> Policy:
        policy = policies[visit.session_id] = EndpointPolicy(model)
        return policy

    def cost_of(visit: Visit) -> float | None:
        policy = policies.pop(visit.session_id, None)
        return policy.cost_usd if policy is not None else None

    cap = config.requests.max_cost_usd
    cost = "" if price is None else f"{price.input_usd:g} and {price.output_usd:g} USD per million tokens; "
    capped = f"at most {cap:g} USD, then visits end" if cap is not None else "no cap; --max-cost sets one"
    return Deciders(
        policy_of,
        ("endpoint", "endpoint"),
        space,
        (
            ("shoppers", f"decided for by {name}"),
            ("cost", f"{cost}{capped}" if price is not None else NO_PRICE),
            _describe_space(space),
        ),
        persona,
        config.model_dump(mode="json", exclude={"requests": {"max_cost_usd", "concurrency"}}),
        cost_of=cost_of,
        total_cost=lambda: model.cost_usd,
    )


def _brief(options: Options, shop: Shop) -> str | None:
    return brief(options.persona, options.intent, options.query, shop.typed)


def _with_persona(prompt: "PromptConfig", persona: str | None) -> "PromptConfig":
    return prompt.model_copy(update={"persona": True}) if persona else prompt


def _space(wanted: str, options: Options, *, knows_shop_alone: bool) -> ActionSpace:
    """Return the action space that a model's prompt offers."""
    if wanted != "auto":
        return find_space(wanted)
    return LIVE if options.in_browser and not knows_shop_alone else SHOP


def _describe_space(space: ActionSpace) -> tuple[str, str]:
    return "actions", f"the {space.name} space: {', '.join(space.type_names)}"

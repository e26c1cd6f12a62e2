"""Who decides for the shoppers of `simulate`, as the options have it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shop_r1.cli.models import NO_PRICE
from shop_r1.cli.simulation.options import Options
from shop_r1.cli.simulation.shops import ShopFacts
from shop_r1.cli.terminal import console
from shop_r1.models.pretrained import BUNDLED
from shop_r1.records.actions import LIVE, SHOP, ActionSpace, find_space
from shop_r1.runs import CACHE
from shop_r1.simulation.loop import Policy, Visit
from shop_r1.simulation.policies.brief import brief

if TYPE_CHECKING:
    from shop_r1.endpoints.pricing import Price
    from shop_r1.models.precision import Precision
    from shop_r1.personas.mix import ShopperMix
    from shop_r1.prompts.render import PromptConfig
    from shop_r1.simulation.policies.checkpoint import PolicyConfig
    from shop_r1.simulation.policies.endpoint import (
        EndpointConfig,
        EndpointModel,
        EndpointPolicy,
        RequestedModel,
    )


_SEGMENTS = {"none": "neither price nor quality", "price": "price-minded", "quality": "quality-minded"}
"""Of scripted shoppers, by what matters much to them."""


def _no_cost(_: Visit | None = None) -> float | None:
    return None


def _no_segment(_: str) -> str | None:
    return None


@dataclass(frozen=True, kw_only=True)
class DeciderFacts:
    """Who decides for the shoppers of a run, be it here or in other processes."""

    names: tuple[str, str]
    """What the ids of sessions and of users begin with."""
    space: ActionSpace
    facts: tuple[tuple[str, str], ...]
    """Who they are, in words, by title; the first follows the number of shoppers."""
    persona: str | None = None
    """As sessions have it; None where it is not the same for all."""
    mix: "ShopperMix | None" = None
    """Where shoppers differ, who they are."""
    typed: tuple[str, ...] = ()
    """Names of a test profile that they may type."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """That were resolved, for the run's record."""
    inputs: tuple[Path, ...] = ()
    """Files and folders that they are made of."""

    def persona_of(self, key: str) -> str | None:
        """Return the persona of the visit with this key, as its session has it."""
        return self.persona if self.mix is None else _brief_of(self.mix, key, self.typed)


@dataclass(frozen=True, kw_only=True)
class Deciders(DeciderFacts):
    """The policies of a run's visits."""

    policy_of: Callable[[Visit], Policy]
    cost_of: Callable[[Visit], float | None] = _no_cost
    """What a visit cost, in US dollars; None where that is not known, or nothing costs."""
    total_cost: Callable[[], float | None] = _no_cost
    """The same of the run so far."""
    segment_of: Callable[[str], str | None] = _no_segment
    """By a visit's key, which shoppers it is counted among; None where nothing is known of its persona."""


@asynccontextmanager
async def open_policy(options: Options, shop: ShopFacts, out: Path) -> AsyncIterator[Deciders]:
    """Open the policy that the options name, and close it at the end.

    Raises:
        ConfigError: a setting is wrong, or the model has no price and a cost cap.
        ModelError: the model cannot be loaded.
    """
    async with AsyncExitStack() as stack:
        if options.kind in ("scripted", "random"):
            yield local_deciders(options, shop)
        elif options.kind == "checkpoint":
            yield _checkpoint(options, shop, stack)
        else:
            yield await _endpoint(options, shop, stack, out)


def local_deciders(options: Options, shop: ShopFacts) -> Deciders:
    """Return scripted or random shoppers, which need no model."""
    return _scripted(options) if options.kind == "scripted" else _random(options, shop)


def _scripted(options: Options) -> Deciders:
    from shop_r1.shoppers.persona import Market
    from shop_r1.shoppers.scripted import scripted_policies
    from shop_r1.store.kinds import KINDS

    policy_of = scripted_policies(Market(KINDS), options.crowd)
    words = f"scripted shoppers of the {options.crowd} crowd, each with a persona and an intent of its own"
    names = ("store", "shopper")
    return Deciders(
        policy_of=lambda visit: policy_of(visit.key),
        names=names,
        space=SHOP,
        facts=(("shoppers", words),),
        segment_of=lambda key: _SEGMENTS[policy_of(key).drive],
    )


def _random(options: Options, shop: ShopFacts) -> Deciders:
    from shop_r1.simulation.policies.random_policy import RandomPolicy

    space, mix = LIVE if options.in_browser else SHOP, options.mix

    def policy_of(visit: Visit) -> RandomPolicy:
        return RandomPolicy(space, mix.draw(index_of(visit.key)).query, shop.typed)

    query = f"one of {len(mix.intents)} queries of {options.query}" if mix.is_varied else repr(mix.query)
    first = f"; first they search for {query}" if options.query else ""
    words = f"random shoppers, which need no model{first}"
    return Deciders(
        policy_of=policy_of, names=("random", "random"), space=space, facts=(("shoppers", words),)
    )


@dataclass(frozen=True)
class CheckpointPlan:
    """A checkpoint's settings for a run."""

    name: str
    config: "PolicyConfig"
    space: ActionSpace
    persona: str | None
    shoppers: "Shoppers"

    def facts(self, where: str = "many at once") -> DeciderFacts:
        """Return what is said and recorded of it; `where` is how it decides, in words."""
        from shop_r1.cli.terminal.checkpoints import model_folder

        return DeciderFacts(
            names=("model", "model"),
            space=self.space,
            facts=(
                ("shoppers", f"decided for by the checkpoint {self.name}, {where}"),
                _describe_space(self.space),
                *self.shoppers.facts,
            ),
            persona=self.persona,
            mix=self.shoppers.varied,
            typed=self.shoppers.typed,
            settings=self.config.model_dump(mode="json"),
            inputs=() if (folder := model_folder(self.name)) is None else (folder,),
        )

    def settled(self, precision: "Precision") -> "CheckpointPlan":
        """Return the plan with the number format, which is printed, and the model's own budget."""
        from shop_r1.cli.terminal.checkpoints import fit_prompt

        config = self.config
        prompt = fit_prompt(config.prompt, self.name, needed=config.sampling.max_new_tokens)
        console.note(str(precision))
        settled = config.model_copy(update={"prompt": prompt, "bf16": precision.bf16})
        return replace(self, config=settled)


def plan_checkpoint(options: Options, shop: ShopFacts) -> CheckpointPlan:
    """Return the settings of the checkpoint that the options name, before it is loaded.

    Raises:
        ConfigError: a setting is wrong.
    """
    from shop_r1.cli.terminal.checkpoints import trained_prompt
    from shop_r1.simulation.policies.checkpoint import PolicyConfig

    name = options.policy_name
    trained = trained_prompt(name)
    config = console.read_settings(PolicyConfig, options.settings, {"prompt": trained} if trained else None)
    shoppers = Shoppers(options.mix, shop.typed)
    persona = shoppers.persona
    config = config.model_copy(update={"prompt": _with_persona(config.prompt, shoppers)})
    if (persona or shoppers.varied) and trained and not trained.get("persona"):
        console.note(f"{name} was trained without personas: it may not heed this one")
    space = _space(config.space, options, knows_shop_alone=trained is not None or name in BUNDLED)
    return CheckpointPlan(name, config, space, persona, shoppers)


def _checkpoint(options: Options, shop: ShopFacts, stack: AsyncExitStack) -> Deciders:
    from shop_r1.cli.terminal.checkpoints import load
    from shop_r1.models.precision import choose_precision
    from shop_r1.simulation.policies.checkpoint import BatchedModel, ModelPolicy

    plan = plan_checkpoint(options, shop)
    model = load(plan.name)
    plan = plan.settled(choose_precision(plan.config.bf16, model.model.device.type))
    policy = ModelPolicy(BatchedModel(model, plan.config), plan.config, plan.space, plan.persona)
    stack.push_async_callback(policy.close)
    return Deciders(
        **vars(plan.facts()),
        policy_of=lambda visit: policy.of_persona(visit.persona),
        segment_of=plan.shoppers.segment_of,
    )


@dataclass(frozen=True)
class EndpointPlan:
    """The settings of a model over a network for a run."""

    name: str
    config: "EndpointConfig"
    price: "Price | None"
    space: ActionSpace
    persona: str | None
    shoppers: "Shoppers"

    def facts(self) -> DeciderFacts:
        """Return what is said and recorded of it."""
        price, cap = self.price, self.config.requests.max_cost_usd
        cost = (
            "" if price is None else f"{price.input_usd:g} and {price.output_usd:g} USD per million tokens; "
        )
        capped = f"at most {cap:g} USD, then visits end" if cap is not None else "no cap; --max-cost sets one"
        return DeciderFacts(
            names=("endpoint", "endpoint"),
            space=self.space,
            facts=(
                ("shoppers", f"decided for by {self.name}"),
                ("cost", f"{cost}{capped}" if price is not None else NO_PRICE),
                _describe_space(self.space),
                *self.shoppers.facts,
            ),
            persona=self.persona,
            mix=self.shoppers.varied,
            typed=self.shoppers.typed,
            settings=self.config.model_dump(
                mode="json", exclude={"requests": {"max_cost_usd", "concurrency"}}
            ),
        )

    @asynccontextmanager
    async def opened(self, cache: Path, notify: Callable[[str], None]) -> "AsyncIterator[EndpointModel]":
        """Open the endpoint and the file of its completions, and close them at the end.

        Raises:
            ConfigError: the name or a key is wrong.
            DataError: the file cannot be used.
        """
        from shop_r1.endpoints.providers import open_endpoint
        from shop_r1.endpoints.response_cache import ResponseCache
        from shop_r1.simulation.policies.endpoint import EndpointModel

        endpoint = open_endpoint(self.name, self.config.requests, notify)
        try:
            with ResponseCache(cache) as kept:
                yield EndpointModel(endpoint, self.config, kept, self.price, self.space, self.persona)
        finally:
            await endpoint.close()


def plan_endpoint(options: Options, shop: ShopFacts) -> EndpointPlan:
    """Return the settings of the model over a network that the options name.

    Raises:
        ConfigError: a setting is wrong, or the model has no price and a cost cap.
    """
    from shop_r1.endpoints.pricing import choose_price
    from shop_r1.simulation.policies.endpoint import EndpointConfig

    name = options.policy_name
    chosen = {"requests.max_cost_usd": options.max_cost}
    config = console.read_settings(EndpointConfig, options.settings, None, **chosen)
    shoppers = Shoppers(options.mix, shop.typed)
    config = config.model_copy(update={"prompt": _with_persona(config.prompt, shoppers)})
    space = _space(config.space, options, knows_shop_alone=False)
    price = choose_price(config.price, name, config.prompt.max_tokens, config.requests.max_cost_usd)
    return EndpointPlan(name, config, price, space, shoppers.persona, shoppers)


async def _endpoint(options: Options, shop: ShopFacts, stack: AsyncExitStack, out: Path) -> Deciders:
    plan = plan_endpoint(options, shop)
    model = await stack.enter_async_context(plan.opened(out / CACHE, console.note))
    policies = EndpointPolicies(model)
    return Deciders(
        **vars(plan.facts()),
        policy_of=policies.policy_of,
        cost_of=policies.cost_of,
        total_cost=lambda: model.cost_usd,
        segment_of=plan.shoppers.segment_of,
    )


class EndpointPolicies:
    """A policy for each visit under way, which knows what it cost."""

    def __init__(self, model: "RequestedModel") -> None:
        self._model = model
        self._policies: dict[str, EndpointPolicy] = {}

    def policy_of(self, visit: Visit) -> Policy:
        """Return a visit's policy."""
        from shop_r1.simulation.policies.endpoint import EndpointPolicy

        policy = self._policies[visit.session_id] = EndpointPolicy(self._model, visit.version, visit.persona)
        return policy

    def cost_of(self, visit: Visit) -> float | None:
        """Return what a visit that has ended cost; None where that is not known."""
        policy = self._policies.pop(visit.session_id, None)
        return policy.cost_usd if policy is not None else None


@dataclass(frozen=True)
class Shoppers:
    """Who the shoppers are that a model pretends to be."""

    mix: "ShopperMix"
    typed: tuple[str, ...]
    """Names of a test profile that they may type."""

    @property
    def varied(self) -> "ShopperMix | None":
        """The mix where shoppers differ, else None."""
        return self.mix if self.mix.is_varied else None

    @property
    def persona(self) -> str | None:
        """What all are told; None where they differ, or nothing is known."""
        return None if self.mix.is_varied else _brief_of(self.mix, "0", self.typed)

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """Who they are, in words, by title, where they differ."""
        parts = []
        if self.mix.personas:
            total = sum(each.weight for each in self.mix.personas)
            shares = [f"{each.name} {each.weight / total:.0%}" for each in self.mix.personas]
            parts.append(("personas", ", ".join(shares)))
        if self.mix.intents:
            parts.append(("intents", f"one of {len(self.mix.intents)}, by their weights"))
        return tuple(parts)

    def segment_of(self, key: str) -> str | None:
        """Return the name of the persona of the visit with this key; None where there are none."""
        persona = self.mix.draw(index_of(key)).persona
        return None if persona is None else persona.name


def index_of(key: str) -> int:
    """Return which visit of a run a key is of, from 0.

    >>> index_of("3-00017")
    17
    """
    return int(key.rpartition("-")[2])


def _brief_of(mix: "ShopperMix", key: str, typed: tuple[str, ...]) -> str | None:
    drawn = mix.draw(index_of(key))
    return brief(drawn.who, drawn.what_for, drawn.query, typed)


def _with_persona(prompt: "PromptConfig", shoppers: Shoppers) -> "PromptConfig":
    is_known = shoppers.persona is not None or shoppers.mix.is_varied
    return prompt.model_copy(update={"persona": True}) if is_known else prompt


def _space(wanted: str, options: Options, *, knows_shop_alone: bool) -> ActionSpace:
    """Return the action space that a model's prompt offers."""
    if wanted != "auto":
        return find_space(wanted)
    return LIVE if options.in_browser and not knows_shop_alone else SHOP


def _describe_space(space: ActionSpace) -> tuple[str, str]:
    return "actions", f"the {space.name} space: {', '.join(space.type_names)}"

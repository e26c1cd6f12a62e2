"""`shop-r1 simulate`: sessions of scripted shoppers, or of a model, in the built-in store."""

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any

from typer import Argument, Option

from shop_r1.cli.data import Out
from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.checkpoints import fit_prompt, load
from shop_r1.cli.terminal.outputs import Force, check_output
from shop_r1.cli.terminal.settings_list import ListSettings
from shop_r1.errors import ConfigError, DataError
from shop_r1.models.precision import choose_precision
from shop_r1.records.sessions import Session
from shop_r1.validation_messages import list_counts


def simulate(
    out: Out,
    settings: Annotated[
        list[str] | None,
        Argument(metavar="key=value", help="prompt.*, sampling.* and bf16 of a model."),
    ] = None,
    count: Annotated[int, Option(min=1, help="How many visits.")] = 100,
    seed: Annotated[int, Option(help="Of the shoppers.")] = 0,
    catalogue_seed: Annotated[int, Option(help="Of the store's goods.")] = 0,
    model: Annotated[
        str,
        Option(metavar="NAME", help="scripted, or a model: base, a checkpoint folder, a name on the hub."),
    ] = "scripted",
    max_steps: Annotated[int, Option(min=1, help="Steps of a visit at most.")] = 20,
    force: Force = False,
    list_settings: ListSettings = False,
) -> None:
    """Let shoppers visit the built-in store and write their sessions.

    Example: shop-r1 simulate --count 200 --seed 1 --out sessions.jsonl
    """
    from shop_r1.datasets.session_files import write_sessions
    from shop_r1.shoppers.persona import Market
    from shop_r1.shoppers.scripted import generate_sessions
    from shop_r1.simulation.loop import Limits, Tally
    from shop_r1.store.app import create_app
    from shop_r1.store.catalogue import generate_catalogue
    from shop_r1.store.kinds import KINDS

    if model == "scripted" and settings:
        raise ConfigError(f"{settings[0]!r}: settings are for models; expected --model NAME beside them")
    check_output(out, [model, *(settings or [])], force=force)
    tally = Tally()
    app = create_app(generate_catalogue(catalogue_seed))
    with console.progress("Shopping") as move:
        options: dict[str, Any] = {"limits": Limits(max_steps=max_steps), "progress": move, "tally": tally}
        if model == "scripted":
            sessions = generate_sessions(app, Market(KINDS), count, seed, **options)
        else:
            sessions = _modelled(model, settings or [], app, count, seed, options)
        if (first := next(sessions, None)) is None:  # No empty file replaces a good one.
            raise DataError("no visit gave a session: every response of the model was invalid")
        written = write_sessions(out, chain([first], sessions))
    outcomes = list_counts(tally.outcomes)
    console.echo(f"{out}: {written} sessions, {tally.steps} steps; outcomes: {outcomes}")
    console.print_next("data split", out, "--out", console.unused_path("data"))
    if tally.errors:
        errors = ", ".join(f"{name} ({number})" for name, number in tally.errors.most_common(5))
        console.note(f"{tally.errors.total()} invalid responses or impossible actions; most often: {errors}")


def _modelled(
    name: str, settings: list[str], app: Any, count: int, seed: int, options: dict[str, Any]
) -> Iterator[Session]:
    from shop_r1.drivers.in_process import InProcessDriver
    from shop_r1.simulation.loop import run_sessions
    from shop_r1.simulation.policy import ModelPolicy, PolicyConfig

    config = console.read_settings(PolicyConfig, settings)
    model = load(name)
    prompt = fit_prompt(config.prompt, name, needed=config.sampling.max_new_tokens)
    console.note(str(choose_precision(config.bf16, model.model.device.type)))
    policy = ModelPolicy(model, config.model_copy(update={"prompt": prompt}))
    names = "model", "model"
    return run_sessions(lambda _: policy, InProcessDriver(app), count, seed, names=names, **options)

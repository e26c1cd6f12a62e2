"""`doctor`: what this machine has and can run, and whether a run fits it."""

import math
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Exit, Option

from shop_r1.cli.machine.facts import describe_machine
from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.settings_list import ListSettings
from shop_r1.errors import ConfigError


def doctor(
    settings: Annotated[
        list[str] | None,
        Argument(metavar="CONFIG.toml|key=value", help="A run's settings: say whether it fits."),
    ] = None,
    stage: Annotated[str | None, Option(help="sft or grpo, where the file leaves it open.")] = None,
    model: Annotated[str | None, Option(metavar="NAME", help="In place of the settings' own.")] = None,
    launch: Annotated[
        Path | None, Option(metavar="FILE.yaml", help="What accelerate launch is given.")
    ] = None,
    device_memory: Annotated[
        float | None, Option(metavar="GIB", help="Of each device, to plan for another machine.")
    ] = None,
    engine: Annotated[
        Literal["trl", "verl"],
        Option("--engine", help="As grpo's: with verl the devices are those of the settings' cluster table."),
    ] = "trl",
    list_settings: ListSettings = False,
) -> None:
    """Say what this machine has and can run; with settings, whether a run fits, before it starts.

    Exit code 1: it does not fit.

    Example: shop-r1 doctor configs/grpo/paper_3b.toml --device-memory 80
    """
    if settings:
        _examine_run(settings, stage, model, launch, device_memory, engine)
        return
    if stage or model or launch or device_memory or engine != "trl":
        raise ConfigError(
            "--stage, --model, --launch, --device-memory and --engine are of a run; give its settings file "
            "or key=value"
        )
    for rows in describe_machine():
        console.print_table(rows)
        console.echo("")
    console.echo("Memory for float32 weights; sft adds gradients and Adam's moments, grpo also the")
    console.echo("reference model. yes: it takes under 80 % of the device's. Long contexts need")
    console.echo("more: shop-r1 doctor FILE.toml counts a run's whole memory.")


def _examine_run(
    words: list[str],
    stage: str | None,
    model: str | None,
    launch: Path | None,
    memory: float | None,
    engine: Literal["trl", "verl"],
) -> None:
    from shop_r1.cli.machine.memory_plan import (
        SCHEMAS,
        plan_run,
        render_plan,
        render_received,
        render_verdict,
    )
    from shop_r1.training.devices import active_strategy

    console.check_choice("--stage", stage, list(SCHEMAS))
    if memory is not None and not 0 < memory < math.inf:
        raise ConfigError(f"--device-memory is {memory}; expected GiB above 0")
    plan = plan_run(*console.split_words(words), stage, model, launch, memory, engine)
    started = [("started like this", active_strategy())] if engine == "trl" else []
    console.print_table([*plan.facts, *started])
    console.echo("")
    for table in filter(None, (render_plan(plan), render_received(plan))):
        console.print_columns(table)
        console.echo("")
    for line in render_verdict(plan):
        console.echo(line)
    if not plan.fits:
        raise Exit(1)

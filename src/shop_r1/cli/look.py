"""`store`, `score`, `doctor`: look at one thing at a time."""

import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from shop_r1.cli.terminal.console import (
    print_json,
    print_line,
    print_note,
    print_table,
    read_settings,
    split_words,
)
from shop_r1.cli.terminal.settings_list import ListSettings
from shop_r1.config import suggest
from shop_r1.errors import ConfigError, DataError


def store(
    port: Annotated[int, typer.Option(help="0 picks a free one.")] = 8000,
    seed: Annotated[int, typer.Option(help="Of the catalogue.")] = 0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve the built-in store until Ctrl-C.

    Example: shop-r1 store --port 8000
    """
    from shop_r1.store.serve import bind, serve

    with bind(host, port) as probe:  # So that the address is printed only when it will be served.
        port = probe.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    print_line(f"http://{shown}:{port}/")
    print_note("Serving the store; Ctrl-C stops it.")
    sys.stdout.flush()
    serve(port, seed, host)


def score(
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="key=value", help="Settings of the reward.")
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="JSON", help="What the shopper did.")] = None,
    response: Annotated[str | None, typer.Option(metavar="TEXT", help="The model's completion.")] = None,
    certainty: Annotated[
        float | None, typer.Option(help="Self-certainty of the rationale, nats per token.")
    ] = None,
    jsonl: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Lines of {response, target, certainty} instead.")
    ] = None,
    space: Annotated[str, typer.Option(help="Action space: shop or opera.")] = "shop",
    as_json: Annotated[bool, typer.Option("--json", help="The parts as JSON.")] = False,
    list_settings: ListSettings = False,
) -> None:
    """Explain a completion's reward, part by part.

    Example: shop-r1 score --target '{"type": "click", "name": "results.red_mug"}' --response
    '{"rationale": "I like it.", "action": {"type": "click", "name": "results.red_mug"}}' --certainty 26
    """
    from shop_r1.records.actions import find_space
    from shop_r1.rewards.total import PARTS, RewardConfig, score_completion, score_lines

    config, known = read_settings(RewardConfig, settings or []), find_space(space)
    if jsonl is not None:
        if target is not None or response is not None or certainty is not None:
            raise ConfigError("--jsonl takes the place of --target, --response and --certainty")
        for scored in score_lines(jsonl, known, config):
            print_json(scored)
        return
    if target is None or response is None:
        raise ConfigError("score needs --target and --response, or --jsonl FILE")
    if certainty is not None and not math.isfinite(certainty):
        raise ConfigError(f"--certainty is {certainty}; expected a finite number of nats per token")
    found = score_completion(response, _read_target(target), known, config, certainty)
    if as_json:
        print_json({part: getattr(found, part) for part in (*PARTS, "total")})
        return
    rows = [(part, f"{getattr(found, part):.6g}", found.reasons[part]) for part in PARTS]
    print_table([("part", "earned", "why"), *rows, ("total", f"{found.total:.6g}", "")])


def _read_target(text: str) -> Any:
    from shop_r1.jsonl import parse_record
    from shop_r1.records.actions import Action

    try:
        return parse_record(text, Action, "--target", 1)
    except DataError as error:
        problem = str(error).removeprefix("--target:1: ")
        raise DataError(
            f'--target: {problem}; expected for instance {{"type": "click", "name": "results.red_mug"}}'
        ) from None


def doctor(
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="CONFIG.toml|key=value", help="A run's settings: say whether it fits."),
    ] = None,
    stage: Annotated[str | None, typer.Option(help="sft or grpo, where the file does not tell.")] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="In place of the settings' own.")] = None,
    launch: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="What accelerate launch is given.")
    ] = None,
    device_memory: Annotated[
        float | None, typer.Option(metavar="GIB", help="Of each device, to plan for another machine.")
    ] = None,
    list_settings: ListSettings = False,
) -> None:
    """Say what this machine has and can run; with settings, whether a run fits, before it starts.

    Exit code 1: it does not fit.

    Example: shop-r1 doctor configs/grpo/paper_3b.toml --device-memory 80
    """
    if settings:
        _examine_run(settings, stage, model, launch, device_memory)
        return
    if stage or model or launch or device_memory:
        raise ConfigError(
            "--stage, --model, --launch and --device-memory are of a run; give its settings file or key=value"
        )
    from shop_r1.cli.machine import describe_machine

    facts, capacity = describe_machine()
    print_table(facts)
    print_line("")
    print_table(capacity)
    print_line("")
    print_line("Memory for float32 weights; sft adds gradients and Adam's moments, grpo also the")
    print_line("reference model. yes: it takes under 80 % of the device's. Long contexts need more:")
    print_line("shop-r1 doctor FILE.toml counts a run's whole memory.")


def _examine_run(
    words: list[str],
    stage: str | None,
    model: str | None,
    launch: Path | None,
    memory: float | None,
) -> None:
    from shop_r1.cli.fit import SCHEMAS, plan_run, render_plan, render_verdict
    from shop_r1.training.devices import active_strategy

    if stage is not None and stage not in SCHEMAS:
        raise ConfigError(f"--stage {stage!r} is unknown; {suggest(stage, list(SCHEMAS))}")
    if memory is not None and not 0 < memory < math.inf:
        raise ConfigError(f"--device-memory is {memory}; expected GiB above 0")
    path, overrides = split_words(words)
    plan = plan_run(path, overrides, stage, model, launch, memory)
    print_table([*plan.facts, ("started like this", active_strategy())])
    print_line("")
    rows = render_plan(plan)
    wide, narrow = (max(len(row[place]) for row in rows) for place in (0, 1))
    for name, figure in rows:
        print_line(f"{name:<{wide}}  {figure:>{narrow}}")
    print_line("")
    for line in render_verdict(plan):
        print_line(line)
    if not plan.fits:
        raise typer.Exit(1)

"""`score`: a completion's reward, part by part."""

import math
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.settings_list import ListSettings
from shop_r1.errors import ConfigError, DataError
from shop_r1.jsonl import parse_record
from shop_r1.records.actions import Action, find_space


def score(
    settings: Annotated[
        list[str] | None, Argument(metavar="key=value", help="Settings of the reward.")
    ] = None,
    target: Annotated[str | None, Option(metavar="JSON", help="What the shopper did.")] = None,
    response: Annotated[str | None, Option(metavar="TEXT", help="The model's completion.")] = None,
    certainty: Annotated[
        float | None, Option(help="Self-certainty of the rationale, nats per token.")
    ] = None,
    jsonl: Annotated[
        Path | None, Option(metavar="FILE", help="Lines of {response, target, certainty} instead.")
    ] = None,
    space: Annotated[str, Option(help="Action space: shop or opera.")] = "shop",
    as_json: Annotated[bool, Option("--json", help="The parts as JSON.")] = False,
    list_settings: ListSettings = False,
) -> None:
    """Explain a completion's reward, part by part.

    Example: shop-r1 score --target '{"type": "click", "name": "results.red_mug"}' --response
    '{"rationale": "I like it.", "action": {"type": "click", "name": "results.red_mug"}}' --certainty 26
    """
    from shop_r1.rewards.total import PARTS, RewardConfig, score_completion, score_lines

    config, known = console.read_settings(RewardConfig, settings or []), find_space(space)
    if jsonl is not None:
        if target is not None or response is not None or certainty is not None:
            raise ConfigError("--jsonl takes the place of --target, --response and --certainty")
        for scored in score_lines(jsonl, known, config):
            console.print_json(scored)
        return
    if target is None or response is None:
        raise ConfigError("score needs --target and --response, or --jsonl FILE")
    if certainty is not None and not math.isfinite(certainty):
        raise ConfigError(f"--certainty is {certainty}; expected a finite number of nats per token")
    found = score_completion(response, _read_target(target), known, config, certainty)
    if as_json:
        console.print_json({part: getattr(found, part) for part in (*PARTS, "total")})
        return
    rows = [(part, f"{getattr(found, part):.6g}", found.reasons[part]) for part in PARTS]
    console.print_table([("part", "earned", "why"), *rows, ("total", f"{found.total:.6g}", "")])


def _read_target(text: str) -> Any:
    try:
        return parse_record(text, Action, "--target", 1)
    except DataError as error:
        problem = str(error).removeprefix("--target:1: ")
        raise DataError(
            f'--target: {problem}; expected for instance {{"type": "click", "name": "results.red_mug"}}'
        ) from None

"""`grpo`: reinforcement learning with the Shop-R1 reward."""

from pathlib import Path
from typing import Annotated

import typer

from shop_r1.cli.terminal.console import open_sessions, print_line, read_settings
from shop_r1.cli.terminal.next_command import print_next, unused_path
from shop_r1.cli.terminal.outputs import Force
from shop_r1.cli.terminal.settings_list import ListSettings
from shop_r1.cli.terminal.training_run import (
    AGAIN,
    Data,
    Model,
    Out,
    Resume,
    Words,
    check_run_folder,
    describe_counts,
    exit_when_stopped,
    finish_run,
    report_prompt_cost,
    write_settings,
)


def grpo(
    data: Data,
    out: Out,
    settings: Words = None,
    model: Model = None,
    resume: Resume = False,
    chosen: Annotated[
        Path | None,
        typer.Option("--examples", metavar="FILE", help="What data balance wrote, to learn from just these."),
    ] = None,
    force: Force = False,
    list_settings: ListSettings = False,
) -> None:
    """Train a model with GRPO and the Shop-R1 reward (paper, Table 1 and Eq. 4).

    A run that was interrupted goes on when the same command is given again with --resume.

    Example: shop-r1 grpo configs/grpo/paper_3b.toml --data train.jsonl --model runs/sft_3b --out runs/grpo_3b
    """
    from shop_r1.cli.terminal.checkpoints import fit_prompt, hide_loading
    from shop_r1.datasets.examples import balance_examples, count_types, list_examples, read_examples
    from shop_r1.training.grpo.run import train_grpo
    from shop_r1.training.run import settle_precision
    from shop_r1.training.settings import GrpoConfig

    config = read_settings(GrpoConfig, settings or [], model=model)
    check_run_folder(out, [data, config.model, chosen, *(settings or [])], resume, force)
    sessions = open_sessions(data)
    examples = list_examples(sessions)
    if chosen is not None:
        balanced, how = read_examples(chosen, sessions), f"chosen by {chosen}"
    else:
        balanced = balance_examples(examples, config.type_ratio, config.seed)
        how = f"{'' if config.type_ratio else 'not '}balanced (type_ratio {config.type_ratio:g})"
    hide_loading()
    prompt = fit_prompt(config.prompt, config.model, needed=config.max_completion_length)
    config = config.model_copy(update={"prompt": prompt})
    config = settle_precision(config, out, resume)
    write_settings(out, config, [data, *([chosen] if chosen else [])], "grpo", resume)
    print_line(
        f"GRPO on {len(sessions)} sessions, {len(examples)} steps: {describe_counts(count_types(examples))}"
    )
    print_line(f"{how}: {len(balanced)} steps: {describe_counts(count_types(balanced))}")
    report_prompt_cost(out, balanced, config)
    with exit_when_stopped(AGAIN):
        last = train_grpo(balanced, config, out, resume=resume)
    finish_run(out, last, "reward/total")
    print_next("evaluate", "--model", out, "--data", "TEST.jsonl", "--out", unused_path("runs/evaluation"))

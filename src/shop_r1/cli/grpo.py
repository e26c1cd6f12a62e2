"""`grpo`: reinforcement learning with the Shop-R1 reward."""

from pathlib import Path
from typing import Annotated

from typer import Option

from shop_r1.cli.terminal import console
from shop_r1.cli.terminal import training_run as run
from shop_r1.cli.terminal.outputs import Force
from shop_r1.cli.terminal.settings_list import ListSettings


def grpo(
    data: run.Data,
    out: run.Out,
    settings: run.Words = None,
    model: run.Model = None,
    resume: run.Resume = False,
    chosen: Annotated[
        Path | None,
        Option("--examples", metavar="FILE", help="What data balance wrote, to learn from just these."),
    ] = None,
    engine: run.ChosenEngine = "trl",
    force: Force = False,
    list_settings: ListSettings = False,
) -> None:
    """Train a model with GRPO and the Shop-R1 reward (paper, Table 1 and Eq. 4).

    A run that was interrupted goes on when the same command is given again with --resume.

    Example: shop-r1 grpo configs/grpo/paper_3b.toml --data train.jsonl --model runs/sft_3b --out runs/grpo_3b
    """
    from shop_r1.datasets.examples import balance_examples, count_types, list_examples, read_examples
    from shop_r1.training.cluster.start import check_checkpoints
    from shop_r1.training.settings import GrpoConfig

    config = console.read_settings(GrpoConfig, settings or [], model=model)
    run.check_run_folder(out, [data, config.model, chosen, *(settings or [])], resume, force)
    check_checkpoints(out, engine, resume)
    sessions = console.open_sessions(data)
    examples = list_examples(sessions)
    if chosen is not None:
        balanced, how = read_examples(chosen, sessions), f"chosen by {chosen}"
    else:
        balanced = balance_examples(examples, config.type_ratio, config.seed)
        how = f"{'' if config.type_ratio else 'not '}balanced (type_ratio {config.type_ratio:g})"
    config = run.begin_run(config, out, [data, *([chosen] if chosen else [])], balanced, "grpo", resume)
    of, chosen_of = (console.join_counts(sorted(count_types(each).items())) for each in (examples, balanced))
    console.echo(f"GRPO on {len(sessions)} sessions, {len(examples)} steps: {of}")
    console.echo(f"{how}: {len(balanced)} steps: {chosen_of}")
    with run.exit_when_stopped(run.AGAIN):
        if engine == "verl":
            from shop_r1.training.cluster.grpo.run import train_grpo_on_cluster

            last = train_grpo_on_cluster(balanced, data, config, out, resume=resume)
        else:
            from shop_r1.training.grpo.run import train_grpo

            last = train_grpo(balanced, config, out, resume=resume)
    run.finish_run(out, last, "reward/total")
    place = console.unused_path("runs/evaluation")
    console.print_next("evaluate --model", out, "--data TEST.jsonl --out", place)

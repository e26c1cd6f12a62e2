"""`sft`, `grpo` and `demo`: train a shopper."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shop_r1.cli.terminal.console import (
    IS_FIRST_PROCESS,
    existing_paths,
    open_sessions,
    print_line,
    print_note,
    read_settings,
)
from shop_r1.cli.terminal.next_command import print_next, rl_settings, unused_path
from shop_r1.cli.terminal.outputs import Force, check_apart, check_folder
from shop_r1.cli.terminal.settings_list import ListSettings
from shop_r1.errors import RunStopped
from shop_r1.runs import CARD, RunFolder

if TYPE_CHECKING:
    from shop_r1.datasets.examples import Example
    from shop_r1.training.settings import GrpoConfig, SftConfig

_LEFTOVERS = ("settings.json", "prompts.json", "checkpoints")
"""What a run leaves that was cut off before its first step ended."""
AGAIN = "give the same command with --resume to go on"

Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="CONFIG.toml|key=value", help="Settings; the last word wins."),
]
Data = Annotated[Path, typer.Option("--data", metavar="sessions.jsonl", help="What to learn from.")]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the checkpoint goes.")]
Model = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME", help="base, a checkpoint folder, or a name on the hub."),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on from the last good checkpoint in --out, if there is one.")
]


def sft(
    data: Data,
    out: Out,
    settings: Words = None,
    model: Model = None,
    resume: Resume = False,
    force: Force = False,
    list_settings: ListSettings = False,
) -> None:
    """Fine-tune a model on whole sessions: completions only (paper, Eq. 2).

    A run that was cut off, by whatever, goes on when the same command is given again with --resume.

    Example: shop-r1 sft configs/sft/paper_3b.toml --data train.jsonl --out runs/sft_3b seed=1
    """
    from shop_r1.cli.models import fit_prompt, hide_loading
    from shop_r1.datasets.examples import count_types, list_examples
    from shop_r1.training.precision import settle_precision
    from shop_r1.training.settings import SftConfig
    from shop_r1.training.sft import train_sft

    config = read_settings(SftConfig, settings or [], model=model)
    _check_folder(out, [data, config.model, *(settings or [])], resume, force)
    sessions = open_sessions(data)
    hide_loading()
    config = config.model_copy(update={"prompt": fit_prompt(config.prompt, config.model)})
    config = settle_precision(config, out, resume)
    _write_settings(out, config, [data], "sft", resume)
    print_line(f"SFT on {len(sessions)} sessions, {len(list_examples(sessions, first_step=0))} completions")
    _tell_cost(out, list_examples(sessions, first_step=0), config)
    with _stop_in_order(AGAIN):
        last = train_sft(sessions, config, out, resume)
    _finish(out, last, "loss")
    if types := count_types(list_examples(sessions)):
        place = unused_path("runs/grpo")
        print_next("grpo", "--model", out, "--data", data, "--out", place, *rl_settings(types))
    else:
        print_next(
            "evaluate", "--model", out, "--data", "TEST.jsonl", "--out", unused_path("runs/evaluation")
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

    A run that was cut off, by whatever, goes on when the same command is given again with --resume.

    Example: shop-r1 grpo configs/grpo/paper_3b.toml --data train.jsonl --model runs/sft_3b --out runs/grpo_3b
    """
    from shop_r1.cli.models import fit_prompt, hide_loading
    from shop_r1.datasets.examples import balance_examples, count_types, list_examples, read_examples
    from shop_r1.training.grpo.run import train_grpo
    from shop_r1.training.precision import settle_precision
    from shop_r1.training.settings import GrpoConfig

    config = read_settings(GrpoConfig, settings or [], model=model)
    _check_folder(out, [data, config.model, chosen, *(settings or [])], resume, force)
    sessions = open_sessions(data)
    examples = list_examples(sessions)
    if chosen is not None:
        balanced, how = read_examples(chosen, sessions), f"chosen by {chosen}"
    else:
        balanced = balance_examples(examples, config.type_ratio, config.seed)
        how = (
            f"balanced (type_ratio {config.type_ratio:g})"
            if config.type_ratio
            else "not balanced (type_ratio 0)"
        )
    hide_loading()
    config = config.model_copy(
        update={"prompt": fit_prompt(config.prompt, config.model, needed=config.max_completion_length)}
    )
    config = settle_precision(config, out, resume)
    _write_settings(out, config, [data, *([chosen] if chosen else [])], "grpo", resume)
    print_line(f"GRPO on {len(sessions)} sessions, {len(examples)} steps: {_counts(count_types(examples))}")
    print_line(f"{how}: {len(balanced)} steps: {_counts(count_types(balanced))}")
    _tell_cost(out, balanced, config)
    with _stop_in_order(AGAIN):
        last = train_grpo(balanced, config, out, resume=resume)
    _finish(out, last, "reward/total")
    print_next("evaluate", "--model", out, "--data", "TEST.jsonl", "--out", unused_path("runs/evaluation"))


def demo(
    settings: Words = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where everything goes [runs/demo, or runs/demo-quick]."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of everything random.")] = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="Every stage in about two minutes; the figures mean nothing.")
    ] = False,
    force: Force = False,
    list_settings: ListSettings = False,
) -> None:
    """Run the main job on the built-in store: sessions, SFT, GRPO, evaluation, report.

    Run again after an interruption, it goes on from the last finished stage; stopped by Ctrl-C or SIGTERM
    while training, from there.

    Example: shop-r1 demo --out runs/demo
    """
    from shop_r1.cli.demo import QUICK, run_demo
    from shop_r1.cli.models import hide_loading
    from shop_r1.cli.terminal.console import split_words

    config, overrides = split_words(settings or [])
    place = out or Path("runs/demo-quick" if quick else "runs/demo")
    check_apart(place, [config])
    if not (place / "settings.json").exists():
        check_folder(place, [config], force=force)
    hide_loading()
    with _stop_in_order("run the demo again to go on"):
        run_demo(place, seed, config, [*(QUICK if quick else ()), *overrides], force)


def _check_folder(out: Path, inputs: Sequence[Path | str | None], resume: bool, force: bool) -> None:
    """Make sure that no other run's model is written over.

    A folder with checkpoints is left to --resume, which compares the runs.

    Raises:
        ConfigError: the folder holds an input or lies in one, or holds something else.
    """
    from shop_r1.training.checkpoints import list_checkpoints

    check_apart(out, inputs)
    if not list_checkpoints(out) and not (resume and (out / "settings.json").exists()):
        check_folder(out, inputs, force=force, leftovers=_LEFTOVERS)


def _write_settings(
    out: Path, config: "SftConfig | GrpoConfig", data: Sequence[Path], command: str, resume: bool
) -> None:
    """Write `settings.json`; a run that is resumed must have the one that is there."""
    from shop_r1.cli.models import load_tokenizer, report_template
    from shop_r1.training.checkpoints import list_checkpoints, refuse_earlier_run
    from shop_r1.training.settings import WATCHING

    folder, inputs = RunFolder(out), existing_paths([*data, config.model])
    if not resume:
        refuse_earlier_run(out)
    elif not list_checkpoints(out):
        print_note(f"{out}: no checkpoint to go on from; training starts from the beginning")
    template = report_template(config.model, load_tokenizer(config.model), config.prompt)
    if resume and (out / "settings.json").exists():
        folder.check_settings(config, inputs, command, free=WATCHING)
    else:
        folder.write_settings(config, inputs, config.seed, command=command, chat_template=template)


def _tell_cost(out: Path, examples: "Sequence[Example]", config: "SftConfig | GrpoConfig") -> None:
    """Say what the budget costs the prompts, and write it to `prompts.json`; of many, some are looked at."""
    from shop_r1.cli.models import load_counter
    from shop_r1.datasets.examples import sample_cost
    from shop_r1.jsonl import write_json
    from shop_r1.prompts.cost import describe_cut_targets

    if not IS_FIRST_PROCESS:
        return
    found = sample_cost(examples, load_counter(config.model), config.prompt)
    write_json(out / "prompts.json", {"of": len(examples), **found.model_dump()})
    if not found.pages_shortened:
        return
    looked = "all" if found.prompts == len(examples) else f"of {len(examples):,}, looked at"
    cut = describe_cut_targets(found) or "all targets are still in their prompts"
    print_note(
        f"Prompt budget of {config.prompt.max_tokens:,} tokens ({found.prompts:,} prompts, {looked}): "
        f"{found.pages_shortened:,} current pages are shortened; {cut}"
    )


@contextmanager
def _stop_in_order(hint: str) -> Iterator[None]:
    """Where a signal stopped training, say how to go on and exit with the code that is for it."""
    try:
        yield
    except RunStopped as stop:
        print_note(f"{stop}; {hint}")
        raise typer.Exit(stop.exit_code) from None


def _finish(out: Path, last: Mapping[str, float], shown: str) -> None:
    from shop_r1.report.card import write_card
    from shop_r1.report.seal import is_sealed

    if IS_FIRST_PROCESS:
        if (out / CARD).exists() and not is_sealed(out / CARD):
            print_note(
                f"{out / CARD} was changed by hand and stays; shop-r1 card {out} --force writes the card anew"
            )
        else:
            write_card(out)
    told = f"; last {shown} {last[shown]:.4g}" if shown in last else ""
    print_line(f"Checkpoint, metrics.jsonl and settings.json are in {out}{told}")
    alerts = out / "alerts.jsonl"
    if alerts.exists():
        print_note(f"Alerts were raised: read {alerts}")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(counts.items()))

"""What `sft` and `grpo` share: their options, the run's folder, what is printed before and after training."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from typer import Argument, Exit, Option

from shop_r1.cli.terminal import checkpoints, console
from shop_r1.cli.terminal.outputs import check_folder
from shop_r1.errors import RunStopped
from shop_r1.jsonl import write_json
from shop_r1.models.tokenizers import load_tokenizer, token_counter
from shop_r1.report.seal import is_sealed
from shop_r1.runs import CARD, RunFolder, make_record

if TYPE_CHECKING:
    from shop_r1.datasets.examples import Example
    from shop_r1.pages.tokens import CountTokens
    from shop_r1.prompts.render import PromptConfig
    from shop_r1.training.settings import GrpoConfig, SftConfig

ConfigT = TypeVar("ConfigT", "SftConfig", "GrpoConfig")
_LEFTOVERS = ("settings.json", "prompts.json", "checkpoints")
"""What a run leaves that was cut off before its first step ended."""
AGAIN = "give the same command with --resume to go on"

Words = Annotated[
    list[str] | None,
    Argument(metavar="CONFIG.toml|key=value", help="Settings; the last word wins."),
]
Data = Annotated[Path, Option("--data", metavar="sessions.jsonl", help="What to learn from.")]
Out = Annotated[Path, Option("--out", metavar="DIR", help="Where the checkpoint goes.")]
Model = Annotated[
    str | None,
    Option(
        "--model",
        metavar="NAME",
        help="base, a checkpoint folder, a name of shop-r1 model list, or one on the hub.",
    ),
]
Resume = Annotated[
    bool, Option("--resume", help="Go on from the last good checkpoint in --out, if there is one.")
]

ChosenEngine = Annotated[
    Literal["trl", "verl"],
    Option("--engine", help="trl on this machine, or verl on a Ray cluster (docs/cluster.md)."),
]


def check_run_folder(out: Path, inputs: Sequence[Path | str | None], resume: bool, force: bool) -> None:
    """Make sure that no other run's model is written over.

    A folder with checkpoints is left to --resume, which compares the runs.

    Raises:
        ConfigError: the folder holds an input or lies in one, or holds something else.
    """
    from shop_r1.training.checkpoints import list_checkpoints

    goes_on = list_checkpoints(out) or (resume and RunFolder(out).settings.exists())
    check_folder(out, inputs, force=force or bool(goes_on), leftovers=_LEFTOVERS)


def begin_run(
    config: ConfigT,
    out: Path,
    data: Sequence[Path],
    examples: "Sequence[Example]",
    command: str,
    resume: bool,
) -> ConfigT:
    """Return the settings fitted to the model and this machine, and write them to `settings.json`.

    A run that is resumed must have those that are there. What the budget cuts from the examples' prompts, or
    from a sample of them, is printed and written to `prompts.json`.
    """
    from shop_r1.training.checkpoints import list_checkpoints, refuse_earlier_run
    from shop_r1.training.cluster.start import last_saved_step
    from shop_r1.training.run import settle_precision
    from shop_r1.training.settings import PLACES, WATCHING, GrpoConfig

    checkpoints.hide_loading()
    needed = config.max_completion_length if isinstance(config, GrpoConfig) else 0
    prompt = checkpoints.fit_prompt(config.prompt, config.model, needed)
    config = settle_precision(config.model_copy(update={"prompt": prompt}), out, resume)
    folder = RunFolder(out)
    start: Path | None = checkpoints.model_folder(config.model)
    inputs = [*data, *([] if start is None else [start])]
    if not resume:
        refuse_earlier_run(out)
    elif not list_checkpoints(out) and not last_saved_step(out):
        console.note(f"{out}: no checkpoint to resume from; training starts from the beginning")
    tokenizer = load_tokenizer(config.model)
    template = checkpoints.report_template(config.model, tokenizer, config.prompt)
    more = {"origin": origin} if (origin := checkpoints.model_origin(config.model)) else {}
    record = make_record(config, inputs, config.seed, command=command, chat_template=template, **more)
    if start is not None:  # under the name that it was given by
        record["inputs"][config.model] = record["inputs"].pop(str(start))
    if resume and folder.settings.exists():
        folder.check_settings(record, free=WATCHING | PLACES)
    else:
        folder.write_settings(record)
    if console.IS_FIRST_PROCESS:
        _report_prompt_cost(out, examples, token_counter(tokenizer), config.prompt)
    return config


def _report_prompt_cost(
    out: Path, examples: "Sequence[Example]", count: "CountTokens", prompt: "PromptConfig"
) -> None:
    from shop_r1.datasets.examples import sample_cost
    from shop_r1.prompts.cost import describe_cut_targets

    found = sample_cost(examples, count, prompt)
    write_json(out / "prompts.json", {"of": len(examples), **found.model_dump()})
    if not found.pages_shortened:
        return
    which = "all" if found.prompts == len(examples) else f"a sample of {len(examples):,}"
    cut = describe_cut_targets(found) or "all targets are still in their prompts"
    console.note(
        f"Prompt budget of {prompt.max_tokens:,} tokens ({found.prompts:,} prompts, {which}): "
        f"{found.pages_shortened:,} current pages are shortened; {cut}"
    )


@contextmanager
def exit_when_stopped(hint: str) -> Iterator[None]:
    """Where a signal stopped training, print how to go on and exit with the signal's code."""
    try:
        yield
    except RunStopped as stop:
        console.note(f"{stop}; {hint}")
        raise Exit(stop.exit_code) from None


def finish_run(out: Path, last: Mapping[str, float], shown: str) -> None:
    """Write the model's card and print where the results are, and the last value of one metric."""
    from shop_r1.report.card import write_card

    if console.IS_FIRST_PROCESS:
        if (out / CARD).exists() and not is_sealed(out / CARD):
            console.note(
                f"{out / CARD} was changed by hand and stays; shop-r1 card {out} --force writes the card anew"
            )
        else:
            write_card(out)
    value = f"; last {shown} {last[shown]:.4g}" if shown in last else ""
    console.echo(f"Checkpoint, metrics.jsonl and settings.json are in {out}{value}")
    alerts = out / "alerts.jsonl"
    if alerts.exists():
        console.note(f"Alerts were raised: read {alerts}")

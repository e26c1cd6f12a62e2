"""`sft` and `grpo`: the cold start on whole sessions, and reinforcement learning with the Shop-R1 reward."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from typer import Option

from shop_r1.cli.terminal import checkpoints, console
from shop_r1.cli.terminal.outputs import Force, check_folder
from shop_r1.cli.terminal.settings_list import ListSettings, Words
from shop_r1.jsonl import write_json
from shop_r1.report.seal import is_sealed
from shop_r1.runs import CARD, RunFolder, make_record

if TYPE_CHECKING:
    from shop_r1.datasets.examples import Example
    from shop_r1.pages.tokens import CountTokens
    from shop_r1.prompts.render import PromptConfig
    from shop_r1.training.settings import GrpoConfig, SftConfig

_ConfigT = TypeVar("_ConfigT", "SftConfig", "GrpoConfig")
_LEFTOVERS = ("settings.json", "prompts.json", "checkpoints")
"""What a run leaves that was cut off before its first step ended."""
_AGAIN = "give the same command with --resume to go on"

_Data = Annotated[Path, Option("--data", metavar="sessions.jsonl", help="What to learn from.")]
_Out = Annotated[Path, Option("--out", metavar="DIR", help="Where the checkpoint goes.")]
_Model = Annotated[
    str | None,
    Option("--model", metavar="NAME", help="base, a checkpoint folder, or a name on the hub."),
]
_Resume = Annotated[
    bool, Option("--resume", help="Go on from the last good checkpoint in --out, if there is one.")
]


def sft(
    data: _Data,
    out: _Out,
    settings: Words = None,
    model: _Model = None,
    resume: _Resume = False,
    force: Force = False,
    list_settings: ListSettings = False,
) -> None:
    """Fine-tune a model on whole sessions: completions only (paper, Eq. 2).

    A run that was interrupted goes on when the same command is given again with --resume.

    Example: shop-r1 sft configs/sft/paper_3b.toml --data train.jsonl --out runs/sft_3b seed=1
    """
    from shop_r1.datasets.examples import count_types, list_examples
    from shop_r1.training.settings import SftConfig
    from shop_r1.training.sft import train_sft

    config = console.read_settings(SftConfig, settings or [], model=model)
    _check_run_folder(out, [data, config.model, *(settings or [])], resume, force)
    sessions = console.open_sessions(data)
    examples = list_examples(sessions, first_step=0)
    config = _begin_run(config, out, [data], examples, "sft", resume)
    console.echo(f"SFT on {len(sessions)} sessions, {len(examples)} completions")
    with console.exit_when_stopped(_AGAIN):
        last = train_sft(sessions, config, out, resume)
    _finish_run(out, last, "loss")
    if types := count_types(list_examples(sessions)):
        # Types are balanced against `terminate`; without any the balance has to be switched off.
        unbalanced = [] if types.get("terminate") else ["type_ratio=0"]
        place = console.unused_path("runs/grpo")
        console.print_next("grpo --model", out, "--data", data, "--out", place, *unbalanced)
    else:
        place = console.unused_path("runs/evaluation")
        console.print_next("evaluate --model", out, "--data TEST.jsonl --out", place)


def grpo(
    data: _Data,
    out: _Out,
    settings: Words = None,
    model: _Model = None,
    resume: _Resume = False,
    chosen: Annotated[
        Path | None,
        Option("--examples", metavar="FILE", help="What data balance wrote, to learn from just these."),
    ] = None,
    force: Force = False,
    list_settings: ListSettings = False,
) -> None:
    """Train a model with GRPO and the Shop-R1 reward (paper, Table 1 and Eq. 4).

    A run that was interrupted goes on when the same command is given again with --resume.

    Example: shop-r1 grpo configs/grpo/paper_3b.toml --data train.jsonl --model runs/sft_3b --out runs/grpo_3b
    """
    from shop_r1.datasets.examples import balance_examples, count_types, list_examples, read_examples
    from shop_r1.training.grpo.run import train_grpo
    from shop_r1.training.settings import GrpoConfig

    config = console.read_settings(GrpoConfig, settings or [], model=model)
    _check_run_folder(out, [data, config.model, chosen, *(settings or [])], resume, force)
    sessions = console.open_sessions(data)
    examples = list_examples(sessions)
    if chosen is not None:
        balanced, how = read_examples(chosen, sessions), f"chosen by {chosen}"
    else:
        balanced = balance_examples(examples, config.type_ratio, config.seed)
        how = f"{'' if config.type_ratio else 'not '}balanced (type_ratio {config.type_ratio:g})"
    config = _begin_run(config, out, [data, *([chosen] if chosen else [])], balanced, "grpo", resume)
    of, chosen_of = (console.join_counts(sorted(count_types(each).items())) for each in (examples, balanced))
    console.echo(f"GRPO on {len(sessions)} sessions, {len(examples)} steps: {of}")
    console.echo(f"{how}: {len(balanced)} steps: {chosen_of}")
    with console.exit_when_stopped(_AGAIN):
        last = train_grpo(balanced, config, out, resume=resume)
    _finish_run(out, last, "reward/total")
    place = console.unused_path("runs/evaluation")
    console.print_next("evaluate --model", out, "--data TEST.jsonl --out", place)


def _check_run_folder(out: Path, inputs: Sequence[Path | str | None], resume: bool, force: bool) -> None:
    """Make sure that no other run's model is written over.

    A folder with checkpoints is left to --resume, which compares the runs.

    Raises:
        ConfigError: the folder holds an input or lies in one, or holds something else.
    """
    from shop_r1.training.checkpoints import list_checkpoints

    goes_on = list_checkpoints(out) or (resume and RunFolder(out).settings.exists())
    check_folder(out, inputs, force=force or bool(goes_on), leftovers=_LEFTOVERS)


def _begin_run(
    config: _ConfigT,
    out: Path,
    data: Sequence[Path],
    examples: "Sequence[Example]",
    command: str,
    resume: bool,
) -> _ConfigT:
    """Return the settings fitted to the model and this machine, and write them to `settings.json`.

    A run that is resumed must have those that are there. What the budget cuts from the examples' prompts, or
    from a sample of them, is printed and written to `prompts.json`.
    """
    from shop_r1.training.checkpoints import list_checkpoints, refuse_earlier_run
    from shop_r1.training.run import settle_precision
    from shop_r1.training.settings import WATCHING, GrpoConfig

    checkpoints.hide_loading()
    needed = config.max_completion_length if isinstance(config, GrpoConfig) else 0
    prompt = checkpoints.fit_prompt(config.prompt, config.model, needed)
    config = settle_precision(config.model_copy(update={"prompt": prompt}), out, resume)
    folder, inputs = RunFolder(out), console.existing_paths([*data, config.model])
    if not resume:
        refuse_earlier_run(out)
    elif not list_checkpoints(out):
        console.note(f"{out}: no checkpoint to resume from; training starts from the beginning")
    tokenizer = checkpoints.load_tokenizer(config.model)
    template = checkpoints.report_template(config.model, tokenizer, config.prompt)
    record = make_record(config, inputs, config.seed, command=command, chat_template=template)
    if resume and folder.settings.exists():
        folder.check_settings(record, free=WATCHING)
    else:
        folder.write_settings(record)
    if console.IS_FIRST_PROCESS:
        _report_prompt_cost(out, examples, checkpoints.token_counter(tokenizer), config.prompt)
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


def _finish_run(out: Path, last: Mapping[str, float], shown: str) -> None:
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

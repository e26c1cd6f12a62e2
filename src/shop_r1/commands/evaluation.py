"""`evaluate`: what a model, or a file of predictions, is worth."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shop_r1.commands.results import (
    Answered,
    Job,
    Run,
    score,
    score_runs,
    show,
    write_results,
    write_tables,
)
from shop_r1.commands.show import existing, progress, read_settings, remark
from shop_r1.errors import ConfigError, DataError
from shop_r1.runs import RunFolder
from shop_r1.sessions import Session

if TYPE_CHECKING:
    from shop_r1.data.examples import Example
    from shop_r1.evaluation.predict import PredictConfig

CONTEXTS = ("whole-session", "latest-step")


def evaluate(
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="CONFIG.toml|key=value", help="Settings; the last word wins."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="base, a checkpoint folder, or a name on the hub.")
    ] = None,
    data: Annotated[Path | None, typer.Option(metavar="sessions.jsonl", help="Held-out sessions.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where the results go.")] = None,
    temperature: Annotated[
        list[float] | None, typer.Option(min=0.0, help="0 is greedy; give several for a sweep.")
    ] = None,
    context: Annotated[
        list[str] | None, typer.Option(help="whole-session or latest-step; give both to compare.")
    ] = None,
    first_step: Annotated[
        int, typer.Option(min=0, help="Steps before this one are given, not predicted.")
    ] = 1,
    setting: Annotated[
        str | None, typer.Option(help="The table's name for it; zero-shot, sft, shop-r1 get the paper's row.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Score these predictions instead of a model's.")
    ] = None,
    space: Annotated[str, typer.Option(help="Action space of --predictions: shop or opera.")] = "shop",
    neighbours: Annotated[
        bool, typer.Option("--neighbours", help="Also print neighbouring papers' metrics.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The metrics as JSON on stdout.")] = False,
) -> None:
    """Predict held-out steps with a model, or read predictions, and score them.

    Example: shop-r1 evaluate --model runs/grpo --data test.jsonl --out runs/evaluation --temperature 0
    """
    if predictions is not None:
        if model is not None or data is not None:
            raise ConfigError("--predictions takes the place of --model and --data")
        _score_file(predictions, space, setting, out, as_json=as_json, neighbours=neighbours)
        return
    if model is None or data is None or out is None:
        raise ConfigError("evaluate needs --model, --data and --out, or --predictions FILE")
    from shop_r1.evaluation.predict import PredictConfig

    config = read_settings(PredictConfig, settings or [])
    runs = _list_runs(context or [config.prompt.context], temperature or [config.sampling.temperature], out)
    examples = _read_examples(data, first_step)
    job = Job(model, data, out, first_step, setting or Path(model).name, runs, examples)
    found = score_runs(job, _ask_checkpoint(job, config))
    show(found, examples[0].space, as_json=as_json, neighbours=neighbours)
    remark(f"Results are in {out}. Next: shop-r1 report {out}")


def _list_runs(contexts: Sequence[str], temperatures: Sequence[float], out: Path) -> tuple[Run, ...]:
    """Return each context with each temperature; several get a folder each."""
    if set(contexts) - set(CONTEXTS):
        raise ConfigError(f"--context {contexts[0]!r} is unknown; expected one of {', '.join(CONTEXTS)}")
    runs = [Run(c, t, out) for c in dict.fromkeys(contexts) for t in dict.fromkeys(temperatures)]
    if len(runs) > 1:
        runs = [Run(run.context, run.temperature, out / run.label) for run in runs]
    return tuple(runs)


def _score_file(
    path: Path, space: str, setting: str | None, out: Path | None, *, as_json: bool, neighbours: bool
) -> None:
    from shop_r1.actions import find_space
    from shop_r1.evaluation.recorded import read_action_predictions

    known = find_space(space)
    found = read_action_predictions(path, known)
    scored = score(setting or path.stem, found, known)
    if out is not None:
        RunFolder(out).write_settings({"space": space}, [path], command="evaluate")
        write_results(out, found, scored)
        write_tables(out, [scored], known)
    show([scored], known, as_json=as_json, neighbours=neighbours)


def _ask_checkpoint(job: Job, config: "PredictConfig") -> Iterator[Answered]:
    """Load the checkpoint and yield its predictions under each run's context and temperature."""
    from shop_r1.commands.models import fit_prompt, load
    from shop_r1.evaluation.predict import predict

    model = load(job.model)
    prompt = fit_prompt(config.prompt, job.model, needed=config.sampling.max_new_tokens)
    settings = config.model_copy(update={"prompt": prompt})
    resolved = settings.model_dump(mode="json") | job.record()
    RunFolder(job.out).write_settings(
        resolved, existing([job.data, job.model]), config.seed, command="evaluate"
    )
    for run in job.runs:
        with progress(run.label) as move:
            answers = predict(model, job.examples, _settings_of(run, settings), move)
        yield Answered(run, answers, model.count_tokens)


def _settings_of(run: Run, config: "PredictConfig") -> "PredictConfig":
    return config.model_copy(
        update={
            "prompt": config.prompt.model_copy(update={"context": run.context}),
            "sampling": config.sampling.model_copy(update={"temperature": run.temperature}),
        }
    )


def _read_examples(data: Path, first_step: int) -> "Sequence[Example]":
    from shop_r1.data.examples import list_examples
    from shop_r1.jsonl import read_records

    sessions = list(read_records(data, Session))
    spaces = {session.space for session in sessions}
    if len(spaces) > 1:
        raise DataError.at(data, None, f"mixes the action spaces {', '.join(sorted(spaces))}; expected one")
    examples = list_examples(sessions, first_step)
    if not examples:
        raise DataError.at(
            data,
            None,
            f"no session has a step {first_step} to predict (steps count from 0); for sessions of one step, "
            "as `data import pages` makes them, add --first-step 0",
        )
    return examples

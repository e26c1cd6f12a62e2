"""`evaluate`: what a model, or a file of predictions, is worth."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shop_r1.commands.show import existing, open_archive, progress, read_settings, remark, say, say_json
from shop_r1.errors import ConfigError, DataError
from shop_r1.runs import RunFolder

if TYPE_CHECKING:
    from shop_r1.actions import ActionSpace
    from shop_r1.data.examples import Example
    from shop_r1.evaluation.metrics import Metrics
    from shop_r1.evaluation.predict import PredictConfig
    from shop_r1.evaluation.tables import TableRow
    from shop_r1.llm.local import LocalModel
    from shop_r1.results import Prediction

CONTEXTS = ("whole-session", "latest-step")


@dataclass(frozen=True)
class Run:
    """One way of asking the model: a context and a temperature, and where its files go."""

    context: str
    temperature: float
    folder: Path

    @property
    def label(self) -> str:
        """The run's name in a path."""
        return f"{self.context}-{'greedy' if self.temperature == 0 else f't{self.temperature:g}'}"


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
    as_json: Annotated[bool, typer.Option("--json", help="The metrics as JSON on stdout.")] = False,
) -> None:
    """Predict held-out steps with a model, or read predictions, and score them.

    Example: shop-r1 evaluate --model runs/grpo --data test.jsonl --out runs/evaluation --temperature 0
    """
    if predictions is not None:
        if model is not None or data is not None:
            raise ConfigError("--predictions takes the place of --model and --data")
        _score_file(predictions, space, setting, out, as_json)
        return
    if model is None or data is None or out is None:
        raise ConfigError("evaluate needs --model, --data and --out, or --predictions FILE")
    from shop_r1.evaluation.predict import PredictConfig

    config = read_settings(PredictConfig, settings or [])
    contexts = context or [config.prompt.context]
    temperatures = temperature or [config.sampling.temperature]
    if set(contexts) - set(CONTEXTS):
        raise ConfigError(f"--context {contexts[0]!r} is unknown; expected one of {', '.join(CONTEXTS)}")
    runs = [Run(c, t, out) for c in dict.fromkeys(contexts) for t in dict.fromkeys(temperatures)]
    if len(runs) > 1:
        runs = [Run(run.context, run.temperature, out / run.label) for run in runs]
    name = setting or Path(model).name
    found, tables = _evaluate_model(model, data, out, runs, config, first_step, name)
    if as_json:
        values = [{"context": run.context, "temperature": run.temperature} | _dump(m) for run, m in found]
        say_json(values if len(values) > 1 else values[0], indent=1)
    else:
        say(tables)
    remark(f"Results are in {out}. Next: shop-r1 report {out}")


def _score_file(path: Path, space: str, setting: str | None, out: Path | None, as_json: bool) -> None:
    from shop_r1.actions import find_space
    from shop_r1.evaluation.metrics import evaluate_predictions
    from shop_r1.evaluation.recorded import read_action_predictions
    from shop_r1.evaluation.tables import table_row

    known = find_space(space)
    found = read_action_predictions(path, known)
    metrics = evaluate_predictions(found, known)
    rows = [table_row(setting or path.stem, metrics, decoding="recorded")]
    if out is not None:
        RunFolder(out).write_settings({"space": space}, [path], command="evaluate")
        _write_results(out, found, metrics)
        _write_tables(out, rows, known)
    if as_json:
        say_json(_dump(metrics), indent=1)
    else:
        say(_as_text(rows, known))


def _evaluate_model(
    model_name: str,
    data: Path,
    out: Path,
    runs: Sequence[Run],
    config: "PredictConfig",
    first_step: int,
    setting: str,
) -> tuple[list[tuple[Run, "Metrics"]], str]:
    """Predict under each run's context and temperature, write it all, and return metrics and tables."""
    from shop_r1.commands.models import fit_prompt, load
    from shop_r1.evaluation.metrics import evaluate_predictions
    from shop_r1.evaluation.predict import predict
    from shop_r1.evaluation.tables import table_row

    examples = _read_examples(data, first_step)
    model = load(model_name)
    prompt = fit_prompt(config.prompt, model_name, needed=config.sampling.max_new_tokens)
    settings = config.model_copy(update={"prompt": prompt})
    resolved = settings.model_dump(mode="json") | {
        "model": model_name,
        "data": str(data),
        "first_step": first_step,
        "runs": [{"context": run.context, "temperature": run.temperature} for run in runs],
    }
    RunFolder(out).write_settings(resolved, existing([data, model_name]), config.seed, command="evaluate")
    rows: list[TableRow] = []
    found: list[tuple[Run, Metrics]] = []
    known = examples[0].space
    for run in runs:
        with progress(run.label) as move:
            answers = predict(model, examples, _settings_of(run, settings), move)
        metrics = evaluate_predictions(answers, known)
        _write_results(run.folder, answers, metrics)
        _tell_budget(run, examples, answers, model)
        row = table_row(
            setting if len(runs) == 1 else f"{setting}, {run.label}",
            metrics,
            model=model_name,
            decoding="greedy" if run.temperature == 0 else "sampled",
            temperature=run.temperature or None,
            context=run.context,
        )
        rows.append(row)
        found.append((run, metrics))
    _write_tables(out, rows, known)
    return found, _as_text(rows, known)


def _settings_of(run: Run, config: "PredictConfig") -> "PredictConfig":
    return config.model_copy(
        update={
            "prompt": config.prompt.model_copy(update={"context": run.context}),
            "sampling": config.sampling.model_copy(update={"temperature": run.temperature}),
        }
    )


def _read_examples(data: Path, first_step: int) -> "Sequence[Example]":
    from shop_r1.data.archive import outlines
    from shop_r1.data.examples import list_examples

    sessions = open_archive(data)
    spaces = {session.space for session in outlines(sessions)}
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


def _tell_budget(
    run: Run, examples: "Sequence[Example]", predictions: "Sequence[Prediction]", model: "LocalModel"
) -> None:
    """Write `context.json`, what the pages took and what the budget cut, and say it."""
    from shop_r1.jsonl import write_json

    pages: dict[bytes, dict[str, Any]] = {}
    for example in examples:
        for step in example.session.steps[: example.step + 1]:
            # By digest: the pages of many sessions together need not fit in memory.
            digest = hashlib.sha256(step.page.html.encode()).digest()
            if digest not in pages:
                pages[digest] = {"url": step.page.url, "tokens": model.count_tokens(step.page.html)}
    prompts = [prediction.prompt_tokens or 0 for prediction in predictions]
    cut = sum(prediction.pages_cut or 0 for prediction in predictions)
    truncated = sum(bool(prediction.page_truncated) for prediction in predictions)
    counts = {"prompts": len(prompts), "pages_cut": cut, "prompts_truncated": truncated}
    write_json(run.folder / "context.json", counts | {"pages": list(pages.values())})
    lengths = [page["tokens"] for page in pages.values()]
    remark(
        f"{len(pages)} pages of {median(lengths):,.0f} tokens at the median, {max(lengths):,} at most; "
        f"{len(prompts)} prompts of {median(prompts):,.0f} at the median, {max(prompts):,} at most; the "
        f"budget took {cut} earlier pages' bodies and part of the current page in {truncated} prompts"
    )


def _write_results(folder: Path, predictions: "Sequence[Prediction]", metrics: "Metrics") -> None:
    from shop_r1.jsonl import write_json, write_records

    write_records(folder / "predictions.jsonl", predictions)
    write_json(folder / "metrics.json", _dump(metrics))


def _dump(metrics: "Metrics") -> dict[str, Any]:
    return metrics.model_dump(mode="json")


def _write_tables(out: Path, rows: "Sequence[TableRow]", space: "ActionSpace") -> None:
    from shop_r1.evaluation.tables import to_markdown, write_table
    from shop_r1.jsonl import write_text

    write_table(out / "table.json", rows)
    write_text(out / "table.md", "\n".join(to_markdown(grid) for grid in _grids(rows, space)))


def _as_text(rows: "Sequence[TableRow]", space: "ActionSpace") -> str:
    from shop_r1.evaluation.tables import to_text

    return "\n".join(to_text(grid) for grid in _grids(rows, space)).rstrip("\n")


def _grids(rows: "Sequence[TableRow]", space: "ActionSpace") -> list[Any]:
    from shop_r1.evaluation import tables

    grids = [tables.main_grid(rows), tables.per_type_grid(rows), tables.mix_grid(rows, space)]
    if len({row.temperature for row in rows}) > 1:
        grids.append(tables.temperature_grid(rows))
    if len({row.context for row in rows}) > 1:
        grids.append(tables.context_grid(rows))
    return grids

"""`evaluate`: what a model, or a file of predictions, is worth."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from shop_r1.cli.jobs import NO_RAY, Ray, RayOptions, RayWorkers
from shop_r1.cli.models import Policy, is_endpoint
from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.outputs import Force, check_apart, check_folder
from shop_r1.cli.terminal.settings_list import ListSettings
from shop_r1.cli.terminal.training_run import Words
from shop_r1.errors import ConfigError, DataError
from shop_r1.runs import CACHE, RunFolder, make_record

if TYPE_CHECKING:
    from shop_r1.datasets.examples import Example
    from shop_r1.evaluation.results_folder import Condition, Evaluation, Scored
    from shop_r1.evaluation.similarity.rules import Rule


def evaluate(
    settings: Words = None,
    model: Annotated[
        str | None,
        Option(
            "--model",
            metavar="NAME",
            help="base, a checkpoint folder, a name of shop-r1 model list, or one on the hub; or a model "
            "over a network: openai:MODEL, openai:MODEL@URL, anthropic:MODEL, bedrock:MODEL.",
        ),
    ] = None,
    data: Annotated[Path | None, Option(metavar="sessions.jsonl", help="Held-out sessions.")] = None,
    out: Annotated[Path | None, Option(metavar="DIR", help="Where the results go.")] = None,
    temperature: Annotated[
        list[float] | None, Option(min=0.0, help="0 is greedy; give several for a sweep.")
    ] = None,
    context: Annotated[
        list[str] | None, Option(help="whole-session or latest-step; give both to compare.")
    ] = None,
    first_step: Annotated[int, Option(min=0, help="Steps before this one are given, not predicted.")] = 1,
    setting: Annotated[
        str | None, Option(help="The table's name for it; zero-shot, sft, shop-r1 get the paper's row.")
    ] = None,
    predictions: Annotated[
        Path | None, Option(metavar="FILE", help="Score these predictions instead of a model's.")
    ] = None,
    space: Annotated[str, Option(help="Action space of --predictions: shop or opera.")] = "shop",
    max_cost: Annotated[
        float | None,
        Option(min=0.0, metavar="USD", help="Over a network: send nothing that could cost more."),
    ] = None,
    concurrency: Annotated[
        int | None, Option(min=1, help="Over a network: requests in flight at most.")
    ] = None,
    cache: Annotated[
        Path | None,
        Option(metavar="FILE", help="Over a network: where completions are kept [DIR/completions.jsonl]."),
    ] = None,
    similarity_threshold: Annotated[
        float,
        Option(min=0.0, max=1.0, help="Typed texts with a ROUGE-L above this also count as similar."),
    ] = 0.75,
    embedding: Annotated[
        Path | None,
        Option(metavar="FOLDER", help="A sentence encoder that also says which typed texts are similar."),
    ] = None,
    embedding_threshold: Annotated[
        float | None, Option(metavar="COSINE", help="Texts with a cosine above this count as similar [0.85].")
    ] = None,
    related_metrics: Annotated[
        bool, Option("--related-metrics", help="Also print the metrics of related papers.")
    ] = False,
    as_json: Annotated[bool, Option("--json", help="The metrics as JSON on stdout.")] = False,
    ray: Ray = None,
    ray_workers: RayWorkers = None,
    force: Force = False,
    list_settings: ListSettings = False,
) -> None:
    """Predict held-out steps with a model, or read predictions, and score them.

    A run that was interrupted goes on when the same command is given again.

    Example: shop-r1 evaluate --model runs/grpo --data test.jsonl --out runs/evaluation --temperature 0
    """
    rules = _list_rules(similarity_threshold, embedding, embedding_threshold)
    where = RayOptions(ray, ray_workers)
    if predictions is not None:
        if model is not None or data is not None:
            raise ConfigError("--predictions takes the place of --model and --data")
        if where != NO_RAY:
            raise ConfigError("--ray is for a model that predicts, and --predictions were made before")
        scored = _score_file(predictions, space, setting, out, force, rules)
        _print_results([scored], as_json, related_metrics)
        return
    if model is None or data is None or out is None:
        raise ConfigError("evaluate needs --model, --data and --out, or --predictions FILE")
    inputs: list[Path | str] = [data, model, *(settings or []), *([embedding] if embedding else [])]
    check_folder(out, inputs, force=force or RunFolder(out).settings.exists(), leftovers=(CACHE,))
    if cache is not None:
        check_apart(cache, inputs)
    from shop_r1.evaluation.results_folder import Evaluation

    policy = _open_policy(model, settings or [], max_cost, concurrency, cache, where)
    conditions = _list_conditions(policy, context, temperature, out)
    examples = _read_examples(data, first_step)
    name = setting or (model.partition("@")[0] if is_endpoint(model) else Path(model).name)
    evaluation = Evaluation(model, data, out, first_step, name, conditions, examples, rules, force)
    found = _evaluate(evaluation, policy)
    _print_results(found, as_json, related_metrics)
    console.note(f"Results are in {out}")
    console.print_next("report", out, to_stderr=True)


def _open_policy(
    model: str,
    words: Sequence[str],
    max_cost: float | None,
    concurrency: int | None,
    cache: Path | None,
    where: RayOptions,
) -> Policy:
    """Return the policy of a model's name; only one over a network takes cost, concurrency and cache."""
    if is_endpoint(model):
        from shop_r1.cli.models.endpoint import endpoint_policy

        return endpoint_policy(words, max_cost, concurrency, cache, where)
    network = {"--max-cost": max_cost, "--concurrency": concurrency, "--cache": cache}
    if given := [name for name, value in network.items() if value is not None]:
        raise ConfigError(f"{given[0]} is for a model over a network, and {model!r} is a checkpoint")
    from shop_r1.cli.models.checkpoint import checkpoint_policy

    return checkpoint_policy(words, model, where)


def _list_rules(
    threshold: float, embedding: Path | None, embedding_threshold: float | None
) -> "tuple[Rule, ...]":
    """Return the rules of similar meaning; the one of an embedding where its folder is given."""
    from shop_r1.evaluation.similarity.rules import EMBEDDING_THRESHOLD, list_rules

    rules = list_rules(threshold)
    if embedding is None:
        if embedding_threshold is not None:
            raise ConfigError("--embedding-threshold is for --embedding FOLDER, which is not given")
        return rules
    from shop_r1.cli.terminal.checkpoints import hide_loading
    from shop_r1.evaluation.similarity.embedding import embedding_rule

    hide_loading()
    cosine = EMBEDDING_THRESHOLD if embedding_threshold is None else embedding_threshold
    return (*rules, embedding_rule(embedding, cosine))


def _list_conditions(
    policy: Policy, contexts: Sequence[str] | None, temperatures: Sequence[float] | None, out: Path
) -> "tuple[Condition, ...]":
    """Return each context with each temperature, the policy's where none is given; several get a folder each.

    Raises:
        ConfigError: a context is unknown, or temperatures are given to an endpoint that is sent none.
    """
    from shop_r1.evaluation.results_folder import Condition

    if temperatures and policy.temperature is None:
        raise ConfigError("--temperature contradicts sampling.send_temperature=false; leave one out")
    for context in contexts or ():
        console.check_choice("--context", context, ("whole-session", "latest-step"))
    values: Sequence[float | None] = temperatures or [policy.temperature]
    pairs = dict.fromkeys(product(contexts or [policy.context], values))
    found = [Condition(context, temperature, out) for context, temperature in pairs]
    return tuple(replace(each, folder=out / each.label) for each in found) if len(found) > 1 else tuple(found)


def _evaluate(evaluation: "Evaluation", policy: Policy) -> "list[Scored]":
    """Score the predictions under each condition, write its files at once, and at the end all tables."""
    from shop_r1.evaluation.context_cost import describe_context, measure_context
    from shop_r1.evaluation.invalid_responses import explain_invalid
    from shop_r1.evaluation.results_folder import score_predicted, write_results, write_tables
    from shop_r1.jsonl import write_json

    found = []
    for predicted in policy.predict(evaluation):
        scored = score_predicted(evaluation, predicted)
        folder = predicted.condition.folder
        write_results(folder, predicted.predictions, scored)
        cost = measure_context(evaluation.examples, predicted)
        write_json(folder / "context.json", cost.model_dump(exclude_none=True))
        for note in describe_context(cost, predicted):
            console.note(note)
        if invalid := explain_invalid(scored.row, is_endpoint=predicted.estimated):
            console.note(invalid)
        found.append(scored)
    write_tables(evaluation.out, found)
    return found


def _score_file(
    path: Path, space: str, setting: str | None, out: Path | None, force: bool, rules: "Sequence[Rule]"
) -> "Scored":
    """Score recorded predictions, and write the results where a folder is given."""
    from shop_r1.evaluation.recorded import read_action_predictions
    from shop_r1.evaluation.results_folder import begin_results, score_recorded, write_results, write_tables
    from shop_r1.records.actions import find_space

    if out is not None:
        check_folder(out, [path], force=force or RunFolder(out).settings.exists(), leftovers=(CACHE,))
    known = find_space(space)
    predictions = read_action_predictions(path, known)
    scored = score_recorded(setting or path.stem, predictions, known, rules)
    if out is not None:
        begin_results(out, make_record({"space": space}, [path], command="evaluate"), force=force)
        write_results(out, predictions, scored)
        write_tables(out, [scored])
    return scored


def _print_results(found: "Sequence[Scored]", as_json: bool, related: bool) -> None:
    """Print the tables, or the metrics as JSON, with the related-work metrics if they are wanted."""
    from shop_r1.evaluation.related_metrics import related_grid
    from shop_r1.evaluation.tables import list_grids, to_text

    if as_json:
        values = [scored.to_json(related) for scored in found]
        console.print_json(values if len(values) > 1 else values[0], indent=1)
        return
    grids = list_grids([scored.row for scored in found])
    if related:
        grids += [related_grid(scored.row.setting, scored.related) for scored in found]
    console.echo("\n".join(map(to_text, grids)).rstrip("\n"))


def _read_examples(data: Path, first_step: int) -> "Sequence[Example]":
    from shop_r1.datasets.examples import example_outlines, list_examples
    from shop_r1.datasets.session_files import outlines
    from shop_r1.importers.masking import refuse_masked

    sessions = console.open_sessions(data)
    spaces = {session.space for session in outlines(sessions)}
    if len(spaces) > 1:
        raise DataError.at(data, None, f"mixes the action spaces {', '.join(sorted(spaces))}; expected one")
    examples = list_examples(sessions, first_step)
    for each in example_outlines(examples):
        refuse_masked(f"{data}: session {each.session_id}, step {each.step}", each.action)
    if not examples:
        raise DataError.at(
            data,
            None,
            f"no session has a step {first_step} to predict (steps count from 0); for sessions of one step, "
            "as `data import pages` makes them, add --first-step 0",
        )
    return examples

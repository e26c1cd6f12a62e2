"""The policy of `evaluate --model` that is a checkpoint on this machine."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from shop_r1.cli.jobs import NO_RAY, RayOptions, joined_cluster
from shop_r1.cli.models import Policy
from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.checkpoints import fit_prompt, load, model_folder, report_template, trained_prompt
from shop_r1.evaluation import results_folder as results
from shop_r1.evaluation.predict import PredictConfig, RunBatches, predict
from shop_r1.evaluation.prediction_log import PredictionLog
from shop_r1.models.precision import choose_precision
from shop_r1.models.pretrained import BUNDLED
from shop_r1.runs import digest_record, make_record


def checkpoint_policy(words: Sequence[str], model: str, where: RayOptions = NO_RAY) -> Policy:
    """Return a checkpoint as the settings have it; what they leave open of prompts is as in its training.

    It predicts here, or on each worker of a Ray cluster.
    """
    trained = trained_prompt(model)
    config = console.read_settings(PredictConfig, words, {"prompt": trained} if trained else None)
    if trained:
        now = config.prompt.model_dump(mode="json")
        other = [f"{name}={now[name]}" for name, value in trained.items() if now[name] != value]
        console.note(
            f"Prompts as {model} was trained with: at most {trained['max_tokens']:,} tokens, "
            f"{trained['context']}" + (f"; but as given, {', '.join(other)}" if other else "")
        )
    return Policy(config.prompt.context, config.sampling.temperature, partial(_predict_runs, config, where))


def _predict_runs(
    config: PredictConfig, where: RayOptions, job: results.Evaluation
) -> Iterator[results.Predicted]:
    """Load the checkpoint and yield its predictions under each condition.

    What is predicted is written at once, and what an earlier run of the same predicted is not made again.
    """
    model = load(job.model)
    template = report_template(job.model, model.tokenizer, config.prompt)
    prompt = fit_prompt(config.prompt, job.model, needed=config.sampling.max_new_tokens)
    precision = choose_precision(config.bf16, model.model.device.type)
    console.note(str(precision))
    settings = config.model_copy(update={"prompt": prompt, "bf16": precision.bf16})
    start = BUNDLED.get(job.model) or model_folder(job.model)
    inputs = [job.data, *([] if start is None else [start])]
    resolved = settings.model_dump(mode="json") | job.record()
    record = make_record(resolved, inputs, config.seed, command="evaluate", chat_template=template)
    free = ("data", "model") if Path(job.model).exists() else ("data",)
    results.begin_results(job.out, record, force=job.force, free=free, same_versions=True)
    identity = digest_record(record, free)
    for run in job.conditions:
        partial_file, file = run.folder / results.PARTIAL, run.folder / results.PREDICTIONS
        found = results.read_finished(run, job.examples)
        if found is not None:
            console.note(f"{file}: all {len(found)} predictions were made in an earlier run")
        else:
            with PredictionLog(partial_file, identity) as log:
                if log.kept:
                    ending = "; the last line was incomplete and is made again" if log.is_incomplete else ""
                    of = f"{log.kept} of {len(job.examples)} predictions"
                    console.note(f"{log.path}: going on after {of}{ending}")
                asked = run.apply(settings)
                with _runner(where, job, asked) as runner, console.progress(run.label) as move:
                    found = predict(model, job.examples, asked, move, log, runner)
        yield results.Predicted(run, found, model.count_tokens)
        partial_file.unlink(missing_ok=True)  # By now they are in the file of all predictions.


@contextmanager
def _runner(where: RayOptions, job: results.Evaluation, config: PredictConfig) -> Iterator[RunBatches | None]:
    """Yield what runs batches on the workers of a Ray cluster; None: they are run here.

    A worker has as many cores as torch has threads here, so that it computes the same to the last bit.
    """
    if where.address is None:
        yield None
        return
    import torch

    from shop_r1.jobs.predictions import PredictFunction, run_batches_on

    threads = torch.get_num_threads()
    function = PredictFunction(job.model, job.examples, config, threads)
    with joined_cluster(where.address, where.workers, cpus=threads) as cluster:
        yield None if cluster is None else partial(run_batches_on, cluster, function)

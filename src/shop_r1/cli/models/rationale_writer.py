"""The model that writes rationales: what it will cost, its requests, and the sessions that come of them."""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from shop_r1.cli.jobs import NO_RAY, RayOptions, joined_cluster, opened_endpoint
from shop_r1.cli.models import NO_PRICE, is_endpoint, request_bar
from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.outputs import check_apart, check_output
from shop_r1.datasets import with_rationales
from shop_r1.datasets.rationale_requests import (
    Plan,
    RationaleConfig,
    check_completions,
    collect_plan,
    plan_requests,
)
from shop_r1.datasets.session_files import read_sessions
from shop_r1.endpoints.batch import Estimate, Outcome, Progress, estimate, send_all
from shop_r1.endpoints.pricing import Price, choose_price
from shop_r1.endpoints.protocol import Endpoint
from shop_r1.endpoints.providers import open_endpoint
from shop_r1.endpoints.response_cache import ResponseCache, request_key
from shop_r1.errors import ConfigError, ShopR1Error
from shop_r1.pages.tokens import CountTokens, estimate_tokens
from shop_r1.runs import digest_file

if TYPE_CHECKING:
    from shop_r1.jobs.cluster import Cluster

_DAY_S = 86_400.0


@dataclass(frozen=True)
class _Writer:
    """The model that writes, how its tokens are counted and paid, and the settings adapted to it."""

    name: str
    open: Callable[[], Endpoint]
    count_tokens: CountTokens
    price: Price | None
    config: RationaleConfig
    is_local: bool


def write(
    data: Path,
    model: str,
    out: Path,
    words: Sequence[str],
    max_cost: float | None,
    cache: Path | None,
    only_estimate: bool,
    keep_failed: bool,
    force: bool,
    where: RayOptions = NO_RAY,
) -> None:
    """Have the model write the rationales that sessions lack; the arguments are the command's options."""
    is_local = not is_endpoint(model)
    if is_local and where != NO_RAY:
        raise ConfigError(
            f"--ray sends requests to a model over a network, and {model!r} is a checkpoint; serve it, and "
            "give openai:MODEL@URL"
        )
    path = cache or with_rationales.beside(out, "completions.jsonl")
    _check_places(data, model, out, path, force or only_estimate)
    config = console.read_settings(RationaleConfig, words, None, **{"requests.max_cost_usd": max_cost})
    out.parent.mkdir(parents=True, exist_ok=True)
    with (
        joined_cluster(where.address, where.workers) as cluster,
        tempfile.TemporaryFile(dir=out.parent) as spool,
        ResponseCache(path) as completions,
    ):
        if completions.is_incomplete:
            console.note(
                f"{path}: its last line is incomplete, since a run was interrupted; it is sent again"
            )
        writer = _prepare(model, is_local, config, completions)
        if not only_estimate:
            writer.open()  # A missing key is reported now, not after minutes of reading.
        with console.progress("Reading", noted=True) as move:
            plan = _plan(data, writer, spool, move, cluster)
            move(plan.sessions, plan.sessions)
        _show_estimate(plan, writer, completions)
        if only_estimate:
            if not len(completions):
                path.unlink()  # It was only opened to count what it holds.
            return
        outcomes = _send(writer, plan, completions, cluster)
        written = with_rationales.write_rationales(read_sessions(data), out, plan, outcomes, keep_failed)
        with_rationales.mark_written(out)
        _show_result(written, out, plan, keep_failed)


def _check_places(data: Path, model: str, out: Path, cache: Path, force: bool) -> None:
    """Check that nothing is lost: only what an earlier run of the same wrote may be replaced.

    Raises:
        ConfigError: the sessions, the output and the cache are not three files, or another file is there.
    """
    if len({path.resolve() for path in (data, out, cache)}) < 3:
        raise ConfigError("the sessions, --out and --cache are to be three files; give another name")
    failed = with_rationales.failed_path(out)
    own = {out: with_rationales.is_written, failed: with_rationales.is_list_of_failures}
    for place, is_own in own.items():
        check_output(place, [data, model, cache], force=force, is_own=is_own)
    check_apart(cache, [data, model])


def _prepare(name: str, is_local: bool, config: RationaleConfig, cache: ResponseCache) -> _Writer:
    price = choose_price(config.price, name, config.max_tokens, config.requests.max_cost_usd)
    if not is_local:
        connect = partial(open_endpoint, name, config.requests, console.note)
        return _Writer(name, connect, estimate_tokens, price, config, is_local)
    from shop_r1.cli.terminal.checkpoints import load, longest_context
    from shop_r1.endpoints.checkpoint_endpoint import CheckpointEndpoint
    from shop_r1.models.checkpoint import resolve_model
    from shop_r1.models.precision import choose_precision
    from shop_r1.models.sampling import Sampling

    model = load(name)
    longest = longest_context(name)
    budget = min(config.max_tokens, longest or config.max_tokens)
    if budget < config.max_tokens:
        console.note(f"Prompt budget: {budget} tokens, which is all that {name!r} can read")
    folder = Path(resolve_model(name))
    # Other weights in the same folder are another model, with completions of its own.
    key = f"local:{name}" + (f"@{digest_file(folder)[:12]}" if folder.is_dir() else "")
    # One at a time; a slow machine may take long for a completion.
    requests = config.requests.model_copy(update={"concurrency": 1, "timeout_s": _DAY_S})
    console.note(str(choose_precision(config.bf16, model.model.device.type)))
    endpoint = CheckpointEndpoint(
        key,
        model,
        Sampling(),
        lambda request: len(cache.completions(request_key(key, request))),
        longest,
        config.bf16,
    )
    config = config.model_copy(update={"max_tokens": budget, "requests": requests})
    return _Writer(key, lambda: endpoint, model.count_tokens, price, config, is_local)


def _plan(
    data: Path, writer: _Writer, spool: IO[bytes], move: Callable[[int], None], cluster: "Cluster | None"
) -> Plan:
    """Return what the sessions need, found here or by a cluster's workers."""
    if cluster is None:
        return plan_requests(read_sessions(data), writer.config, writer.count_tokens, spool, move)
    from shop_r1.jobs.sessions import DraftWork, map_sessions

    return collect_plan(map_sessions(data, DraftWork(writer.config), cluster), spool, move)


def _show_estimate(plan: Plan, writer: _Writer, cache: ResponseCache) -> None:
    """Show what the requests will take, before anything is sent."""
    with console.progress("Counting", len(plan.requests), noted=True) as move:
        found = estimate(writer.name, plan.requests, cache, writer.price, move)
    complete = plan.sessions - len(plan.planned) - len(plan.failed)
    sessions = f"{len(plan.planned)} without all rationales, {complete} complete"
    if plan.failed:
        sessions += f", {len(plan.failed)} whose actions alone exceed the budget"
    read = f"about {found.usage.input_tokens:,} tokens"
    if plan.pages_cut or plan.pages_shortened:
        read += f"; the budget cut {plan.pages_cut} pages and shortened {plan.pages_shortened}"
    console.print_table(
        [
            ("sessions", f"{plan.sessions}: {sessions}"),
            ("rationales", f"{plan.requested} to be written, {plan.existing} kept"),
            ("requests", f"{found.requests - found.cached} to be sent, {found.cached} in the cache"),
            ("input", read),
            ("output", f"{found.usage.output_tokens:,} tokens at most"),
            ("cost", _describe_cost(found, writer)),
        ]
    )


def _describe_cost(found: Estimate, writer: _Writer) -> str:
    if found.cost_usd is None:
        return "none, the model runs here" if writer.is_local else NO_PRICE
    cap = writer.config.requests.max_cost_usd
    over = cap is not None and found.cost_usd > cap
    stop = f"; the cap of {cap:g} USD may stop it before the end" if over else ""
    return f"{found.cost_usd:,.2f} USD at most, if no completion is rejected{stop}"


def _send(writer: _Writer, plan: Plan, cache: ResponseCache, cluster: "Cluster | None") -> Sequence[Outcome]:
    """Return the outcome of each request, sent from here or by a cluster's workers, and show their cost."""
    if not plan.planned:
        return []
    last: list[Progress] = []

    async def send(show: Callable[[Progress], None]) -> list[Outcome]:
        def report(now: Progress) -> None:
            last[:] = [now]
            show(now)

        config, check = writer.config.requests, check_completions(plan)
        with opened_endpoint(writer.name, config, writer.open, console.note, cluster) as endpoint:
            try:
                return await send_all(endpoint, plan.requests, config, cache, writer.price, check, report)
            finally:
                await endpoint.close()

    try:
        with request_bar() as show:
            outcomes = asyncio.run(send(show))
    except (KeyboardInterrupt, ShopR1Error):
        console.note(
            f"{len(cache)} completions are kept in {cache.path}; give the same command again to go on"
        )
        raise
    (end,) = last
    cost = "" if end.cost_usd is None else f", {end.cost_usd:,.2f} USD"
    console.echo(
        f"completions: {end.usage.input_tokens:,} input tokens, {end.usage.output_tokens:,} output "
        f"tokens{cost}; {end.retries} attempts were repeated"
    )
    return outcomes


def _show_result(written: with_rationales.Written, out: Path, plan: Plan, keep_failed: bool) -> None:
    console.echo(
        f"{out}: {written.sessions} of {plan.sessions} sessions; {written.rationales} rationales written, "
        f"{plan.existing} kept"
    )
    if written.failed:
        reasons = with_rationales.count_reasons(written.failed)
        fate = "written as they were" if keep_failed else "left out"
        console.note(
            f"sessions without rationales: {len(written.failed)} ({reasons}); they are {fate} and listed in "
            f"{with_rationales.failed_path(out)}"
        )
    console.print_next("sft --data", out, "--out", console.unused_path("runs/sft"))

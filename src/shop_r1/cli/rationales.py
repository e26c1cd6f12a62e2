"""`rationales`: have a model say why customers did what their sessions hold."""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shop_r1.cli.terminal.console import print_line, print_note, print_table, read_settings
from shop_r1.cli.terminal.next_command import print_next, unused_path
from shop_r1.cli.terminal.outputs import Force, check_apart, check_output
from shop_r1.cli.terminal.request_progress import describe_progress, noted_bar, open_remote
from shop_r1.cli.terminal.settings_list import ListSettings
from shop_r1.errors import ConfigError, ShopR1Error
from shop_r1.records.sessions import Session

if TYPE_CHECKING:
    from shop_r1.datasets.rationale_requests import Plan, RationaleConfig
    from shop_r1.datasets.with_rationales import Written
    from shop_r1.endpoints.batch import Estimate, Outcome, Progress
    from shop_r1.endpoints.protocol import Endpoint, Price
    from shop_r1.endpoints.response_cache import AnswerCache
    from shop_r1.pages.tokens import CountTokens

ENDPOINTS = ("openai", "anthropic", "bedrock")
"""What a model's name begins with, before a colon, if it answers over a network."""
NO_PRICE = "no price known: give price.input_usd and price.output_usd"
_DAY_S = 86_400.0


def rationales(
    data: Annotated[Path, typer.Argument(metavar="SESSIONS.jsonl", help="Sessions that lack rationales.")],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="NAME",
            help="anthropic:MODEL, bedrock:MODEL, openai:MODEL (each with @URL for another place), or a "
            "checkpoint here: base, a folder, a name on the hub.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="WITH.jsonl", help="Where to write (.jsonl, .jsonl.zst).")
    ],
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="CONFIG.toml|key=value", help="Settings; the last word wins."),
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(min=0.0, metavar="USD", help="Send nothing that could cost more in all.")
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where answers are kept [WITH.answers.jsonl beside --out]."),
    ] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Say what it would cost; ask nothing.")
    ] = False,
    keep_failed: Annotated[
        bool, typer.Option("--keep-failed", help="Also write sessions that no rationales came for.")
    ] = False,
    force: Force = False,
    list_settings: ListSettings = False,
) -> None:
    """Have a model write the rationales that sessions lack: why the customer did what was recorded.

    A run that was cut off, by whatever, goes on when the same command is given again: every answer is kept.

    Example: shop-r1 rationales train.jsonl --model anthropic:claude-3-5-sonnet-20241022 --out with.jsonl
    --max-cost 50
    """
    from shop_r1.datasets.rationale_requests import RationaleConfig, plan_requests
    from shop_r1.datasets.with_rationales import answers_path, mark_written, write_rationales
    from shop_r1.endpoints.response_cache import AnswerCache
    from shop_r1.endpoints.secrets import refuse_secret_name
    from shop_r1.jsonl import read_records

    refuse_secret_name(model)
    kept = cache or answers_path(out)
    _check_places(data, model, out, kept, force or estimate)
    config = read_settings(RationaleConfig, settings or [], None, **{"ask.max_cost_usd": max_cost})
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=out.parent) as spool, AnswerCache(kept) as answers:
        if answers.dropped_lines:
            print_note(f"{kept}: its last line was torn when an earlier run was cut off; that answer is lost")
        writer = _open_writer(model, config, answers)
        if not estimate:
            writer.open()  # A missing key is told before minutes of reading, not after; nothing is sent.
        with noted_bar("Reading") as move:
            sessions, count = read_records(data, Session), writer.count_tokens
            plan = plan_requests(sessions, writer.config, count, spool, move)
            move(plan.sessions, plan.sessions)
        _tell_estimate(plan, writer, answers)
        if estimate:
            if not len(answers):
                kept.unlink()  # It was only opened to see what it has.
            return
        outcomes = _ask(writer, plan, answers, kept)
        written = write_rationales(read_records(data, Session), out, plan, outcomes, keep_failed)
        mark_written(out)
        _tell_end(written, out, plan, keep_failed)


def _check_places(data: Path, model: str, out: Path, kept: Path, force: bool) -> None:
    """Make sure that nothing is lost: what an earlier run of the same wrote may be replaced.

    Raises:
        ConfigError: the sessions, the output and the answers are not three files, or another file is there.
    """
    from shop_r1.datasets.with_rationales import failed_path, is_list_of_failures, is_written

    if len({path.resolve() for path in (data, out, kept)}) < 3:
        raise ConfigError("the sessions, --out and --cache are to be three files; give another name")
    check_output(out, [data, model, kept], force=force, is_own=is_written)
    check_output(failed_path(out), [data, model, kept], force=force, is_own=is_list_of_failures)
    check_apart(kept, [data, model])


@dataclass(frozen=True)
class _Writer:
    """Who writes, how its tokens are counted and paid, and the settings as it needs them."""

    name: str
    open: "Callable[[], Endpoint]"
    count_tokens: "CountTokens"
    price: "Price | None"
    config: "RationaleConfig"
    is_local: bool = False
    notes: list[str] = field(default_factory=list)
    """What the server refused of a request's form, and how it was asked instead."""


def _open_writer(name: str, config: "RationaleConfig", answers: "AnswerCache") -> _Writer:
    if name.partition(":")[0] not in ENDPOINTS:
        return _open_checkpoint(name, config, answers)
    from shop_r1.endpoints.pricing import find_price, settle_price
    from shop_r1.pages.tokens import estimate_tokens

    price = settle_price(config.price, find_price(name), config.ask.max_cost_usd)
    notes: list[str] = []
    open_it = partial(open_remote, name, config.ask, notes.append)
    return _Writer(name, open_it, estimate_tokens, price, config, notes=notes)


def _open_checkpoint(name: str, config: "RationaleConfig", answers: "AnswerCache") -> _Writer:
    from shop_r1.cli.terminal.checkpoints import load, longest_context
    from shop_r1.endpoints.checkpoint_endpoint import LocalEndpoint
    from shop_r1.endpoints.pricing import settle_price
    from shop_r1.endpoints.response_cache import request_key
    from shop_r1.models.checkpoint import resolve_model
    from shop_r1.models.precision import choose_precision
    from shop_r1.models.sampling import Sampling
    from shop_r1.runs import digest_file

    price = settle_price(config.price, None, config.ask.max_cost_usd)
    model = load(name)
    longest = longest_context(name)
    budget = min(config.max_tokens, longest or config.max_tokens)
    if budget < config.max_tokens:
        print_note(f"Prompt budget: {budget} tokens, which is all that {name!r} can read")
    folder = Path(resolve_model(name))
    # Other weights in the same folder are another writer, whose answers are not these.
    key = f"local:{name}" + (f"@{digest_file(folder)[:12]}" if folder.is_dir() else "")
    # One at a time, and a long completion on a slow machine is no fault.
    ask = config.ask.model_copy(update={"concurrency": 1, "timeout_s": _DAY_S})
    print_note(str(choose_precision(config.bf16, model.model.device.type)))
    endpoint = LocalEndpoint(
        key,
        model,
        Sampling(),
        lambda request: len(answers.answers(request_key(key, request))),
        longest,
        config.bf16,
    )
    config = config.model_copy(update={"max_tokens": budget, "ask": ask})
    return _Writer(key, lambda: endpoint, model.count_tokens, price, config, is_local=True)


def _tell_estimate(plan: "Plan", writer: _Writer, answers: "AnswerCache") -> None:
    """Say what asking will take, before anything is asked."""
    from shop_r1.endpoints.batch import estimate

    with noted_bar("Counting", len(plan.requests)) as move:
        found = estimate(writer.name, plan.requests, answers, writer.price, move)
    sessions = (
        f"{len(plan.asked)} to ask about, {plan.sessions - len(plan.asked) - len(plan.failed)} complete"
    )
    if plan.failed:
        sessions += f", {len(plan.failed)} whose actions alone pass the budget"
    read = f"about {found.input_tokens:,} tokens"
    if plan.pages_cut or plan.pages_shortened:
        read += f"; the budget cut {plan.pages_cut} pages and shortened {plan.pages_shortened}"
    print_table(
        [
            ("sessions", f"{plan.sessions}: {sessions}"),
            ("rationales", f"{plan.asked_rationales} to be written, {plan.kept_rationales} kept"),
            ("calls", f"{found.requests - found.cached}; {found.cached} more are answered already"),
            ("input", read),
            ("output", f"{found.output_tokens:,} tokens at most"),
            ("cost", _tell_cost(found, writer)),
        ]
    )


def _tell_cost(found: "Estimate", writer: _Writer) -> str:
    if found.cost_usd is None:
        return "none, the model runs here" if writer.is_local else NO_PRICE
    cap = writer.config.ask.max_cost_usd
    over = cap is not None and found.cost_usd > cap
    stop = f"; the cap of {cap:g} USD may stop it before the end" if over else ""
    return f"{found.cost_usd:,.2f} USD at most, with each call answered once{stop}"


def _ask(writer: _Writer, plan: "Plan", answers: "AnswerCache", kept: Path) -> "Sequence[Outcome]":
    """Return what came of each question, and say what it took."""
    if not plan.asked:
        return []
    told: list[Progress] = []
    try:
        with noted_bar("Asking", len(plan.asked)) as move:

            def report(progress: "Progress") -> None:
                told[:] = [progress]
                move(progress.done, note=describe_progress(progress))

            outcomes = asyncio.run(_ask_all(writer, plan, answers, report))
    except (KeyboardInterrupt, ShopR1Error):
        print_note(f"{len(answers)} answers are kept in {kept}; give the same command again to go on")
        raise
    finally:
        for note in writer.notes:
            print_note(note)
    (last,) = told
    cost = "" if last.spent_usd is None else f", {last.spent_usd:,.2f} USD"
    print_line(
        f"answers took {last.input_tokens:,} tokens in and {last.output_tokens:,} out{cost}; "
        f"{last.retries} tries were repeated"
    )
    return outcomes


async def _ask_all(
    writer: _Writer, plan: "Plan", answers: "AnswerCache", report: "Callable[[Progress], None]"
) -> "Sequence[Outcome]":
    from shop_r1.datasets.rationale_requests import acceptance
    from shop_r1.endpoints.batch import ask_all

    endpoint = writer.open()
    try:
        accept = acceptance(plan)
        return await ask_all(
            endpoint, plan.requests, writer.config.ask, answers, writer.price, accept, report
        )
    finally:
        await endpoint.close()


def _tell_end(written: "Written", out: Path, plan: "Plan", keep_failed: bool) -> None:
    from shop_r1.datasets.with_rationales import failed_path

    print_line(
        f"{out}: {written.sessions} of {plan.sessions} sessions; {written.rationales} rationales written, "
        f"{plan.kept_rationales} kept"
    )
    if written.failed:
        reasons = ", ".join(f"{reason} {count}" for reason, count in written.reasons.items())
        fate = "written as they were" if keep_failed else "left out"
        print_note(
            f"sessions without rationales: {len(written.failed)} ({reasons}); they are {fate} and listed in "
            f"{failed_path(out)}"
        )
    print_next("sft", "--data", out, "--out", unused_path("runs/sft"))

"""`shop-r1`: one command for each stage. Every error becomes one line here, and an exit code.

Exit codes: 0 done; 1 an internal error, or a check that failed (`data validate`, `doctor`, `journey`);
2 invalid input; 130 interrupted by Ctrl-C; 141 stdout was closed; 143 ended by SIGTERM.
"""

import os
import sys
import traceback
from collections.abc import Sequence

import typer

from shop_r1.cli.backtest.backtest import backtest
from shop_r1.cli.card import card
from shop_r1.cli.comparison.compare import compare
from shop_r1.cli.comparison.fidelity import fidelity
from shop_r1.cli.data import data, imports
from shop_r1.cli.data.balance import balance
from shop_r1.cli.data.convert import convert
from shop_r1.cli.data.import_log import import_session_log
from shop_r1.cli.data.import_opera import import_opera
from shop_r1.cli.data.import_pages import import_saved_pages
from shop_r1.cli.data.import_rrweb import import_rrweb
from shop_r1.cli.data.personas import personas
from shop_r1.cli.data.split import split
from shop_r1.cli.data.stats import stats
from shop_r1.cli.data.validate import validate
from shop_r1.cli.demo import demo
from shop_r1.cli.doctor import doctor
from shop_r1.cli.evaluate import evaluate
from shop_r1.cli.grpo import grpo
from shop_r1.cli.journey.journey import journey
from shop_r1.cli.pretrained import model
from shop_r1.cli.pretrained.convert import convert as convert_model
from shop_r1.cli.pretrained.fetch import fetch
from shop_r1.cli.pretrained.list import list_models
from shop_r1.cli.rationales import rationales
from shop_r1.cli.report import report
from shop_r1.cli.reproduce import reproduce
from shop_r1.cli.score import score
from shop_r1.cli.sft import sft
from shop_r1.cli.simplify import simplify
from shop_r1.cli.simulate import simulate
from shop_r1.cli.store import store
from shop_r1.cli.terminal import settings_list
from shop_r1.config import list_settings
from shop_r1.endpoints.secrets import SURELY_SECRET, environment_redactor
from shop_r1.errors import ShopR1Error, Terminated
from shop_r1.signals import raise_on_sigterm

TRACEBACK = "SHOP_R1_TRACEBACK"
"""Set to 1, internal errors are shown with their traceback."""
EXTRAS = {
    "train": ("torch", "transformers", "trl", "accelerate", "peft", "datasets", "safetensors", "tokenizers"),
    "browser": ("playwright", "protego"),
    "fetch": ("gguf",),
    "api": ("openai", "anthropic", "boto3", "botocore", "tenacity", "genai_prices"),
}
"""Packages that only some commands need, by the extra of pyproject.toml that brings them."""

RENAMED = {
    ("shop-r1 evaluate", "--policy"): "--policy is now --model",
    ("shop-r1 evaluate", "--neighbours"): "--neighbours is now --related-metrics",
    ("shop-r1 simulate", "--model"): "--model is now --policy: scripted and random are no models",
    ("shop-r1 simulate", "--count"): "--count is now --shoppers",
    ("shop-r1 data balance", "--skew"): "--skew is now --type-ratio",
    ("shop-r1 data split", "--zst"): "--zst is now --format jsonl.zst",
    ("shop-r1 data import log", "--keep-before-fault"): "--keep-before-fault is now --keep-until-error",
    ("shop-r1 data import rrweb", "--keep-before-fault"): "--keep-before-fault is now --keep-until-error",
    ("shop-r1 doctor", "--config"): "--config is gone: give the settings file alone, as in all commands",
}
"""What is printed about an option that was renamed, by command and old name."""

app = typer.Typer(
    name="shop-r1",
    help="Learn from recorded shopping sessions to simulate a shopper: train, evaluate, let it shop.",
    epilog="A first look: shop-r1 demo. Each command's --help has an example.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
for each in (
    *(demo, reproduce, store, simplify, simulate, compare, rationales, sft, grpo),
    *(evaluate, score, fidelity, backtest, journey, personas, report, card, doctor),
):
    app.command()(each)
for subcommand in (validate, stats, split, balance, convert):
    data.command()(subcommand)
imports.command("pages")(import_saved_pages)
imports.command("log")(import_session_log)
imports.command("rrweb")(import_rrweb)
imports.command("opera")(import_opera)
data.add_typer(imports, name="import")
app.add_typer(data, name="data")
model.command()(fetch)
model.command("list")(list_models)
model.command("convert")(convert_model)
app.add_typer(model, name="model")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    # OpenMP reads it when torch is loaded. Threads that wait in a loop, its default, hold cores that other
    # programs could use: docs/benchmarks.md has what sleeping gives and costs (benchmarks/busy.py).
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; an error goes to stderr as one line."""
    try:
        with raise_on_sigterm():
            return _invoke(arguments)
    except Terminated:
        return _fail("ended by SIGTERM", 143)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", 130)
    except BrokenPipeError:
        _abandon_stdout()
        return 141
    except typer.TyperException as error:
        return _fail(_usage(error), 2)
    except ShopR1Error as error:
        return _fail(str(error), 2)
    except OSError as error:
        _abandon_stdout()
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}", 2)
    except Exception as error:  # noqa: BLE001 - the last stop before the user
        name = error.name if isinstance(error, ModuleNotFoundError) else None
        if extra := next((extra for extra, names in EXTRAS.items() if name in names), None):
            return _fail(
                f"this needs the package {name}, which is not installed: pip install 'shop-r1[{extra}]'", 2
            )
        return _fail(_describe_internal(error), 1)


def _describe_internal(error: Exception) -> str:
    """Return what is said of an internal error, its traceback printed where that is wanted."""
    redact = environment_redactor().redact  # The message of any package may hold a key.
    if os.environ.get(TRACEBACK):
        typer.echo(redact("".join(traceback.format_exception(error))), err=True, nl=False)
    found = " ".join(redact(str(error)).split())[:300]
    return f"unexpected {type(error).__name__}: {found} (set {TRACEBACK}=1 to see where)"


def _invoke(arguments: Sequence[str]) -> int:
    command = typer.main.get_command(app)
    try:
        with command.make_context("shop-r1", list(arguments) or ["--help"]) as context:
            command.invoke(context)
    except typer.Exit as stop:
        return stop.exit_code
    finally:
        sys.stdout.flush()
    return 0


def _abandon_stdout() -> None:
    """Where stdout takes no more, send the rest nowhere: Python flushes it once more at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage(error: typer.TyperException) -> str:
    """Return what is wrong with the command line, on one line, and where help is."""
    context = getattr(error, "ctx", None)
    problem = " ".join(getattr(error, "format_message", error.__str__)().split())
    path = context.command_path if context is not None else "shop-r1"
    option = getattr(error, "option_name", "")
    problem = RENAMED.get((path, option)) or _setting_as_option(path, option) or problem
    return f"{problem} (see {path} --help)"


def _setting_as_option(path: str, option: str) -> str | None:
    """Return the message for an unknown option that is a setting of the command; None where it is none."""
    name = path.removeprefix("shop-r1 ")
    if not option or name not in settings_list.SCHEMAS:
        return None
    try:
        classes = settings_list.schemas(name).values()
    except ImportError:  # the command's extra is not installed
        return None
    keys = {setting.path for schema in classes for setting in list_settings(schema)}
    key = option.lstrip("-").replace("-", "_")
    return f"{option} is a setting, not an option: give it as {key}=VALUE" if key in keys else None


def _fail(text: str, code: int) -> int:
    """Print what is wrong on one line, and return the exit code."""
    # A key can also stand in what was typed: in a setting, in a path.
    typer.echo(f"shop-r1: {environment_redactor(SURELY_SECRET).redact(text)}", err=True)
    return code

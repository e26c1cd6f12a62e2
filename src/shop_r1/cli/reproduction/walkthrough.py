"""The reproduction as a script: rows, plan, stages, results, tables."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from shop_r1.cli.reproduction.config import FREE_SETTINGS, SIZES, ReproductionConfig
from shop_r1.cli.reproduction.folder import STAGES, ReproductionFolder, StageLog
from shop_r1.cli.reproduction.plan import Predict, Stage, make_plan, stage_seed
from shop_r1.cli.reproduction.results.cards import write_cards
from shop_r1.cli.reproduction.results.collect import collect_results, print_results, write_results
from shop_r1.cli.reproduction.results.records import Reproduction
from shop_r1.cli.reproduction.results.report import write_report
from shop_r1.cli.reproduction.rows import WHOLE, Table, list_rows
from shop_r1.cli.reproduction.stages import run_stages
from shop_r1.cli.terminal import console
from shop_r1.config import load_config
from shop_r1.errors import ConfigError
from shop_r1.models.checkpoint import resolve_model
from shop_r1.models.precision import Precision, choose_precision, product_rate
from shop_r1.runs import RunFolder, make_record
from shop_r1.training.run import begun_with

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def run_reproduction(
    out: Path,
    tables: Sequence[Table],
    seeds: int,
    config_path: Path | None = None,
    overrides: Sequence[str] = (),
    force: bool = False,
) -> None:
    """Make the tables in `out` over so many seeds, going on after the last finished stage, and print them.

    Raises:
        ShopR1Error: a setting is wrong, a model is missing, the disk is full, or training must not go on.
    """
    config = choose_format(load_config(ReproductionConfig, config_path, overrides), out)
    rows = list_rows(tables, config)
    plan = make_plan(
        dict.fromkeys(row for found in rows.values() for row in found),
        range(config.seed, config.seed + seeds),
        config,
    )
    check_models(plan, config)
    command = describe_command(tables, seeds, config_path, overrides)
    with StageLog(out / STAGES) as log:  # From here on the folder is this run's alone.
        write_settings(out, config, force)

        def collect(done: int) -> Reproduction:
            """Return the results of the first seeds up to this one, once they are written."""
            stages = [stage for stage in plan if stage_seed(stage) <= done]
            folder = ReproductionFolder(out, config, log, stages)
            found = collect_results(folder, rows, command)
            write_results(folder, found)
            write_cards(folder)
            console.note(
                f"The tables of {console.count_of(len(folder.seeds), 'seed')} are in {out}/tables.txt"
            )
            return found

        folder = ReproductionFolder(out, config, log, plan)
        run_stages(folder, product_rate(bool(config.bf16)), collect)
        found = collect(folder.seeds[-1])
        write_report(out, found)
        print_results(out, found, config.warning)


def describe_command(
    tables: Sequence[Table], seeds: int, config_path: Path | None, overrides: Sequence[str]
) -> str:
    """Return the command that does the same elsewhere.

    >>> describe_command(["table2"], 1, None, ["grpo.max_steps=9"])
    'shop-r1 reproduce grpo.max_steps=9 --only table2 --seeds 1'
    """
    words = ["shop-r1", "reproduce", *([config_path.name] if config_path is not None else []), *overrides]
    if tuple(tables) != WHOLE:
        words += [word for table in tables for word in ("--only", table)]
    return shlex.join([*words, "--seeds", str(seeds)])


def choose_format(config: ReproductionConfig, out: Path) -> ReproductionConfig:
    """Return the settings with a number format for every stage, and print it.

    A reproduction that goes on keeps the format that it began with.
    """
    precision = choose_precision(config.bf16)
    if config.bf16 == "auto" and (begun := begun_with(out)) is not None:
        precision = Precision(begun, f"as the reproduction in {out} began")
    console.note(f"Number format: {precision}")
    return config.with_format(precision.bf16)


def check_models(plan: Sequence[Stage], config: ReproductionConfig) -> None:
    """Make sure, before anything runs, that every checkpoint is there that the plan starts from.

    A name of the form `owner/name` may be on a hub, which is not asked here.

    Raises:
        ConfigError: one is not.
        ModelError: one was not fetched yet.
    """
    used = {stage.model.size for stage in plan if isinstance(stage, Predict)}
    for size in SIZES:
        name = config.checkpoint(size)
        if size in used and not Path(resolve_model(name)).is_dir() and not _HUB_NAME.fullmatch(name):
            raise ConfigError(
                f"models.{size}: there is no checkpoint {name!r}, in the package or as a folder; give "
                f"models.{size}=FOLDER, or leave the model sizes out (--only table2 …)"
            )


def write_settings(out: Path, config: ReproductionConfig, force: bool) -> None:
    """Write what the run is made with to `settings.json`.

    Raises:
        DataError: the folder has another run's, and `force` is not given.
    """
    folder, record = RunFolder(out), make_record(config, seed=config.seed, command="reproduce")
    if folder.settings.exists() and not force:
        folder.check_settings(record, FREE_SETTINGS)
    folder.write_settings(record)

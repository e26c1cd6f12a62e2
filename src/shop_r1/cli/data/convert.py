"""`data convert`: a file of sessions in its other form, JSONL or Parquet."""

from pathlib import Path
from typing import Annotated

from typer import Argument

from shop_r1.cli.data import File
from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.outputs import Force, check_output


def convert(
    file: File,
    out: Annotated[Path, Argument(metavar="OUT", help="Where to write: .jsonl, .jsonl.zst or .parquet.")],
    force: Force = False,
) -> None:
    """Convert sessions between JSONL and Parquet, by the names' endings.

    Every command reads both. JSONL is for people and other programs; Parquet is smaller, can be read in any
    order, and is what DuckDB, pandas and datasets read.

    Example: shop-r1 data convert sessions.jsonl sessions.parquet
    """
    from shop_r1.datasets.session_files import read_sessions, write_sessions

    check_output(out, [file], force=force)
    with console.file_progress("Converting") as moved:
        written = write_sessions(out, read_sessions(file, moved))
    before, after = file.stat().st_size, out.stat().st_size
    console.echo(f"{out}: {console.count_of(written, 'session')}; {after:,} bytes, {file} has {before:,}")
    console.print_next("data stats", out)

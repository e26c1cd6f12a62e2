"""`simplify --out`: many pages at once, from Parquet files and folders to one file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shop_r1.cli.jobs import joined_cluster
from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.console import count_of, join_counts
from shop_r1.cli.terminal.outputs import SESSION_ENDINGS, check_output
from shop_r1.datasets.with_rationales import beside
from shop_r1.errors import DataError
from shop_r1.jobs.blocks import Blocks, PageFiles, PageRows, cut_pages
from shop_r1.jobs.pages import PageCounts, PageFile, SimplifyWork, count_parts, page_file
from shop_r1.jobs.parts import Parts, digest_inputs, open_parts
from shop_r1.jobs.run import BlockFunction, run_blocks
from shop_r1.jobs.work import Limits
from shop_r1.runs import package_versions, source_revision


@dataclass(frozen=True)
class BulkOptions:
    """How the command is given."""

    inputs: Sequence[Path]
    out: Path
    column: str
    keep: Sequence[str]
    work: SimplifyWork
    limits: Limits
    ray: str | None
    ray_workers: int | None
    force: bool


def simplify_all(options: BulkOptions) -> None:
    """Write the short pages of all inputs, in order, a row for each page; a failed one says why.

    Finished blocks are kept beside the output until it is whole, so the same command goes on.

    Raises:
        DataError: an input cannot be read, no page could be simplified, or the output cannot be written.
        ConfigError: the output is there, or blocks beside it are of another job.
    """
    out = options.out
    check_output(out, options.inputs, force=options.force, endings=SESSION_ENDINGS)
    blocks = cut_pages(options.inputs, options.column, options.keep)
    form = page_file(out, blocks.schema)
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = beside(out, "parts")
    with open_parts(folder, _describe(options, blocks), force=options.force) as parts:
        _run(options, blocks, form, parts)
        counts = count_parts(parts, len(blocks.blocks))
        if counts.failed < counts.pages:
            form.write(out, parts, len(blocks.blocks))
        parts.remove()
    if counts.failed == counts.pages:
        problem = f"is not written: none of {count_of(counts.pages, 'page')} could be simplified"
        raise DataError.at(out, None, f"{problem}; the first: {counts.first[0]}")
    _show(out, counts)


def _describe(options: BulkOptions, blocks: Blocks) -> dict[str, object]:
    """Return all that the results depend on."""
    work = options.work
    return {
        "inputs": list(map(str, options.inputs)),
        "contents": digest_inputs(_files(blocks)),
        "form": options.out.suffix,
        "column": options.column,
        "keep": list(options.keep),
        "recipe": None if work.recipe is None else work.recipe.model_dump(mode="json"),
        "max_tokens": work.max_tokens,
        "tokenizer": work.tokenizer,
        "elements": work.with_elements,
        "limits": options.limits.model_dump(),
        "blocks": len(blocks.blocks),
        "version": package_versions()["shop-r1"],
        "revision": source_revision(),
    }


def _files(blocks: Blocks) -> Iterator[Path]:
    seen: Path | None = None
    for block in blocks.blocks:
        if isinstance(block, PageFiles):
            yield from (block.folder / name for name in block.names)
        elif isinstance(block, PageRows) and block.path != seen:
            yield (seen := block.path)


def _run(options: BulkOptions, blocks: Blocks, form: PageFile, parts: Parts) -> None:
    """Work on the blocks that are not finished."""
    left = {number: block for number, block in enumerate(blocks.blocks) if number not in parts.done}
    if parts.done:
        console.note(f"{parts.folder}: going on after {len(parts.done):,} of {len(blocks.blocks):,} blocks")
    if not left:
        return
    total = sum(block.size for block in blocks.blocks)
    done = total - sum(block.size for block in left.values())
    function = BlockFunction(options.work, options.limits, form.encode)
    with (
        joined_cluster(options.ray, options.ray_workers) as cluster,
        console.progress("Pages", total) as move,
    ):
        move(done, total)
        for number, data in run_blocks(left, function, cluster, ordered=False):
            parts.add(number, data)
            done += left[number].size
            move(done, total)


def _show(out: Path, counts: PageCounts) -> None:
    """Print what was written, and which pages failed."""
    for line in counts.first:
        console.note(f"failed: {line}")
    if counts.failed > len(counts.first):
        console.note(f"… {counts.failed - len(counts.first):,} more; {out} has them all, under failure")
    failed = (
        f"{counts.failed:,} failed ({join_counts(counts.failures.most_common())})"
        if counts.failed
        else "none failed"
    )
    console.echo(f"{out}: {count_of(counts.pages, 'page')}, {failed}")

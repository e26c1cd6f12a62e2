"""`simplify`: pages as a model sees them, from files, the web or stdin."""

import textwrap
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import typer
from typer import Argument, Option

from shop_r1.cli.jobs import Ray, RayWorkers
from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.console import join_counts
from shop_r1.cli.terminal.outputs import Force
from shop_r1.errors import ConfigError, PageError, ShopR1Error
from shop_r1.models.tokenizers import load_tokenizer, token_counter
from shop_r1.pages.elements import SimplifiedPage
from shop_r1.pages.rules import REASONS
from shop_r1.pages.tokens import CountTokens, estimate_tokens

_FETCH_TIMEOUT_S = 30.0
_FETCH_MAX_BYTES = 64_000_000  # past what is simplified at all; only so that no endless response fills memory


def simplify(
    pages: Annotated[
        list[str], Argument(metavar="FILE|URL", help="HTML pages; - reads stdin.", show_default=False)
    ],
    as_json: Annotated[bool, Option("--json", help="One JSON line for each page.")] = False,
    explain: Annotated[bool, Option("--explain", help="What was dropped, with examples.")] = False,
    max_tokens: Annotated[
        int | None, Option(min=1, metavar="N", help="Shorten the page to this many tokens.")
    ] = None,
    tokenizer: Annotated[
        str | None, Option(metavar="MODEL", help="Count tokens as this model; else an estimate.")
    ] = None,
    recipe: Annotated[
        str | None, Option(metavar="NAME|FILE", help="A site's recipe, e.g. amazon_search.")
    ] = None,
    out: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            help="Many pages: write a row for each here (.parquet, .jsonl, .jsonl.zst). The pages are then "
            "Parquet files, folders or single files.",
        ),
    ] = None,
    column: Annotated[
        str, Option(metavar="NAME", help="Of Parquet files with --out: the column with the pages.")
    ] = "html",
    keep: Annotated[
        list[str] | None,
        Option(metavar="NAME", help="Another column that --out is to have too; may be repeated."),
    ] = None,
    elements: Annotated[
        bool, Option("--elements", help="With --out: also list what can be acted on.")
    ] = False,
    page_seconds: Annotated[
        float | None, Option(min=0.1, help="With --out: a page that takes longer, twice, has failed [60].")
    ] = None,
    ray: Ray = None,
    ray_workers: RayWorkers = None,
    force: Force = False,
) -> None:
    """Show pages as a model sees them, and what was dropped; or write the short pages of many with --out.

    With --out the same command goes on where it was interrupted.

    Example: shop-r1 simplify page.html --explain --max-tokens 4000

    Example: shop-r1 simplify PAGES.parquet --keep url --out SHORT.parquet --ray local
    """
    from shop_r1.pages.sites.recipes import load_recipe

    if tokenizer is not None and max_tokens is None:
        raise ConfigError("--tokenizer counts for --max-tokens; give that too")
    if out is not None:
        if as_json or explain:
            raise ConfigError("--json and --explain print pages; --out writes them to a file")
        from shop_r1.cli.jobs.pages import BulkOptions, simplify_all
        from shop_r1.jobs.pages import SimplifyWork
        from shop_r1.jobs.work import Limits

        known = load_recipe(recipe) if recipe is not None else None
        work = SimplifyWork(known, max_tokens, tokenizer, elements)
        limits = Limits() if page_seconds is None else Limits(seconds=page_seconds)
        inputs = [Path(page) for page in pages]
        simplify_all(BulkOptions(inputs, out, column, keep or (), work, limits, ray, ray_workers, force))
        return
    bulk = {"--keep": keep, "--elements": elements, "--page-seconds": page_seconds, "--ray": ray}
    if given := [name for name, value in bulk.items() if value]:
        raise ConfigError(f"{given[0]} is for many pages at once; give --out FILE too")
    count_tokens = estimate_tokens if tokenizer is None else token_counter(load_tokenizer(tokenizer))
    site = load_recipe(recipe) if recipe is not None else None
    failures = []
    for source in pages:
        try:
            page = _simplified(source, site, explain, max_tokens, count_tokens)
        except ShopR1Error as error:
            failures.append(str(error))
            continue
        if as_json:
            console.print_json(_record(source, page, explain=explain, budgeted=max_tokens is not None))
            continue
        if len(pages) > 1:
            console.echo(f"==> {source} <==")
        _show(source, page)
        if max_tokens is not None:
            tokens, cut = count_tokens(page.html), join_counts(page.cut.items()) or "nothing"
            console.note(f"{tokens} of {max_tokens} tokens ({tokenizer or 'estimate'}); cut: {cut}")
        if explain:
            _explain(page)
    if len(failures) == 1:
        raise PageError(failures[0])
    if failures:
        raise PageError(f"{len(failures)} of {len(pages)} pages could not be read: {'; '.join(failures)}")


def _simplified(
    source: str, recipe: Any, explain: bool, max_tokens: int | None, count_tokens: CountTokens
) -> SimplifiedPage:
    """Return the simplified page.

    Raises:
        PageError: it cannot be read, is not HTML or cannot be made short enough; the message names it.
    """
    from shop_r1.pages.serialize.truncate import fit_page
    from shop_r1.pages.simplify import simplify_page

    try:
        page = simplify_page(_read(source), recipe, explain=explain)
        return page if max_tokens is None else fit_page(page, max_tokens, count_tokens)
    except OSError as error:
        raise PageError(f"{source}: cannot be read: {error.strerror or error}") from error
    except PageError as error:
        raise PageError(f"{source}: {error}") from error


def _read(source: str) -> bytes | str:
    if source == "-":
        return typer.get_binary_stream("stdin").read()
    if source.startswith(("http://", "https://")):
        return _fetch(source)
    return Path(source).read_bytes()


def _fetch(url: str) -> str:
    """Return the page at an address, decoded as the response or else the page itself says."""
    from shop_r1.pages.parse.encodings import decode_page

    request = Request(url, headers={"User-Agent": "shop-r1", "Accept": "text/html,application/xhtml+xml"})
    try:
        with urlopen(request, timeout=_FETCH_TIMEOUT_S) as response:
            raw: bytes = response.read(_FETCH_MAX_BYTES + 1)
            charset = response.headers.get_content_charset()
    except (HTTPException, ValueError) as error:
        raise PageError(f"no page came: {error}") from error
    except URLError as error:
        raise PageError(f"no page came: {error.reason}") from error
    if len(raw) > _FETCH_MAX_BYTES:
        raise PageError(f"the response has more than {_FETCH_MAX_BYTES} bytes")
    return decode_page(raw, charset)


def _record(source: str, page: SimplifiedPage, *, explain: bool, budgeted: bool) -> dict[str, Any]:
    """Return what `--json` prints of a page."""
    record: dict[str, Any] = {
        "file": source,
        "html": page.html,
        "elements": [
            # What an element may lack is left out where it says nothing.
            {key: value for key, value in each._asdict().items() if value or key not in each._field_defaults}
            for each in page.elements
        ],
        "dropped": dict(page.dropped),
    }
    optional = {"url": page.url, "base": page.base, "shown": dict(page.shown)}
    record |= {key: value for key, value in optional.items() if value}
    if explain:
        record["examples"] = {reason: list(parts) for reason, parts in page.examples.items()}
    if budgeted:
        record["cut"] = dict(page.cut)
    return record


def _show(source: str, page: SimplifiedPage) -> None:
    console.echo(page.html)
    dropped = join_counts(page.dropped.items()) or "nothing"
    console.note(f"{source}: {len(page.elements)} elements that can be acted on; dropped: {dropped}")
    if page.shown:
        console.note(
            "hidden as the page stands, shown here since a shopper must have seen it: "
            f"{join_counts(page.shown.items())} (nearly all of the page is in it, or the page's own script "
            "shows it)"
        )
    if pending := page.dropped.get("unfinished_part"):
        console.note(
            f"{pending} parts of it were still to come: this is the server's raw HTML, cut short; "
            "save the page once it has loaded"
        )
    if not page.elements and page.html.strip() == "<page>":
        console.note(
            "nothing on it can be read or acted on: save the page once its scripts have run "
            "(docs/pages.md, Bad input)"
        )


def _explain(page: SimplifiedPage) -> None:
    for reason, parts in page.examples.items():
        console.note("")
        console.note(f"{reason} {page.dropped[reason]}: {REASONS[reason]}")
        for part in parts:
            typer.echo(textwrap.shorten(f"  {part}", console.WIDTH, placeholder="…"), err=True)

"""A page of prose with a reproduction's tables in it: each between `<!-- NAME -->` and `<!-- end -->`.

The page is written by hand and the tables are put in their places, as in `benchmarks.tables`: prose that
explains a figure stands where the figure is read. The results lie beside it, one `RUN.json` for each run, and
the parts' names are

- `runs`: commands, machines and hours;
- `effects`: the paper's effects, a column for each run;
- `RUN/TABLE`, for each table of a run: its grids and figures. For `RUN.json` with the rows of `table.json`,
  that `shop-r1 evaluate` wrote, `RUN/rows`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from shop_r1.cli.reproduction.results.figures import draw_figures
from shop_r1.cli.reproduction.results.labels import TITLES
from shop_r1.cli.reproduction.results.records import EffectResult, Reproduction, read_results
from shop_r1.cli.reproduction.results.tables import describe_part, table_grids
from shop_r1.errors import DataError
from shop_r1.evaluation.tables import list_grids, to_markdown
from shop_r1.jsonl import read_json, write_text
from shop_r1.records.results import Grid, Plot, TableRow, read_table

Run = Reproduction | list[TableRow]
LIMITS = "## Honest limits"
"""The heading that a page must have, with something under it."""
_PART = re.compile(r"<!-- (?!end -->)([\w./-]+) -->\n.*?<!-- end -->", re.DOTALL)


def read_runs(folder: Path) -> dict[str, Run]:
    """Return the results in a folder by the names of their files, in order of name.

    Raises:
        DataError: there are none, or one is neither a reproduction's results nor the rows of a table.
    """
    files = sorted(folder.glob("*.json"))
    if not files:
        raise DataError.at(folder, None, "holds no *.json; expected results of shop-r1 reproduce")
    return {
        file.stem: read_table(file) if isinstance(read_json(file), list) else read_results(file)
        for file in files
    }


def write_page(page: Path, folder: Path) -> None:
    """Put the tables of a folder's results into a page, and its figures beside the results.

    Where there is no page, one is begun that has all parts.

    Raises:
        DataError: the results or the page cannot be read; a part has no place in the page, or a place has no
            part; the page says nothing of its limits.
    """
    runs = read_runs(folder)
    text = page.read_text("utf-8") if page.exists() else begin_page(runs)
    filled = fill_page(text, runs, folder.name, page)
    for name, plot in list_plots(runs).items():
        write_text(folder / f"{name}.svg", f"{plot.svg}\n")
    write_text(page, filled)


def fill_page(text: str, runs: Mapping[str, Run], folder: str, page: Path) -> str:
    """Return the page with all tables in their places; `folder` is where its figures are, from the page.

    Raises:
        DataError: a part has no place, or a place has no part; or the page says nothing of its limits.
    """
    parts = dict(list_parts(runs, folder))
    places = [found[1] for found in _PART.finditer(text)]
    missing = [name for name in parts if name not in places]
    unknown = [name for name in places if name not in parts]
    if missing or unknown:
        told = [f"no place for {', '.join(missing)}"] if missing else []
        told += [f"a place for {', '.join(unknown)}, of which there are no results"] if unknown else []
        raise DataError.at(
            page, None, f"has {' and '.join(told)}; a place is <!-- NAME -->, then <!-- end --> on a line"
        )
    if not text.partition(LIMITS)[2].strip():
        raise DataError.at(page, None, f'says nothing under "{LIMITS}"; expected what it cannot tell')
    return _PART.sub(lambda found: f"<!-- {found[1]} -->\n\n{parts[found[1]]}\n\n<!-- end -->", text)


def begin_page(runs: Mapping[str, Run]) -> str:
    """Return a page with a place for each part, for somebody to write the prose."""
    lines = ["# The paper's tables, remade", "", *_place("runs"), "## The paper's effects", ""]
    lines += _place("effects") if _judged(runs) else []
    for name, run in runs.items():
        lines += [f"## {name}", ""]
        for part in _tables_of(run):
            lines += _place(f"{name}/{part}")
    lines += [LIMITS, "", "To be written.", ""]
    return "\n".join(lines)


def _place(name: str) -> list[str]:
    return [f"<!-- {name} -->", "<!-- end -->", ""]


def _tables_of(run: Run) -> list[str]:
    return ["rows"] if isinstance(run, list) else [table.table for table in run.tables]


def list_parts(runs: Mapping[str, Run], folder: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of the page by name, as Markdown."""
    yield "runs", to_markdown(_runs_grid(runs)).strip()
    if judged := _judged(runs):
        yield "effects", to_markdown(_effects_grid(judged)).strip()
    for name, run in runs.items():
        if isinstance(run, list):
            yield f"{name}/rows", _join(map(to_markdown, list_grids(run)))
            continue
        figures = draw_figures(run)
        for table in run.tables:
            grids = [to_markdown(grid) for grid in table_grids(run, table)]
            shown = [
                f"![{plot.caption}]({folder}/{name}-{figure}.svg)"
                for figure, plot in figures.items()
                if figure.partition("_")[0] == table.table
            ]
            yield f"{name}/{table.table}", _join([grids[0], *shown, *grids[1:]])


def list_plots(runs: Mapping[str, Run]) -> dict[str, Plot]:
    """Return the figures of all runs by the names of their files."""
    return {
        f"{name}-{figure}": plot
        for name, run in runs.items()
        if isinstance(run, Reproduction)
        for figure, plot in draw_figures(run).items()
    }


def _judged(runs: Mapping[str, Run]) -> dict[str, Reproduction]:
    """Return the runs in which effects were judged."""
    return {name: run for name, run in runs.items() if isinstance(run, Reproduction) and run.effects}


def _join(parts: Iterator[str] | Sequence[str]) -> str:
    return "\n\n".join(part.strip() for part in parts)


def _runs_grid(runs: Mapping[str, Run]) -> Grid:
    lines = []
    for name, run in runs.items():
        if isinstance(run, list):
            lines.append((name, "shop-r1 evaluate", "–", "–", "–", "–"))
            continue
        tables = ", ".join(TITLES[table.table].partition(":")[0] for table in run.tables)
        machine = f"{run.machine.processor}, {run.machine.number_format}"
        if run.machine.device != "CPU":
            machine = f"{run.machine.device}, {run.machine.number_format}"
        cells = (f"`{run.command}`", tables, str(len(run.seeds)), machine, f"{run.hours:.1f}")
        lines.append((name, *cells))
    header = ("run", "command", "tables", "seeds", "machine", "hours")
    return Grid(title="", header=header, rows=tuple(lines))


def _effects_grid(runs: Mapping[str, Reproduction]) -> Grid:
    """Return the effects with a column for each run; results of other versions may claim something else."""
    effects: dict[str, EffectResult] = {}
    for run in runs.values():
        for effect in run.effects:
            effects.setdefault(effect.effect, effect)
    lines = []
    for name, effect in effects.items():
        found = [next((each for each in run.effects if each.effect == name), None) for run in runs.values()]
        verdicts = (f"**{each.verdict}**" if each is not None else "not judged" for each in found)
        lines.append((f"**{name}**", effect.paper, *verdicts))
        for claim in (part.claim for part in effect.parts):
            lines.append((claim, "", *(_say_part(each, claim) for each in found)))
    note = (
        "In brackets 95 % intervals, widened by Holm's procedure over all parts of the run. An effect holds "
        "where they lie wholly among the values that it claims, and does not where they lie wholly outside. "
        "Differences are in points, ratios plain."
    )
    return Grid(title="", header=("effect", "paper, 3B", *runs), rows=tuple(lines), note=note)


def _say_part(effect: EffectResult | None, claim: str) -> str:
    parts = () if effect is None else effect.parts
    part = next((part for part in parts if part.claim == claim), None)
    if part is None:
        return "not judged"
    if part.judgement is None:
        return "not run"
    return f"{describe_part(part)}: {part.judgement.verdict}"

"""The paper's tables from our metrics, its own rows beside: as text, Markdown and LaTeX."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

from shop_r1.evaluation.invalid_responses import describe_invalid
from shop_r1.evaluation.metrics import Metrics, find_collapse, find_vanishing
from shop_r1.evaluation.paper_figures import ABLATIONS, CONTEXTS, MAIN, OPERA_ROWS, find_paper_row
from shop_r1.records.results import Grid, Interval, PaperRow, Reweighted, TableRow, percent

TEXT_WIDTH = 80
"""Columns of a text table at most; a terminal's oldest width."""


def table_row(
    setting: str,
    metrics: Metrics,
    *,
    model: str | None = None,
    decoding: str | None = None,
    temperature: float | None = None,
    context: str = "whole-session",
    note: str | None = None,
) -> TableRow:
    """Return the metrics as one row, with the paper's row for `setting` (3B) where there is one.

    `decoding` is `greedy` or `sampled` by the temperature where it is not given.
    """
    if decoding is None and temperature is not None:
        decoding = "sampled" if temperature else "greedy"
    same = TableRow.model_fields.keys() & Metrics.model_fields.keys()
    return TableRow(
        **{name: getattr(metrics, name) for name in same} | dict(metrics.intervals),
        setting=setting,
        model=model,
        decoding=decoding,
        temperature=temperature,
        context=context,
        collapse=find_collapse(metrics),
        vanishing=find_vanishing(metrics),
        paper=find_paper_row(setting),
        note=note,
    )


def reachable_row(actions: Metrics, types: Metrics) -> TableRow:
    """Return the row of the best possible predictor, from its likeliest actions and its likeliest types."""
    row = table_row("reachable", actions, decoding="exact", note="the best that any predictor can reach")
    of_types = types.intervals.model_copy(update={"exact": row.exact})
    # The likeliest actions are not the best by similar meaning.
    return row.model_copy(update=dict(of_types) | {"predicted_mix": types.predicted_mix, "similar": {}})


_HEADER = ("setting", "exact %", "type accuracy %", "macro F1 %")


def main_grid(rows: Sequence[TableRow], title: str = "Results on held-out sessions") -> Grid:
    """Return the headline figures, under each setting the paper's (3B, its own data)."""
    lines = [line for row in rows for line in _beside_paper(row.label, row, row.paper, str(row.n))]
    notes = [
        "In brackets: 95 % interval, bootstrap over sessions. n: steps.",
        "Unparsable completions count as wrong.",
    ]
    notes += [
        f"{row.label}: a think part and a code fence were taken away before parsing ({row.unwrapped:,} of "
        f"{row.n:,} had one), so it does not compare with strict rows."
        for row in rows
        if row.parse == "lenient"
    ]
    return Grid(title=title, header=(*_HEADER, "n"), rows=tuple(lines), note=" ".join(notes))


def _beside_paper(
    label: str, ours: TableRow | Reweighted, paper: PaperRow | None, *last: str
) -> Iterator[tuple[str, ...]]:
    """Yield the line of our figures, and under it the paper's where it has one; our last cells are ours."""
    yield (label, *_cells(ours), *last)
    if paper is not None:
        yield ("  paper, 3B", *_cells(paper), *("" for _ in last))


def _cells(row: TableRow | Reweighted | PaperRow) -> tuple[str, ...]:
    """Return our figures with their intervals; the paper's with both of its decimals."""
    figures = (row.exact, row.type_accuracy, row.type_f1_macro)
    return tuple(percent(each, 2) if isinstance(each, float) else str(each) for each in figures)


def reweighted_grid(rows: Sequence[TableRow]) -> Grid | None:
    """Return the headline figures in the paper's test mix; None where no row has them."""
    lines = [
        line
        for row in rows
        if row.reweighted is not None
        for line in _beside_paper(row.label, row.reweighted, row.paper)
    ]
    if not lines:
        return None
    note = "Each type's own rates, weighted click 690, type_and_submit 677, terminate 512 (Appendix C)."
    return Grid(title="The same in the paper's test mix", header=_HEADER, rows=tuple(lines), note=note)


def per_type_grid(rows: Sequence[TableRow]) -> Grid:
    """Return each type's figures (Table 3), the paper's beside where it has them."""
    lines = []
    for row in rows:
        for place, (name, figures) in enumerate(row.per_type.items()):
            paper = row.paper.exact_per_type.get(name) if row.paper is not None else None
            shares = (figures.exact, figures.type_accuracy, figures.precision, figures.f1, paper)
            lines.append((row.label if place == 0 else "", name, str(figures.n), *map(percent, shares)))
    header = ("setting", "type", "n", "exact %", "recall %", "prec. %", "F1 %", "paper %")
    note = "recall: type accuracy on this type's steps; paper: the paper's exact accuracy (Table 3)."
    return Grid(title="Per type of action", header=header, rows=tuple(lines), note=note)


def similar_grid(rows: Sequence[TableRow]) -> Grid | None:
    """Return exact match to the letter and, by each rule, by similar meaning; None where no shopper typed."""
    lines: list[tuple[str, ...]] = []
    for row in rows:
        found = [each for each in row.similar.values() if each.typed_steps]
        for place, each in enumerate(found):
            if place == 0:
                exact = None if row.reweighted is None else row.reweighted.exact
                typed = each.typed_exact / each.typed_steps
                lines.append((row.label, "to the letter", *_similar_cells(row.exact, exact, typed)))
            typed = each.typed_similar / each.typed_steps
            lines.append(("", each.label, *_similar_cells(each.share, each.reweighted, typed)))
    if not lines:
        return None
    note = (
        "To the letter is the exact match of the other tables. A rule also counts an action that only types "
        "another text into the same field, where it finds the texts alike. typed: of the steps at which "
        "shoppers typed a text. Paper's mix: as in the paper's test set."
    )
    header = ("setting", "match", "all steps %", "paper's mix %", "typed %")
    return Grid(
        title="Exact to the letter and by similar meaning", header=header, rows=tuple(lines), note=note
    )


def _similar_cells(share: Interval, reweighted: Interval | None, typed: float) -> tuple[str, ...]:
    return str(share), "–" if reweighted is None else str(reweighted), percent(typed)


def mix_grid(rows: Sequence[TableRow]) -> Grid:
    """Return the mix of predicted types against the shoppers' own, in per cent of steps."""
    mixes = list_mixes(rows)
    labels = tuple(dict.fromkeys(label for _, mix in mixes for label in mix))
    lines = [(name, *(percent(mix.get(label)) for label in labels)) for name, mix in mixes]
    notes = [] if any(row.collapse for row in rows) else ["No setting has collapsed to one type."]
    # A row that has collapsed since nearly all is invalid has an alert of its own.
    notes += [
        f"{row.label}: {found}."
        for row in rows
        if row.invalid and (found := describe_invalid(row.invalid, row.n)) not in (row.collapse or "")
    ]
    return Grid(
        title="Mix of predicted types, %",
        header=("setting", *labels),
        rows=tuple(lines),
        note=" ".join(notes),
        alerts=tuple(told for row in rows for told in row.alerts),
    )


def list_mixes(rows: Sequence[TableRow]) -> list[tuple[str, Mapping[str, float]]]:
    """Return the shoppers' own mix of types, then each setting's predicted one, where they are known."""
    target = next((row.target_mix for row in rows if row.target_mix), {})
    mixes = [("shoppers", target), *((row.label, row.predicted_mix) for row in rows)]
    return [(name, mix) for name, mix in mixes if mix]


def temperature_grid(rows: Sequence[TableRow]) -> Grid:
    """Return the sweep over sampling temperatures (Figure 2): greedy, coldest first, unknown ones last."""
    ordered = sorted(rows, key=lambda row: float("inf") if row.temperature is None else row.temperature)
    lines = []
    for row in ordered:
        t = "greedy" if row.temperature == 0 else f"{row.temperature:g}" if row.temperature else "not known"
        lines.append((t, row.label, *_cells(row)))
    note = (
        "Paper (Figure 2, 3B): exact 27.7 at 0.6, peak 28.6 at 0.7; type accuracy near 36 throughout; "
        "F1 falls from 31.3 at 0.6 to 28.4 at 1.2."
    )
    return Grid(title="Sampling temperature", header=("T", *_HEADER), rows=tuple(lines), note=note)


def context_grid(rows: Sequence[TableRow]) -> Grid:
    """Return whole-session against latest-step context (Table 5), the paper's beside."""
    lines = [
        line
        for row in rows
        for line in _beside_paper(f"{row.label}, {row.context}", row, find_paper_row(row.context, CONTEXTS))
    ]
    return Grid(title="Context", header=("setting, context", *_HEADER[1:]), rows=tuple(lines))


def list_grids(rows: Sequence[TableRow]) -> list[Grid]:
    """Return the tables of some rows, the main one first; temperatures and contexts where they vary."""
    grids = [main_grid(rows), per_type_grid(rows), mix_grid(rows)]
    if (similar := similar_grid(rows)) is not None:
        grids.insert(1, similar)
    if len({row.temperature for row in rows}) > 1:
        grids.append(temperature_grid(rows))
    if len({row.context for row in rows}) > 1:
        grids.append(context_grid(rows))
    return grids


def paper_grids() -> list[Grid]:
    """Return the paper's own Tables 2, 4, 5 and A3."""
    sources = {"Table 2": MAIN, "Table 4": ABLATIONS, "Table 5": CONTEXTS, "Table A3, OPeRA": OPERA_ROWS}
    return [
        Grid(
            title=f"Paper, {title}",
            header=("model", *_HEADER),
            rows=tuple((row.model, row.setting, *_cells(row)) for row in rows),
            note=" ".join(f"{row.model}, {row.setting}: {row.note}." for row in rows if row.note),
        )
        for title, rows in sources.items()
    ]


def to_text(grid: Grid) -> str:
    """Return the grid as plain text; lines are at most `TEXT_WIDTH` columns, a long first cell is wrapped.

    A grid whose other columns alone pass that becomes wider rather than losing figures.
    """
    cells = [grid.header, *grid.rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    room = TEXT_WIDTH - sum(widths[1:]) - 2 * (len(widths) - 1)
    widths[0] = max(min(widths[0], room), min(widths[0], 8))
    lines = [grid.title, ""] if grid.title else []
    for place, row in enumerate(cells):
        lines += _text_lines(row, widths)
        if place == 0:
            lines.append("  ".join("-" * each for each in widths))
    for text in _below(grid):
        lines += ["", *textwrap.wrap(text, TEXT_WIDTH)]
    return "\n".join(lines) + "\n"


def _below(grid: Grid) -> list[str]:
    """Return the paragraphs under a grid."""
    return [text for text in (grid.note, *(f"Alert: {alert}." for alert in grid.alerts)) if text]


def _text_lines(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    indent = "  " if row[0].startswith("  ") else ""
    first = textwrap.wrap(row[0].strip(), widths[0], initial_indent=indent, subsequent_indent="  ") or [""]
    rest = "  ".join(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
    head = f"{first[0].ljust(widths[0])}  {rest}".rstrip()
    return [head, *first[1:]]


def to_markdown(grid: Grid) -> str:
    """Return the grid as a Markdown table under its title."""
    lines = [f"### {grid.title}", ""] if grid.title else []
    lines.append(_markdown_line(grid.header))
    lines.append(_markdown_line(["---", *("---:" for _ in grid.header[1:])]))
    lines += [_markdown_line(row) for row in grid.rows]
    for text in _below(grid):
        lines += ["", text]
    return "\n".join(lines) + "\n"


def _markdown_line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.strip().replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": "$<$",
        ">": "$>$",
        "|": "$|$",
        "[": "{[}",  # else \\ takes what begins the next line for its own option
        "–": "--",
        "…": r"\dots{}",
        "−": "$-$",
        "±": r"$\pm$",
        "×": r"$\times$",
        "·": r"$\cdot$",
        "≥": r"$\ge$",
        "≤": r"$\le$",
        "α": r"$\alpha$",
        "β": r"$\beta$",
        "\n": " ",
    }
)


def to_latex(grid: Grid) -> str:
    r"""Return the grid as a LaTeX `table`; the document needs the package booktabs.

    >>> print(to_latex(Grid(title="Mix, %", header=("setting", "a_b"), rows=(("sft", "1.0"),))))
    \begin{table}
      \centering
      \caption{Mix, \%}
      \begin{tabular}{lr}
        \toprule
        setting & a\_b \\
        \midrule
        sft & 1.0 \\
        \bottomrule
      \end{tabular}
    \end{table}
    <BLANKLINE>
    """
    lines = [r"\begin{table}", r"  \centering"]
    lines += [rf"  \caption{{{_latex_text(grid.title)}}}"] if grid.title else []
    lines += [rf"  \begin{{tabular}}{{l{'r' * (len(grid.header) - 1)}}}", r"    \toprule"]
    lines += [_latex_line(grid.header), r"    \midrule", *map(_latex_line, grid.rows)]
    lines += [r"    \bottomrule", r"  \end{tabular}"]
    for text in _below(grid):
        lines += ["", rf"  \smallskip\raggedright\footnotesize {_latex_text(text)}\par"]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _latex_line(cells: Sequence[str]) -> str:
    indent = r"\quad " if cells[0].startswith("  ") else ""
    return f"    {indent}{' & '.join(_latex_text(cell.strip()) for cell in cells)} \\\\"


def _latex_text(text: str) -> str:
    """Return plain text so that LaTeX prints it as it is."""
    return text.translate(_LATEX)

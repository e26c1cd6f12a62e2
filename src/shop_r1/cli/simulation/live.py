"""What a person sees of a simulation: a table on a terminal, plain lines anywhere else."""

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from shop_r1.cli.simulation.rows import Row, Rows
from shop_r1.cli.terminal.console import WIDTH, join_counts
from shop_r1.records.sessions import Page, Step
from shop_r1.records.visits import VisitEnd
from shop_r1.simulation.loop import Visit

_LINE_EVERY_S = 60.0
_LINES = 5
"""Plain lines of a run, if visits are quick; a slow one has one a minute."""
_ROWS_MAX = 20
_BESIDE_ROWS = 7
"""Lines of the terminal that the table leaves for its head, its foot and what stood before."""
_COLORS = {"purchase": "green", "terminate": "cyan", "max_steps": "yellow", "stopped": "yellow"}


@dataclass
class Totals:
    """An observer that counts what happens."""

    sessions: int = 0
    """Visits that have ended with a step at least."""
    steps: int = 0
    invalid: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    """Of actions that could not be carried out and of visits without an end of their own, by kind."""
    examples: dict[str, str] = field(default_factory=dict)
    """The first reason of each kind."""
    events: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    """Hosts, or what of robots.txt."""
    turned_away: int = 0
    """Steps on a page that the shop sent in place of its own since it was asked too often (HTTP's 429)."""
    cost: Callable[[], float | None] = lambda: None
    """What an endpoint's requests cost so far, in US dollars; None where that is not known."""

    async def begin(self, visit: Visit) -> None:
        """Nothing is counted yet."""

    async def before_step(self, visit: Visit, page: Page) -> bool:
        """Let it go on."""
        return True

    async def after_step(self, visit: Visit, step: Step) -> None:
        """Count a step and its events."""
        self.steps += 1
        self.turned_away += step.page.status == HTTPStatus.TOO_MANY_REQUESTS
        if step.error:
            self._count_error(step.error)
        for event in step.events or ():
            self.events[event.kind] += event.count
            if event.kind == "blocked":
                self.refused[event.detail or "others"] += event.count

    async def end(self, visit: Visit, end: VisitEnd) -> None:
        """Count how a visit ended."""
        self.sessions += end.steps > 0
        self.outcomes[end.outcome] += 1
        self.invalid += end.invalid
        if end.reason:
            self._count_error(end.reason)

    def _count_error(self, reason: str) -> None:
        kind = _kind(reason)
        self.errors[kind] += 1
        self.examples.setdefault(kind, reason)


class LiveView:
    """An observer that shows the shoppers while they shop; a context manager, which takes the table away."""

    def __init__(
        self,
        total: int,
        totals: Totals,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Show `total` visits; `totals` is told of everything before this."""
        self._total, self._totals, self._clock = total, totals, clock
        self._console = console or Console(stderr=True)
        self._rows = Rows()
        self._live: Live | None = None
        self._started = self._last_line = clock()
        self._ended = self._line_ended = 0

    def __enter__(self) -> "LiveView":
        if self._console.is_interactive and self._console.file.isatty():
            self._live = Live(
                get_renderable=self.render, console=self._console, refresh_per_second=4, transient=True
            )
            self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    async def begin(self, visit: Visit) -> None:
        """Add a row."""
        await self._rows.begin(visit)
        rows = self._rows.by_id
        while len(rows) > _ROWS_MAX + 200 and (gone := self._oldest_ended()):
            del rows[gone]

    async def before_step(self, visit: Visit, page: Page) -> bool:
        """Show the page's path."""
        return await self._rows.before_step(visit, page)

    async def after_step(self, visit: Visit, step: Step) -> None:
        """Show the action."""
        await self._rows.after_step(visit, step)
        self._say_line()

    async def end(self, visit: Visit, end: VisitEnd) -> None:
        """Show the outcome."""
        await self._rows.end(visit, end)
        self._ended += 1
        self._say_line()

    def take(self, changed: Mapping[str, Row]) -> None:
        """Show shoppers as another process has them, by session id."""
        self._rows.take(changed)
        self._say_line()

    def render(self) -> RenderableType:
        """Return the table and the totals."""
        width = min(WIDTH, self._console.width)
        table = Table(box=None, width=width, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
        for title, options in _COLUMNS:
            table.add_column(title, no_wrap=True, overflow="ellipsis", **options)
        for row in self._shown(max(3, min(_ROWS_MAX, self._console.height - _BESIDE_ROWS))):
            outcome = Text(
                row.outcome or "…", style=_COLORS.get(row.outcome, "red" if row.outcome else "dim")
            )
            table.add_row(row.number, str(row.step), Text(row.did), Text(row.path, style="dim"), outcome)
        filled = 24 * self._ended // max(1, self._total)
        bar = Text.assemble(("━" * filled, "green"), ("─" * (24 - filled), "dim"))
        head = Text.assemble(bar, f" {self._ended}/{self._total} {self._pace()}")
        foot = Text(self._counts(), style="dim")
        for line in (head, foot):
            line.truncate(width, overflow="ellipsis")
        return Group(table, Text(""), head, foot)

    def _shown(self, most: int) -> list[Row]:
        """Return the rows of shoppers under way, and of the others as many as there is room for."""
        rows = list(self._rows.by_id.values())
        under_way = [row for row in rows if not row.outcome]
        ended = [row for row in rows if row.outcome]
        room = max(0, most - len(under_way))
        kept = {id(row) for row in (*under_way[:most], *ended[len(ended) - min(room, len(ended)) :])}
        return [row for row in rows if id(row) in kept]

    def _oldest_ended(self) -> str | None:
        return next((name for name, row in self._rows.by_id.items() if row.outcome), None)

    def _say_line(self) -> None:
        """Away from a terminal, print a line now and then."""
        every = max(1, self._total // _LINES)
        is_due = self._ended - self._line_ended >= every or self._clock() - self._last_line >= _LINE_EVERY_S
        if self._live is None and is_due:
            self._line_ended, self._last_line = self._ended, self._clock()
            text = f"{self._ended}/{self._total} visits, {self._pace()}: {self._counts()}"
            self._console.print(Text(text), soft_wrap=True, highlight=False)

    def _pace(self) -> str:
        gone = max(self._clock() - self._started, 1e-3)
        left: Any = "?"
        if self._ended:
            left = timedelta(seconds=round(gone / self._ended * (self._total - self._ended)))
        return f"{self._totals.steps / gone:.1f} steps/s, {left} left"

    def _counts(self) -> str:
        totals = self._totals
        parts = [join_counts(totals.outcomes.most_common()) or "no visit has ended", f"{totals.steps} steps"]
        parts += [f"{totals.invalid} invalid responses"] if totals.invalid else []
        cost = totals.cost()
        parts += [f"{cost:.2f} USD"] if cost is not None else []
        return ", ".join(parts)


_COLUMNS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("#", {"justify": "right", "min_width": 3}),
    ("step", {"justify": "right", "min_width": 4}),
    ("last action", {"ratio": 3}),
    ("page", {"ratio": 2}),
    ("outcome", {"min_width": 9}),
)


def _kind(reason: str) -> str:
    """Return a reason without what is different each time: what is quoted, and numbers.

    >>> _kind("2 in a row: none of the page's names is 'results.mug' (of 31)")
    "2 in a row: none of the page's names is '…' (of N)"
    """
    return re.sub(r"(?!^)\d+", "N", re.sub(r"(?<!\w)'[^']*'", "'…'", reason))

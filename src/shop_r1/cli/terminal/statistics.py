"""The statistics of a file of sessions as tables of text."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from shop_r1.cli.terminal.console import count_of

if TYPE_CHECKING:
    from shop_r1.datasets.statistics import BudgetFacts, Leaks, Spread, Statistics

_LENGTHS = {
    "steps": "steps of a session",
    "page_tokens": "tokens of a page",
    "prompt_tokens": "of the last prompt",
    "session_tokens": "of the whole session",
}


def counts_table(found: "Statistics") -> list[tuple[str, str]]:
    """Return (name, value) of what is counted."""
    users = f"{found.users:,}"
    if found.without_user:
        users += f"; {count_of(found.without_user, 'session')} without"
    many = "all" if found.rationales == found.steps else f"{found.rationales:,}"
    return [
        ("sessions", f"{found.sessions:,}"),
        ("users", users),
        ("steps", f"{found.steps:,}, {many if found.rationales else 'none'} with a rationale"),
        ("sources", describe_shares(found.sources)),
        ("outcomes", describe_shares(found.outcomes)),
        ("actions", describe_shares(found.actions)),
        ("the first", describe_shares(found.first_actions)),
        ("after it", describe_shares(found.later_actions) or "none"),
    ]


def checks_table(found: "Statistics") -> list[tuple[str, str]]:
    """Return (name, value) of what could be wrong: budget, duplicates, leaks."""
    same = found.duplicates
    near = f"{same.near:,} nearly alike, in {count_of(same.near_groups, 'group')}"
    duplicates = f"{count_of(same.exact, 'exact copy')}; {near if same.near else 'none nearly alike'}"
    rows = [("budget", _describe_budget(found.budget)), ("duplicates", duplicates.replace("copys", "copies"))]
    if found.repeated_ids:
        rows.append(("ids", f"{found.repeated_ids:,} stand more than once: see shop-r1 data validate"))
    return [*rows, *(("against", _describe_leaks(each)) for each in found.leaks)]


def lengths_table(found: "Statistics") -> list[tuple[str, ...]]:
    """Return the header and rows of the table of lengths."""
    rows = [(title, *_cells(found.spreads[name])) for name, title in _LENGTHS.items()]
    return [(f"tokens: {found.tokenizer}"[:24], "mean", "median", "90 %", "99 %", "most"), *rows]


def describe_shares(counts: Mapping[str, int]) -> str:
    """Return the counts with their shares.

    >>> describe_shares({"click": 3, "terminate": 1})
    'click 3 (75.0 %), terminate 1 (25.0 %)'
    """
    total = sum(counts.values())
    return ", ".join(f"{name} {count:,} ({count / total:.1%})" for name, count in counts.items()).replace(
        "%", " %"
    )


def _cells(spread: "Spread") -> tuple[str, ...]:
    mean = f"{spread.mean:,.1f}" if spread.mean < 100 else f"{spread.mean:,.0f}"
    return (mean, *(f"{value:,}" for value in (spread.median, spread.p90, spread.p99, spread.most)))


def _describe_budget(budget: "BudgetFacts") -> str:
    room = f"{budget.max_tokens:,} tokens, {budget.max_completion_length:,} of them for the completion"
    if not budget.over:
        return f"all {budget.prompts:,} prompts fit into {room}"
    over = f"{budget.over:,} of {budget.prompts:,} prompts ({budget.over / budget.prompts:.1%})"
    cuts = [f"{count_of(budget.pages_left_out, 'earlier page')} left out"]
    cuts.append(f"{count_of(budget.pages_shortened, 'current page')} shortened")
    if budget.impossible:
        cuts.append(f"{count_of(budget.impossible, 'prompt')} cannot fit, their actions alone are too long")
    if budget.targets_cut:
        enough = f"; --max-tokens {budget.enough_tokens} keeps at least 95 %" if budget.enough_tokens else ""
        cuts.append(
            f"{budget.targets_cut:,} of their {count_of(budget.targets, 'target')} no longer shown{enough}"
        )
    return f"{over} are longer than {room}: {', '.join(cuts)}".replace("%", " %")


def _describe_leaks(leaks: "Leaks") -> str:
    shared = {
        "an id": leaks.same_id,
        "a user": leaks.same_user,
        "an exact copy": leaks.exact,
        "one nearly alike": leaks.near,
    }
    parts = [f"{count:,} share {what}" for what, count in shared.items() if count]
    return f"{leaks.other} ({count_of(leaks.sessions, 'session')}): {', '.join(parts) or 'nothing shared'}"

"""Shoppers in the real shop, end to end: `make nightly-shop`.

EverShop is started, 20 random shoppers and 20 of a model behind an endpoint go in, and their recordings are
imported back. It fails where a visit was lost, or an imported session differs from what was recorded.
"""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from recipes.evershop.audit import Audit
from recipes.evershop.random_model import RandomModel
from recipes.evershop.shop import EverShop
from tests.endpoints.serving import ModelServer

from shop_r1.datasets.session_files import read_sessions
from shop_r1.records.sessions import Session
from shop_r1.records.visits import SESSIONS_FILE

SHOPPERS = 20
_CLICKABLE_MIN = 0.97
"""Of the names of what is not disabled; the rest is covered or moves."""
_BOUNDS = ("--ignore-robots", "--rate", "0", "--concurrency", "4", "--max-steps", "12", "--force")


def main(folder: str = "build/evershop", port: str = "8300") -> None:
    """Run all of it and print what came of it."""
    shop = EverShop(Path(folder), int(port))
    is_ours = shop.start()
    try:
        with ModelServer(RandomModel()) as server:
            policies = {"random": "random", "endpoint": server.name("openai")}
            problems = [
                problem
                for name, policy in policies.items()
                for problem in visit(shop.url, policy, shop.folder / name)
            ]
        problems += look(shop.url)
    finally:
        if is_ours:
            shop.stop()
    sys.exit("\n".join(problems) or None)


def visit(url: str, policy: str, out: Path) -> list[str]:
    """Let shoppers of one policy in, and return what is wrong with what they left."""
    _run("simulate", url, "--policy", policy, "--shoppers", str(SHOPPERS), "--out", str(out), *_BOUNDS)
    again = out.with_name(f"{out.name}_imported.jsonl")
    _run("data", "import", "rrweb", str(out), "--out", str(again), "--force")
    recorded = {session.session_id: session for session in read_sessions(out / SESSIONS_FILE)}
    imported = {session.session_id: session for session in read_sessions(again)}
    steps = [step for session in recorded.values() for step in session.steps]
    turned_away = sum(step.page.status == HTTPStatus.TOO_MANY_REQUESTS for step in steps)
    same = sum(recorded[name] == imported.get(name) for name in recorded)
    print(
        f"{policy}: {len(recorded)} sessions, {len(steps)} steps, "
        f"{dict(Counter(session.outcome for session in recorded.values()))}; "
        f"{sum(step.error is not None for step in steps)} steps not carried out; "
        f"{same} sessions imported as recorded"
    )
    return [
        *differences(recorded, imported),
        *([f"{policy}: {turned_away} steps were turned away (429)"] if turned_away else []),
        *([] if len(recorded) == SHOPPERS else [f"{policy}: {len(recorded)} sessions of {SHOPPERS}"]),
    ]


def differences(recorded: dict[str, Session], imported: dict[str, Session]) -> list[str]:
    """Return where imported sessions differ from those that were recorded, a line for each."""
    found = [f"{name}: not imported" for name in recorded if name not in imported]
    for name in recorded.keys() & imported.keys():
        old, new = recorded[name], imported[name]
        if len(old.steps) != len(new.steps):
            found.append(f"{name}: {len(old.steps)} steps, imported {len(new.steps)}")
        for index, (one, other) in enumerate(zip(old.steps, new.steps, strict=False)):
            fields = [
                field for field in type(one).model_fields if getattr(one, field) != getattr(other, field)
            ]
            if fields:
                found.append(f"{name}, step {index}: {', '.join(fields)} differ")
        if old != new and old.steps == new.steps:
            fields = [field for field in type(old).model_fields if getattr(old, field) != getattr(new, field)]
            found.append(f"{name}: {', '.join(fields)} differ")
    return sorted(found)


def look(url: str) -> list[str]:
    """Look at the names of the shop's pages, and return those that lead to nothing or to another element."""
    audit = Audit()
    asyncio.run(audit.look(url))
    counts = ", ".join(f"{count} {fact}" for fact, count in audit.counts.items())
    print(f"{audit.pages} pages: {counts}", *audit.problems, sep="\n  ")
    names = audit.counts["names"]
    wrong = [
        f"{fact}: {audit.counts[fact]} of {names} names"
        for fact in ("found", "right", "visible")
        if audit.counts[fact] < names
    ]
    usable = names - audit.counts["disabled"]
    if audit.counts["clickable"] < _CLICKABLE_MIN * usable:
        wrong.append(f"clickable: {audit.counts['clickable']} of {usable} names")
    return [*wrong, *audit.lost]


def _run(*arguments: str) -> None:
    command: Sequence[str] = (sys.executable, "-m", "shop_r1", *arguments)
    print("shop-r1", *arguments, flush=True)
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

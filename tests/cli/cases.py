"""A page, a session and a completion for the tests of commands."""

import json
from pathlib import Path
from typing import Any

TARGET = '{"type": "click", "name": "results.red_mug"}'


COMPLETION = '{"rationale": "I like it.", "action": {"type": "click", "name": "results.red_mug"}}'


PAGE = (
    "<!doctype html><title>Shop</title><body><script>x()</script>"
    '<nav><a href="/">Home</a></nav><main><h1>Mugs</h1><a href="/red">Red mug</a></main></body>'
)


def session_line(**changes: Any) -> str:
    step = {"page": {"url": "/", "html": "<page></page>"}, "action": json.loads(TARGET), "rationale": "So."}
    last = {"page": {"url": "/x", "html": "<page>x</page>"}, "action": {"type": "terminate"}}
    return json.dumps({"session_id": "s", "outcome": "terminate", "steps": [step, last]} | changes)


PAGE_SEEN = '<page>\n<a name="results.red_mug">Red mug</a>'


def write_sessions(path: Path, *changes: dict[str, Any]) -> Path:
    """Write good sessions, each with its changes, an id of its own and two steps."""
    step = {"page": {"html": PAGE_SEEN}, "action": json.loads(TARGET)}
    lines = []
    for number, change in enumerate(changes):
        last = {"page": {"html": f"{PAGE_SEEN}\nVisit {number}"}, "action": {"type": "terminate"}}
        lines.append(session_line(session_id=f"s{number}", steps=[step, last], **change))
    path.write_text("\n".join(lines), "utf-8")
    return path

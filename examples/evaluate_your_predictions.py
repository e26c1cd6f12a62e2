"""Evaluate your own model's predictions with the paper's metrics: exact match, type accuracy, macro F1.

    python examples/evaluate_your_predictions.py                      # on predictions made up here
    python examples/evaluate_your_predictions.py completions.jsonl    # on yours

Each line of the file: `{"session_id": "1", "step": 0, "target": {"type": "terminate"}, "completion": "..."}`.
"""

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shop_r1 import SHOP, Action, ParseFailure, Prediction, evaluate_predictions, parse_response


def read_prediction(line: dict[str, Any]) -> Prediction:
    """Return the prediction in a line; a completion that is no valid response counts as wrong."""
    parsed = parse_response(line["completion"], SHOP)
    action, failure = (None, parsed.message) if isinstance(parsed, ParseFailure) else (parsed.action, None)
    return Prediction(
        session_id=line["session_id"],
        step=line["step"],
        target=Action.model_validate(line["target"]),
        action=action,
        failure=failure,
    )


def made_up() -> Iterator[dict[str, Any]]:
    """Yield 60 sessions of two steps, predicted by a model that is right about half of the time."""
    rng = random.Random(0)
    actions = [{"type": "click", "name": "results.red_mug"}, {"type": "terminate"}]
    for number in range(60):
        for step, target in enumerate(actions):
            guess = json.dumps({"rationale": "A guess.", "action": rng.choice(actions)})
            completion = guess if rng.random() < 0.95 else "I would leave."
            yield {"session_id": f"{number}", "step": step, "target": target, "completion": completion}


if __name__ == "__main__":
    text = Path(sys.argv[1]).read_text("utf-8") if len(sys.argv) > 1 else None
    lines = map(json.loads, text.splitlines()) if text is not None else made_up()
    metrics = evaluate_predictions([read_prediction(line) for line in lines], SHOP)
    for name, interval in metrics.intervals:
        print(f"{name:14} {interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]")
    print(f"{metrics.n} steps of {metrics.sessions} sessions, {metrics.unparsable} unparsable")

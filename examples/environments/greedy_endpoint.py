"""An OpenAI-compatible endpoint whose model is the greedy shopper: for trying the verifiers environments.

Usage: python -m examples.environments.greedy_endpoint [PORT]
"""

import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import uvicorn
from examples.environments.greedy import GreedyShopper, Move
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from shop_r1 import Action
from shop_r1.prompts.render import render_completion

_ELEMENT = re.compile(r'<(\w+) name="([^"]+)"[^<>]*>([^<>]*)')


def answer(messages: Iterable[Mapping[str, Any]]) -> str:
    """Return the completion for a conversation: the shopper goes through it again and makes one more move.

    Without a wish in the system prompt it leaves.
    """
    system, *turns = messages
    try:
        shopper = GreedyShopper(system["content"])
    except ValueError:
        return render_completion("I came for nothing.", Action(type="terminate"))
    move = Move("leave", "I saw no page.")
    for turn in turns:
        if turn["role"] == "user":
            page = turn["content"]
            elements = [(name, label.strip()) for _, name, label in _ELEMENT.findall(page)]
            move = shopper.move(elements, "search_input", page)
    return render_completion(move.why, _action(move))


def _action(move: Move) -> Action:
    if move.kind == "leave":
        return Action(type="terminate")
    if move.kind == "click":
        return Action(type="click", name=move.handle)
    return Action(type="type_and_submit", name=move.handle, text=move.text)


async def complete(request: Request) -> JSONResponse:
    """Answer `POST /v1/chat/completions`."""
    asked = await request.json()
    text = answer(asked["messages"])
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    return JSONResponse(
        {
            "id": "greedy",
            "object": "chat.completion",
            "created": 0,
            "model": asked["model"],
            "choices": [choice],
            "usage": usage,
        }
    )


app = Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]) if len(sys.argv) > 1 else 8000, log_level="warning")

"""Which vLLM server samples a completion: for all of a group the same, which then runs its prompt once.

verl asks the server with the fewest requests, which spreads a group over the servers, and each that gets one
of its completions runs the prompt anew. verl's balancer keeps a request's later turns on one server, by the
request's name; here a request is named after its prompt.
"""

import hashlib
from array import array
from collections.abc import Sequence
from typing import Any

from verl.workers.rollout.llm_server import LLMServerClient


def prompt_name(ids: Sequence[int]) -> str:
    """Return the same name for equal prompts, and different ones for different prompts.

    >>> prompt_name([1, 2]) == prompt_name((1, 2)), prompt_name([1, 2]) == prompt_name([12])
    (True, False)
    """
    return hashlib.blake2b(array("q", ids).tobytes(), digest_size=16).hexdigest()


class GroupClient(LLMServerClient):
    """Asks one server for all completions of a prompt, until the trainer clears verl's memory of it."""

    async def _acquire_server(self, request_id: str, **extra: Any) -> Any:
        return await super()._acquire_server(prompt_name(extra["prompt_ids"]), **extra)

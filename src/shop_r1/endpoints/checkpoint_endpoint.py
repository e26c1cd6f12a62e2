"""A checkpoint on this machine as an endpoint; it computes one completion at a time."""

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from shop_r1.endpoints.failures import InvalidRequestError
from shop_r1.endpoints.protocol import Completion, Request, Usage
from shop_r1.models.checkpoint import LocalModel
from shop_r1.models.precision import Bf16, autocast
from shop_r1.models.prefix_tree import grow_tree
from shop_r1.models.sampling import Sampling, sample_completions


@dataclass(frozen=True)
class CheckpointEndpoint:
    """Samples completions from a checkpoint. JSON schemas are not enforced."""

    name: str
    """In the cache and the output; must differ for other weights."""
    model: LocalModel
    sampling: Sampling
    """Where a request leaves temperature or top-p open."""
    count_earlier: Callable[[Request], int]
    """Returns how many completions a request has already; each next one has another seed."""
    longest: int | None = None
    """How many tokens a prompt and its completion may have; None where the model does not say."""
    bf16: Bf16 = "auto"
    _lock: Lock = field(default_factory=Lock)

    async def send(self, request: Request) -> Completion:
        """Return a completion: the same for the same request, count of earlier ones, weights and machine.

        Torch runs in a thread of its own, so that the event loop goes on meanwhile.

        Raises:
            InvalidRequestError: the prompt and the completion are together longer than the model's context.
        """
        return await asyncio.to_thread(self._complete, request, self.count_earlier(request))

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    def _complete(self, request: Request, draw: int) -> Completion:
        model = self.model
        ids = model.prompt_ids(request.messages)
        if self.longest is not None and len(ids) + request.max_tokens > self.longest:
            raise InvalidRequestError(
                f"{self.name}: a prompt of {len(ids)} tokens and a completion of {request.max_tokens} are "
                f"more than the model's context of {self.longest}; lower max_tokens"
            )
        update = request.sampling | {"max_new_tokens": request.max_tokens}
        sampling = self.sampling.model_copy(update=update)
        seed = zlib.crc32(f"{request.model_dump_json()},{draw}".encode())
        with self._lock, autocast(self.bf16, model.model.device.type):
            (completion,) = sample_completions(
                model.model, [grow_tree([ids])], sampling, model.end_ids, model.pad_id, [seed]
            )
        ended = bool(completion.ids) and completion.ids[-1] in model.end_ids
        return Completion(
            text=model.decode(completion.ids),
            stop="end" if ended else "length",
            usage=Usage(input_tokens=len(ids), output_tokens=len(completion.ids)),
        )

"""A checkpoint on this machine as one who answers, like any endpoint; one question at a time."""

import asyncio
import zlib
from collections.abc import Callable
from threading import Lock

from shop_r1.endpoints.protocol import Answer, Request, RequestFaultError, Usage
from shop_r1.models.checkpoint import LocalModel
from shop_r1.models.precision import Bf16, autocast
from shop_r1.models.prefix_tree import grow_tree
from shop_r1.models.sampling import Sampling, sample_completions


class LocalEndpoint:
    """Answers from a checkpoint. It cannot hold the model to a JSON schema and does not try.

    Args:
        name: what the cache and the output call it; should change when the weights do.
        model: the checkpoint.
        sampling: where a request leaves temperature or top-p open.
        asked_before: how many answers to a request there are already; another draw is made for each.
        longest: how many tokens a prompt and its completion may have; None where the model does not say.
        bf16: whether it computes in bfloat16.
    """

    def __init__(
        self,
        name: str,
        model: LocalModel,
        sampling: Sampling,
        asked_before: Callable[[Request], int],
        longest: int | None = None,
        bf16: Bf16 = "auto",
    ) -> None:
        self.name = name
        self._model = model
        self._sampling = sampling
        self._asked_before = asked_before
        self._longest = longest
        self._bf16 = bf16
        self._lock = Lock()

    async def send(self, request: Request) -> Answer:
        """Return a completion: the same for the same request, count of earlier ones, weights and machine.

        Torch works in a thread of its own, so whoever else awaits something goes on meanwhile.

        Raises:
            RequestFaultError: the prompt and the completion are together longer than the model reads.
        """
        draw = self._asked_before(request)
        return await asyncio.to_thread(self._answer, request, draw)

    async def close(self) -> None:
        """There is nothing to give back."""

    def _answer(self, request: Request, draw: int) -> Answer:
        ids = self._model.prompt_ids(request.messages)
        if self._longest is not None and len(ids) + request.max_tokens > self._longest:
            raise RequestFaultError(
                f"{self.name}: a prompt of {len(ids)} tokens and a completion of {request.max_tokens} are "
                f"more than the {self._longest} that the model reads; lower max_tokens"
            )
        seed = zlib.crc32(f"{request.model_dump_json()},{draw}".encode())
        model = self._model
        with self._lock, autocast(self._bf16, model.model.device.type):
            (completion,) = sample_completions(
                model.model, [grow_tree([ids])], self._settings(request), model.end_ids, model.pad_id, [seed]
            )
        ended = bool(completion.ids) and completion.ids[-1] in model.end_ids
        return Answer(
            text=model.decode(completion.ids),
            stop="end" if ended else "length",
            usage=Usage(input_tokens=len(ids), output_tokens=len(completion.ids)),
        )

    def _settings(self, request: Request) -> Sampling:
        chosen = {"temperature": request.temperature, "top_p": request.top_p}
        given: dict[str, float] = {field: value for field, value in chosen.items() if value is not None}
        return self._sampling.model_copy(update={"max_new_tokens": request.max_tokens, **given})

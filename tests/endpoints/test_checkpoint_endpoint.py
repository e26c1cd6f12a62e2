import asyncio
from typing import Any

import pytest

from shop_r1.endpoints.checkpoint_endpoint import CheckpointEndpoint
from shop_r1.endpoints.failures import InvalidRequestError
from shop_r1.endpoints.protocol import Request
from shop_r1.models.sampling import Sampling

REQUEST = Request(messages=({"role": "user", "content": "Red mug"},), max_tokens=12)


def endpoint(model: Any, before: int = 0, **settings: Any) -> CheckpointEndpoint:
    return CheckpointEndpoint("local:tiny", model, Sampling(temperature=1.0), lambda _: before, **settings)


def test_a_checkpoint_completes_and_reports_what_it_read_and_wrote(tiny_model: Any) -> None:
    completion = asyncio.run(endpoint(tiny_model).send(REQUEST))
    assert completion.usage.input_tokens == len(tiny_model.prompt_ids(REQUEST.messages))
    assert 1 <= completion.usage.output_tokens <= 12
    assert (completion.stop == "length") <= (completion.usage.output_tokens == 12)


def test_the_same_request_has_the_same_completion_and_each_further_one_another(tiny_model: Any) -> None:
    texts = [asyncio.run(endpoint(tiny_model, before).send(REQUEST)).text for before in (0, 0, 1, 2)]
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3


def test_a_requests_temperature_comes_before_the_endpoints(tiny_model: Any) -> None:
    greedy = REQUEST.model_copy(update={"temperature": 0.0})
    texts = {asyncio.run(endpoint(tiny_model, before).send(greedy)).text for before in range(3)}
    assert len(texts) == 1


def test_others_go_on_while_it_computes(tiny_model: Any) -> None:
    async def both() -> int:
        task = asyncio.create_task(endpoint(tiny_model).send(REQUEST))
        turns = 0
        while not task.done():
            turns += 1
            await asyncio.sleep(0)
        return turns

    assert asyncio.run(both()) > 2


def test_a_prompt_that_is_too_long_is_an_invalid_request(tiny_model: Any) -> None:
    with pytest.raises(InvalidRequestError, match="lower max_tokens"):
        asyncio.run(endpoint(tiny_model, longest=15).send(REQUEST))

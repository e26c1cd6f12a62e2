import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from shop_r1.config import load_config
from shop_r1.datasets.examples import Example, list_examples
from shop_r1.endpoints.failures import InvalidRequestError
from shop_r1.endpoints.pricing import Price
from shop_r1.endpoints.protocol import Completion, RemoteSampling, Request, Stop, Usage
from shop_r1.endpoints.response_cache import ResponseCache
from shop_r1.errors import ConfigError, ModelError
from shop_r1.evaluation import remote
from shop_r1.evaluation.metrics import evaluate_predictions
from shop_r1.evaluation.predict import PredictConfig, predict
from shop_r1.evaluation.related_metrics import measure_related
from shop_r1.evaluation.remote import (
    REFUSED,
    RemoteConfig,
    StepRequest,
    make_requests,
    summarize_requests,
)
from shop_r1.models import sampling
from shop_r1.models.checkpoint import LocalModel
from shop_r1.models.sampling import Sampling
from shop_r1.pages.tokens import estimate_tokens
from shop_r1.prompts.render import PromptConfig, render_completion, render_prompt
from shop_r1.records.results import Prediction
from shop_r1.records.sessions import Session

ROOT = Path(__file__).parents[2]


def completion(text: str, stop: Stop = "end") -> Completion:
    return Completion(text=text, stop=stop, usage=Usage(input_tokens=100, output_tokens=10))


def right_completion(example: Example) -> str:
    return render_completion("So it is.", example.taken.action)


class Scripted:
    """Completes by the step that a request is for; raises where the script has None."""

    def __init__(self, script: Sequence[Completion | None], requests: Sequence[Request]) -> None:
        self.name = "openai:scripted"
        self.sent: list[Request] = []
        self._script = dict(zip((request.draw for request in requests), script, strict=True))

    async def send(self, request: Request) -> Completion:
        self.sent.append(request)
        found = self._script[request.draw]
        if found is None:
            raise InvalidRequestError("too long for me")
        return found

    async def close(self) -> None:
        pass


def predict_scripted(
    steps: Sequence[StepRequest], script: Sequence[Completion | None], path: Path
) -> list[tuple[Prediction, Completion]]:
    endpoint = Scripted(script, [step.request for step in steps])
    with ResponseCache(path) as cache:
        return asyncio.run(remote.predict(endpoint, steps, RemoteConfig(), cache))


def test_a_request_is_the_prompt_of_any_model_with_tokens_by_estimate(tiny_sessions: list[Session]) -> None:
    config = RemoteConfig(sampling=RemoteSampling(temperature=0.3, top_p=0.9, max_new_tokens=300))
    for step in make_requests(list_examples(tiny_sessions), config):
        example, request = step.example, step.request
        expected = render_prompt(
            example.session,
            example.step,
            example.space,
            PromptConfig(max_completion_length=300),
            estimate_tokens,
        )
        assert step.prompt == expected
        assert request.messages == expected.messages
        assert (request.max_tokens, request.temperature, request.top_p) == (300, 0.3, 0.9)
        assert request.json_schema is None


def test_what_an_endpoint_does_not_take_is_not_sent(tiny_sessions: list[Session]) -> None:
    config = RemoteConfig(sampling=RemoteSampling(send_temperature=False))
    request = make_requests(list_examples(tiny_sessions), config)[0].request
    assert (request.temperature, request.top_p) == (None, None)


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "evaluate").glob("*.toml")), ids=lambda p: p.stem)
def test_the_settings_of_a_checkpoints_evaluation_are_an_endpoints_too(path: Path) -> None:
    local, remote = load_config(PredictConfig, path), load_config(RemoteConfig, path)
    assert remote.prompt == local.prompt
    assert remote.sampling.temperature == local.sampling.temperature
    assert remote.sampling.max_new_tokens == local.sampling.max_new_tokens


def test_steps_with_equal_prompts_are_drawn_apart_and_a_seed_draws_all_anew(
    tiny_sessions: list[Session],
) -> None:
    examples = list_examples(tiny_sessions)  # two sessions begin alike
    first = make_requests(examples, RemoteConfig())
    assert len({step.prompt.messages[1]["content"] for step in first}) < len(first)
    assert len({step.request.draw for step in first}) == len(first)
    again, other = make_requests(examples, RemoteConfig()), make_requests(examples, RemoteConfig(seed=1))
    assert [step.request for step in again] == [step.request for step in first]
    assert {step.request.draw for step in other}.isdisjoint(step.request.draw for step in first)


def test_a_budget_without_room_for_a_prompt_is_refused(tiny_sessions: list[Session]) -> None:
    config = RemoteConfig(sampling=RemoteSampling(max_new_tokens=40_000))
    with pytest.raises(ConfigError, match="max_tokens is 32768 and 40000 are kept free"):
        make_requests(list_examples(tiny_sessions), config)


def test_a_checkpoint_and_an_endpoint_that_say_the_same_get_the_same_metrics(
    tiny_model: LocalModel, tiny_sessions: list[Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = list_examples(tiny_sessions)
    script = [right_completion(each) for each in examples]
    script[1], script[4] = "no JSON", render_completion("Away.", examples[0].session.steps[0].action)
    rows = [torch.tensor(tiny_model.completion_ids(text)) for text in script]
    tokens = iter(torch.nn.utils.rnn.pad_sequence(rows, True, tiny_model.end_ids[0]).T)
    monkeypatch.setattr(sampling, "_picker", lambda _: lambda logits, uniform: next(tokens))
    local = predict(tiny_model, examples, PredictConfig(sampling=Sampling(max_new_tokens=200), bf16=False))
    found = predict_scripted(
        make_requests(examples, RemoteConfig()),
        [completion(each.completion or "") for each in local],
        tmp_path / "cache.jsonl",
    )
    served = [prediction for prediction, _ in found]

    space = examples[0].space
    metrics = evaluate_predictions(served, space)
    assert 0 < metrics.exact < 1 and metrics.unparsable == 1  # batches order the script by length
    assert evaluate_predictions(local, space) == metrics
    assert measure_related(local, space) == measure_related(served, space)
    for one, other in zip(local, served, strict=True):
        differing = {"reward", "prompt_tokens"}
        assert one.model_dump(exclude=differing) == other.model_dump(exclude=differing)
        assert one.reward is not None and other.reward is not None
        assert other.reward.rationale == 0  # no certainty over a network
        assert other.reward.total == pytest.approx(one.reward.total - one.reward.rationale)


def test_a_refusal_is_unparsable_whatever_came_with_it_and_counted_apart(
    tiny_sessions: list[Session], tmp_path: Path
) -> None:
    examples = list_examples(tiny_sessions)[:3]
    texts = [(right_completion(examples[0]), "refused"), ("{", "length"), ("", "refused")]
    script = [completion(text, stop) for text, stop in texts]  # type: ignore[arg-type]
    steps = make_requests(examples, RemoteConfig())
    found = [prediction for prediction, _ in predict_scripted(steps, script, tmp_path / "cache.jsonl")]
    assert [each.action for each in found] == [None, None, None]
    assert [each.failure == REFUSED for each in found] == [True, False, True]
    assert found[0].completion == right_completion(examples[0]) and found[0].rationale is None
    assert all(each.reward is not None and each.reward.total == 0 for each in found)
    counted = summarize_requests("openai:x", script, Price(input_usd=2.0, output_usd=10.0))
    assert (counted.steps, counted.refused, counted.cut) == (3, 2, 1)
    assert counted.cost_usd == pytest.approx((300 * 2.0 + 30 * 10.0) / 1e6)
    assert summarize_requests("openai:x", script, None).cost_usd is None


def test_any_completion_is_accepted_and_requested_once(tiny_sessions: list[Session], tmp_path: Path) -> None:
    steps = make_requests(list_examples(tiny_sessions), RemoteConfig())
    script = [completion("no JSON"), completion("", "refused"), *(completion("{}") for _ in steps[2:])]
    endpoint = Scripted(script, [step.request for step in steps])
    for _ in range(2):
        with ResponseCache(tmp_path / "cache.jsonl") as cache:
            found = asyncio.run(remote.predict(endpoint, steps, RemoteConfig(), cache))
        assert [each for _, each in found] == script
    assert len(endpoint.sent) == len(steps)


@pytest.mark.parametrize("missing", [1, 3])
def test_a_step_without_a_completion_ends_the_run_with_an_error(
    tiny_sessions: list[Session], tmp_path: Path, missing: int
) -> None:
    steps = make_requests(list_examples(tiny_sessions), RemoteConfig())
    script: list[Any] = [completion("{}") for _ in steps]
    script[-missing:] = [None] * missing
    path = tmp_path / "cache.jsonl"
    with pytest.raises(ModelError, match=f"{missing} of {len(steps)} steps have no completion .too long"):
        predict_scripted(steps, script, path)
    with ResponseCache(path) as cache:
        assert len(cache) == len(steps) - missing

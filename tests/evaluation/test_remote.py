import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from shop_r1.config import load_config
from shop_r1.datasets.examples import Example, list_examples
from shop_r1.endpoints.batch import AskConfig
from shop_r1.endpoints.protocol import Answer, Price, Request, RequestFaultError, Stop, Usage
from shop_r1.endpoints.response_cache import AnswerCache
from shop_r1.errors import ConfigError, ModelError
from shop_r1.evaluation.metrics import evaluate_predictions
from shop_r1.evaluation.predict import PredictConfig, predict
from shop_r1.evaluation.related_metrics import measure_related
from shop_r1.evaluation.remote import (
    REFUSED,
    RemoteConfig,
    RemoteSampling,
    ask_questions,
    count_answers,
    read_answers,
    write_questions,
)
from shop_r1.models import sampling
from shop_r1.models.checkpoint import LocalModel
from shop_r1.models.sampling import Sampling
from shop_r1.pages.tokens import estimate_tokens
from shop_r1.prompts.render import PromptConfig, render_completion, render_prompt
from shop_r1.records.sessions import Session
from shop_r1.rewards.total import RewardConfig

ROOT = Path(__file__).parents[2]


def answer(text: str, stop: Stop = "end") -> Answer:
    return Answer(text=text, stop=stop, usage=Usage(input_tokens=100, output_tokens=10))


def right_completion(example: Example) -> str:
    return render_completion("So it is.", example.session.steps[example.step].action)


class Scripted:
    """Answers by the step that is asked for; raises where the script has None."""

    def __init__(self, script: Sequence[Answer | None], requests: Sequence[Request]) -> None:
        self.name = "openai:scripted"
        self.asked: list[Request] = []
        self._script = dict(zip((request.draw for request in requests), script, strict=True))

    async def send(self, request: Request) -> Answer:
        self.asked.append(request)
        found = self._script[request.draw]
        if found is None:
            raise RequestFaultError("too long for me")
        return found

    async def close(self) -> None:
        pass


def test_a_question_is_the_prompt_of_any_model_with_tokens_by_estimate(tiny_sessions: list[Session]) -> None:
    config = RemoteConfig(sampling=RemoteSampling(temperature=0.3, top_p=0.9, max_new_tokens=300))
    for question in write_questions(list_examples(tiny_sessions), config):
        example, request = question.example, question.request
        expected = render_prompt(
            example.session,
            example.step,
            example.space,
            PromptConfig(max_completion_length=300),
            estimate_tokens,
        )
        assert question.prompt == expected
        assert request.messages == expected.messages
        assert (request.max_tokens, request.temperature, request.top_p) == (300, 0.3, 0.9)
        assert request.json_schema is None


def test_what_an_endpoint_does_not_take_is_not_sent(tiny_sessions: list[Session]) -> None:
    config = RemoteConfig(sampling=RemoteSampling(send_temperature=False))
    request = write_questions(list_examples(tiny_sessions), config)[0].request
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
    first = write_questions(examples, RemoteConfig())
    assert len({question.prompt.messages[1]["content"] for question in first}) < len(first)
    assert len({question.request.draw for question in first}) == len(first)
    again, other = write_questions(examples, RemoteConfig()), write_questions(examples, RemoteConfig(seed=1))
    assert [question.request for question in again] == [question.request for question in first]
    assert {question.request.draw for question in other}.isdisjoint(q.request.draw for q in first)


def test_a_budget_without_room_for_a_prompt_is_refused(tiny_sessions: list[Session]) -> None:
    config = RemoteConfig(sampling=RemoteSampling(max_new_tokens=40_000))
    with pytest.raises(ConfigError, match="max_tokens is 32768 and 40000 are kept free"):
        write_questions(list_examples(tiny_sessions), config)


def test_a_checkpoint_and_an_endpoint_that_say_the_same_get_the_same_metrics(
    tiny_model: LocalModel, tiny_sessions: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = list_examples(tiny_sessions)
    script = [right_completion(each) for each in examples]
    script[1], script[4] = "no JSON", render_completion("Away.", examples[0].session.steps[0].action)
    rows = [torch.tensor(tiny_model.completion_ids(text)) for text in script]
    tokens = iter(torch.nn.utils.rnn.pad_sequence(rows, True, tiny_model.end_ids[0]).T)
    monkeypatch.setattr(sampling, "_picker", lambda _: lambda logits, uniform: next(tokens))
    local = predict(tiny_model, examples, PredictConfig(sampling=Sampling(max_new_tokens=200), bf16=False))
    questions = write_questions(examples, RemoteConfig())
    remote = read_answers(questions, [answer(each.completion or "") for each in local], RewardConfig())

    space = examples[0].space
    metrics = evaluate_predictions(remote, space)
    assert 0 < metrics.exact < 1 and metrics.unparsable == 1  # batches order the script by length
    assert evaluate_predictions(local, space) == metrics
    assert measure_related(local, space) == measure_related(remote, space)
    for one, other in zip(local, remote, strict=True):
        differing = {"reward", "prompt_tokens"}
        assert one.model_dump(exclude=differing) == other.model_dump(exclude=differing)
        assert one.reward is not None and other.reward is not None
        assert other.reward.rationale == 0  # no certainty over a network
        assert other.reward.total == pytest.approx(one.reward.total - one.reward.rationale)


def test_a_refusal_is_unparsable_whatever_came_with_it_and_counted_apart(
    tiny_sessions: list[Session],
) -> None:
    examples = list_examples(tiny_sessions)[:3]
    answers = [answer(right_completion(examples[0]), "refused"), answer("{", "length"), answer("", "refused")]
    found = read_answers(write_questions(examples, RemoteConfig()), answers, RewardConfig())
    assert [each.action for each in found] == [None, None, None]
    assert [each.failure == REFUSED for each in found] == [True, False, True]
    assert found[0].completion == right_completion(examples[0]) and found[0].rationale is None
    assert all(each.reward is not None and each.reward.total == 0 for each in found)
    counted = count_answers("openai:x", answers, Price(2.0, 10.0))
    assert (counted.steps, counted.refused, counted.cut) == (3, 2, 1)
    assert counted.cost_usd == pytest.approx((300 * 2.0 + 30 * 10.0) / 1e6)
    assert count_answers("openai:x", answers, None).cost_usd is None


def test_any_answer_will_do_and_is_asked_for_once(tiny_sessions: list[Session], tmp_path: Path) -> None:
    questions = write_questions(list_examples(tiny_sessions), RemoteConfig())
    script = [answer("no JSON"), answer("", "refused"), *(answer("{}") for _ in questions[2:])]
    endpoint = Scripted(script, [question.request for question in questions])
    for _ in range(2):
        with AnswerCache(tmp_path / "answers.jsonl") as cache:
            found = asyncio.run(ask_questions(endpoint, questions, AskConfig(), cache, None))
        assert found == script
    assert len(endpoint.asked) == len(questions)


@pytest.mark.parametrize("missing", [1, 3])
def test_a_step_without_an_answer_ends_the_run_and_is_told(
    tiny_sessions: list[Session], tmp_path: Path, missing: int
) -> None:
    questions = write_questions(list_examples(tiny_sessions), RemoteConfig())
    script: list[Any] = [answer("{}") for _ in questions]
    script[-missing:] = [None] * missing
    endpoint = Scripted(script, [question.request for question in questions])
    path = tmp_path / "answers.jsonl"
    with (
        AnswerCache(path) as cache,
        pytest.raises(ModelError, match=f"{missing} of {len(questions)} steps have no answer .too long"),
    ):
        asyncio.run(ask_questions(endpoint, questions, AskConfig(), cache, None))
    with AnswerCache(path) as cache:
        assert len(cache) == len(questions) - missing

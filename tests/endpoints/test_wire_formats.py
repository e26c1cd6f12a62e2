"""The shapes in which servers that speak OpenAI's and Anthropic's forms give contents, usage and errors."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.endpoints.serving import ModelServer, Script

from shop_r1.endpoints.batch import Outcome, send_all
from shop_r1.endpoints.budget import max_usage
from shop_r1.endpoints.completion_body import read_chat, read_message
from shop_r1.endpoints.failures import (
    EndpointError,
    InvalidRequestError,
    MalformedBodyError,
    TransientError,
    read_retry_after,
)
from shop_r1.endpoints.protocol import Completion, Request, Usage
from shop_r1.endpoints.providers import open_endpoint
from shop_r1.endpoints.response_cache import ResponseCache
from shop_r1.endpoints.retry import RequestConfig
from shop_r1.errors import ModelError

ASK = Request(messages=({"role": "user", "content": "say hello"},), max_tokens=50)
SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}
USAGE = {"prompt_tokens": 10, "completion_tokens": 5}


def chat(message: Any, finish: Any = "stop", usage: Any = USAGE, **choice: Any) -> bytes:
    return json.dumps(
        {"choices": [{"message": message, "finish_reason": finish, **choice}], "usage": usage}
    ).encode()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("hello", "hello"),
        (None, ""),
        ([], ""),
        ([{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}], "hello"),
        (
            [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                {"type": "text", "text": "yes"},
            ],
            "yes",
        ),
        ([{"type": "reasoning", "text": "hm"}, {"type": "output_text", "text": "yes"}], "yes"),
        (["a", {"text": "b"}, {"type": "image_url", "image_url": {}}, 3, None], "ab"),
        ({"type": "text", "text": {"value": "whole"}}, "whole"),
        ("half \ud800 a pair, and \U0001f600", "half \ufffd a pair, and \U0001f600"),
    ],
)
def test_the_text_parts_of_a_content_are_joined_and_all_others_are_none(content: Any, text: str) -> None:
    answer = read_chat(ASK, chat({"content": content}))
    assert answer.text == text
    answer.model_dump_json().encode()  # It can be kept.


def test_a_refusal_may_be_a_part() -> None:
    answer = read_chat(ASK, chat({"content": [{"type": "refusal", "refusal": "No."}]}))
    assert (answer.text, answer.stop) == ("No.", "refused")


@pytest.mark.parametrize(
    ("message", "instead"),
    [
        ({"content": None, "tool_calls": [{"function": {"name": "act", "arguments": "{}"}}]}, "tool_calls"),
        ({"content": " ", "function_call": {"name": "act"}}, "tool_calls"),
        ({"content": None, "reasoning_content": "hm"}, "reasoning"),
        ({"content": [{"type": "thinking", "thinking": "hm"}]}, "reasoning"),
        ({"content": "yes", "reasoning_content": "hm", "tool_calls": []}, None),
        ({"content": ""}, None),
    ],
)
def test_what_came_in_place_of_a_text_is_said(message: Mapping[str, Any], instead: str | None) -> None:
    assert read_chat(ASK, chat(message)).instead == instead


WORST = max_usage(ASK)


@pytest.mark.parametrize(
    ("given", "input_tokens", "output_tokens"),
    [
        (USAGE, 10, 5),
        ({"prompt_tokens": 10.0, "completion_tokens": "5"}, 10, 5),
        (None, None, None),
        ({}, None, None),
        ("free", None, None),
        ({"prompt_tokens": 10}, 10, None),
        ({"prompt_tokens": 10, "completion_tokens": None}, 10, None),
        ({"prompt_tokens": -1, "completion_tokens": 5}, None, 5),
        ({"prompt_tokens": True, "completion_tokens": 5.5}, None, None),
        ({"prompt_tokens": "many", "completion_tokens": "1e999"}, None, None),
    ],
)
def test_what_usage_does_not_say_counts_at_the_worst_and_is_marked(
    given: Any, input_tokens: int | None, output_tokens: int | None
) -> None:
    answer = read_chat(ASK, chat({"content": "x"}, usage=given))
    expected = Usage(
        input_tokens=WORST.input_tokens if input_tokens is None else input_tokens,
        output_tokens=WORST.output_tokens if output_tokens is None else output_tokens,
    )
    assert (answer.usage, answer.usage_known) == (expected, None not in (input_tokens, output_tokens))
    names = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}
    claude = {names[name]: count for name, count in given.items()} if isinstance(given, dict) else given
    body = {"content": [{"type": "text", "text": "x"}], "usage": claude}
    assert read_message(ASK, json.dumps(body).encode()) == answer


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("SAFETY", "refused"),
        ("", "end"),
        (0, "end"),
        (["odd"], "end"),
    ],
)
def test_odd_reasons_of_an_end_are_read(reason: Any, stop: str) -> None:
    assert read_chat(ASK, chat({"content": "x"}, reason)).stop == stop


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"choices": null}', "choices is missing or null"),
        (b'{"choices": []}', r"choices is \[\]"),
        (b'{"choices": [null]}', r"choices is \[null\]"),
        (b'{"choices": [{"finish_reason": "stop"}]}', "the choice's message is missing or null"),
        (b"[]", r"it is \[\]"),
        (b"", "it is empty"),
        (b"<html>Log in</html>", "it is not JSON: <html>Log in"),
        (b'data: {"choices": []}\n\ndata: [DONE]\n', "it streams, although no stream was requested"),
        (b"[" * 100_000, "it is not JSON"),
        (chat({"content": ""}, "error"), "the choice ended with error"),
        (chat({"content": "{"}, "abort"), "the choice ended with abort"),
        (chat({"content": ""}, "stop", error={"code": 502, "message": "idle"}), "the choice ended with stop"),
    ],
)
def test_what_is_no_completion_is_never_an_empty_answer(body: bytes, found: str) -> None:
    with pytest.raises(MalformedBodyError, match=found):
        read_chat(ASK, body)


def test_a_message_of_claude_may_be_a_text_or_only_a_tool_call_and_must_have_content() -> None:
    assert read_message(ASK, b'{"content": "x"}').text == "x"
    tool = read_message(ASK, b'{"content": [{"type": "tool_use", "input": {}}], "stop_reason": "tool_use"}')
    assert (tool.text, tool.instead) == ("", "tool_calls")
    with pytest.raises(MalformedBodyError, match="content is missing or null"):
        read_message(ASK, b'{"usage": {}}')


# -- errors, through the makers' own clients ----------------------------------------------------------------


def fault_of(server: ModelServer, kind: str = "openai", **more: Any) -> ModelError:
    with pytest.raises(ModelError) as caught:
        send(server, kind, **more)
    return caught.value


def send(
    server: ModelServer,
    kind: str = "openai",
    request: Request = ASK,
    told: list[str] | None = None,
    **more: Any,
) -> Completion:
    async def exchange() -> Completion:
        notify = [] if told is None else told
        endpoint = open_endpoint(server.name(kind), RequestConfig(timeout_s=5, **more), notify.append)
        try:
            return await endpoint.send(request)
        finally:
            await endpoint.close()

    return asyncio.run(exchange())


def always(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Script:
    return lambda *_: (status, body, headers or {})


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.setenv(name, "sk-of-no-one-at-all")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("kind", ["openai", "anthropic", "bedrock"])
@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        (
            {"error": {"message": "upstream rate limited", "code": 429}},
            TransientError,
            "429 (upstream rate",
        ),
        (
            {"error": {"message": "slow down", "type": "rate_limit_error"}},
            TransientError,
            "429 (slow down",
        ),
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
            TransientError,
            "529",
        ),
        ({"error": {"message": "bad key", "code": "401"}}, EndpointError, "a valid key in the environment"),
        (
            {"error": {"message": "no such model", "code": "model_not_found"}},
            EndpointError,
            "the name of a model",
        ),
        ({"error": {"message": "broke", "code": "insufficient_quota"}}, EndpointError, "no credit left"),
        (
            {"error": {"message": "too long", "code": "context_length_exceeded"}},
            InvalidRequestError,
            "too long",
        ),
        ({"error": "just words"}, TransientError, "error inside (just words)"),
        (
            [{"error": {"code": 503, "message": "away", "status": "UNAVAILABLE"}}],
            TransientError,
            "503 (away)",
        ),
        ({"object": "error", "message": "vLLM", "code": 400}, InvalidRequestError, "vLLM"),
        ({"detail": "Not authenticated"}, TransientError, "Not authenticated"),
        ({"Output": {"__type": "com.amazon#Unknown"}, "Version": "1.0"}, TransientError, "amazon"),
    ],
)
def test_an_error_inside_a_200_is_what_its_code_says_in_the_providers_words(
    kind: str, body: Any, error: type[ModelError], says: str
) -> None:
    with ModelServer(script=always(200, body)) as server:
        found = fault_of(server, kind)
    assert type(found) is error and says in str(found)
    assert "HTTP 200 with an error inside" in str(found)


def test_a_rate_limit_inside_a_200_has_its_wait() -> None:
    body = {"error": {"message": "slow down", "code": 429}}
    with ModelServer(script=always(200, body, {"Retry-After": "7"})) as server:
        found = fault_of(server)
    assert isinstance(found, TransientError) and (found.retry_after_s, found.billed) == (7.0, False)


@pytest.mark.parametrize("status", [429, 400, 503])
def test_an_http_error_shows_the_providers_own_sentence(status: int) -> None:
    with ModelServer(script=always(status, {"error": {"message": "Do it so."}})) as server:
        assert f"HTTP {status} (Do it so.)" in str(fault_of(server))


def test_a_prompt_that_a_filter_refuses_is_a_refusal() -> None:
    body = {"error": {"message": "filtered", "code": "content_filter", "status": 400}}
    with ModelServer(script=always(400, body)) as server:
        assert send(server).stop == "refused"


def send_batch(
    server: ModelServer, path: Path, requests: list[Request], config: RequestConfig, told: list[str]
) -> list[Outcome]:
    async def run() -> list[Outcome]:
        endpoint = open_endpoint(server.name("openai"), config, told.append)
        try:
            with ResponseCache(path) as cache:
                return await send_all(endpoint, requests, config, cache)
        finally:
            await endpoint.close()

    return asyncio.run(run())


def test_an_error_inside_a_choice_is_tried_again_and_never_kept(tmp_path: Path) -> None:
    body = json.loads(chat({"content": ""}, "error", error={"code": 502, "message": "Upstream idle timeout"}))
    config = RequestConfig(max_attempts=3, backoff_s=0)
    with ModelServer(script=always(200, body)) as server:
        (outcome,) = send_batch(server, tmp_path / "cache.jsonl", [ASK], config, [])
        assert len(server.tries) == 3
        assert outcome.completion is None and "Upstream idle timeout" in str(outcome.failure)
        server.script = lambda *_: None
        (outcome,) = send_batch(server, tmp_path / "cache.jsonl", [ASK], config, [])
    assert outcome.completion is not None and outcome.completion.text == "you said hello"


def test_retry_after_may_be_in_milliseconds_alone() -> None:
    assert read_retry_after({"retry-after-ms": "4000"}) == 4.0
    assert read_retry_after({"retry-after-ms": "250", "retry-after": "1"}) == 0.25
    assert read_retry_after({"retry-after-ms": "soon", "retry-after": "2"}) == 2.0


# -- what a server does not take ----------------------------------------------------------------------------


def refuse(name: str, message: str, **error: Any) -> Script:
    """Return a script that answers 400 to a request with an argument of this name."""

    def script(body: dict[str, Any], _: Any) -> tuple[int, Any, dict[str, str]] | None:
        return (400, {"error": {"message": message, **error}}, {}) if name in body else None

    return script


NO_SCHEMA = refuse(
    "response_format", "This response_format type is unavailable now", code="invalid_request_error"
)


def test_a_schema_that_is_refused_is_left_out_from_then_on_and_that_is_told_once(tmp_path: Path) -> None:
    requests = [ASK.model_copy(update={"json_schema": SCHEMA, "draw": draw}) for draw in range(6)]
    told: list[str] = []

    with ModelServer(script=NO_SCHEMA) as server:
        config = RequestConfig(concurrency=2)
        outcomes = send_batch(server, tmp_path / "cache.jsonl", requests, config, told)
    assert all(outcome.completion is not None for outcome in outcomes)
    assert sum("response_format" in each.body for each in server.tries) <= 2  # those in flight at first
    assert len(told) == 1 and "requests.response_format=none" in told[0]


@pytest.mark.parametrize(("setting", "sent"), [("none", [False]), ("json_schema", [True])])
def test_a_setting_says_whether_a_schema_is_sent(setting: str, sent: list[bool]) -> None:
    request = ASK.model_copy(update={"json_schema": SCHEMA})
    with ModelServer(script=NO_SCHEMA) as server:
        if setting == "none":
            send(server, request=request, response_format=setting)
        else:
            found = fault_of(server, request=request, response_format=setting)
            assert isinstance(found, InvalidRequestError) and "is unavailable now" in str(found)
    assert ["response_format" in each.body for each in server.tries] == sent


@pytest.mark.parametrize(
    "message",
    [
        "System role not supported",
        "Developer instruction is not enabled for models/gemma-3-27b-it",
        "Only user and assistant roles are supported!",
        "system messages are not allowed for this model",
    ],
)
def test_a_model_without_a_system_role_gets_the_systems_text_before_the_users(
    message: str, tmp_path: Path
) -> None:
    def answer(body: dict[str, Any], _: Any) -> tuple[int, Any, dict[str, str]]:
        first = body["messages"][0]
        if first["role"] == "system":
            return 400, {"error": {"message": message, "type": "BadRequestError"}}, {}
        return 200, json.loads(chat({"content": first["content"]})), {}

    messages = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"})
    requests = [Request(messages=messages, max_tokens=50, draw=draw) for draw in range(4)]
    told: list[str] = []
    with ModelServer(script=answer) as server:
        outcomes = send_batch(server, tmp_path / "cache.jsonl", requests, RequestConfig(concurrency=1), told)
    assert [outcome.completion.text for outcome in outcomes if outcome.completion] == [
        "Be brief.\n\nHello"
    ] * 4
    assert len(server.tries) == 5 and len(told) == 1 and "no system role" in told[0]


def test_a_request_without_a_system_message_is_not_put_otherwise() -> None:
    with ModelServer(script=refuse("messages", "System role not supported")) as server:
        assert isinstance(fault_of(server, request=ASK), InvalidRequestError)
        assert len(server.tries) == 1


OPENAIS = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. "
    "Use 'max_completion_tokens' instead."
)


@pytest.mark.parametrize(
    ("name", "other", "message"),
    [
        ("max_tokens", "max_completion_tokens", OPENAIS),
        (
            "max_completion_tokens",
            "max_tokens",
            "Unrecognized request argument supplied: max_completion_tokens",
        ),
    ],
)
def test_the_longest_completion_goes_under_the_name_that_the_server_takes(
    name: str, other: str, message: str
) -> None:
    told: list[str] = []
    setting: Any = {} if name == "max_tokens" else {"max_tokens_name": name}
    with ModelServer(script=refuse(name, message, param=name, code="unsupported_parameter")) as server:
        if setting:
            assert isinstance(fault_of(server, **setting), InvalidRequestError)  # What is set is not changed.
        else:
            send(server, told=told)
            assert server.tries[-1].body[other] == 50 and name not in server.tries[-1].body
            assert len(told) == 1 and f"requests.max_tokens_name={other}" in told[0]
            send(server, max_tokens_name=other)


def test_a_limit_that_is_too_large_is_no_reason_to_call_it_otherwise() -> None:
    message = "'max_tokens' or 'max_completion_tokens' is too large: 50. The maximum is 20."
    with ModelServer(script=refuse("max_tokens", message)) as server:
        assert "is too large" in str(fault_of(server))
    assert len(server.tries) == 1


def test_a_temperature_that_is_refused_ends_the_run_and_names_the_setting() -> None:
    message = "Unsupported value: 'temperature' does not support 0.6 with this model."
    script = refuse("temperature", message, param="temperature", code="unsupported_value")
    with ModelServer(script=script) as server:
        found = fault_of(server, request=ASK.model_copy(update={"temperature": 0.6}))
    assert not isinstance(found, InvalidRequestError | TransientError)
    assert "sampling.send_temperature=false" in str(found)
    assert len(server.tries) == 1  # never left out on our own

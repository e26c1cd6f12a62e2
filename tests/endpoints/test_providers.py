import asyncio
import logging
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from tests.endpoints.serving import LASTING, Faults, ModelServer

from shop_r1.cli.main import EXTRAS
from shop_r1.endpoints.budget import max_usage
from shop_r1.endpoints.completion_body import read_chat, read_message
from shop_r1.endpoints.failures import InvalidRequestError, TransientError, read_retry_after
from shop_r1.endpoints.protocol import Completion, Request, Usage
from shop_r1.endpoints.providers import open_endpoint
from shop_r1.endpoints.retry import RequestConfig
from shop_r1.endpoints.secrets import Redactor
from shop_r1.errors import ConfigError, ModelError

KINDS = ["openai", "anthropic", "bedrock"]
SECRETS = {
    "OPENAI_API_KEY": "sk-openai/very+secret=1",
    "ANTHROPIC_API_KEY": "sk-ant-very-secret-2",
    "AWS_ACCESS_KEY_ID": "AKIAVERYSECRET3",
    "AWS_SECRET_ACCESS_KEY": "aws/very+secret/4",
    "AWS_SESSION_TOKEN": "session-very-secret-5",
}
ASK = Request(
    messages=(
        {"role": "system", "content": "You are a shopper."},
        {"role": "user", "content": "say hello"},
    ),
    max_tokens=50,
)


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_REGION", "us-east-1")


def send(server: ModelServer, kind: str, request: Request = ASK, timeout_s: float = 20) -> Completion:
    async def ask() -> Completion:
        endpoint = open_endpoint(server.name(kind), RequestConfig(timeout_s=timeout_s))
        try:
            return await endpoint.send(request)
        finally:
            await endpoint.close()

    return asyncio.run(ask())


def collect_faults(server: ModelServer, kind: str, faults: Sequence[str]) -> dict[str, ModelError]:
    """Send once for each fault, through one client, and return what was raised."""

    async def ask() -> dict[str, ModelError]:
        endpoint = open_endpoint(server.name(kind), RequestConfig(timeout_s=20))
        raised = {}
        for fault in faults:
            server.faults = Faults(rate=1.0, kinds=(fault,))
            with pytest.raises(ModelError) as caught:
                await endpoint.send(ASK)
            raised[fault] = caught.value
        await endpoint.close()
        return raised

    return asyncio.run(ask())


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("kind", KINDS)
def test_the_providers_own_client_gets_a_completion_and_what_it_is_billed_by(kind: str) -> None:
    with ModelServer() as server:
        completion = send(server, kind)
    # 4 words of the system message and 2 of the user's in, "you said hello" out.
    assert completion == Completion(
        text="you said hello", stop="end", usage=Usage(input_tokens=6, output_tokens=3)
    )
    paths = {
        "openai": "/v1/chat/completions",
        "anthropic": "/v1/messages",
        "bedrock": "/model/anthropic.claude-tiny-v1:0/invoke",
    }
    assert [each.path for each in server.tries] == [paths[kind]]


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_is_a_completion_that_says_so(kind: str) -> None:
    with ModelServer(faults=Faults(rate=1.0, kinds=("refusal",))) as server:
        completion = send(server, kind)
    assert (completion.stop, completion.text) == ("refused", "I cannot help with that.")


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("kind", KINDS)
def test_each_transient_error_is_sent_once_and_known_to_be_billed_or_not(kind: str) -> None:
    expected = {
        "429": (False, "HTTP 429"),
        "500": (False, "HTTP 500"),
        "503": (False, "HTTP 503"),
        "cut": (True, "no connection, or it broke"),
        "reset": (True, "no connection, or it broke"),
        "wrong json": (True, "the body is no completion"),
        "no json": (True, "the body is no completion"),
    }
    with ModelServer() as server:
        raised = collect_faults(server, kind, list(expected))
    assert len(server.tries) == len(expected)
    for fault, (billed, says) in expected.items():
        error = raised[fault]
        assert isinstance(error, TransientError)
        assert (error.billed, error.retry_after_s) == (billed, None)
        assert str(error).startswith(f"{server.name(kind)}: {says}")


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("kind", KINDS)
def test_a_completion_that_is_too_slow_is_a_transient_error_that_may_be_billed(kind: str) -> None:
    with (
        ModelServer(faults=Faults(rate=1.0, kinds=("slow",))) as server,
        pytest.raises(TransientError, match="no connection, or it broke") as caught,
    ):
        send(server, kind, timeout_s=0.3)
    assert caught.value.billed


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("kind", KINDS)
def test_how_long_to_wait_is_read_in_seconds_and_as_a_date(kind: str) -> None:
    with ModelServer(retry_after_s=17.5) as server:
        raised = collect_faults(server, kind, ["429 after", "429 date"])
    in_seconds, as_date = raised["429 after"], raised["429 date"]
    assert isinstance(in_seconds, TransientError) and in_seconds.retry_after_s == 17.5
    # A date has whole seconds, and so has the response's own, with which it is compared.
    assert isinstance(as_date, TransientError) and as_date.retry_after_s is not None
    assert 16 <= as_date.retry_after_s <= 19


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:26:00 GMT"}, 0.0),
        (
            {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", "date": "Wed, 21 Oct 2015 07:27:50 GMT"},
            10.0,
        ),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(headers: dict[str, str], seconds: float | None) -> None:
    assert read_retry_after(headers) == seconds


def test_a_date_without_the_responses_own_is_compared_with_our_clock() -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert read_retry_after({"retry-after": until}) == pytest.approx(90, abs=30)


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("kind", KINDS)
def test_an_invalid_request_is_told_from_a_lasting_error(kind: str) -> None:
    with ModelServer() as server:
        raised = collect_faults(server, kind, ["400", "401", "403", "404"])
    assert isinstance(raised["400"], InvalidRequestError)
    for fault in ("401", "403", "404"):
        assert not isinstance(raised[fault], InvalidRequestError | TransientError)
        assert f"HTTP {fault}" in str(raised[fault])
    assert "expected a valid key in the environment" in str(raised["401"])
    assert "expected the name of a model that this endpoint serves" in str(raised["404"])


def test_a_server_that_is_not_there_is_a_transient_error_that_cost_nothing() -> None:
    with ModelServer() as server:
        pass
    with pytest.raises(TransientError, match=r"no connection, or it broke \(Connect") as caught:
        send(server, "openai")
    assert not caught.value.billed


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("kind", KINDS)
def test_no_key_is_in_an_error_or_a_log_even_if_the_server_repeats_it(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with ModelServer() as server:
        raised = collect_faults(server, kind, [*LASTING, "500", "cut", "no json"])
    sent = [each.headers["authorization"] for each in server.tries]
    assert all(any(secret in header for secret in SECRETS.values()) for header in sent)  # It did have one.
    for fault, error in raised.items():
        shown = "".join([repr(error), *traceback.format_exception(error)])
        assert not [secret for secret in SECRETS.values() if secret in shown]
        assert ("[key]" in shown) == (fault not in ("cut", "no json"))
        assert error.__context__ is None
    shown = caplog.text + repr(open_endpoint(server.name(kind), RequestConfig()))
    assert not [secret for secret in SECRETS.values() if secret in shown]


def test_keys_are_hidden_in_the_forms_that_urls_and_json_give_them() -> None:
    hide = Redactor(["aws/very+secret", "abc"])
    assert hide("a aws/very+secret b") == "a [key] b"
    assert hide("aws%2Fvery%2Bsecret") == "[key]"
    assert hide("aws\\/very+secret") == "[key]"
    assert hide("abc is too short to be one") == "abc is too short to be one"


def test_what_a_server_says_is_shown_on_one_line_and_cut() -> None:
    hide = Redactor([])
    assert hide("red\x1b[31m\n\nand\u202e more") == "red [31m and more"
    assert len(hide("x" * 5000)) == 300


@pytest.mark.usefixtures("keys")
def test_the_schema_goes_to_the_endpoints_that_can_hold_a_model_to_it() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    request = ASK.model_copy(update={"json_schema": schema, "temperature": 0.5, "top_p": 0.9})
    with ModelServer() as server:
        for kind in KINDS:
            send(server, kind, request)
    chat, message, invoke = (each.body for each in server.tries)
    assert chat["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "completion", "schema": schema, "strict": True},
    }
    assert chat["max_tokens"] == 50
    assert [each["role"] for each in chat["messages"]] == ["system", "user"]
    for body in (message, invoke):
        assert "response_format" not in body
        assert body["system"] == "You are a shopper."
        assert body["messages"] == [{"role": "user", "content": "say hello"}]
        assert body["max_tokens"] == 50
    assert {(body["temperature"], body["top_p"]) for body in (chat, message, invoke)} == {(0.5, 0.9)}


def test_what_the_caller_leaves_open_is_not_sent() -> None:
    with ModelServer() as server:
        send(server, "openai")
    assert set(server.tries[0].body) == {"model", "messages", "max_tokens"}


@pytest.mark.parametrize(
    ("reason", "stop"),
    [("stop", "end"), ("length", "length"), ("content_filter", "refused"), (None, "end"), ("eos", "end")],
)
def test_why_a_chat_completion_ended_is_read(reason: str | None, stop: str) -> None:
    quoted = "null" if reason is None else f'"{reason}"'
    body = (
        f'{{"choices": [{{"message": {{"content": "x"}}, "finish_reason": {quoted}}}],'
        ' "usage": {"prompt_tokens": 1, "completion_tokens": 2}}'
    )
    usage = Usage(input_tokens=1, output_tokens=2)
    assert read_chat(ASK, body.encode()).model_dump() == {
        "text": "x",
        "stop": stop,
        "usage": usage.model_dump(),
        "usage_known": True,
        "instead": None,
    }


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("end_turn", "end"),
        ("stop_sequence", "end"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "refused"),
    ],
)
def test_why_a_message_ended_is_read_and_its_texts_are_joined(reason: str, stop: str) -> None:
    body = (
        '{"content": [{"type": "text", "text": "a"}, {"type": "thinking", "thinking": "?"},'
        f' {{"type": "text", "text": "b"}}], "stop_reason": "{reason}",'
        ' "usage": {"input_tokens": 7, "output_tokens": 2}}'
    )
    completion = read_message(ASK, body.encode())
    assert (completion.text, completion.stop, completion.usage.input_tokens) == ("ab", stop, 7)


def test_a_server_that_does_not_say_what_it_bills_is_counted_at_the_worst() -> None:
    body = b'{"choices": [{"message": {"content": null}}]}'
    assert read_chat(ASK, body) == Completion(text="", stop="end", usage=max_usage(ASK), usage_known=False)
    # 18 and 9 bytes and two frames of 64 in, all of max_tokens out.
    assert max_usage(ASK) == Usage(input_tokens=18 + 9 + 2 * 64, output_tokens=50)


def test_a_key_is_needed_where_the_maker_is_asked_and_named_in_the_error() -> None:
    with pytest.raises(ConfigError, match="set OPENAI_API_KEY in the environment"):
        open_endpoint("openai:gpt-4o", RequestConfig(timeout_s=5))
    with pytest.raises(ConfigError, match="set ANTHROPIC_API_KEY in the environment"):
        open_endpoint("anthropic:claude-3-5-sonnet-20241022", RequestConfig(timeout_s=5))
    with pytest.raises(ConfigError, match="needs AWS_REGION, and AWS_BEARER_TOKEN_BEDROCK or"):
        open_endpoint("bedrock:anthropic.claude-3-haiku-20240307-v1:0", RequestConfig(timeout_s=5))


def test_a_server_by_url_needs_no_key_and_gets_none() -> None:
    with ModelServer() as server:
        send(server, "openai")
    assert server.tries[0].headers["authorization"] == "Bearer none"


def test_bedrock_takes_a_bearer_token_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-token-6")
    with ModelServer() as server:
        assert send(server, "bedrock").text == "you said hello"
    assert server.tries[0].headers["authorization"] == "Bearer bedrock-token-6"


@pytest.mark.usefixtures("keys")
def test_nothing_but_keys_in_the_environment_changes_who_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with ModelServer() as server:
        for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "ANTHROPIC_BEDROCK_BASE_URL"):
            monkeypatch.setenv(name, server.url)
        for name in ("openai:m", "anthropic:m", "bedrock:m"):
            endpoint = open_endpoint(name, RequestConfig(timeout_s=5))
            assert "127.0.0.1" not in str(vars(endpoint)["client"].base_url)
            asyncio.run(endpoint.close())


@pytest.mark.parametrize(
    "name", ["gpt-4o", "openai:", "openai:m@127.0.0.1:8000", "vertex:m", "openai:m m", "openai:m@ftp://x"]
)
def test_a_name_of_no_known_form_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="expected `openai:MODEL`"):
        open_endpoint(name, RequestConfig(timeout_s=5))


@pytest.mark.parametrize(
    "name",
    ["openai:m@http://me:secret@host/v1", "openai:m@http://host/v1?key=secret", "openai:m@http://h#secret"],
)
def test_a_url_that_may_hold_a_secret_is_refused_and_not_repeated(name: str) -> None:
    with pytest.raises(ConfigError, match="must have no user, password, query or fragment") as caught:
        open_endpoint(name, RequestConfig(timeout_s=5))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("kind", "package"), [("openai", "openai"), ("anthropic", "anthropic")])
def test_a_missing_client_is_one_that_the_command_says_how_to_install(
    kind: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # What an import of it finds where it is not installed.
    with pytest.raises(ModuleNotFoundError) as caught:
        open_endpoint(f"{kind}:m@http://127.0.0.1:1", RequestConfig(timeout_s=5))
    assert caught.value.name in EXTRAS["api"]

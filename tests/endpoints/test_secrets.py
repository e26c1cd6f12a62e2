"""Keys: as they come from an environment, and in every form in which others may repeat them."""

import asyncio
import base64
import html
import json
import logging
import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.endpoints.serving import ModelServer

from shop_r1.endpoints.protocol import Completion, Request
from shop_r1.endpoints.providers import open_endpoint
from shop_r1.endpoints.retry import RequestConfig
from shop_r1.endpoints.secrets import KEYS, Redactor, environment_redactor, read_key, refuse_secret_name
from shop_r1.errors import ConfigError, ModelError

FIVE_SECONDS = RequestConfig(timeout_s=5)
ASK = Request(messages=({"role": "user", "content": "say hello"},), max_tokens=50)
SECRET = "sk-proj-aB3/xY+Zq9wE7rT5yU1iO"
KINDS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "bedrock": "AWS_BEARER_TOKEN_BEDROCK"}

# What no header may hold is refused before it is sent, so keys are of visible ASCII.
ALPHABET = "".join(map(chr, range(33, 127)))
some_keys = st.text(ALPHABET, min_size=8, max_size=60).filter(lambda key: key == key.strip("\"'`"))
ENCODINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "repr": repr,
    "repr of bytes": lambda key: repr(key.encode()),
    "JSON": json.dumps,
    "JSON in JSON": lambda key: json.dumps(json.dumps(key)),
    "JSON, all escaped": lambda key: "".join(f"\\u{ord(each):04x}" for each in key),
    "JSON with escaped slashes": lambda key: json.dumps(key).replace("/", "\\/"),
    "Python, all escaped": lambda key: "".join(f"\\x{ord(each):02x}" for each in key),
    "URL": lambda key: quote(key, safe=""),
    "URL, all escaped": lambda key: "".join(f"%{ord(each):02x}" for each in key),
    "URL, twice": lambda key: quote(quote(key, safe=""), safe=""),
    "HTML": html.escape,
    "HTML, numbered": lambda key: "".join(f"&#{ord(each)};" for each in key),
    "hexadecimal": lambda key: key.encode().hex(),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "Basic": lambda key: base64.b64encode(f"user:{key}".encode()).decode(),
    "Basic, key first": lambda key: base64.b64encode(f"{key}:pass".encode()).decode(),
    "base64 of a header": lambda key: base64.urlsafe_b64encode(f"Bearer {key}\r\n".encode()).decode(),
    "base64 in a URL": lambda key: quote(base64.b64encode(key.encode()).decode(), safe=""),
    "cut": lambda key: key[: max(8, len(key) * 2 // 3)],
}


SURROUNDINGS = [
    ("", ""),
    ("said: ", " ."),
    ("https://host/v1?key=", "&more=1"),
    ("https://user:", "@host/v1"),
    ("{'authorization': 'Bearer ", "'}"),
]


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(key=some_keys, around=st.sampled_from(SURROUNDINGS))
def test_no_eight_letters_of_any_form_of_a_key_are_left(
    encoding: str, key: str, around: tuple[str, str]
) -> None:
    written = ENCODINGS[encoding](key)
    shown = Redactor([key]).redact(f"{around[0]}{written}{around[1]}")
    assert "[key]" in shown
    pieces = {written[at : at + 8] for at in range(max(1, len(written) - 7))}
    assert not [piece for piece in pieces if piece in shown]


@given(
    key=some_keys, head=st.integers(3, 8), tail=st.integers(3, 6), mask=st.sampled_from(["***", "...", "…"])
)
def test_the_ends_of_a_masked_key_are_hidden_too(key: str, head: int, tail: int, mask: str) -> None:
    hide = Redactor([f"sk-{key}"])
    masked = f"sk-{key}"[:head] + mask + key[-tail:]
    assert hide.redact(f"no such key: {masked}") == "no such key: [key]"
    assert key[-tail:] not in hide.redact(f"the key ending in {key[-tail:]}").removeprefix("the key ")


@given(st.text("abcdefgh \n.,", max_size=200))
def test_a_text_without_a_key_stays_as_it_is(text: str) -> None:
    hide = Redactor(["SK-1234567890-XYZ", "PASSWORD"])
    assert hide.redact(text) == text
    assert not hide.finds(text)


def test_a_value_of_a_few_letters_is_no_key() -> None:
    assert Redactor(["none", "EMPTY"]).redact("none of them is EMPTY") == "none of them is EMPTY"


@given(before=st.text(" \t\r\n\"'\ufeff\u201c"), after=st.text(" \t\r\n\"'\u200b\u201d"))
def test_what_a_copied_key_brings_along_is_stripped(before: str, after: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", f"{before}{SECRET}{after}")
        assert read_key("OPENAI_API_KEY") == SECRET


def test_a_variable_of_quotes_and_blanks_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", ' ""\n')
    assert read_key("OPENAI_API_KEY") is None


BAD = {
    f"{SECRET[:9]}\n{SECRET[9:]}": "white space or a line break inside",
    f"Bearer {SECRET}": "white space or a line break inside",
    f"{SECRET[:9]}\u00a0{SECRET[9:]}": "white space or a line break inside",
    f"{SECRET[:9]}\u201d{SECRET[9:]}": "outside ASCII",
    f"{SECRET[:9]}\u00e9{SECRET[9:]}": "outside ASCII",
    f"{SECRET[:9]}\ufeff{SECRET[9:]}": "outside ASCII",
    f"{SECRET[:9]}\x1b[0m{SECRET[9:]}": "a control character",
    f"{SECRET[:9]}\x7f{SECRET[9:]}": "a control character",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", BAD)
def test_a_key_that_no_header_can_hold_is_refused_unsent_and_not_shown(
    kind: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv(KINDS[kind], value)
    with (
        ModelServer() as server,
        pytest.raises(ConfigError, match=f"{KINDS[kind]} holds.*{BAD[value]}") as caught,
    ):
        open_endpoint(server.name(kind), FIVE_SECONDS)
    assert server.tries == []
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert not [piece for piece in (SECRET[:5], SECRET[9:14], "proj") if piece in str(caught.value)]


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
def test_so_is_each_of_the_keys_that_sign(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    monkeypatch.setenv(variable, f"{SECRET}\u201d{SECRET}")
    with pytest.raises(ConfigError, match=f"{variable} holds a character outside ASCII") as caught:
        open_endpoint("bedrock:anthropic.claude-3-haiku-20240307-v1:0", FIVE_SECONDS)
    assert "proj" not in str(caught.value)


def send(server: ModelServer, kind: str) -> Completion:
    async def exchange() -> Completion:
        endpoint = open_endpoint(server.name(kind), FIVE_SECONDS)
        try:
            return await endpoint.send(ASK)
        finally:
            await endpoint.close()

    return asyncio.run(exchange())


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", '"{}"', " '{}' ", "\ufeff{}", "\u201c{}\u201d"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_key_with_a_line_break_or_quotes_round_it_serves(
    kind: str, around: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1\n")
    monkeypatch.setenv(KINDS[kind], around.format(SECRET))
    with ModelServer() as server:
        assert send(server, kind).text == "you said hello"
    headers = server.tries[0].headers
    assert (headers.get("x-api-key") or headers["authorization"].removeprefix("Bearer ")) == SECRET


@pytest.mark.parametrize("kind", KINDS)
def test_no_form_of_a_key_that_a_server_repeats_is_in_an_error_or_a_log(
    kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv(KINDS[kind], SECRET)
    caplog.set_level(logging.DEBUG)
    with ModelServer() as server:
        for encode in ENCODINGS.values():
            said = encode(SECRET)
            headers = {"x-echo": re.sub(r"[\r\n]", " ", said), "set-cookie": f"key={SECRET}"}
            for status, body in ((401, {"error": {"message": said}}), (400, said), (200, {"error": said})):
                server.script = lambda *_, answer=(status, body, headers): answer
                with pytest.raises(ModelError) as caught:
                    send(server, kind)
                shown = str(caught.value)
                assert "[key]" in shown
                assert not [at for at in range(len(said) - 7) if said[at : at + 8] in shown]
    assert "HTTP" in caplog.text
    assert not [at for at in range(3, len(SECRET) - 7) if SECRET[at : at + 8] in caplog.text]


def test_a_completion_that_repeats_the_key_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    for said in (f"Your key is {SECRET}.", base64.b64encode(f"Bearer {SECRET}".encode()).decode()):
        with (
            ModelServer(completion=lambda body, said=said: said) as server,  # type: ignore[misc]
            pytest.raises(ModelError, match="a completion repeats the key that was sent") as caught,
        ):
            send(server, "openai")
        assert SECRET[:12] not in str(caught.value)


@pytest.mark.parametrize("variable", KEYS)
def test_a_models_name_that_holds_a_key_of_the_environment_is_refused(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, SECRET)
    with pytest.raises(ConfigError, match="the model's name holds a key") as caught:
        refuse_secret_name(f"openai:{SECRET}@http://127.0.0.1:8000/v1")
    assert SECRET[3:] not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "openai:m@http://me:secret@host/v1",
        "openai:m@https://secret@host/v1",
        "openai:m@host/v1@secret",
        "openai:m@me:secret@host/v1",
        "openai:m@http:/me:secret@host/v1",
        "openai:m@http://host/v1?key=secret",
        "openai:m@http://host/v1;key=secret",
        "openai:m@http://host/v1#secret",
        "openai:m?key=secret",
        "http://me:secret@host/v1",
        "opnai:m@http://me:secret@host/v1",
    ],
)
def test_a_name_that_may_hold_a_password_is_refused_and_not_repeated(name: str) -> None:
    with pytest.raises(ConfigError, match="must have no user, password, query or fragment") as caught:
        refuse_secret_name(name)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "openai:org/model:free@https://host:8000/v1",
        "openai:llama3@http://ollama:11434/v1",
        "bedrock:arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-3-haiku-20240307-v1:0",
        "runs/a#b",
        "Qwen/Qwen2.5-3B-Instruct",
    ],
)
def test_a_name_without_a_secret_passes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "ollama")  # The placeholder that its documentation gives.
    refuse_secret_name(name)


def test_a_proxys_password_is_hidden_and_a_proxy_that_is_no_url_is_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:pass%2Fword-7@proxy:3128")
    basic = base64.b64encode(b"me:pass/word-7").decode()
    shown = environment_redactor()(f"407 from me:pass%2Fword-7@proxy, Basic {basic}")
    assert shown == "407 from me:[key]@proxy, Basic [key]="
    monkeypatch.setenv("HTTPS_PROXY", "http://me:pass/word-7@proxy:3128")
    with pytest.raises(ConfigError, match="HTTPS_PROXY in the environment is no URL") as caught:
        open_endpoint("openai:m@http://127.0.0.1:9/v1", FIVE_SECONDS)
    assert "pass" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/v1", "http://[bad/v1", "http://h:port/v1"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="its URL has no valid host or port"):
        open_endpoint(f"openai:m@{url}", FIVE_SECONDS)

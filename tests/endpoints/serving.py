"""A model server on loopback that misbehaves as real ones do.

It speaks the forms of OpenAI's chat completions, Anthropic's messages and Bedrock's invoke:

    with ModelServer(completion=lambda body: "hello", faults=Faults(rate=0.1)) as server:
        endpoint = open_endpoint(server.name("openai"), timeout_s=5)

It remembers every try it got and every answer that it sent whole.
`python -m tests.endpoints.serving --help` runs one as a process.
"""

import argparse
import hashlib
import json
import os
import random
import select
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Completion = Callable[[dict[str, Any]], str]
"""The completion for a request's body, whatever its form: all three have `messages`."""

Script = Callable[[dict[str, Any], Mapping[str, str]], tuple[int, Any, Mapping[str, str]] | None]
"""Status, body and headers to send to a request's body and headers, in place of a completion; None
completions."""

PASSING = ("429", "429 after", "500", "503", "slow", "cut", "wrong json", "no json", "reset")
"""Faults after which another try can go well."""
LASTING = ("400", "401", "403", "404", "quota")
REFUSAL = "refusal"
"""No fault of the server's: the model refuses, and the answer is billed."""
KINDS = (*PASSING, "429 date", *LASTING, REFUSAL)


@dataclass(frozen=True)
class Faults:
    """Which tries go wrong, and how.

    That depends on the seed, the question and how often it was asked, not on the order in which questions
    come: so it is the same whatever the client does at once.
    """

    rate: float = 0.0
    """Share of tries, 0 to 1."""
    kinds: tuple[str, ...] = PASSING
    seed: int = 0
    at_most: int | None = None
    """Of one question; None is no limit."""

    def choose(self, key: str, number: int) -> str | None:
        """Return what goes wrong with try `number`, from 0, of a question; None if nothing does."""
        draw = random.Random(f"{self.seed} {key} {number}")
        if draw.random() >= self.rate or (self.at_most is not None and number >= self.at_most):
            return None
        return draw.choice(self.kinds)


@dataclass(frozen=True)
class Try:
    """One request as it came."""

    path: str
    headers: Mapping[str, str]
    """By name in lower case."""
    body: dict[str, Any]
    key: str
    fault: str | None


def content_key(body: Mapping[str, Any]) -> str:
    """Return what a question is known by: the same for equal messages, in whichever form they came."""
    messages = [{"role": "system", "content": body["system"]}] if "system" in body else []
    return hashlib.sha256(json.dumps([*messages, *body["messages"]], sort_keys=True).encode()).hexdigest()


def count_words(body: Mapping[str, Any]) -> int:
    """Return what the server bills as input: the words of all messages."""
    texts = [body.get("system", ""), *(message["content"] for message in body["messages"])]
    return sum(len(text.split()) for text in texts)


def say_last_word(body: dict[str, Any]) -> str:
    """Return `you said WORD`, of the last message."""
    return f"you said {body['messages'][-1]['content'].split()[-1]}"


class ModelServer:
    """The server, in threads of this process.

    Attributes:
        url: `http://127.0.0.1:PORT`.
        tries: all requests, in the order they came.
        completed: how often each question (`content_key`) was answered whole, refusals included.
        most_at_once: how many requests it worked on at the same time, at most.
    """

    def __init__(
        self,
        completion: Completion = say_last_word,
        faults: Faults | None = None,
        delay_s: float = 0.0,
        slow_s: float = 30.0,
        retry_after_s: float = 0.01,
        port: int = 0,
        script: Script = lambda body, headers: None,
    ) -> None:
        self.completion, self.faults, self.script = completion, faults or Faults(), script
        self.delay_s, self.slow_s, self.retry_after_s = delay_s, slow_s, retry_after_s
        self.tries: list[Try] = []
        self.completed: Counter[str] = Counter()
        self.most_at_once = 0
        self.closing = threading.Event()
        self._asked: Counter[str] = Counter()
        self._now = 0
        self._lock = threading.Lock()
        self._http = _Http(("127.0.0.1", port), type("Handler", (_Handler,), {"model": self}))
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> "ModelServer":
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    def name(self, kind: str) -> str:
        """Return the endpoint's name for `open_endpoint`: of kind openai, anthropic or bedrock."""
        models = {"openai": "tiny", "anthropic": "claude-tiny", "bedrock": "anthropic.claude-tiny-v1:0"}
        return f"{kind}:{models[kind]}@{self.url}{'/v1' if kind == 'openai' else ''}"

    def begin(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Try:
        with self._lock:
            key = content_key(body)
            fault = self.faults.choose(key, self._asked[key])
            self._asked[key] += 1
            found = Try(path, headers, body, key, fault)
            self.tries.append(found)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        return found

    def end(self, found: Try, completed: bool) -> None:
        with self._lock:
            self._now -= 1
            self.completed[found.key] += completed


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # A client may leave whenever it likes.
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    model: ModelServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # Head and body in one packet, else each completion waits for an acknowledgement.
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        found = self.model.begin(self.path, headers, body)
        completed = False
        try:
            time.sleep(self.model.delay_s)
            completed = self._answer(found)
        finally:
            self.model.end(found, completed)

    def _answer(self, found: Try) -> bool:
        """Send what is to be sent, and return whether it is an answer."""
        if scripted := self.model.script(found.body, found.headers):
            self._send(*scripted)
            self.wfile.flush()
            return scripted[0] == 200
        match found.fault:
            case None:
                self._send(200, self._completion(found, self.model.completion(found.body), refused=False))
            case "refusal":
                self._send(200, self._completion(found, "I cannot help with that.", refused=True))
            case "slow":
                self._stall()
                self._send(200, self._completion(found, "too late", refused=False))
            case "cut":
                self._send(
                    200, self._completion(found, self.model.completion(found.body), refused=False), cut=True
                )
            case "wrong json":
                self._send(200, {"result": "not what you expect"})
            case "no json":
                self._send(200, "<html>a proxy says hello</html>")
            case "reset":
                self._reset()
            case fault:
                self._refuse(fault, found)
        self.wfile.flush()
        return found.fault in (None, REFUSAL)

    def _refuse(self, fault: str, found: Try) -> None:
        after = {
            "429 after": {"Retry-After": f"{self.model.retry_after_s:g}"},
            "429 date": {"Retry-After": formatdate(time.time() + self.model.retry_after_s, usegmt=True)},
        }
        status = 429 if fault == "quota" else int(fault.split()[0])
        # As some proxies do, it repeats what it was sent, the key among it.
        said = f"fault {fault}; you sent {found.headers.get('authorization')}"
        code = "insufficient_quota" if fault == "quota" else fault
        self._send(status, {"error": {"message": said, "type": "error", "code": code}}, after.get(fault, {}))

    def _completion(self, found: Try, text: str, refused: bool) -> dict[str, Any]:
        words = (count_words(found.body), len(text.split()))
        if found.path.endswith("/chat/completions"):
            message = {"role": "assistant", "content": None if refused else text}
            if refused:
                message["refusal"] = text
            return {
                "id": "1",
                "object": "chat.completion",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": words[0], "completion_tokens": words[1]},
            }
        return {
            "id": "1",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "refusal" if refused else "end_turn",
            "usage": {"input_tokens": words[0], "output_tokens": words[1]},
        }

    def _send(
        self, status: int, content: Any, headers: Mapping[str, str] | None = None, cut: bool = False
    ) -> None:
        body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection |= cut

    def _stall(self) -> None:
        """Wait until it is late, or the client has left."""
        end = time.monotonic() + self.model.slow_s
        while time.monotonic() < end and not self.model.closing.wait(0.02):
            readable, _, _ = select.select([self.connection], [], [], 0)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return

    def _reset(self) -> None:
        """Close so that the client gets a reset, not an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        self.close_connection = True


def main() -> None:
    parser = argparse.ArgumentParser(description="A model server on loopback that misbehaves.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fault-rate", type=float, default=0.0)
    parser.add_argument(
        "--fault", action="append", choices=KINDS, help="again for more; default: passing ones"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--delay-s", type=float, default=0.0)
    options = parser.parse_args()
    faults = Faults(options.fault_rate, tuple(options.fault or PASSING), options.seed)
    with ModelServer(faults=faults, delay_s=options.delay_s, port=options.port) as server:
        print(server.url, flush=True)  # noqa: T201
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            shown = {"tries": len(server.tries), "answers": server.completed.total()}
            print(json.dumps(shown), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

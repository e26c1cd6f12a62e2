"""Keys: read from the environment, checked, and removed from all that is shown, logged or written.

Every text that an endpoint, its client or a proxy wrote goes through a `Redactor` before anything else is
done with it; `cli.main` redacts its error line too.
"""

import base64
import html
import logging
import os
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

from shop_r1.errors import ConfigError

KEYS = (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_BEARER_TOKEN_BEDROCK",
)
"""Variables whose keys we send, or sign with."""
OTHER_SECRETS = (
    "OPENAI_ADMIN_KEY",
    "OPENAI_WEBHOOK_SECRET",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_WEBHOOK_SIGNING_KEY",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "WANDB_API_KEY",
)
"""Variables that the packages we use may read by themselves; their values are never shown either."""
_CUSTOM_HEADERS = ("OPENAI_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_CONNECTIONS = ("NO_PROXY", "no_proxy", "AWS_REGION", "SSL_CERT_FILE", "SSL_CERT_DIR")
HIDDEN = "[key]"
"""What stands in a redacted text where a key was."""

SURELY_SECRET = 16
"""Shortest value, in characters, that counts as a secret even in our own messages. Ours."""
_AROUND = " \t\r\n\v\f\u00a0\u200b\u2060\ufeff\"'`\u2018\u2019\u201c\u201d"
"""What may be copied along with a key: white space, byte order marks, quotes."""
_SHORTEST = 6  # characters: anything shorter is no secret, and would be found in ordinary words
_FRAGMENT = 8  # characters of a key that are always hidden: a truncated key is most of a key
_SURE = 16  # characters that stand in a completion only if they were copied from the key
_LONGEST_SHOWN = 300  # characters, ours


def read_key(variable: str) -> str | None:
    """Return the key in an environment variable, without white space and quotes around it; None if unset.

    Raises:
        ConfigError: it holds a character that no HTTP header can carry; the message does not show it.
    """
    key = os.environ.get(variable, "").strip(_AROUND)
    if any(each.isspace() for each in key):
        problem = "white space or a line break inside the key"
    elif not key.isascii():
        problem = "a character outside ASCII (such as a typographic quote)"
    else:
        problem = "" if key.isprintable() else "a control character"
    if problem:
        raise ConfigError(
            f"{variable} holds {problem}, which is in no key and no HTTP header; copy the key again, in "
            "ASCII and with nothing before, in or after it (it is not shown here, and nothing was sent)"
        )
    return key or None


def refuse_secret_name(name: str) -> None:
    """Check that a model's name, which is written to files, holds no key.

    Raises:
        ConfigError: it holds a key of the environment, or its URL a user, password, query or fragment; the
            message does not repeat it.
    """
    if environment_redactor(SURELY_SECRET).finds(name):
        raise ConfigError(
            "the model's name holds a key that is in the environment too, and names are written to files; "
            "leave the key in the environment only"
        )
    is_remote = re.match(r"(?:openai|anthropic|bedrock):", name) is not None or "://" in name
    behind = name.partition("://")[2]
    extra = re.search(r"[@;&=]", behind) or name.count("@") > 1 or (is_remote and re.search(r"[?#]", name))
    if extra:
        raise ConfigError(
            "the URL in an endpoint's name must have no user, password, query or fragment, since the name is "
            "written to files; keys come from the environment"
        )


def endpoint_environment() -> dict[str, str]:
    """Return what of the environment endpoints read, for a process that sends requests for this one."""
    names = (*KEYS, *_CUSTOM_HEADERS, *_PROXIES, *map(str.lower, _PROXIES), *_CONNECTIONS)
    return {name: os.environ[name] for name in names if name in os.environ}


def environment_redactor(shortest: int = 0) -> "Redactor":
    """Return a redactor of the keys, tokens and proxy passwords that the environment holds now.

    Values of under `shortest` characters are left out: our own messages may hold a placeholder for a key
    (`ollama` is a common one, and a common host); texts from others may not.
    """

    def long_enough(values: Iterable[str | None]) -> list[str]:
        return [each for each in values if each and len(each) >= shortest]

    return Redactor(long_enough(map(os.environ.get, KEYS)), long_enough(_other_secrets()))


def _other_secrets() -> Iterator[str | None]:
    yield from map(os.environ.get, OTHER_SECRETS)
    for variable in _CUSTOM_HEADERS:
        for line in os.environ.get(variable, "").splitlines():
            yield line.partition(":")[2]
    for _, url in _proxies():
        # By hand: a password with a slash in it makes no URL, and is a password all the same.
        user = url.rpartition("@")[0].rpartition("://")[2]
        password = user.partition(":")[2] or user
        yield from (password, unquote(password))


def _proxies() -> Iterator[tuple[str, str]]:
    for variable in (*_PROXIES, *map(str.lower, _PROXIES)):
        if url := os.environ.get(variable, "").strip():
            yield variable, url


def check_proxies() -> None:
    """Check that the proxies in the environment are URLs: a client's message would show pieces of others.

    Raises:
        ConfigError: one is not; the message does not show it.
    """
    for variable, url in _proxies():
        if not is_url(url if "://" in url else f"http://{url}"):
            raise ConfigError(
                f"{variable} in the environment is no URL with a host and a port; expected "
                "http://HOST:PORT, a user and a password before it percent-encoded (it is not shown here)"
            )


def is_url(url: str) -> bool:
    """Return whether the URL has a host, and a port that can be one where it has any."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


class Redactor:
    """Removes keys from texts, in each form in which others may repeat them.

    Found are: a key or `_FRAGMENT` characters of it; the same written with escapes of JSON, Python, HTML or
    URLs, nested too; in base64 at any offset (so in Basic authentication) and in hexadecimal; and its
    beginning or end beside a mask (`sk-abc****wxyz`). Keys under `_SHORTEST` characters are no secrets.
    """

    def __init__(self, keys: Iterable[str], others: Iterable[str] = ()) -> None:
        """Take the keys that are sent to endpoints, and other secrets of the environment."""
        sent = _clean(keys)
        self._keys = sorted({*sent, *_clean(others)})
        self._fragments = _fragments(self._keys, _FRAGMENT)
        self._sure = _fragments(sent, _SURE)

    def __call__(self, text: object) -> str:
        """Return the text on one line, without keys and control characters, and not long."""
        shown = "".join(each if each.isprintable() else " " for each in self.redact(str(text)))
        shown = " ".join(shown.split())
        return shown if len(shown) <= _LONGEST_SHOWN else shown[: _LONGEST_SHOWN - 1] + "…"

    def redact(self, text: str) -> str:
        """Return the text with `[key]` wherever it held a form of a key, else as it is."""
        if not self._keys:
            return text
        marked = [_widen(text, span) for span in _find(text, self._fragments)]
        marked += [span for key in self._keys for span in _masked(text, key)]
        shown: list[str] = []
        end = 0
        for start, stop in sorted(marked):
            if start > end or (start == end and not shown):
                shown += [text[end:start], HIDDEN]
            end = max(end, stop)
        return "".join([*shown, text[end:]])

    def finds(self, text: str) -> bool:
        """Return whether the text surely holds a key that is sent: the whole, or `_SURE` characters of it."""
        return next(_find(text, self._sure), None) is not None


def _clean(keys: Iterable[str]) -> set[str]:
    return {key for key in (each.strip(_AROUND) for each in keys) if len(key) >= _SHORTEST}


def _fragments(keys: Iterable[str], length: int) -> dict[int, set[str]]:
    """Return, by length, all pieces of so many characters of the keys' forms; of shorter ones the whole."""
    found: dict[int, set[str]] = {}
    for form in {form for key in keys for form in _forms(key)}:
        size = min(length, len(form))
        found.setdefault(size, set()).update(form[at : at + size] for at in range(len(form) - size + 1))
    return found


def _forms(key: str) -> Iterator[str]:
    data = key.encode(errors="surrogateescape")
    yield from (key, data.decode("latin-1"), data.hex(), data.hex().upper())
    for offset in range(3):
        # Inside a longer encoded text, the letters that share no bit with those around are always the same.
        encoded = base64.b64encode(bytes(offset) + data).decode().rstrip("=")
        stable = encoded[-(-8 * offset // 6) : 8 * (offset + len(data)) // 6]
        yield from (stable, stable.translate(str.maketrans("+/", "-_")))


def _read_backslash(written: str) -> str:
    return chr(int(written[2:], 16)) if len(written) > 2 else _LETTERS.get(written[1], written[1])


_LETTERS = {"n": "\n", "r": "\r", "t": "\t"}
_ESCAPES: tuple[tuple[str, re.Pattern[str], Callable[[str], str]], ...] = (
    ("%", re.compile(r"%[0-9A-Fa-f]{2}|.", re.DOTALL), partial(unquote, encoding="latin-1")),
    ("\\", re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|.)|.", re.DOTALL), _read_backslash),
    (
        "&",
        re.compile(r"&(?:#[xX][0-9A-Fa-f]{1,5}|#[0-9]{1,6}|amp|lt|gt|quot|apos);|.", re.DOTALL),
        lambda written: html.unescape(written) or "\ufffd",  # never empty, so that each keeps its span
    ),
)
"""Of URLs, of JSON and Python, of HTML: the sign that begins each, a pattern of one character, escaped or
not, and what reads an escaped one."""
_DEPTH = 3  # of escapes inside escapes

_Text = tuple[str, Sequence[tuple[int, int]]]  # and the span of each character in the original text


def _find(text: str, fragments: dict[int, set[str]]) -> Iterator[tuple[int, int]]:
    """Yield the spans of fragments in the text as it is and with its escapes read."""
    level: list[_Text] = [(text, [(at, at + 1) for at in range(len(text))])]
    seen = {text}
    for _ in range(1 + _DEPTH):
        for read, spans in level:
            for size, pieces in fragments.items():
                for at in range(len(read) - size + 1):
                    if read[at : at + size] in pieces:
                        yield spans[at][0], spans[at + size - 1][1]
        level = [deeper for each in level for deeper in _unescape(each, seen)]


def _unescape(text: _Text, seen: set[str]) -> Iterator[_Text]:
    """Yield the text with each kind of escapes read, where that is new."""
    written, spans = text
    for sign, pattern, read_escape in _ESCAPES:
        if sign not in written:
            continue
        units = list(pattern.finditer(written))
        read = "".join(unit[0] if len(unit[0]) == 1 else read_escape(unit[0]) for unit in units)
        if read not in seen:
            seen.add(read)
            yield read, [(spans[unit.start()][0], spans[unit.end() - 1][1]) for unit in units]


_WORD = re.compile(r"[A-Za-z0-9+/_-]*")


def _widen(text: str, span: tuple[int, int]) -> tuple[int, int]:
    """Return the span with the letters and digits around it: an encoded key's ends are in no fragment."""
    before, after = _WORD.match(text[: span[0]][::-1]), _WORD.match(text, span[1])
    return span[0] - (before.end() if before else 0), after.end() if after else span[1]


_MASK = re.compile(r"[*•.xX#]{3,}|…|[*•]+|\bend(?:s|ing) (?:in|with)\W{0,3}")


def _masked(text: str, key: str) -> Iterator[tuple[int, int]]:
    """Yield where the beginning or the end of the key, three characters or more, stands beside a mask."""
    sizes = range(3, len(key))
    for mask in _MASK.finditer(text):
        head = max((size for size in sizes if text.endswith(key[:size], 0, mask.start())), default=0)
        # A key may begin or end with characters that masks consist of.
        tails = [
            at + size
            for at in range(max(mask.start(), mask.end() - 3), mask.end() + 1)
            for size in sizes
            if text.startswith(key[-size:], at)
        ]
        if head or tails:
            yield mask.start() - head, max([mask.end(), *tails])


_CLIENTS = frozenset({"openai", "anthropic", "httpx", "httpx2", "httpcore", "httpcore2", "botocore", "boto3"})


def guard_logs() -> None:
    """From now on, redact all records of the clients' loggers, for every handler."""
    make = logging.getLogRecordFactory()
    if getattr(make, "hides_keys", False):
        return

    def make_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        if record.name.partition(".")[0] in _CLIENTS:
            text = record.getMessage()
            if record.exc_info and record.exc_info[1] is not None:
                text += "\n" + "".join(traceback.format_exception(record.exc_info[1]))
            record.msg, record.args = environment_redactor().redact(text), None
            record.exc_info = record.exc_text = None
        return record

    make_record.hides_keys = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make_record)

"""What a version of a shop is, as its TOML file says it: edits, query parameters, cookies, headers."""

import re
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, model_validator

from shop_r1.config import Config
from shop_r1.patterns import Pattern, Selector, matches

EDITS_MAX = 30
"""Of one version: each is looked for at every change of a page. Ours."""
MAX_DELAY_S = 10.0
"""Below what a first page may take to come. Ours."""
MAX_IMAGE_BYTES = 5_000_000
IMAGE_TYPES = {
    ".avif": "image/avif",
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
}
"""Endings of files that may take the place of a picture, and what each is."""
_LABEL_CHARS = 60
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_NO_SCRIPT = re.compile(r"(?!on|srcdoc$)[a-z_][a-z0-9_.:-]*")
_RESERVED = "accept-encoding connection content-length cookie host origin proxy-authorization te upgrade"
"""Headers that the browser makes by itself."""


def _check_rules(text: str) -> str:
    if "@import" in text.lower():
        raise ValueError("imports a style sheet, which no browser does here; expected the rules themselves")
    if text.count("{") != text.count("}") or "{" not in text:
        raise ValueError("holds no whole rule; expected css such as .price { font-size: 2em }")
    return text


def _check_attribute(text: str) -> str:
    if not _NO_SCRIPT.fullmatch(text):
        raise ValueError(
            "is no attribute that may be set; expected a name in lower case, no on… and no srcdoc"
        )
    return text


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Patterns = Annotated[tuple[Pattern, ...], BeforeValidator(_as_tuple)]


class PageEdit(Config):
    """What all edits have in common."""

    pages: Patterns = ()
    """Addresses of the pages that are edited, with `*` for anything; one that begins with a slash
    is of what follows the host. Empty: all pages."""

    @property
    def what(self) -> str:
        """What it is about, for people."""
        return ""

    def holds_on(self, address: str) -> bool:
        """Return whether a page with this address is one that is edited."""
        return not self.pages or any(matches(each, address) for each in self.pages)


class Hide(PageEdit):
    """Hides elements, as if they took no room."""

    do: Literal["hide"]
    selector: Selector

    @property
    def what(self) -> str:
        """The selector."""
        return self.selector


class Move(PageEdit):
    """Moves elements before or after another one, or to the end of it: the one that is nearest to each."""

    do: Literal["move"]
    selector: Selector
    before: Selector | None = None
    after: Selector | None = None
    into: Selector | None = None

    @model_validator(mode="after")
    def _has_one_place(self) -> "Move":
        if sum(each is not None for each in (self.before, self.after, self.into)) != 1:
            raise ValueError("expected one of before, after and into, which is where the elements go")
        return self

    @property
    def place(self) -> tuple[str, str]:
        """Where to: `before`, `after` or `into`, and the other element's selector."""
        found = {"before": self.before, "after": self.after, "into": self.into}
        return next((how, other) for how, other in found.items() if other is not None)

    @property
    def what(self) -> str:
        """The selector and the place."""
        return f"{self.selector} {' '.join(self.place)}"


class Text(PageEdit):
    """Replaces the text of elements; pictures in them stay."""

    do: Literal["text"]
    selector: Selector
    to: str = Field(max_length=5000)

    @property
    def what(self) -> str:
        """The selector."""
        return self.selector


class Attribute(PageEdit):
    """Sets an attribute of elements, or removes it."""

    do: Literal["attribute"]
    selector: Selector
    name: Annotated[str, AfterValidator(_check_attribute)]
    to: str | None = Field(None, max_length=5000)
    """None: it is removed, which `remove = true` says."""
    remove: bool = False

    @model_validator(mode="after")
    def _has_one_end(self) -> "Attribute":
        if (self.to is not None) == self.remove:
            raise ValueError('expected to = "…", or remove = true')
        return self

    @property
    def what(self) -> str:
        """The selector and the attribute."""
        return f"{self.selector} {self.name}"


class Css(PageEdit):
    """Adds style rules after the page's own."""

    do: Literal["css"]
    rules: Annotated[str, Field(max_length=50_000), AfterValidator(_check_rules)]

    @property
    def what(self) -> str:
        """The rules' beginning."""
        return " ".join(self.rules.split())


class Image(PageEdit):
    """Shows a file in place of a picture: of elements, or of an address."""

    do: Literal["image"]
    selector: Selector | None = None
    requests: Pattern | None = None
    file: Path
    """In the folder of the TOML file, where it is no whole path."""
    content: bytes = Field(b"", exclude=True, repr=False)
    """What the file holds, read once."""

    @model_validator(mode="after")
    def _has_one_target(self) -> "Image":
        if (self.selector is None) == (self.requests is None):
            raise ValueError("expected selector or requests, one of them")
        if self.file.suffix.lower() not in IMAGE_TYPES:
            raise ValueError(
                f"file is {self.file.name!r}; expected a name that ends in {', '.join(IMAGE_TYPES)}"
            )
        return self

    @property
    def media_type(self) -> str:
        """Of the file."""
        return IMAGE_TYPES[self.file.suffix.lower()]

    @property
    def what(self) -> str:
        """What is replaced."""
        return self.selector or self.requests or ""


class Block(PageEdit):
    """Lets no script from these addresses be loaded."""

    do: Literal["block"]
    requests: Pattern

    @property
    def what(self) -> str:
        """The addresses."""
        return self.requests


class Delay(PageEdit):
    """Holds requests to these addresses back."""

    do: Literal["delay"]
    requests: Pattern
    seconds: float = Field(gt=0, le=MAX_DELAY_S)

    @property
    def what(self) -> str:
        """The addresses and the time."""
        return f"{self.requests} {self.seconds:g} s"


AnyEdit = Annotated[Hide | Move | Text | Attribute | Css | Image | Block | Delay, Discriminator("do")]
OF_REQUESTS = (Block, Delay)
"""Edits that are made where requests are sent; an `Image` may be either."""


class PageVariant(Config):
    """One version of a shop, made in the browser; the defaults are the shop as it is."""

    name: str = Field("shop", pattern=r"^[a-z0-9][a-z0-9_-]{0,30}$")
    """What results call it; it stands in the ids of sessions."""
    edits: tuple[AnyEdit, ...] = Field((), max_length=EDITS_MAX)
    query: dict[str, str] = Field(default_factory=dict)
    """Parameters that every page of the shop's own hosts is asked for with."""
    cookies: dict[str, str] = Field(default_factory=dict)
    """Set at the shop's host before the first page."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Sent with every request to the shop's own hosts, and to no other."""

    @model_validator(mode="after")
    def _names_are_sent_as_they_are(self) -> "PageVariant":
        for kind, table in (("cookies", self.cookies), ("headers", self.headers)):
            for name, value in table.items():
                if not _TOKEN.fullmatch(name):
                    raise ValueError(
                        f"{kind}: {name!r} is no name; expected letters, digits and signs like - and _"
                    )
                if (
                    not value.isascii()
                    or not value.isprintable()
                    or (kind == "cookies" and set(value) & set(';, "'))
                ):
                    raise ValueError(
                        f"{kind}: the value of {name} cannot be sent as it is; expected plain letters"
                    )
        for name in self.headers:
            if name.lower() in _RESERVED.split() or name.lower().startswith("sec-"):
                raise ValueError(f"headers: {name} is the browser's own; expected another, such as X-Variant")
        return self

    @property
    def changes_nothing(self) -> bool:
        """Whether it is the shop as it is."""
        return not (self.edits or self.query or self.cookies or self.headers)

    @property
    def labels(self) -> tuple[str, ...]:
        """What results call each edit: its number in the file, from 1, what it does and to what."""
        texts = [f"{number} {each.do} {each.what}" for number, each in enumerate(self.edits, 1)]
        return tuple(text if len(text) <= _LABEL_CHARS else f"{text[: _LABEL_CHARS - 1]}…" for text in texts)

    @property
    def words(self) -> str:
        """What is unlike the shop as it is, in words."""
        counts = {
            "page edit": len(self.edits),
            "query parameter": len(self.query),
            "cookie": len(self.cookies),
            "header": len(self.headers),
        }
        found = [f"{n} {what}{'s' if n > 1 else ''}" for what, n in counts.items() if n]
        return ", ".join(found) or "no change"

    def record(self) -> dict[str, Any]:
        """Return what a run's settings say of it.

        Digests stand in place of pictures, and of values of cookies and headers, which may be somebody's key.
        """
        found = self.model_dump(mode="json")
        for kind in ("cookies", "headers"):
            found[kind] = {name: _digest(value.encode()) for name, value in found[kind].items()}
        for edit, dumped in zip(self.edits, found["edits"], strict=True):
            if isinstance(edit, Image):
                dumped["file"] = f"{edit.file.name} {_digest(edit.content)}"
        return found


def _digest(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()[:12]}"

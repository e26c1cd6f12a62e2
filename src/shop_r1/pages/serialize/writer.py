"""Lines of terse HTML: text runs collapsed and escaped, tags opened only once something stands in them."""

import re
import unicodedata

from shop_r1.pages import rules

_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ue000-\uf8ff\ufff0-\uffff"
    "\U000f0000-\U0010ffff]"
)
_DECORATION = re.compile(rules.DECORATION)
_INLINE_MARKUP = frozenset({"<s>"})
_UNSAFE = re.compile(r"&(?=[a-zA-Z#])|<(?=[a-zA-Z/!?])")


def clean(text: str) -> str:
    """Return the text with whitespace collapsed and without characters that nobody sees.

    Private-use characters are dropped too: on the web they are icon fonts' glyphs.
    """
    text = " ".join(text.split())
    return text if text.isprintable() else " ".join(_INVISIBLE.sub("", text).split())


def escape(text: str) -> str:
    """Return the text as HTML, with only those `&` and `<` escaped that a parser would take for markup."""
    if "&" not in text and "<" not in text:
        return text
    return _UNSAFE.sub(lambda match: "&amp;" if match.group() == "&" else "&lt;", text)


def attribute(name: str, value: str) -> str:
    """Return ` name="value"`, escaped."""
    return f' {name}="{escape(clean(value)).replace(chr(34), "&quot;")}"'


def _starts_word(character: str) -> bool:
    """Return whether a new text starting so after a letter or digit is a new word that styles set apart."""
    return character.isupper() or unicodedata.category(character) == "Sc"


class Writer:
    """Builds the short page line by line.

    A tag opened with `open` is held back until text or a control follows, so that empty lists, items and
    headings leave nothing behind.
    """

    def __init__(self, *, drop_decoration: bool = False) -> None:
        self._drops_decoration = drop_decoration
        self.decorations = 0
        """How many drawn lines were left out."""
        self._lines: list[str] = []
        self._line: list[str] = []
        self._run: list[str] = []
        self._pending: list[tuple[str, bool]] = []
        self._space = False
        self._after_tag = False

    @property
    def run_text(self) -> str:
        """The text on the current line since the last tag."""
        return "".join(self._run)

    def text(self, text: str) -> None:
        """Add text to the line; whitespace at its ends separates it from its neighbours."""
        words = clean(text)
        if not words:
            self._space = self._space or bool(text)
            return
        if self._drops_decoration and not words[0].isalnum() and _DECORATION.fullmatch(words):
            self._space = True
            self.decorations += 1
            return
        if self._pending:
            self._begin()
        if self._line_has_content() and (
            self._space
            or text[:1].isspace()
            or (self._after_tag and words[0].isalnum())
            or (self._run and self._run[-1][-1].isalnum() and _starts_word(words[0]))
        ):
            self._run.append(" ")
        self._run.append(words)
        self._space = text[-1:].isspace()
        self._after_tag = False

    def control(self, markup: str) -> None:
        """Add a whole control, set apart from what stands around it."""
        self.open_control(markup)
        self._after_tag, self._fresh = True, False

    def open_control(self, markup: str) -> None:
        """Add the start tag of a control, set apart from what stands before it."""
        if self._pending:
            self._begin()
        if self._line_has_content():
            self._run.append(" ")
        if self._run:
            self._flush_run()
        self._line.append(markup)
        self._space = self._after_tag = False
        self._fresh = True

    def close_control(self, markup: str) -> None:
        """Add a control's end tag."""
        if self._run:
            self._flush_run()
        self._line.append(markup)
        self._space, self._after_tag, self._fresh = False, True, False

    def space(self) -> None:
        """Set what follows apart from what stands before it."""
        self._space = True

    def line(self) -> None:
        """End the line; an empty one leaves nothing."""
        if not (self._run or self._line):
            self._space = self._after_tag = self._fresh = False
            return
        self._flush_run()
        text = "".join(self._line).strip()
        if text:
            self._lines.append(text)
        self._line.clear()
        self._space = self._after_tag = self._fresh = False

    def open(self, markup: str, *, own_line: bool = False) -> int:
        """Hold a start tag back until something follows; `own_line` ends the line after it."""
        self._pending.append((markup, own_line))
        return len(self._pending)

    def close(self, depth: int, markup: str) -> bool:
        """End the tag that `open` returned `depth` for: add `markup`, or take an unused start tag back."""
        if len(self._pending) >= depth:
            del self._pending[depth - 1 :]
            return False
        if markup:
            self._flush_run()
            self._line.append(markup)
        return True

    def html(self) -> str:
        """Return all lines."""
        self.line()
        return "\n".join(self._lines)

    _fresh = False

    def _line_has_content(self) -> bool:
        return bool(self._run or self._line) and not (self._fresh and not self._run)

    def _begin(self) -> None:
        if self._space and self._line_has_content() and self._pending[0][0] in _INLINE_MARKUP:
            self._run.append(" ")
            self._space = False
        self._flush_run()
        for markup, own_line in self._pending:
            self._line.append(markup)
            self._fresh = True
            if own_line:
                self.line()
        self._pending.clear()

    def _flush_run(self) -> None:
        run = self._run
        if run:
            self._line.append(escape("".join(run) if len(run) > 1 else run[0]))
            run.clear()
            self._fresh = False

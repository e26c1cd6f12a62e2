"""The lines of the short page: text runs collapsed and escaped, tags opened only once something follows."""

import re
import unicodedata
from collections.abc import Sequence

from shop_r1.pages import rules
from shop_r1.pages.parse.node import clean
from shop_r1.pages.serialize.nodes import Nodes, Tag, escape, plain_tag

_DECORATION = re.compile(rules.DECORATION)


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
        self.inline = 0
        """How many elements we are in that stand on one line, open controls among them."""
        self.in_control = 0
        """How many links and buttons we are in."""
        self._lines: list[Nodes] = []
        self._line: Nodes = []
        self._run: list[str] = []
        self._pending: list[tuple[str, bool]] = []
        self._space = False  # whether what follows is to be set apart
        self._after_tag = False  # whether a control, or an end tag, stands before
        self._fresh = False  # whether a start tag stands before

    @property
    def run_text(self) -> str:
        """The text on the current line since the last tag."""
        return "".join(self._run)

    def text(self, text: str) -> None:
        """Add text to the line; whitespace at its ends separates it from what is around it."""
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

    def text_lines(self, text: str) -> None:
        """Add text in which each line stands for itself, as on a page that is already simplified."""
        if self.inline or "\n" not in text:
            self.text(text)
            return
        first, *others = text.split("\n")
        self.text(first)
        for line in others:
            self.line()
            self.text(line)

    def control(self, nodes: Sequence[Tag | str]) -> None:
        """Add a whole control, its empty texts left out, set apart from what stands around it."""
        self._set_apart()
        self._line += [node for node in nodes if node]
        self._after_tag = True

    def open_control(self, tag: Tag) -> None:
        """Add the start tag of a control, set apart from what stands before it."""
        self._set_apart()
        self._line.append(tag)
        self._fresh = True
        self.inline += 1
        self.in_control += 1

    def _set_apart(self) -> None:
        if self._pending:
            self._begin()
        if self._line_has_content():
            self._run.append(" ")
        if self._run:
            self._flush_run()
        self._space = self._after_tag = self._fresh = False

    def close_control(self, kind: str) -> None:
        """Add a control's end tag."""
        if self._run:
            self._flush_run()
        self._line.append(plain_tag(kind))
        self._space, self._after_tag, self._fresh = False, True, False
        self.inline -= 1
        self.in_control -= 1

    def break_line(self) -> None:
        """End the line, or set what follows apart where all stands on one line."""
        if self.inline:
            self._space = True
        else:
            self.line()

    def space(self) -> None:
        """Set what follows apart from what stands before it."""
        self._space = True

    def line(self) -> None:
        """End the line; an empty one leaves nothing."""
        if self._run:
            self._flush_run()
        if self._line:
            self._lines.append(self._line)
            self._line = []
        self._space = self._after_tag = self._fresh = False

    def open(self, kind: str, *, own_line: bool = False) -> int:
        """Hold a start tag back until something follows; `own_line` ends the line after it."""
        self._pending.append((kind, own_line))
        return len(self._pending)

    def close(self, depth: int, kind: str) -> None:
        """End the tag that `open` returned `depth` for: add an end tag, or take an unused start tag back."""
        if len(self._pending) >= depth:
            del self._pending[depth - 1 :]
        elif kind:
            if self._run:
                self._flush_run()
            self._line.append(plain_tag(kind))

    def finished_lines(self) -> list[Nodes]:
        """Return all lines."""
        self.line()
        return self._lines

    def _line_has_content(self) -> bool:
        return bool(self._run or self._line) and not (self._fresh and not self._run)

    def _begin(self) -> None:
        if self._space and self._line_has_content() and self._pending[0][0] == "s":
            self._run.append(" ")
            self._space = False
        if self._run:
            self._flush_run()
        for kind, own_line in self._pending:
            self._line.append(plain_tag(kind))
            self._fresh = True
            if own_line:
                self.line()
        self._pending.clear()

    def _flush_run(self) -> None:
        run = self._run
        self._line.append(escape("".join(run) if len(run) > 1 else run[0]))
        run.clear()
        self._fresh = False

"""Griffe extension: doctests in docstrings are shown as code, wherever in the docstring they stand."""

import re
from typing import Any

import griffe

_DOCTEST = re.compile(r"^>>> .*?(?=\n[ \t]*\n|\Z)", re.MULTILINE | re.DOTALL)


class Doctests(griffe.Extension):
    """Puts each doctest of a docstring into a fenced block."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Fence the doctests of one module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = fence_doctests(obj.docstring.value)


def fence_doctests(text: str) -> str:
    """Return the docstring with each block that begins with `>>>` as a fenced block of Python."""
    return _DOCTEST.sub(lambda block: f"```pycon\n{block[0]}\n```", text)

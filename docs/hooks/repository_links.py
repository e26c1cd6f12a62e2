"""MkDocs hook: links from a page to files outside `docs/` lead to the repository, where they must exist."""

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

REPOSITORY = "https://github.com/shop-r1/shop-r1"
ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"(\]\()((?:\.\./)+[^)#\s]+)(#[^)\s]*)?\)")


def link_to_repository(markdown: str, page: str) -> str:
    """Return the page with its relative links to files outside `docs/` as addresses in the repository.

    Args:
        markdown: the page's text.
        page: its path within `docs/`, such as `how_to/compare_checkpoints.md`.

    Raises:
        FileNotFoundError: there is no such file or folder.
    """

    def replace(link: re.Match[str]) -> str:
        path = normpath(str(PurePosixPath("docs", page).parent / link[2]))
        if path.startswith("docs/"):
            return link[0]
        target = ROOT / path
        if path.startswith("..") or not target.exists():
            raise FileNotFoundError(f"docs/{page}: links to {link[2]}, which does not exist")
        kind = "tree" if target.is_dir() else "blob"
        return f"{link[1]}{REPOSITORY}/{kind}/main/{path}{link[3] or ''})"

    return _LINK.sub(replace, markdown)


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Return the page's Markdown for MkDocs."""
    return link_to_repository(markdown, page.file.src_uri)

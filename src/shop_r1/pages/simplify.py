"""Raw HTML to the short page that the model reads, with a name on everything that can be acted on."""

from pathlib import Path
from typing import Any

from shop_r1.errors import PageError
from shop_r1.pages.document import parse_document
from shop_r1.pages.elements import SimplifiedPage
from shop_r1.pages.repeats import fold_repeats
from shop_r1.pages.tree import build_tree
from shop_r1.pages.walk import Walk


def simplify_page(html: str | bytes) -> SimplifiedPage:
    """Return the short page, its named elements and the counts of what was left out.

    The same page always gives the same result, and a page that is already simplified (its first tag is
    `<page>`) comes back as it is.

    Raises:
        PageError: the input is empty, too large or not HTML.
    """
    tree = build_tree(parse_document(html))
    fold_repeats(tree)
    return Walk(tree).run()


def describe(file: Path) -> dict[str, Any]:
    """Return what `shop-r1 simplify` prints of a file: `file`, `html`, `elements`, `dropped`.

    Raises:
        PageError: the file cannot be read, or is not HTML; the message names it.
    """
    try:
        page = simplify_page(file.read_bytes())
    except OSError as error:
        raise PageError(f"{file}: cannot be read: {error.strerror or error}") from error
    except PageError as error:
        raise PageError(f"{file}: {error}") from error
    elements = []
    for element in page.elements:
        row = {"name": element.name, "tag": element.tag, "label": element.label}
        if element.href is not None:
            row["href"] = element.href
        elements.append(row)
    return {"file": str(file), "html": page.html, "elements": elements, "dropped": dict(page.dropped)}

"""The frame of every page of a report: one file that loads nothing, runs our own script only, and is sealed.

`render_page` fills a template that extends `base.html.jinja`. The styles are `tokens.css` (colours, sizes),
`base.css` (cards, chips, folds, tables) and those named; the scripts named become one, and the content
security policy lets only that one run, by its digest.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import jinja2

from shop_r1.records.results import percent
from shop_r1.report.safe_page import clean_text
from shop_r1.report.seal import seal

_TEMPLATES = Path(__file__).parent / "templates"
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src {script}; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
"""Frames that a script fills inherit it."""


def render_page(
    template: str,
    title: str,
    *,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    data: Mapping[str, Any] | None = None,
    **values: Any,
) -> str:
    """Return the page, clean and sealed; what comes from records is escaped by the template.

    Args:
        template: a file of `templates/` that extends `base.html.jinja`.
        title: of the page, shown at its top.
        styles: further files of `templates/`, in order.
        scripts: files of `templates/` that become one script, in order.
        data: for each id, the JSON value of a `<script type="application/json">` that the scripts read.
        values: what else the template shows.
    """
    script = "\n".join(read_template(name) for name in scripts)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    html = (
        environment()
        .get_template(template)
        .render(
            title=title,
            style="\n".join(read_template(name) for name in ("tokens.css", "base.css", *styles)),
            script=script,
            policy=_POLICY.format(script=f"'sha256-{digest}'" if script else "'none'"),
            data={name: embed_json(value) for name, value in (data or {}).items()},
            **values,
        )
    )
    return seal(clean_text(html))


def read_template(name: str) -> str:
    """Return a file of `templates/`."""
    return (_TEMPLATES / name).read_text("utf-8")


def embed_json(value: Any) -> str:
    r"""Return the value as ASCII JSON that is safe inside `<script type="application/json">`.

    >>> print(embed_json("</script>"))
    "\u003c/script\u003e"
    """
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def environment() -> jinja2.Environment:
    """Return what fills the templates of pages."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "data_image": _data_image, "alternative": _alternative}
    return environment


def _data_image(svg: str) -> str:
    """Return the plot as a data URL: an image runs no script and its ids cannot clash with another's."""
    return "data:image/svg+xml;base64," + base64.b64encode(clean_text(svg).encode()).decode()


def _alternative(svg: str) -> str:
    found: list[Any] = [re.search(f"<{tag}>(.*?)</{tag}>", svg, re.DOTALL) for tag in ("title", "desc")]
    return " ".join(unescape(match[1]).strip() for match in found if match)

"""Simplify your shop's pages: what a model sees of them, and the way from a name back to the element.

python examples/simplify_your_pages.py                  # on a small page of this file's own
python examples/simplify_your_pages.py saved/*.html     # on yours
"""

import sys
from pathlib import Path

from shop_r1 import estimate_tokens, find_element, simplify_page

SAMPLE = b"""<!doctype html><html><head><title>Red mugs</title><script>track()</script></head><body>
<form action="/search"><input name="q" aria-label="Search"><button>Go</button></form>
<div style="display:none">Only for robots</div>
<ul><li><h2><a href="/mug">Red Mug</a></h2><p>$8.49</p><button>Add to cart</button></li>
<li><h2><a href="/set">Red Mug Set</a></h2><p>$19.00</p><button>Add to cart</button></li></ul>
</body></html>"""


def describe(html: bytes) -> str:
    """Return the short page, its named elements with their CSS paths, and what was left out."""
    page = simplify_page(html)
    paths = [f"{each.name}: {find_element(page, each.name).path}" for each in page.elements]
    dropped = ", ".join(f"{reason} {count}" for reason, count in page.dropped.items()) or "nothing"
    size = f"about {estimate_tokens(html.decode(errors='replace'))} tokens, now {estimate_tokens(page.html)}"
    return "\n".join([page.html, "", *paths, "", f"left out: {dropped}; {size}"])


if __name__ == "__main__":
    for source in [Path(name).read_bytes() for name in sys.argv[1:]] or [SAMPLE]:
        print(describe(source))

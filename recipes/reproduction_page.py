"""Put the tables of docs/reproduction/*.json into docs/reproduction.md, and their figures beside the JSON.

`python -m recipes.reproduction_page` after copying the `results.json` of a run of `shop-r1 reproduce` there
under a name of its own. Prose is written in the page itself, outside `<!-- NAME -->` … `<!-- end -->`.
"""

import sys
from pathlib import Path

from shop_r1.cli.reproduction.results.document import write_page
from shop_r1.errors import ShopR1Error

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, RESULTS = DOCS / "reproduction.md", DOCS / "reproduction"


def main() -> int:
    """Write the page; 0, or 2 with one line on what is wrong."""
    try:
        write_page(PAGE, RESULTS)
    except ShopR1Error as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

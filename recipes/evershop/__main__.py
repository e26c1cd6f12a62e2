"""EverShop, a real shop on this machine, for simulated shoppers to try.

    python -m recipes.evershop start DIR       prints the shop's address
    python -m recipes.evershop stop DIR

EverShop 2.2.1 comes from the npm registry, PostgreSQL from Debian, the 72 products and their pictures from
here. The first start needs node 20 or newer, the network, 2.5 GB of memory and about five minutes; later
ones take seconds, ask nothing of the network, and begin with no cart and no order.
"""

import argparse
from pathlib import Path

from recipes.evershop.shop import EverShop


def main() -> None:
    """Prepare, start or stop the shop of a folder."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="recipes.evershop", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=("prepare", "start", "stop"))
    parser.add_argument("folder", type=Path, metavar="DIR", help="where the shop is kept, about 1 GB")
    parser.add_argument("--port", type=int, default=8300, help="of the shop; the database takes the next")
    given = parser.parse_args()
    shop = EverShop(given.folder, given.port)
    if given.command == "prepare":
        shop.prepare()
        shop.stop()
    elif given.command == "start":
        shop.start()
        print(shop.url)
    else:
        shop.stop()


if __name__ == "__main__":
    main()

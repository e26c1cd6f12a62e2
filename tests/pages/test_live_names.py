"""Names of live pages in real Chromium: where they lead, and whether the saved page has the same.

`python -m benchmarks.live_names` prints what is measured here, of all saved pages.
"""

from collections.abc import Iterator

import pytest
from benchmarks.live_names import Measured, evershop, measure_shop, store_shop, table
from tests.window import Chromium

# Of the saved pages of EverShop one of each kind, and its menus, drawers and forms with what was typed.
_LEFT_OUT = frozenset({
    "clothing", "bags", "garden", "lighting", "bags_by_price", "search_red", "product_shirt", "product_bag",
    "product_bowl", "product_feeder", "checkout_address",
})  # fmt: skip


@pytest.fixture(scope="module")
def measured() -> Iterator[dict[str, Measured]]:
    shop, names = evershop()
    with Chromium() as chromium:
        yield {
            "built-in store": chromium.run(measure_shop(chromium.pool, *store_shop())),
            "EverShop": chromium.run(
                measure_shop(chromium.pool, shop, [name for name in names if name not in _LEFT_OUT])
            ),
        }


def test_every_name_leads_to_its_own_visible_element(measured: dict[str, Measured]) -> None:
    assert (measured["built-in store"].pages, measured["EverShop"].pages) == (20, 26)
    for found in measured.values():
        lines = "\n".join([*table(measured), *found.problems])
        assert found.names > 300
        assert (found.share("found"), found.share("right"), found.share("visible")) == (1, 1, 1), lines


def test_nearly_all_can_be_clicked(measured: dict[str, Measured]) -> None:
    names = sum(found.names for found in measured.values())
    clickable = sum(found.counts["clickable"] for found in measured.values())
    lines = "\n".join([*table(measured), *[line for found in measured.values() for line in found.problems]])
    assert clickable >= 0.97 * names, lines


def test_a_saved_page_has_the_names_of_the_live_one(measured: dict[str, Measured]) -> None:
    for found in measured.values():
        assert found.share("agree") >= 0.97, "\n".join([*table(measured), *found.problems])
        assert found.covered <= 0.1 * found.names

"""docs/benchmarks.md, beside the results that it tells."""

import pytest
from benchmarks.tables import PAGE, fill_page, read_results


def test_the_page_has_the_figures_of_the_results() -> None:
    page = PAGE.read_text("utf-8")
    assert fill_page(page, *read_results()) == page
    assert page.count("| 2,048 | 8 |") == 2  # time and memory


def test_a_table_without_a_place_is_named() -> None:
    with pytest.raises(ValueError, match="0 places for the table machine; expected is one"):
        fill_page("", *read_results())

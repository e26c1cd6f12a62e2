"""docs/benchmarks.md, beside the results that it tells."""

import pytest
from benchmarks.tables import PAGE, difference, fill_page, read_results


def test_the_page_has_the_figures_of_the_results() -> None:
    page = PAGE.read_text("utf-8")
    assert fill_page(page, *read_results()) == page
    assert page.count("| 2,048 | 8 |") == 2  # time and memory


def test_a_table_without_a_place_is_named() -> None:
    with pytest.raises(ValueError, match="0 places for the table machine; expected is one"):
        fill_page("", *read_results())


def test_a_difference_has_students_interval() -> None:
    """t(0.975) is 4.303 with 2 degrees of freedom, and 4.303 / sqrt(3) = 2.484."""
    assert difference([1.0, 2.0, 3.0]) == "+2.0 [-0.5, +4.5]"

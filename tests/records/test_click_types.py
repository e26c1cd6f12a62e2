import json
from pathlib import Path

import pytest

from shop_r1.records.actions import Action, click, terminate
from shop_r1.records.click_types import CLICK_TYPES, click_type, derive_click_type

SHARED = Path(__file__).resolve().parents[2].parent / "shared"

OPERA_SUBTYPES = {
    *("review", "search", "product_option", "product_link", "other", "purchase", "nav_bar"),
    *("page_related", "quantity", "suggested_term", "cart_side_bar", "cart_page_select", "filter"),
}


@pytest.mark.parametrize(
    ("name", "subtype"),
    [
        ("nav_bar.search_input", "search"),
        ("nav_bar.suggested_terms.red_mug", "suggested_term"),
        ("nav_bar.cart_button", "nav_bar"),
        ("refinements.customer_reviews.4_stars", "filter"),
        ("refine.under_15", "filter"),
        ("customer_reviews.next", "review"),
        ("reviews", "review"),
        ("search_results.red_mug.product_name", "product_link"),
        ("results.red_mug", "product_link"),
        ("results.red_mug.add_to_cart", "purchase"),
        ("buybox.purchase_form.add_to_cart_2", "purchase"),
        ("check_out", "purchase"),
        ("checkout.place_order", "purchase"),
        ("cart_side_bar.go_to_cart", "cart_side_bar"),
        ("active_item_list.red_mug.delete", "quantity"),
        ("active_item_list.red_mug.checkbox", "cart_page_select"),
        ("product_options.size.button_list.small", "product_option"),
        ("size.medium", "product_option"),
        ("pagination.2", "page_related"),
        ("checkout_our_blog", "other"),
        ("", "other"),
    ],
)
def test_a_name_says_the_subtype(name: str, subtype: str) -> None:
    assert derive_click_type(name) == subtype


def test_the_subtypes_are_operas() -> None:
    assert set(CLICK_TYPES) == OPERA_SUBTYPES


def test_what_is_recorded_counts_before_what_the_name_says() -> None:
    recorded = Action(type="click", name="go_to_cart", click_type="nav_bar")
    assert click_type(recorded) == "nav_bar"
    assert click_type(click("go_to_cart")) == "other"
    assert click_type(click("go_to_cart"), recorded) == "nav_bar"  # the same element
    assert click_type(click("size.small"), recorded) == "product_option"
    assert click_type(terminate()) is None
    assert click_type(click("go_to_cart"), terminate()) == "other"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not beside this clone")
def test_the_rules_agree_with_operas_own_subtypes() -> None:
    text = (SHARED / "data" / "opera" / "test_actions.jsonl").read_text("utf-8")
    clicks = [
        target for target in (json.loads(line)["gold"] for line in text.splitlines()) if "name" in target
    ]
    clicks = [target for target in clicks if target["type"] == "click"]
    assert len(clicks) == 72
    assert [target for target in clicks if derive_click_type(target["name"]) != target["click_type"]] == []

import random

from shop_r1.records.actions import LIVE
from shop_r1.records.sessions import Page
from shop_r1.simulation.policies.random_policy import RandomPolicy


def test_a_list_that_opens_by_a_click_is_clicked_and_a_field_is_filled() -> None:
    page = Page(
        url="https://shop.example/checkout",
        html='<page><button name="country" role="combobox" collapsed>Country</button>\n<input name="city">',
    )
    choices = RandomPolicy(LIVE).choices((), page, random.Random(1))
    done = {(action.type, action.name) for action, _ in choices if action.name}
    assert done == {("click", "country"), ("input", "city")}

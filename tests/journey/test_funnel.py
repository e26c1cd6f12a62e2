from pathlib import Path

import pytest
from tests.journey.conftest import MakeStep, MakeVisit

from shop_r1.errors import ConfigError
from shop_r1.journey.funnel import FOUND_FUNNEL, read_funnel

FUNNEL = """
empty_search = ["rien du tout"]

[[stage]]
name = "list"
address = ["/search?q=*", "https://shop.example/kinds/*"]

[[stage]]
name = "product"
words = "opened a product"
selector = ['button[name$="buy_now"]']
text = ["red MUG", "green mug"]

[[stage]]
name = "order"
bought = true
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "funnel.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_found_funnel_knows_the_kinds_of_pages(step: MakeStep, visit: MakeVisit) -> None:
    steps = [step("/"), step("/search?q=mug"), step("/product/red-mug"), step("/"), step("/cart")]
    assert FOUND_FUNNEL.furthest(visit("v", *steps)) == [0, 1, 2, 2, 3]
    steps.append(step("/checkout", "click:checkout.place_order"))
    assert FOUND_FUNNEL.furthest(visit("v", *steps, outcome="purchase"))[-2:] == [3, 5]
    assert FOUND_FUNNEL.furthest(visit("v", *steps))[-2:] == [3, 4]


def test_what_is_put_into_a_cart_that_is_a_drawer_counts_as_the_cart(
    step: MakeStep, visit: MakeVisit
) -> None:
    adds, fails = (
        step("/product/red-mug", "click:buy_box.add_to_cart", error=error) for error in (None, "covered")
    )
    assert FOUND_FUNNEL.furthest(visit("v", adds)) == [3]
    assert FOUND_FUNNEL.furthest(visit("v", fails)) == [2]
    vain = [adds, step("/product/red-mug", "leave")]  # the page stayed as it was
    assert FOUND_FUNNEL.furthest(visit("v", *vain)) == [2, 2]


def test_a_given_funnel_needs_all_conditions_and_any_value_of_each(
    tmp_path: Path, step: MakeStep, visit: MakeVisit
) -> None:
    funnel = read_funnel(write(tmp_path, FUNNEL))
    assert [(stage.name, stage.words) for stage in funnel.stages] == [
        ("visit", "came in"),
        ("list", "list"),
        ("product", "opened a product"),
        ("order", "order"),
    ]
    assert funnel.empty_search == ("rien du tout",)
    steps = [
        step("/"),
        step("/kinds/mugs"),
        step("/product/blue-mug"),  # the button, but neither text
        step("/product/red-mug", status=404),
        step("/product/red-mug", "buy"),
    ]
    assert funnel.furthest(visit("v", *steps)) == [0, 1, 1, 1, 2]
    assert funnel.furthest(visit("v", *steps, outcome="purchase"))[-1] == 3


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[[stage]]\nname = "list"', "needs address, selector or text, or else bought = true alone"),
        ('[[stage]]\nname = "a"\nbought = true\ntext = ["x"]', "needs address"),
        ('[[stage]]\nname = "A b"\ntext = ["x"]', "stage.0.name"),
        ('[[stage]]\nname = "visit"\ntext = ["x"]', "visit is the name of the first stage"),
        ('[[stage]]\nname = "a"\nselector = ["a[["]', "is no CSS selector"),
        ('[[stage]]\nname = "a"\ntext = ["x"]\n[[stage]]\nname = "a"\ntext = ["y"]', "called alike"),
        ('[[stage]]\nname = "a"\nadress = ["x"]', "adress"),
        ("stage = []", "stage"),
    ],
)
def test_a_rule_that_is_none_is_named(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=problem.replace("[", r"\[")) as caught:
        read_funnel(write(tmp_path, text))
    assert "funnel.toml" in str(caught.value)

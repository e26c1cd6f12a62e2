"""The wandering crowd's rule in the cart and at the checkout."""

from shop_r1.records.actions import click, type_and_submit
from shop_r1.shoppers.wandering.scene import Scene
from shop_r1.shoppers.wording import money

# All shares are ours, tuned by simulation (docs/crowd.md).


def at_cart(now: Scene) -> None:
    """Change what is in the cart, go on to the checkout or on shopping, or leave it there."""
    if "checkout" not in now.page.names:
        _at_empty_cart(now)
        return
    names = {element.name.rpartition(".")[2]: element.name for element in now.page.elements}
    total = money(now.page.total_cents)
    quantity = names.get("quantity")
    if now.course.last == "purchase" and quantity is not None:
        reason = "I want two of these, so I change the quantity."
        now.take(type_and_submit(quantity, "2"), 0.2, True, reason)
    if now.course.last == "quantity" and now.course.last_text == "2" and quantity is not None:
        reason = f"{total} for two is too much for me, so I take one."
        now.take(type_and_submit(quantity, "1"), 0.25, True, reason)
    if now.course.last == "purchase":
        reason = "I have time and want to see one thing more, so I go back to the results."
        now.press("back to results", 0.25, now.at_ease, reason)
    remove = names.get("remove")
    reason = "I do not need this after all, so I take it out."
    now.take(click(remove) if remove else None, 0.06, True, reason)
    now.press("checkout", 0.88, True, f"The total is {total}, so I go to the checkout.")
    now.leave(f"The total is {total}, and I change my mind, so I leave.")


def _at_empty_cart(now: Scene) -> None:
    now.press("back to results", 0.6, True, "My cart is empty, so I go back to the results.")
    now.wish("opening", 0.3, True, "My cart is empty, so I search for what I want.")
    now.press("departments", 0.75, True, "My cart is empty, so I look at the departments.")
    now.leave("My cart is empty, so I leave.")


def at_checkout(now: Scene) -> None:
    """Place the order, look at the cart again, or leave."""
    total = money(now.page.total_cents)
    now.press("change cart", 0.06, now.course.last != "cart_side_bar", "I want to check my cart once more.")
    now.press("place order", 0.93, True, f"{total} is fine for me, so I place the order.")
    now.leave(f"The total is {total}, and I change my mind, so I leave.")


def elsewhere(now: Scene) -> None:
    """Search again from a page that offers nothing else, or leave."""
    now.wish("opening", 0.6, True, "This page does not help me, so I search for what I want.")
    now.leave("This page does not help me, so I leave.")

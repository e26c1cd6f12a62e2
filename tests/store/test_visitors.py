from shop_r1.store.catalogue import Product
from shop_r1.store.visitors import MAX_ORDERS, MAX_QUANTITY, Visitors, seeded_ids


def test_the_visitor_not_seen_for_longest_is_forgotten_first() -> None:
    visitors = Visitors(seeded_ids(1), limit=2)
    first, second = visitors.welcome(), visitors.welcome()
    visitors.recall(first.id)
    visitors.welcome()
    assert visitors.recall(first.id) is first
    assert visitors.recall(second.id) is None


def test_an_id_that_the_store_did_not_make_is_not_taken() -> None:
    visitors = Visitors(seeded_ids(1))
    assert visitors.recall("made-up") is None
    assert visitors.recall(None) is None
    assert visitors.recall("made-up") is None


def test_seeded_ids_repeat() -> None:
    assert seeded_ids(5)() == seeded_ids(5)() != seeded_ids(6)()


def test_a_quantity_is_cut_to_the_limit_and_the_visitor_told_once(in_stock: Product) -> None:
    visitor = Visitors(seeded_ids(1)).welcome()
    visitor.add(in_stock, ())
    (line,) = visitor.cart.values()
    visitor.set_quantity(line, 99)
    assert line.quantity == MAX_QUANTITY == visitor.cart_count
    assert visitor.take_notice() == "Only 10 available."
    assert visitor.take_notice() == ""


def test_old_orders_are_forgotten_and_numbers_go_on(in_stock: Product) -> None:
    visitor = Visitors(seeded_ids(1)).welcome()
    for _ in range(MAX_ORDERS + 5):
        visitor.add(in_stock, ())
        visitor.place_order()
    assert list(visitor.orders) == list(range(6, MAX_ORDERS + 6))
    assert visitor.cart == {}

from tests.personas.made_log import make_seen, with_users

from shop_r1.fidelity.visits import SEARCH
from shop_r1.personas.entries import Intent
from shop_r1.personas.queries import collect_queries


def test_only_what_several_shoppers_typed_is_kept_with_its_frequency() -> None:
    typed = ["red mug", "Red  MUG", "red mug", "lamp", "lamp", "my cousin's odd wish"]
    log = [make_seen(number, [SEARCH, "terminate"], query) for number, query in enumerate(typed)]
    log.append(make_seen(9, ["product_link", "terminate"]))
    found = collect_queries(log, 2)
    assert found.intents == (Intent(query="red mug", weight=3), Intent(query="lamp", weight=2))
    assert (found.searching, found.kept) == (6, 5)
    assert found.left_out == {"fewer than 2 shoppers typed it": 1}


def test_one_shopper_s_own_query_is_left_out_however_often_it_was_typed() -> None:
    log = [make_seen(number, [SEARCH, "terminate"], "ann of elm street") for number in range(9)]
    found = collect_queries(with_users(log, "ann"), 2)
    assert found.intents == () and found.left_out == {"fewer than 2 shoppers typed it": 9}


def test_what_looks_personal_is_left_out_by_reason_however_many_typed_it() -> None:
    queries = {
        "it has an e-mail address": ["where is ann@example.org", "@ann x@y"],
        "it has a telephone number or a long number": [
            "call 0170-555 12 34",
            "order 12345678",
            "+49 (30) 1234567",
        ],
        "it has an address of a page": ["https://x.example/reset", "www.me.example"],
        "it is longer than 100 characters": ["x" * 101],
        "a recorder masked it": ["*** ****"],
        "it is empty": ["  "],
    }
    log, number = [], 0
    for texts in queries.values():
        for text in texts:
            for _ in range(3):
                number += 1
                log.append(make_seen(number, [SEARCH, "terminate"], text))
    log += [make_seen(number + k, [SEARCH, "terminate"], "iphone 15 128 gb, 2 pack") for k in range(3)]
    found = collect_queries(log, 2)
    assert [each.query for each in found.intents] == ["iphone 15 128 gb, 2 pack"]
    assert found.left_out == {reason: 3 * len(texts) for reason, texts in queries.items()}
    assert found.kept + sum(found.left_out.values()) == found.searching

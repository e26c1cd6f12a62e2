import random

import pytest
from tests.personas.made_log import make_log, make_seen, with_users

from shop_r1.cli.pipeline.stores import create_store
from shop_r1.errors import DataError
from shop_r1.fidelity.visits import SEARCH, read_visit
from shop_r1.personas.features import Seen, tabulate
from shop_r1.personas.mining import mine
from shop_r1.shoppers.persona import Market
from shop_r1.shoppers.scripted import generate_sessions
from shop_r1.store.kinds import KINDS


def test_two_kinds_of_shoppers_are_two_personas_with_their_shares() -> None:
    found = mine(make_log(30, 10), least=5)
    buyers, lookers = found.file.persona
    assert (buyers.sessions, buyers.weight, lookers.sessions, lookers.weight) == (30, 0.75, 10, 0.25)
    assert buyers.name.startswith("buys-") and lookers.name.startswith("leaves-")
    assert all(number <= 30 for number in buyers.examples) and all(number > 30 for number in lookers.examples)
    assert buyers.who == (
        "A shopper who searches seldom (once a visit with about 2 words each time), uses no filters, opens "
        "a product, takes about 3 steps and buys."
    )
    # 3 or 4 searches, 3.5 on average, against (30 * 1 + 10 * 3.5) / 40 of all.
    assert lookers.who == (
        "A shopper who searches often (3.5 times a visit with about 3 words each time), uses filters often "
        "(2.0 times), opens no product, takes about 6 steps and leaves without buying, mostly from a list "
        "of products."
    )
    assert found.silhouette is not None and found.silhouette > 0.6 and not found.warnings


def test_budget_and_patience_come_from_prices_and_from_visits_that_left() -> None:
    buyers, lookers = mine(make_log(30, 10), least=5).file.persona
    # Paid 11 to 40; the 90 % quantile lies at 11 + 0.9 * 29 = 37.1, which two digits round up to 38.
    assert (buyers.budget, buyers.patience) == (38.0, None)
    assert (lookers.budget, lookers.patience) == (None, 6)  # of 6 and 7 steps, five each: 6.5, and even


def test_queries_come_with_their_frequency_and_texts_name_nobody() -> None:
    log = make_log(30, 10)
    log.append(make_seen(41, [SEARCH, "product_link", "purchase"], "a ring for Ann Smith", paid=20.0))
    found = mine(log, least=5)
    assert [(each.query, each.weight) for each in found.file.intent] == [
        ("red mug", 30),
        ("small blue lamp", 10),
    ]
    assert "Ann" not in found.file.model_dump_json()


def test_groups_of_few_shoppers_are_not_told_apart() -> None:
    log = [*make_log(30, 0), *with_users(make_log(0, 10), "one")]
    assert all(len(each.examples) for each in mine(log, least=2).file.persona)
    names = mine(log, least=5).file.persona
    assert all((each.sessions or 0) != 10 for each in names)  # ten sessions of one shopper are no kind
    with pytest.raises(DataError, match="the smallest has 1 shopper,"):
        mine(log, least=5, count=2)
    with pytest.raises(DataError, match="the log has 3 shoppers; expected 5 or more"):
        mine(make_log(3, 0), least=5)
    with pytest.raises(DataError, match="unlike sessions, too few for 40 groups"):
        mine(make_log(30, 10), least=2, count=40)


def test_sessions_that_are_all_alike_are_one_persona() -> None:
    log = [make_seen(number, [SEARCH, "terminate"], "red mug") for number in range(1, 9)]
    found = mine(log, least=5)
    (persona,) = found.file.persona
    assert persona.weight == 1 and "one persona" in found.warnings[0]
    assert "bought" in found.constant and tabulate(log).values.shape == (8, 0)


def test_the_order_of_sessions_does_not_matter() -> None:
    log = make_log(12, 9)
    shuffled = random.Random(0).sample(log, len(log))
    first, second = (mine(each, least=5).file for each in (log, shuffled))
    assert [(each.who, each.weight) for each in first.persona] == [
        (each.who, each.weight) for each in second.persona
    ]


@pytest.mark.slow
def test_two_crowds_of_the_store_land_in_different_groups() -> None:
    log: list[Seen] = []
    market = Market(KINDS)
    for crowd, seed, count in (("focused", 1, 40), ("wandering", 2, 20)):
        store = create_store(crowd, seed=1)  # type: ignore[arg-type]
        for session in generate_sessions(store, market, count, seed, crowd=crowd):  # type: ignore[arg-type]
            visit = read_visit(session.model_copy(update={"session_id": f"{crowd} {session.session_id}"}))
            log.append(Seen(len(log) + 1, visit, None))
    large = [each for each in log if len(each.visit.acts) >= 6 or each.visit.session_id.startswith("focused")]
    found = mine(large, least=5, count=2)
    assert sum(each.sessions or 0 for each in found.file.persona) == len(large)
    kinds = [
        {log[number - 1].visit.session_id.split()[0] for number in each.examples}
        for each in found.file.persona
    ]
    assert sorted(map(tuple, kinds)) == [("focused",), ("wandering",)]

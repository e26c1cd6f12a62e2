from tests.personas.made_log import make_log, make_seen

from shop_r1.fidelity.visits import SEARCH
from shop_r1.personas.describing import description_messages, read_description, with_description
from shop_r1.personas.mining import mine


def test_a_model_sees_counts_and_queries_of_several_alone() -> None:
    log = make_log(30, 10)
    log.append(make_seen(41, [SEARCH, "product_link", "purchase"], "a ring for Ann Smith", paid=20.0))
    found = mine(log, least=5)
    prompts = [
        description_messages(persona, own, found.everybody, queries.intents)
        for persona, own, queries in zip(found.file.persona, found.summaries, found.own_queries, strict=True)
    ]
    buyers, lookers = (messages[1]["content"] for messages in prompts)
    assert "31 of 41 visits" in buyers and '"red mug"' in buyers and "small blue lamp" not in buyers
    assert '"small blue lamp"' in lookers and "median price" in buyers and "median price" not in lookers
    assert "share that buys: 1.00 and 0.76" in buyers  # 31 of 41
    assert "Ann" not in str(prompts)


def test_only_one_json_object_is_a_description() -> None:
    assert read_description('{"who": " A buyer\\n in a hurry. "}') == "A buyer in a hurry."
    assert read_description('<think>Hm.</think>{"who": "A buyer."}') == "A buyer."
    for wrong in ("", "A buyer.", '{"who": ""}', '{"who": "x", "name": "Ann"}', '["x"]', '{"who": "  "}'):
        assert read_description(wrong) is None


def test_the_counted_words_stay() -> None:
    persona = mine(make_log(30, 10), least=5).file.persona[0]
    assert with_description(persona, "In a hurry.").who == f"In a hurry. {persona.who}"

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from shop_r1.errors import ShopR1Error
from shop_r1.personas.entries import Intent, Persona, ShopperFile, write_shoppers
from shop_r1.personas.mix import ShopperMix, make_mix

WEIGHTS = (5, 3, 1, 1)
PERSONAS = tuple(Persona(name=f"p{n}", who=f"Shopper {n}.", weight=w) for n, w in enumerate(WEIGHTS))
INTENTS = tuple(Intent(query=f"query {n}", weight=w) for n, w in enumerate((2, 2, 4)))


@pytest.mark.parametrize("seed", range(5))
def test_any_number_of_shoppers_is_near_the_weights(seed: int) -> None:
    mix, counts, most = ShopperMix(seed=seed, personas=PERSONAS, intents=INTENTS), Counter[str](), 0.0
    for index in range(1_000):
        persona = mix.draw(index).persona
        assert persona is not None
        counts[persona.name] += 1
        off = [abs(counts[f"p{n}"] - w / 10 * (index + 1)) for n, w in enumerate(WEIGHTS)]
        most = max(most, *off)
    assert most <= 3  # of independent draws 1,000 would be off by 16 in the standard deviation


def test_persona_and_intent_do_not_depend_on_each_other() -> None:
    mix = ShopperMix(seed=1, personas=PERSONAS, intents=INTENTS)
    table = np.zeros((4, 3))
    for index in range(1_000):
        drawn = mix.draw(index)
        assert drawn.persona is not None and drawn.query is not None
        table[int(drawn.persona.name[1]), int(drawn.query[-1])] += 1
    expected = np.outer(WEIGHTS, (2, 2, 4)) / 80 * 1_000
    assert ((table - expected) ** 2 / expected).sum() < stats.chi2.ppf(0.95, 11)


def test_over_seeds_each_is_chosen_as_often_as_its_weight_says() -> None:
    counts = Counter(ShopperMix(seed=seed, intents=INTENTS).draw(0).query for seed in range(4_000))
    observed = [counts[f"query {n}"] for n in range(3)]
    assert stats.chisquare(observed, [1_000, 1_000, 2_000]).pvalue > 0.001


def test_a_shopper_depends_on_the_seed_and_its_number_alone() -> None:
    mix = ShopperMix(seed=3, personas=PERSONAS, intents=INTENTS)
    assert [mix.draw(k) for k in (7, 2)] == [
        ShopperMix(3, None, None, None, PERSONAS, INTENTS).draw(k) for k in (7, 2)
    ]
    assert [mix.draw(k) for k in range(9)] != [
        ShopperMix(seed=4, personas=PERSONAS, intents=INTENTS).draw(k) for k in range(9)
    ]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "who.toml"
    write_shoppers(path, ShopperFile(persona=PERSONAS, intent=(*INTENTS, Intent(what_for="tea"))))
    return path


def test_options_are_texts_or_files(file: Path) -> None:
    plain = make_mix("A student.", "a gift", "red mug", 0)
    assert not plain.is_varied
    assert plain.draw(5) == plain.draw(0)
    drawn = plain.draw(0)
    assert (drawn.who, drawn.what_for, drawn.query) == ("A student.", "a gift", "red mug")
    both = make_mix(str(file), str(file), None, 0)
    assert both.personas == PERSONAS and len(both.intents) == 4
    queries = make_mix(None, "a gift", str(file), 0)
    assert queries.intents == INTENTS and queries.draw(0).what_for == "a gift"


def test_what_a_file_lacks_or_says_twice_is_refused(file: Path, tmp_path: Path) -> None:
    only = tmp_path / "only.jsonl"
    write_shoppers(only, ShopperFile(intent=(Intent(what_for="tea"),)))
    own = tmp_path / "own.toml"
    write_shoppers(own, ShopperFile(persona=(Persona(name="a", who="x", query="mug"),)))
    for (persona, intent, query), problem in (
        ((str(only), None, None), "has no persona, only intents"),
        ((None, None, str(only)), "has no intent with a query"),
        ((None, str(own), None), "has no intent"),
        ((None, str(only), "mug"), "leave out --query"),
        ((str(own), str(only), None), "persona a says itself what it comes for"),
        ((str(tmp_path / "none.toml"), None, None), "none.toml: cannot be read"),
    ):
        with pytest.raises(ShopR1Error, match=problem):
            make_mix(persona, intent, query, 0)

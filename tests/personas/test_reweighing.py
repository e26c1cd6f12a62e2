import pytest

from shop_r1.errors import DataError
from shop_r1.personas.entries import Intent, Persona, ShopperFile
from shop_r1.personas.reweighing import reweigh

A, B, C = (
    Persona(name=name, who=f"A {name}.", weight=weight)
    for name, weight in (("student", 2.0), ("teacher", 1.0), ("nurse", 1.0))
)
FILE = ShopperFile(persona=(A, B, C), intent=(Intent(query="mug"),))


def test_weights_are_multiplied_by_the_mean_weight_of_their_sessions() -> None:
    sessions = [
        (A.text, 0.5),
        (f"{A.text}\nWhat you came for: a gift.", 1.5),  # 1.0 on average
        (B.text, 3.0),
        (None, 1.0),
        ("A teacher. And more.", 9.0),
    ]
    found = reweigh(FILE, sessions)
    # 2 * 1, 1 * 3, 1 * 1 make 6, and 4 before.
    assert [each.weight for each in found.file.persona] == pytest.approx([4 / 3, 2, 2 / 3], abs=1e-5)
    assert (found.unseen, found.dropped, found.others) == (("nurse",), (), 2)
    assert found.file.intent == FILE.intent


def test_personas_of_weight_nothing_are_left_out() -> None:
    found = reweigh(FILE, [(A.text, 0.0), (B.text, 1.0), (C.text, 1.0)])
    assert [each.name for each in found.file.persona] == ["teacher", "nurse"]
    assert found.dropped == ("student",)


def test_the_longest_persona_that_fits_is_meant() -> None:
    longer = Persona(name="poor", who="A student.", budget=5)
    file = ShopperFile(persona=(Persona(name="any", who="A student."), longer))
    assert reweigh(file, [(longer.text, 1.0), (A.text, 3.0)]).file.persona[0].weight == pytest.approx(1.5)


def test_sessions_of_other_personas_are_refused() -> None:
    with pytest.raises(DataError, match="no simulated session is of any of these personas"):
        reweigh(FILE, [("Somebody.", 1.0)])

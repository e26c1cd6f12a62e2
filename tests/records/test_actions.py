import dataclasses

import pytest
from pydantic import ValidationError

from shop_r1.errors import ConfigError
from shop_r1.records.actions import (
    OPERA,
    SHOP,
    SPACES,
    Action,
    ActionSpace,
    click,
    find_space,
    terminate,
    type_and_submit,
)


def test_the_shop_space_is_the_papers() -> None:
    assert SHOP.type_names == ("click", "type_and_submit", "terminate")
    query = SHOP.kind("type_and_submit")
    assert query is not None and query.fields == ("name", "text")
    assert SHOP.kind("scroll") is None


def test_the_opera_space_has_its_four_types() -> None:
    assert set(OPERA.type_names) == {"click", "input", "terminate", "scroll"}


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_every_example_fits_its_type(space: ActionSpace) -> None:
    for kind in space.types:
        assert set(kind.example) == set(kind.fields)
        assert Action(type=kind.name, **kind.example).to_completion() == {"type": kind.name, **kind.example}
        assert kind.meaning.endswith(".")


def test_spaces_are_found_by_name_and_an_unknown_one_lists_them() -> None:
    assert find_space("opera") is OPERA
    with pytest.raises(ConfigError, match="'amazon' is unknown; expected one of shop, opera"):
        find_space("amazon")


def test_the_short_ways_to_an_action() -> None:
    assert click("a").to_completion() == {"type": "click", "name": "a"}
    assert type_and_submit("a", "b").to_completion() == {"type": "type_and_submit", "name": "a", "text": "b"}
    assert terminate().to_completion() == {"type": "terminate"}


def test_a_missing_field_reads_as_empty() -> None:
    assert Action(type="click").value("name") == ""
    assert Action(type="click").to_completion() == {"type": "click", "name": ""}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"type": "drag"}, "'drag' is unknown; expected one of click"),
        ({"type": "click", "text": "mug"}, "click takes no text"),
        ({"type": "terminate", "name": ""}, "terminate takes no name"),
        ({"type": "click", "nmae": "mug"}, "nmae"),
        ({"name": "mug"}, "type"),
        ({"type": "click", "name": 7}, "name"),
    ],
)
def test_what_is_no_action_is_refused_with_its_reason(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Action.model_validate(fields)


def test_actions_and_spaces_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        click("a").name = "b"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        SHOP.name = "x"  # type: ignore[misc]

"""No message speaks pydantic, whatever is wrong."""

import json
import re
from typing import Any, Literal, get_args

import pydantic_core.core_schema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

from shop_r1.datasets.validation import Checker
from shop_r1.endpoints.retry import RequestConfig
from shop_r1.errors import DataError
from shop_r1.evaluation.recorded import ActionPair
from shop_r1.importers.logs import LogSession
from shop_r1.jsonl import parse_record
from shop_r1.records.results import Interval, Prediction
from shop_r1.records.sessions import ExampleRef, Session
from shop_r1.rewards.total import RewardConfig, ScoreLine
from shop_r1.training.settings import GrpoConfig
from shop_r1.validation_messages import _PHRASES, describe_problems, list_problems, show

PYDANTIC = re.compile(
    r"Input should|valid (string|integer|number|tuple|list|dict|boolean)|Field required|Extra inputs"
    r"|Value error|Assertion failed|validation error|should have at|pydantic|type=|input_value|input_type"
    r"|value_error|Tuple"
    r"|greater than or equal|less than or equal|Invalid JSON|EOF while|instance of|Unable to"
)
SCHEMAS = (Session, LogSession, Prediction, ScoreLine, ActionPair, ExampleRef)

GOOD: dict[str, Any] = {
    "session_id": "s", "outcome": "purchase", "space": "shop", "persona": "p", "step": 0, "step_idx": 0,
    "gold": {"type": "click", "name": "a"}, "pred": {"type": "click"},
    "action": {"type": "click", "name": "a"},
    "response": "x", "target": {"type": "click", "name": "a"}, "certainty": 1.0,
    "steps": [{"page": {"html": "<page>", "url": "/"}, "action": {"type": "click", "name": "a"}, "time": 7}],
}  # fmt: skip
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "x", "type"]), inner),
    max_leaves=5,
)


@st.composite
def malformed(draw: st.DrawFn) -> str:
    """Return a line: a good record of some kind in which something is exchanged, lost, added or cut off."""
    record = json.loads(json.dumps(GOOD))
    for _ in range(draw(st.integers(1, 3))):
        place: Any = record
        for _ in range(draw(st.integers(0, 4))):
            if isinstance(place, dict) and place:
                inner = place[draw(st.sampled_from(sorted(place)))]
            elif isinstance(place, list) and place:
                inner = place[draw(st.integers(0, len(place) - 1))]
            else:
                break
            if not isinstance(inner, dict | list) or not inner:
                break
            place = inner
        if isinstance(place, list):
            place[0] = draw(JUNK)
        elif draw(st.booleans()) and place:
            del place[draw(st.sampled_from(sorted(place)))]
        else:
            place[draw(st.sampled_from([*place, "other", "htlm"]))] = draw(JUNK)
    text = json.dumps(record)
    return text[: draw(st.integers(0, len(text)))] if draw(st.integers(0, 9)) == 0 else text


@settings(max_examples=400, deadline=None)
@given(malformed(), st.sampled_from(SCHEMAS))
def test_no_malformed_record_gets_a_message_in_pydantics_words(line: str, schema: type[BaseModel]) -> None:
    try:
        parse_record(line, schema, "file.jsonl", 3)
    except DataError as error:
        message = str(error)
        assert not PYDANTIC.search(message), message
        assert (
            "expected" in message
            or "needs" in message
            or "takes no" in message
            or "is not JSON" in message
            or (
                "does not have" in message
                or "terminates" in message
                or "use the file" in message
                or "jq" in message
            )
        ), message
        assert message.isprintable()
    for finding in Checker().check(1, line):
        assert not PYDANTIC.search(finding.problem), finding.problem


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*GrpoConfig.model_fields, *RequestConfig.model_fields, "weights"]), JUNK
    ),
    st.sampled_from((GrpoConfig, RequestConfig, RewardConfig)),
)
def test_no_setting_gets_a_message_in_pydantics_words(
    values: dict[str, Any], schema: type[BaseModel]
) -> None:
    try:
        schema.model_validate(values)
    except ValidationError as error:
        assert not PYDANTIC.search(describe_problems(error, schema))


def test_each_phrase_is_of_an_error_that_pydantic_has() -> None:
    assert set(_PHRASES) <= {*get_args(pydantic_core.core_schema.ErrorType), "string_sub_type"}


class Wide(BaseModel):
    amount: Literal["auto"] | bool = "auto"
    size: int = Field(default=1, ge=1, le=5)
    names: tuple[str, ...] = Field(default=("a",), max_length=2)
    exact: Interval = Interval(0.1, 0.2, 0.3)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"amount": "no way"}, "amount: is 'no way'; expected 'auto', or true or false"),
        ({"size": 6}, "size: is 6; expected a number of at most 5"),
        ({"size": 1.5}, "size: is 1.5; expected a whole number"),
        ({"names": ["a", "b", "c"]}, "names: holds 3; expected at most 2"),
        ({"names": 7}, "names: is 7; expected a list"),
        ({"exact": 7}, "exact: is 7; expected a list"),
        ({"size": None}, "size: is null; expected a whole number"),
    ],
)
def test_a_problem_says_what_was_found_and_what_was_expected(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Wide.model_validate(values)
    assert [str(each) for each in list_problems(raised.value, Wide)] == [told]


def test_what_somebody_wrote_is_shown_escaped_and_short() -> None:
    assert show("\x1b[2J") == "'\\x1b[2J'"
    assert len(show("a" * 500)) == len(show(["b"] * 500)) == 60

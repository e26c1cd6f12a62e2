import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop_r1.prompts.parse import ParseFailure, Response, parse_response, unwrap
from shop_r1.records.actions import OPERA, SHOP, click, terminate, type_and_submit

CLICK = '{"type": "click", "name": "cart.checkout"}'


def reason(text: str) -> str:
    parsed = parse_response(text, SHOP)
    assert isinstance(parsed, ParseFailure)
    json.dumps(parsed.model_dump()).encode()  # What went wrong can always be written down.
    return parsed.reason


def response(text: str) -> Response:
    parsed = parse_response(text, SHOP)
    assert isinstance(parsed, Response), parsed
    return parsed


def test_a_completion_in_format_is_read() -> None:
    parsed = response(f'{{"rationale": "I am done.", "action": {CLICK}}}')
    assert (parsed.rationale, parsed.action) == ("I am done.", click("cart.checkout"))


def test_keys_stand_in_any_order_and_white_space_around_is_trimmed() -> None:
    text = f'\n \t{{ "action" : {CLICK} ,\n"rationale" : "Done." }} \n'
    first, last = response(text).rationale_span
    assert text[first:last] == "Done."


def test_a_missing_field_is_in_format_and_empty() -> None:
    parsed = response('{"rationale": "x", "action": {"type": "type_and_submit", "text": "mug"}}')
    assert (parsed.action.value("name"), parsed.action.value("text")) == ("", "mug")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        ("null", "not_object"),
        ("[]", "not_object"),
        ("true", "not_object"),
        ("{}", "wrong_keys"),
        ("Sure! {}", "extra_text"),
        (f'{{"rationale": "x", "action": {CLICK}}} Bye.', "extra_text"),
        (f'```json\n{{"rationale": "x", "action": {CLICK}}}\n```', "extra_text"),
        (f'{{"rationale": "x", "action": {CLICK}', "cut_off"),
        ('{"rationale": "I was going to', "cut_off"),
        ('{"rationale": "x", ', "cut_off"),
        ('{"rationale": "x",, ', "not_json"),
        ("{'rationale': 'x'}", "not_json"),
        (f'{{"rationale": "two\nlines", "action": {CLICK}}}', "not_json"),
        (f'{{"rationale": NaN, "action": {CLICK}}}', "not_json"),
        (f'{{"rationale": -Infinity, "action": {CLICK}}}', "not_json"),
        (f'{{"rationale": "x", "action": {CLICK}, "action": {CLICK}}}', "duplicate_key"),
        ('{"rationale": "x", "action": {"type": "click", "name": "a", "name": "a"}}', "duplicate_key"),
        ('{"rationale": "x", "action": {"type": "click", "n\\u0061me": "a", "name": "b"}}', "duplicate_key"),
        (f'{{"rationale": "x", "action": {CLICK}, "mood": "good"}}', "wrong_keys"),
        (f'{{"action": {CLICK}}}', "wrong_keys"),
        ('{"rationale": "x"}', "wrong_keys"),
        (f'{{"rationale": ["x"], "action": {CLICK}}}', "wrong_kind"),
        ('{"rationale": "x", "action": [1]}', "wrong_kind"),
        ('{"rationale": "x", "action": {"type": 1}}', "wrong_kind"),
        ('{"rationale": "x", "action": {"type": "click", "name": null}}', "wrong_kind"),
        ('{"rationale": "x", "action": {"type": "click", "name": true}}', "wrong_kind"),
        ('{"rationale": "x", "action": {"name": "a"}}', "unknown_type"),
        ('{"rationale": "x", "action": {"type": "hover", "name": "a"}}', "unknown_type"),
        ('{"rationale": "x", "action": {"type": "Click", "name": "a"}}', "unknown_type"),
        ('{"rationale": "x", "action": {"type": "terminate", "text": ""}}', "extra_field"),
        (
            '{"rationale": "x", "action": {"type": "click", "name": "a", "click_type": "other"}}',
            "extra_field",
        ),
        (f'{{"rationale": "\\ud83d", "action": {CLICK}}}', "not_text"),
        ('{"rationale": "x", "action": {"type": "click", "name": "\\ude00"}}', "not_text"),
        ('{"rationale": "x", "action": {"type": "\\ude00"}}', "not_text"),
        ('{"rationale": "x", "\\ude00": "y"}', "wrong_keys"),
        (f'{{"rationale": "\ud83d", "action": {CLICK}}}', "not_text"),
        (f'{{"rationale": {"9" * 5000}, "action": {CLICK}}}', "wrong_kind"),
        (f'{{"rationale": 1e999, "action": {CLICK}}}', "wrong_kind"),
        ('{"a":' * 100_000, "too_deep"),
        ("[" * 100_000 + "]" * 100_000, "too_deep"),
    ],
)
def test_a_completion_out_of_format_says_why(text: str, expected: str) -> None:
    assert reason(text) == expected


def test_a_whole_surrogate_pair_is_text() -> None:
    assert response(f'{{"rationale": "\\ud83d\\ude00", "action": {CLICK}}}').rationale == "😀"


def test_a_type_of_another_space_is_unknown() -> None:
    completion = '{"rationale": "x", "action": {"type": "scroll"}}'
    assert isinstance(parse_response(completion, SHOP), ParseFailure)
    assert isinstance(parse_response(completion, OPERA), Response)


def test_a_message_names_what_was_found_and_what_was_expected() -> None:
    parsed = parse_response('{"rationale": "x", "action": {"type": "hover"}}', SHOP)
    assert isinstance(parsed, ParseFailure)
    assert parsed.message == (
        "action type 'hover' is unknown; expected one of click, type_and_submit, terminate"
    )


@given(
    st.text(),
    st.text(),
    st.text(),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, 2]),
    st.sampled_from(["", " ", "\n\t", "\u00a0"]),
)
def test_the_span_holds_exactly_the_rationales_characters(
    rationale: str, name: str, text: str, escape: bool, swap: bool, indent: int | None, around: str
) -> None:
    action = type_and_submit(name, text)
    pairs: list[tuple[str, object]] = [("rationale", rationale), ("action", action.to_completion())]
    completion = json.dumps(dict(reversed(pairs) if swap else pairs), ensure_ascii=escape, indent=indent)
    completion = around + completion + around
    parsed = response(completion)
    first, last = parsed.rationale_span
    assert json.loads(completion[first - 1 : last + 1]) == rationale
    assert completion[first:last] == json.dumps(rationale, ensure_ascii=escape)[1:-1]
    assert parsed.action == action


@given(st.text(alphabet='{}[]":,\\u0d8 \nrationltype"action', max_size=60))
def test_no_text_makes_it_raise(text: str) -> None:
    assert isinstance(parse_response(text, SHOP), Response | ParseFailure)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | st.just("click"),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "name", "text", "x"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["rationale", "action", "mood"]), json_values, max_size=3))
def test_what_is_read_is_what_was_written(value: dict[str, object]) -> None:
    parsed = parse_response(json.dumps(value), SHOP)
    if isinstance(parsed, Response):
        written = value["action"]
        assert isinstance(written, dict)
        assert set(value) == {"rationale", "action"}
        assert parsed.rationale == value["rationale"]
        assert {key: text for key, text in parsed.action if text is not None} == written


def test_a_huge_completion_is_read_to_its_end() -> None:
    many = ", ".join(f'"key{number}": 1' for number in range(50_000))
    assert reason(f"{{{many}}}") == "wrong_keys"
    long = "\\n" * 200_000
    text = f'{{"rationale": "{long}", "action": {{"type": "terminate"}}}}'
    parsed = response(text)
    assert parsed.action == terminate()
    assert parsed.rationale_span == (15, 15 + 400_000)  # {"rationale": " is 15 characters.


GOOD = f'{{"rationale": "I am done.", "action": {CLICK}}}'
WRAPPED = {
    f"<think>\nHm. {{ }}\n</think>\n\n{GOOD}": ("think",),
    f"<thinking>Hm.</thinking>{GOOD}": ("think",),
    f"The template opened it.\n</think>\n{GOOD}": ("think",),
    f"```json\n{GOOD}\n```": ("fence",),
    f"\n```\n{GOOD}```\n": ("fence",),
    f"~~~JSON\r\n{GOOD}\r\n~~~": ("fence",),
    f"<think>a</think>\n```json\n{GOOD}\n```": ("think", "fence"),
    GOOD: (),
}


@pytest.mark.parametrize("text", WRAPPED)
def test_a_think_part_and_one_fence_can_be_taken_away_but_parsing_itself_never_does(text: str) -> None:
    unwrapped = unwrap(text)
    assert unwrapped.wrappings == WRAPPED[text]
    assert response(unwrapped.text).action == click("cart.checkout")
    if unwrapped.wrappings:
        assert reason(text) == "extra_text"


@pytest.mark.parametrize(
    "text",
    [
        f"Here is the JSON:\n{GOOD}",
        f"```json\n{GOOD}\n```\nThat is it.",
        f"```json\n{GOOD}\n```\n```json\n{GOOD}\n```",
        f"<think>without an end {GOOD}",
        f"<think>a</think><think>b</think>{GOOD}",
        f"<b>a</b>{GOOD}",
        f"{GOOD}<|im_end|>",
        f"{GOOD}\n</think>",
        "```",
        "``````",
    ],
)
def test_nothing_else_is_taken_away(text: str) -> None:
    assert isinstance(parse_response(unwrap(text).text, SHOP), ParseFailure)


@given(st.text("<think>/`~{}json \n", max_size=60))
def test_unwrapping_never_fails_and_never_adds(text: str) -> None:
    assert unwrap(text).text in text


def test_a_response_that_speaks_of_tags_and_fences_stays_as_it_is() -> None:
    text = json.dumps({"rationale": "<think> </think> ```x```", "action": {"type": "terminate"}})
    assert unwrap(text) == (text, ())

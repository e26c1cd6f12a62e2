"""docs/data.md: every example is such a record, and says what the code would say of it."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from shop_r1.datasets.validation import ERRORS, WARNINGS
from shop_r1.evaluation.metrics import Metrics, evaluate_predictions
from shop_r1.evaluation.related_metrics import RelatedMetrics, measure_related
from shop_r1.prompts.parse import ParseFailure, Response, parse_response
from shop_r1.records.actions import SHOP, SPACES
from shop_r1.records.results import Prediction, RewardBreakdown
from shop_r1.records.sessions import Session
from shop_r1.rewards.total import PARTS, score_response

TEXT = (Path(__file__).parents[1] / "docs" / "data.md").read_text("utf-8")
EXAMPLES = re.findall(r"<!-- ([^\n]+) -->\n```json\n(.*?)```", TEXT, re.DOTALL)


def examples(kind: str) -> list[Any]:
    return [json.loads(text) for name, text in EXAMPLES if name == kind]


def test_every_example_says_what_it_is() -> None:
    assert len(EXAMPLES) == TEXT.count("```json")


@pytest.mark.parametrize(("name", "text"), EXAMPLES)
def test_an_example_is_the_record_that_it_is_said_to_be(name: str, text: str) -> None:
    values = json.loads(text)
    module, _, schema = name.removeprefix("list of ").rpartition(".")
    record: type[BaseModel] = getattr(importlib.import_module(module), schema)
    for value in values if name.startswith("list of ") else [values]:
        assert record.model_validate(value, strict=False)


def test_a_prediction_is_what_the_parser_and_the_scorer_make_of_its_completion() -> None:
    answered, failed = (
        Prediction.model_validate(each) for each in examples("shop_r1.records.results.Prediction")
    )
    parsed = parse_response(answered.completion or "", SHOP)
    assert isinstance(parsed, Response)
    assert (parsed.action, parsed.rationale) == (answered.action, answered.rationale)
    scored = score_response(parsed, answered.target, certainty=26.0)
    assert answered.reward is not None
    for part in (*PARTS, "total"):
        assert getattr(answered.reward, part) == pytest.approx(getattr(scored, part))
    assert answered.reward.reasons.items() <= scored.reasons.items()
    fault = parse_response(failed.completion or "", SHOP)
    assert isinstance(fault, ParseFailure)
    assert failed.failure == f"{fault.reason}: {fault.message}"


def test_the_metrics_are_those_of_the_two_predictions() -> None:
    predictions = [Prediction.model_validate(each) for each in examples("shop_r1.records.results.Prediction")]
    (shown,) = examples("shop_r1.evaluation.metrics.Metrics")
    assert evaluate_predictions(predictions, SHOP) == Metrics.model_validate(shown)


def test_the_related_work_metrics_are_those_of_the_two_predictions() -> None:
    predictions = [Prediction.model_validate(each) for each in examples("shop_r1.records.results.Prediction")]
    (shown,) = examples("shop_r1.evaluation.related_metrics.RelatedMetrics")
    assert measure_related(predictions, SHOP) == RelatedMetrics.model_validate(shown)


def test_a_rollouts_completion_is_scored_part_by_part() -> None:
    (rollout,) = examples("shop_r1.training.grpo.recorder.Rollout")
    for completion in rollout["completions"]:
        shown = RewardBreakdown.model_validate({part: completion[part] for part in (*PARTS, "total")})
        assert shown.total == pytest.approx(sum(getattr(shown, part) for part in PARTS))


def test_the_table_of_actions_is_that_of_the_spaces() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| `(\w+)` \| (.*) \|$", TEXT, re.MULTILINE)
    shown = {
        (space, kind, tuple(re.findall(r"`(\w+)`", fields.split(";")[0])))
        for spaces, kind, fields in rows
        for space in re.findall(r"`(\w+)`", spaces)
    }
    known = {(space.name, kind.name, kind.fields) for space in SPACES.values() for kind in space.types}
    assert shown == known


def test_the_table_of_findings_is_that_of_the_validator() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (error|warning) \| (.*) \|$", TEXT, re.MULTILINE)
    known = [(kind, "error", meaning) for kind, meaning in ERRORS.items()]
    assert rows == [*known, *((kind, "warning", meaning) for kind, meaning in WARNINGS.items())]


def test_the_table_of_fields_is_that_of_a_session() -> None:
    described = set(re.findall(r"^\| `(\w+)` \|", TEXT.split("### Actions")[0], re.MULTILINE))
    assert described == set(Session.model_fields) - {"steps"}

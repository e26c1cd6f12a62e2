"""Predictions that somebody recorded: our own JSONL, or actions beside actions as for OPeRA's test set."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shop_r1.errors import DataError
from shop_r1.jsonl import parse_record, read_lines
from shop_r1.records.actions import Action, ActionSpace
from shop_r1.records.results import Prediction
from shop_r1.validation_messages import describe_problems


class ActionPair(BaseModel):
    """One line of a file of actions beside predicted actions; what else the line holds is not needed here."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    session_id: str = Field(min_length=1)
    step_idx: int = Field(ge=0)
    gold: Action
    pred: Any
    """The predicted action; null, or anything that is no action of the space, counts as unparsable."""


def read_action_predictions(path: Path, space: ActionSpace) -> list[Prediction]:
    """Return the predictions in the file, in order; none is skipped.

    Its lines are `{session_id, step_idx, gold, pred}` (OPeRA's form) or our own `Prediction`. One outside the
    space has `action` None and its reason in `failure`.

    Raises:
        DataError: the file cannot be read or is empty, a line is neither form, or a true action is not in the
            space; the message names file, line and field.
    """
    predictions = list(_read(path, space))
    if not predictions:
        raise DataError.at(path, None, "holds no predictions; expected one JSON object on each line")
    return predictions


def _read(path: Path, space: ActionSpace) -> Iterator[Prediction]:
    for number, line in read_lines(path):
        if _is_pair(line):
            prediction = _from_pair(parse_record(line, ActionPair, path, number), space)
        else:
            prediction = _within(parse_record(line, Prediction, path, number), space)
        if space.kind(prediction.target.type) is None:
            known = ", ".join(space.type_names)
            problem = (
                f"the recorded action has type {prediction.target.type!r}; the space {space.name} has {known}"
            )
            raise DataError.at(path, number, problem)
        yield prediction


def _is_pair(line: str) -> bool:
    with suppress(ValueError, RecursionError):  # Of what is no JSON, the parser of records says so.
        values = json.loads(line)
        return isinstance(values, dict) and not values.keys().isdisjoint(("pred", "step_idx"))
    return False


def _from_pair(pair: ActionPair, space: ActionSpace) -> Prediction:
    prediction = Prediction(session_id=pair.session_id, step=pair.step_idx, target=pair.gold)
    if pair.pred is None:
        return prediction.model_copy(update={"failure": "no prediction"})
    try:
        action = Action.model_validate(pair.pred)
    except ValidationError as error:
        return prediction.model_copy(update={"failure": f"not an action: {describe_problems(error)}"})
    return _within(prediction.model_copy(update={"action": action}), space)


def _within(prediction: Prediction, space: ActionSpace) -> Prediction:
    """Return the prediction, its action taken out where the space does not have it."""
    if prediction.action is None or prediction.valid_action(space) is not None:
        return prediction
    problem = f"{prediction.action.type!r} is not in the space {space.name}"
    return prediction.model_copy(update={"action": None, "failure": problem})

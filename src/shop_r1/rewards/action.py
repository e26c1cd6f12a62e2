"""The action's part of the reward: type, attributes present, values alike (paper, Table 1).

Everything is read from the action type's fields, so a new action needs no line here.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from shop_r1.config import Config
from shop_r1.errors import DataError
from shop_r1.records.actions import Action, ActionSpace, ActionType, exact_match
from shop_r1.rewards.rouge import rouge_l


class ActionRewardConfig(Config):
    """What a right action earns."""

    RENAMED: ClassVar[Mapping[str, str]] = {"similarity_floor": "similarity_threshold"}

    kind: Literal["hierarchical", "binary"] = "hierarchical"
    """Table 1's parts, or 1 for the whole action and else 0 (Table 2's RL (binary), Table 4's fifth row)."""
    type_reward: float = Field(default=0.3, ge=0)
    """For the right type. Paper, Table 1."""
    attribute_reward: float = Field(default=0.2, ge=0)
    """For fields that are not empty, split evenly over the type's fields; white space alone names nothing and
    is empty. Paper, Table 1."""
    dars: bool = True
    """Whether the last field's similarity is scaled; off in Table 4's "no reward scale"."""
    dars_factor: float = Field(default=1000.0, ge=0)
    """Multiplies the similarity of the type's last field: a click's name, a query's text. Paper 4.1."""
    minor_value_weight: float = Field(default=0.1, ge=0)
    """Multiplies the similarity of every other field: the input in which a query is typed. Paper, Table 1."""
    similarity_threshold: float = Field(default=0.75, ge=0, le=1)
    """Similarities at or below this earn 0. Paper 3, given there as an example."""


Part = tuple[float, str]
"""What a part of the reward earned, and one sentence that says why."""


def score_action(
    predicted: Action, target: Action, space: ActionSpace, config: ActionRewardConfig
) -> dict[str, Part]:
    """Return the parts `type`, `attribute` and `value` of the predicted action's reward against the target.

    Attribute and value parts need the right type. The binary kind puts its 1 in `value`, unscaled.

    Raises:
        DataError: the target's type is none of the space's.
    """
    kind = find_target_kind(target, space)
    if config.kind == "binary":
        unused = 0.0, "0, since the binary reward has no such part"
        value = 0.0, "0, since the action does not match"
        if exact_match(predicted, target):
            value = 1.0, "1, since the whole action matches"
        return {"type": unused, "attribute": unused, "value": value}
    if predicted.type != target.type:
        reason = f"0, since the type is {predicted.type} where the shopper chose {target.type}"
        return dict.fromkeys(("type", "attribute", "value"), (0.0, reason))
    type_part = config.type_reward, f"{config.type_reward:g}, since the type {target.type} is right"
    attribute = value = 0.0, f"0, since {kind.name} takes no fields"
    if kind.fields:
        attribute = _score_attributes(predicted, kind, config)
        value = _score_values(predicted, target, kind, config)
    return {"type": type_part, "attribute": attribute, "value": value}


def find_target_kind(target: Action, space: ActionSpace) -> ActionType:
    """Return the target's kind of action.

    Raises:
        DataError: it is none of the space's.
    """
    kind = space.kind(target.type)
    if kind is None:
        expected = ", ".join(space.type_names)
        raise DataError(
            f"target type {target.type!r} is not in the {space.name} space; expected one of {expected}"
        )
    return kind


def _score_attributes(predicted: Action, kind: ActionType, config: ActionRewardConfig) -> Part:
    present = [field for field in kind.fields if predicted.value(field).strip()]
    share = config.attribute_reward * len(present) / len(kind.fields)
    missing = [field for field in kind.fields if field not in present]
    groups = {"given": present, "empty": missing}
    parts = [f"{' and '.join(fields)} {word}" for word, fields in groups.items() if fields]
    return share, f"{share:g}, with {', '.join(parts)}"


def _score_values(predicted: Action, target: Action, kind: ActionType, config: ActionRewardConfig) -> Part:
    total, reasons, threshold = 0.0, [], config.similarity_threshold
    for field in kind.fields:
        weight = config.minor_value_weight
        if field == kind.fields[-1]:
            weight = config.dars_factor if config.dars else 1.0
        similarity = rouge_l(predicted.value(field), target.value(field))
        if similarity > threshold:
            total += weight * similarity
            reasons.append(f"{field} {weight:g} × ROUGE-L {similarity:.4g}")
        else:
            reasons.append(f"{field} 0 (ROUGE-L {similarity:.4g} is not above {threshold:g})")
    return total, f"{total:g}: {', '.join(reasons)}"

"""What the session so far says about its next step."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from shop_r1.errors import DataError
from shop_r1.records.actions import Action
from shop_r1.records.sessions import Session


@dataclass(frozen=True)
class Forecast:
    """What a session so far says about its next step."""

    step: int
    """Index in the session, from 1: nothing comes before the first action."""
    target: Action
    """What the shopper did."""
    actions: Mapping[Action, float]
    """The probability of each action that any persona may take; they sum to 1."""

    @property
    def likeliest(self) -> Action:
        """The action to name for the best exact accuracy."""
        return max(self.actions, key=self.actions.__getitem__)

    @property
    def types(self) -> dict[str, float]:
        """The probability of each type."""
        totals: dict[str, float] = defaultdict(float)
        for action, probability in self.actions.items():
            totals[action.type] += probability
        return dict(totals)

    @property
    def likeliest_of_type(self) -> Action:
        """The likeliest action of the likeliest type: to name for the best type accuracy."""
        types = self.types
        best = max(types, key=types.__getitem__)
        return max((a for a in self.actions if a.type == best), key=self.actions.__getitem__)


def impossible_step(session: Session, index: int) -> DataError:
    """Return the error that says that no shopper of the crowd would do what this step does."""
    action = session.steps[index].action
    done = " ".join(filter(None, (action.type, action.name, action.text and repr(action.text))))
    return DataError(
        f"session {session.session_id}, step {index}: no scripted shopper would "
        f"{done} here; expected scripted shoppers' sessions with this market"
    )

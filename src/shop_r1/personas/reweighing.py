"""Weights of personas after a calibration: those whose sessions should weigh more are drawn more often."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from shop_r1.errors import DataError
from shop_r1.personas.entries import Persona, ShopperFile


@dataclass(frozen=True)
class Reweighed:
    """A file with new weights, and what could not be weighed."""

    file: ShopperFile
    unseen: tuple[str, ...]
    """Personas without a session, whose weight stays as it was."""
    dropped: tuple[str, ...]
    """Personas whose sessions all have the weight 0, which are left out."""
    others: int
    """Sessions of none of the personas."""


def reweigh(file: ShopperFile, sessions: Iterable[tuple[str | None, float]]) -> Reweighed:
    """Return the personas with their weight times the mean weight of their sessions.

    `sessions` are pairs of a session's persona, as records have it, and its weight, whose mean over all
    sessions is 1. The sum of the personas' weights stays as it was.

    Raises:
        DataError: no session is of any of the personas.
    """
    found: dict[str, list[float]] = {each.name: [] for each in file.persona}
    others = 0
    for text, weight in sessions:
        persona = _find(file.persona, text)
        if persona is None:
            others += 1
        else:
            found[persona.name].append(weight)
    if not any(found.values()):
        raise DataError(
            "no simulated session is of any of these personas; expected sessions of simulate --persona with "
            "them"
        )
    new = {name: fmean(weights) if weights else 1.0 for name, weights in found.items()}
    kept = [each for each in file.persona if new[each.name] > 0]
    weights = [each.weight * new[each.name] for each in kept]
    scale = sum(each.weight for each in file.persona) / sum(weights)
    personas = tuple(
        each.model_copy(update={"weight": round(weight * scale, 6)})
        for each, weight in zip(kept, weights, strict=True)
    )
    return Reweighed(
        file=file.model_copy(update={"persona": personas}),
        unseen=tuple(name for name, weights in found.items() if not weights),
        dropped=tuple(each.name for each in file.persona if not new[each.name] > 0),
        others=others,
    )


def _find(personas: Iterable[Persona], text: str | None) -> Persona | None:
    """Return the persona that a session's text begins with; of several the one with the longest text."""
    if text is None:
        return None
    matches = [each for each in personas if text == each.text or text.startswith(f"{each.text}\n")]
    return max(matches, key=lambda each: len(each.text), default=None)

"""The folder of a simulation as the journey report takes it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shop_r1.config import suggest
from shop_r1.drivers.in_process import HOST
from shop_r1.errors import ConfigError
from shop_r1.journey.funnel import Funnel
from shop_r1.journey.visits import RecordedVisit
from shop_r1.records.page_kinds import page_kind
from shop_r1.report.simulation.addresses import split_address, template_of
from shop_r1.report.simulation.build import SESSIONS
from shop_r1.report.simulation.journey import session_file
from shop_r1.report.simulation_folder import FoundVisit, SimulationFolder

_WHO = ("policy", "persona", "intent", "query", "crowd", "max_steps", "max_seconds", "browser", "model")
"""Settings of a simulation that say who shops and for how long."""
_VERSION = re.compile(r"-\d+-\d{5}-(.+)\Z")
"""What the visits of a comparison are called by, after the seed and the number of the shopper."""


def read_visits(folder: SimulationFolder, version: str | None) -> list[RecordedVisit]:
    """Return the visits of a run; of a comparison those to one version.

    Raises:
        ConfigError: the version is not given where there are several, or is none.
    """
    is_compared = folder.settings.get("command") == "compare"
    if version is not None and not is_compared:
        raise ConfigError(f"{folder.path} holds one version of a shop; --version is for comparisons")
    names = list(dict.fromkeys(_version_of(each) for each in folder.visits)) if is_compared else []
    if is_compared and version not in names:
        problem = "is none of it" if version is not None else "is not given"
        hint = suggest(version or "", names)
        raise ConfigError(f"{folder.path} holds a comparison, and --version {problem}; {hint}")
    return [
        _read(visit, number)
        for number, visit in enumerate(folder.visits, 1)
        if not is_compared or _version_of(visit) == version
    ]


def describe_shop(settings: Mapping[str, Any], visits: list[RecordedVisit], version: str | None) -> str:
    """Return which shop was visited, in words."""
    given = _settings(settings)
    hosts = dict.fromkeys(split_address(step.page.url).netloc for each in visits for step in each.steps)
    shown = ", ".join([host for host in hosts if host][:3]) or "a shop"
    name = "the built-in store" if given.get("url", "") is None or shown == HOST else shown
    variant = given.get("variant")
    called = version or (variant.get("name") if isinstance(variant, dict) else None)
    return f"{name}, version {called}" if called else name


def describe_makers(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings that say who shopped and for how long, as text; those that were not given apart."""
    given = _settings(settings)
    found = {name: given[name] for name in _WHO if given.get(name) not in (None, "", {}, False)}
    return {name: str(value) for name, value in found.items()}


def _settings(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    given = settings.get("settings")
    return given if isinstance(given, dict) else {}


def _version_of(visit: FoundVisit) -> str:
    found = _VERSION.search(visit.session_id)
    return found[1] if found is not None else ""


def _read(visit: FoundVisit, number: int) -> RecordedVisit:
    session, end = visit.session, visit.end
    return RecordedVisit(
        session_id=visit.session_id,
        user_id=session.user_id if session is not None else end.user_id if end is not None else None,
        outcome=visit.outcome,
        steps=visit.steps,
        places=[template_of(step.page.url, page_kind(step.page)) for step in visit.steps],
        replay=f"report/{SESSIONS}/{session_file(visit.session_id, number)}",
    )


def open_funnel(path: Path | None) -> Funnel:
    """Return the funnel of a file; without one, the funnel that is found from the pages.

    Raises:
        ConfigError: the file is none.
    """
    from shop_r1.journey.funnel import FOUND_FUNNEL, read_funnel

    return FOUND_FUNNEL if path is None else read_funnel(path)

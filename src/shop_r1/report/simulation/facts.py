"""What a reader of a simulation wants to know first: shop, policy, date, cost, and what was held back."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from shop_r1.report.safe_page import clean_text
from shop_r1.report.simulation.addresses import split_address
from shop_r1.report.simulation.journey import Journey
from shop_r1.report.simulation.wording import count_of

_HOSTS_SHOWN = 3
_SETTINGS = ("policy", "seed", "persona", "intent", "query")
"""Of the run's settings, what is shown where it was given."""


def simulation_facts(record: Mapping[str, Any], journeys: Sequence[Journey]) -> dict[str, str]:
    """Return name and value of each fact that is known; `record` is what `settings.json` holds."""
    given = record.get("settings")
    settings = {**record, **given} if isinstance(given, dict) else dict(record)
    facts = {"shop": _shop(settings, journeys)}
    facts |= {name: _short(settings[name]) for name in _SETTINGS if settings.get(name) not in (None, "")}
    began = [each.started for each in journeys if each.started is not None]
    if began:
        facts["date"] = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(min(began)))
    if hosts := settings.get("allow_host"):
        facts["further hosts"] = _short(", ".join(map(str, hosts)) if isinstance(hosts, list) else hosts)
    costs = [each.cost_usd for each in journeys if each.cost_usd is not None]
    if costs:
        facts["cost"] = f"${sum(costs):.2f}"
    facts["steps"] = f"{sum(len(each.steps) for each in journeys):,}"
    held = _events(journeys)["purchase_held"]
    if held:
        facts["purchases held back"] = str(held)
    if isinstance(record.get("browser"), str):
        facts["browser"] = _short(record["browser"])
    recorded = sum(1 for each in journeys if each.recording is not None)
    if recorded:
        facts["recordings"] = str(recorded)
    return {name: value for name, value in facts.items() if value}


def simulation_alerts(journeys: Sequence[Journey]) -> list[str]:
    """Return what a reader should know before trusting the figures, a sentence each."""
    alerts = []
    counts = Counter(each.outcome for each in journeys)
    if counts["no step"]:
        said = count_of(counts["no step"], "visit took no step and is", "visits took no step and are")
        alerts.append(f"{said} in no figure below.")
    if counts["unfinished"] or counts["stopped"]:
        unfinished = counts["unfinished"] + counts["stopped"]
        alerts.append(
            f"{count_of(unfinished, 'visit')} did not come to an end; what was done until then counts."
        )
    invalid = sum(each.invalid for each in journeys)
    if invalid:
        said = count_of(invalid, "response of the policy was", "responses of the policy were")
        alerts.append(f"{said} invalid and left no step.")
    failed = sum(1 for each in journeys for step in each.steps if step.step.error is not None)
    steps = sum(len(each.steps) for each in journeys)
    if failed and 10 * failed >= steps:
        alerts.append(f"{failed} of {count_of(steps, 'action')} could not be carried out.")
    statuses = Counter(step.step.page.status for each in journeys for step in each.steps)
    turned_away = statuses[HTTPStatus.TOO_MANY_REQUESTS]
    if turned_away:
        of = count_of(steps, "step")
        alerts.append(f"{turned_away} of {of} saw no shop but its page for too many requests (429).")
    return alerts


def _shop(settings: Mapping[str, Any], journeys: Sequence[Journey]) -> str:
    """Return where the shoppers were: the addresses' hosts, the built-in store by its name."""
    hosts = Counter(split_address(step.step.page.url).netloc for each in journeys for step in each.steps)
    hosts.pop("", None)
    shown = ", ".join(host for host, _ in hosts.most_common(_HOSTS_SHOWN))
    more = f" and {len(hosts) - _HOSTS_SHOWN} more" if len(hosts) > _HOSTS_SHOWN else ""
    is_builtin = settings.get("command") == "simulate" and settings.get("url") is None
    return "the built-in store" if is_builtin else shown + more


def _events(journeys: Sequence[Journey]) -> Counter[str]:
    counts = Counter[str]()
    for each in journeys:
        for step in each.steps:
            for event in step.step.events or ():
                counts[event.kind] += event.count
    return counts


def _short(value: object) -> str:
    text = clean_text(" ".join(str(value).split()))
    return text if len(text) <= 80 else text[:79] + "…"

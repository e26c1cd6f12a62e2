"""The report of a simulation: a folder with an overview, and a page with a player for each session."""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from shop_r1.errors import DataError
from shop_r1.jsonl import write_text
from shop_r1.report.html_page import read_template, render_page
from shop_r1.report.seal import is_sealed
from shop_r1.report.simulation.facts import simulation_alerts, simulation_facts
from shop_r1.report.simulation.journey import Journey, make_journey
from shop_r1.report.simulation.overview import make_overview
from shop_r1.report.simulation.player import make_player
from shop_r1.report.simulation.wording import KIND_RULES, KIND_WORDS, OUTCOMES, count_of
from shop_r1.report.simulation_folder import SimulationFolder
from shop_r1.validation_messages import list_counts

SESSIONS = "sessions"
"""The folder of the sessions' pages, beside the overview."""
_REPLAYER = "vendor/rrweb-replay-2.1.6.umd.min.cjs"
PAGES_MAPPED = 12
"""Addresses whose elements are shown."""
_HEAT = "".join(
    f".shop-r1-mark.heat-{level} {{ background: color-mix(in srgb, var(--target) {share}%, transparent); }}"
    for level, share in enumerate((8, 16, 24, 32, 40), 1)
)
"""The five shades of what was acted on."""
_PAGES_LISTED = 60
"""Addresses that the filter by page offers."""


def build_simulation_report(
    folder: SimulationFolder,
    out: Path,
    title: str | None = None,
    moved: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write the overview to `out`, `index.html`, and the sessions' pages beside it; return `out`.

    Pages of an earlier report that are as it wrote them are removed. A recording that cannot be read is told
    of in the overview and on its session's page, which then shows the pages as they were read. `moved` is
    told how many of the sessions' pages are written, and how many there are.

    Raises:
        DataError: a file cannot be written.
    """
    journeys = [make_journey(visit, number) for number, visit in enumerate(folder.visits, 1)]
    _remove_old(out.parent / SESSIONS)
    unread = list[str]()
    for place, journey in enumerate(journeys):
        beside = [journeys[at].file if 0 <= at < len(journeys) else None for at in (place - 1, place + 1)]
        try:
            page = render_session(journey, beside)
        except DataError as error:
            unread.append(str(error))
            page = render_session(replace(journey, recording=None), beside, notice=str(error))
        write_text(out.parent / SESSIONS / journey.file, page)
        moved(place + 1, len(journeys))
    write_text(out, render_overview(folder, journeys, title, unread))
    return out


def render_session(journey: Journey, beside: Sequence[str | None] = (None, None), notice: str = "") -> str:
    """Return the page of one session; `beside` are the files of the ones before and after it.

    `notice` is what else its readers should know.

    Raises:
        DataError: its recording is not what it should be.
    """
    player = make_player(journey)
    data: dict[str, Any] = {
        "session": player.data,
        "page-style": read_template("tokens.css") + read_template("page.css"),
    }
    if player.recording is not None:
        data["recording"] = player.recording
    return render_page(
        "simulation/session.html.jinja",
        f"Session {journey.session_id}",
        styles=("simulation/shared.css", "simulation/session.css"),
        scripts=("page_view.js", *([_REPLAYER] if player.recording else []), "simulation/session.js"),
        data=data,
        journey=journey,
        player=player,
        facts=_session_facts(journey),
        ending=f"{OUTCOMES[journey.outcome].capitalize()} after {count_of(len(journey.steps), 'step')}",
        has_events=any(each.events_told for each in journey.steps),
        left_out=list_counts(player.left_out),
        notice=notice,
        before=beside[0],
        after=beside[1],
    )


def render_overview(
    folder: SimulationFolder, journeys: Sequence[Journey], title: str | None, unread: Sequence[str] = ()
) -> str:
    """Return the overview of all sessions; `unread` says why recordings could not be read."""
    overview, facts = make_overview(journeys), simulation_facts(folder.settings, journeys)
    return render_page(
        "simulation/overview.html.jinja",
        title or f"Shoppers in {facts.get('shop', 'a shop')}",
        styles=("simulation/shared.css", "simulation/overview.css"),
        scripts=("page_view.js", "simulation/overview.js"),
        data={
            "maps": [each.map_data() for each in overview.clicks[:PAGES_MAPPED]],
            "page-style": read_template("tokens.css") + read_template("page.css") + _HEAT,
        },
        pages_mapped=PAGES_MAPPED,
        overview=overview,
        facts=facts,
        alerts=[*simulation_alerts(journeys), *_unread_alerts(folder.incomplete, unread)],
        words=OUTCOMES,
        kinds={kind: words[0].upper() + words[1:] for kind, words in KIND_WORDS.items()},
        rules=KIND_RULES.items(),
        action_counts=Counter(name for each in journeys for name in each.action_types).most_common(),
        page_counts=Counter(name for each in journeys for name in each.templates).most_common(_PAGES_LISTED),
        settings_text=json.dumps(folder.settings, indent=1, ensure_ascii=False) if folder.settings else "",
    )


def _unread_alerts(incomplete: Sequence[str], unread: Sequence[str]) -> list[str]:
    alerts = [
        f"The last line of {name} was cut short when the run ended, and is left out." for name in incomplete
    ]
    if unread:
        alerts.append(f"{count_of(len(unread), 'recording')} could not be read, the first since: {unread[0]}")
    return alerts


def _session_facts(journey: Journey) -> dict[str, str]:
    facts = {"steps": str(len(journey.steps)), "shopper": journey.user_id or ""}
    if journey.started is not None:
        facts["began"] = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(journey.started))
    if journey.seconds is not None:
        facts["took"] = f"{journey.seconds:.1f} s"
    if journey.cost_usd is not None:
        facts["cost"] = f"${journey.cost_usd:.4f}"
    return {name: value for name, value in facts.items() if value}


def _remove_old(folder: Path) -> None:
    """Remove the pages of an earlier report; what somebody changed or wrote stays."""
    for page in folder.glob("*.html"):
        try:
            if is_sealed(page):
                page.unlink()
        except OSError as error:
            raise DataError.at(page, None, f"cannot be replaced ({error.strerror or error})") from None

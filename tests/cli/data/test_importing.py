import hashlib
import json
from pathlib import Path

from tests.cli.cases import PAGE
from tests.importers.rrweb import snapshots as rrweb
from tests.shell import Shell

from shop_r1.datasets.session_files import read_sessions
from shop_r1.pages.simplify import simplify_page
from shop_r1.records.actions import click
from shop_r1.records.recordings import (
    Assets,
    Mark,
    PageSeen,
    Recording,
    StepDone,
    VisitBegun,
    VisitEnded,
    mark_event,
    write_recording,
)
from shop_r1.records.sessions import Page, Step
from shop_r1.records.visits import VISITS_FILE


def test_a_plain_log_is_imported_and_what_is_left_out_is_told(shell: Shell, tmp_path: Path) -> None:
    lines = []
    for name, css in (("v0", "main a"), ("v1", "h2")):
        step = {"page": {"html": PAGE}, "action": {"type": "click", "target": {"css": css}}}
        lines.append(json.dumps({"session_id": name, "steps": [step]}))
    log, out = tmp_path / "log.jsonl", tmp_path / "sessions.jsonl"
    log.write_text("\n".join(lines), "utf-8")
    code, text, remarks = shell("data", "import", "log", log, "--out", out, "--recipe", "amazon_search")
    assert code == 0
    assert "invalid: log.jsonl:2: session 'v1', step 0 (click): the CSS path 'h2' matches no elements" in text
    assert f"{out}: 1 of 2 sessions, 1 steps\nelements found by: CSS path 1\nrecipes used: none" in text
    assert "1 of 2 sessions are left out" in remarks
    assert "Next: shop-r1 rationales" in text and "1 of 1 steps have no rationale" in remarks
    assert shell("data", "validate", out)[0] == 0


def test_the_steps_before_a_problem_of_a_plain_log_are_kept_on_request(shell: Shell, tmp_path: Path) -> None:
    found, gone = (
        {"page": {"html": PAGE}, "action": {"type": "click", "target": {"css": css}}}
        for css in ("main a", "h2")
    )
    log, out = tmp_path / "log.jsonl", tmp_path / "sessions.jsonl"
    steps = [found | {"rationale": "It is cheap."}, gone, gone]
    log.write_text(json.dumps({"session_id": "v0", "steps": steps}))
    code, text, remarks = shell("data", "import", "log", log, "--out", out, "--keep-until-error")
    assert code == 0
    assert text.count("invalid: log.jsonl:1: session 'v0', step") == 2
    assert "problems: element not found 2" in text
    assert f"{out}: 1 of 1 sessions, 1 steps" in text
    assert "0 of 1 sessions are left out; 1 end before their first problem" in " ".join(remarks.split())
    assert f"Next: shop-r1 data split {out}" in text


def test_recordings_are_imported_and_what_is_passed_over_is_told(shell: Shell, tmp_path: Path) -> None:
    recordings, out = Path(__file__).parents[2] / "importers" / "recordings", tmp_path / "sessions.jsonl"
    code, text, remarks = shell("data", "import", "rrweb", recordings, "--end", "terminate", "--out", out)
    # Six and eight actions, as record.mjs says, and each visit's end.
    assert (code, text.splitlines()) == (
        0,
        [
            f"{out}: 2 of 2 recordings, 16 steps",
            f"Next: shop-r1 rationales {out} --model NAME --out with.jsonl",
        ],
    )
    assert "passed over: clicks into a field 3" in remarks
    assert shell("data", "validate", out)[0] == 0


def test_masked_texts_are_told_and_refused_and_can_be_left_out(
    shell: Shell, tiny: Path, tmp_path: Path
) -> None:
    form = [
        rrweb.tag(10, "input", {"type": "search", "name": "q"}),
        rrweb.tag(11, "button", None, rrweb.text(12, "Go")),
    ]
    page = rrweb.document(
        rrweb.tag(9, "form", {"role": "search"}, *form),
        rrweb.tag(13, "a", {"href": "/m"}, rrweb.text(14, "Mugs")),
    )
    typing = [rrweb.entered(10, "***", userTriggered=True), rrweb.click(11)]
    events = [
        rrweb.meta("https://shop.example/"),
        rrweb.full(page),
        rrweb.click(13),
        *typing,
        rrweb.click(13),
    ]
    recording, out = rrweb.write(tmp_path / "a.json", events), tmp_path / "sessions.jsonl"
    code, told, remarks = shell("data", "import", "rrweb", recording, "--out", out)
    assert code == 0 and told.startswith(f"{out}: 1 of 1 recordings, 3 steps\n")
    assert "worth a look: masked texts 1" in remarks and "--masked drop" in remarks
    assert max(map(len, remarks.splitlines())) <= 80

    code, told, _ = shell("data", "validate", out)
    assert code == 1 and "masked-text" in told
    code, _, err = shell("evaluate", "--model", tiny, "--data", out, "--out", tmp_path / "run")
    assert code == 2 and "session a, step 1: the text '***' is a recorder's mask" in " ".join(err.split())

    code, told, remarks = shell(
        "data", "import", "rrweb", recording, "--masked", "drop", "--out", out, "--force"
    )
    assert code == 0 and told.startswith(f"{out}: 1 of 1 recordings, 2 steps\n")
    assert "passed over: masked texts 1" in remarks
    assert shell("data", "validate", out)[0] == 0


def test_the_recordings_of_a_simulation_are_imported_with_their_own_ids(shell: Shell, tmp_path: Path) -> None:
    folder, out = tmp_path / "simulation" / "recordings", tmp_path / "sessions.jsonl"
    copy = "<h1>Mugs</h1><a href='/cart'>Cart</a>"
    html = simplify_page(copy).html
    page = Page(url="http://shop.test/", html=html)
    step = Step(page=page, action=click("cart"), error="It is covered.")
    copy_sha256 = Assets(folder / "assets").add(copy.encode())
    html_sha256 = hashlib.sha256(html.encode()).hexdigest()
    marks: list[Mark] = [
        VisitBegun(session_id="live-1", user_id="u", space="live"),
        PageSeen(url=page.url, copy_sha256=copy_sha256, html_sha256=html_sha256),
        StepDone.of(0, step, None),
        VisitEnded(outcome="error", dropped={"calls that are no events": 2}),
    ]
    write_recording(folder, "live-1", Recording([mark_event(mark, 1000) for mark in marks]))
    (tmp_path / "simulation" / VISITS_FILE).write_text("{}\n")
    code, text, remarks = shell("data", "import", "rrweb", tmp_path / "simulation", "--out", out)
    assert code == 0 and text.startswith(f"{out}: 1 of 1 recordings, 1 steps\n")
    assert "passed over: events and assets that the recorder dropped 2" in " ".join(remarks.split())
    (session,) = read_sessions(out)
    assert (session.session_id, session.outcome, session.steps) == ("live-1", "error", (step,))

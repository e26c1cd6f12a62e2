import json
from pathlib import Path

from tests.cli.cases import PAGE
from tests.importers.rrweb import snapshots as rrweb
from tests.shell import Shell


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

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.importers.rrweb.snapshots import Entry, click, document, full, meta, tag, text, timed, write

from shop_r1.errors import DataError
from shop_r1.importers.rrweb import files
from shop_r1.importers.rrweb.recordings import RecordingTally, import_recordings
from shop_r1.importers.rrweb.visit import RecordingOptions
from shop_r1.importers.targets import Target, TargetPage
from shop_r1.jsonl import read_lines
from shop_r1.records.sessions import Session

RECORDINGS = Path(__file__).parents[1] / "recordings"
HOME = "https://shop.example/"
VISIT = [meta(HOME), full(document(tag(10, "a", {"href": "/m"}, text(11, "Mugs")))), click(10)]
BOUGHT = [
    *VISIT,
    meta(f"{HOME}order/7"),
    full(document(tag(10, "a", {"href": "/m"}, text(11, "More")))),
    click(10),
]


def read(*paths: Path, **options: Any) -> tuple[list[Session], RecordingTally]:
    tally = RecordingTally()
    return list(import_recordings(paths, tally, RecordingOptions(**options))), tally


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("store", {"clicks into a field": 1}),
        (
            "restless",
            {
                "clicks into a field": 2,
                "typing not submitted": 1,
                "clicks that the browser passes on from a label": 1,
            },
        ),
    ],
)
def test_a_real_recording_gives_what_was_done_on_the_pages_that_the_browser_had(
    name: str, counts: dict[str, int]
) -> None:
    (session,), tally = read(RECORDINGS / f"{name}.jsonl.zst")
    shown = [json.loads(line) for _, line in read_lines(RECORDINGS / "pages" / f"{name}.jsonl.zst")]
    assert len(session.steps) == len(shown)
    assert (tally.counts, tally.remarks) == (counts, {})
    for step, had in zip(session.steps, shown, strict=True):
        page = TargetPage(had["html"])
        assert step.page.html == page.simplified.html
        element = page.find(Target(css=had["css"]), typed="text" in had)
        action = step.action
        assert (action.type, action.name, action.text) == (had["type"], element.element.name, had.get("text"))


def test_recordings_come_as_lists_or_lines_from_files_and_folders(tmp_path: Path) -> None:
    write(tmp_path / "b.json", VISIT)
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(event) + "\n" for event in timed(VISIT)), "utf-8")
    (tmp_path / "notes.txt").write_text("no recording", "utf-8")
    sessions, tally = read(tmp_path)
    assert [session.session_id for session in sessions] == ["a", "b"]
    assert sessions[0].steps == sessions[1].steps
    assert (sessions[0].source, sessions[0].outcome) == ("rrweb", None)
    assert (tally.sessions, tally.steps, tally.left_out, tally.counts) == (2, 2, [], {})
    assert [session.session_id for session in read(tmp_path / "b.json")[0]] == ["b"]


@pytest.mark.parametrize(
    ("options", "outcome", "types"),
    [
        ({}, None, ["click", "click"]),
        ({"leaves": True}, "terminate", ["click", "click", "terminate"]),
        ({"bought": "/order/"}, "purchase", ["click", "click"]),
        ({"bought": "/order/", "leaves": True}, "purchase", ["click", "click"]),
        ({"bought": "/paid/", "leaves": True}, "terminate", ["click", "click", "terminate"]),
    ],
)
def test_how_a_visit_ended_is_as_the_options_say(
    tmp_path: Path, options: dict[str, Any], outcome: str, types: list[str]
) -> None:
    (session,), _ = read(write(tmp_path / "a.json", BOUGHT), **options)
    assert (session.outcome, [step.action.type for step in session.steps]) == (outcome, types)


def test_recordings_that_give_no_session_are_left_out_with_their_reason(tmp_path: Path) -> None:
    write(tmp_path / "a.json", VISIT)
    write(tmp_path / "b.json", VISIT[2:])
    write(tmp_path / "c.json", VISIT[:2])
    for name, content in (("d", "{"), ("e", '{"events": []}'), ("f", "[" * 100_000), ("g", '["packed", 3]')):
        (tmp_path / f"{name}.json").write_text(content, "utf-8")
    (tmp_path / "h.jsonl").write_text('{"type": 4, "data": {}}\n{\n', "utf-8")
    sessions, tally = read(tmp_path, tmp_path / "none.json")
    assert [session.session_id for session in sessions] == ["a"]
    reasons = (
        "b.json: holds no full snapshot that can be read (an event of type 2); its events: 1 of type 3",
        "c.json: holds no action on a page; passed over: nothing",
        "d.json:1: is not JSON",
        "e.json: holds no full snapshot that can be read (an event of type 2); its events: none",
        "f.json: is not JSON",
        "g.json: holds no full snapshot",
        "h.jsonl:2: is not JSON",
        "none.json: cannot be read",
    )
    assert len(tally.left_out) == len(reasons)
    for told, reason in zip(tally.left_out, reasons, strict=True):
        assert reason in told
    assert tally.counts == {}  # of what is left out nothing counts


def test_an_import_of_nothing_fails(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no recordings"):
        read(tmp_path)
    with pytest.raises(DataError, match="no recordings are given"):
        read()
    (tmp_path / "deeper").mkdir()
    same = write(tmp_path / "a.json", VISIT[:1]), write(tmp_path / "deeper" / "a.json", VISIT)
    with pytest.raises(DataError, match="2 recordings are named 'a'"):
        read(*same)
    with pytest.raises(DataError, match=r"none of 1 recordings gives a session; first: .*no full snapshot"):
        read(same[0])


def test_a_recording_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_RECORDING_BYTES", 100)
    write(tmp_path / "a.json", VISIT)
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(event) + "\n" for event in VISIT), "utf-8")
    for name in ("a.json", "b.jsonl"):
        with pytest.raises(DataError, match="is too large; at most 100 bytes are read"):
            read(tmp_path / name)


def broken(value: Any, random: Random, rate: float) -> Any:
    """Return a JSON value with some of its parts lost, exchanged or of another type."""
    if random.random() < rate:
        return random.choice([None, -1, 3, True, 10**30, 1.5, "x", [], {}, [value], {"id": value}])
    if isinstance(value, dict):
        return {key: broken(each, random, rate) for key, each in value.items() if random.random() > rate}
    if isinstance(value, list):
        kept = [broken(each, random, rate) for each in value if random.random() > rate]
        return random.sample(kept, len(kept)) if random.random() < rate else kept
    return random.randrange(200) if type(value) is int and random.random() < rate else value


@pytest.mark.parametrize("seed", range(12))
def test_a_broken_recording_gives_a_session_or_a_reason_and_never_a_fault(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    for name in ("store", "restless"):
        whole = [json.loads(line) for _, line in read_lines(RECORDINGS / f"{name}.jsonl.zst")]
        path = tmp_path / "a.json"
        path.write_text(json.dumps([broken(each, random, random.choice([0.001, 0.02])) for each in whole]))
        try:
            sessions, _ = read(path, space=random.choice(["shop", "opera"]))
        except DataError as error:
            assert "a.json: holds no" in str(error)
            continue
        for step in (step for session in sessions for step in session.steps):
            assert step.action.name in TargetPage(step.page.html).simplified.by_name


def test_progress_is_told_to_the_end() -> None:
    moves: list[tuple[int, int]] = []
    files = [RECORDINGS / "store.jsonl.zst", RECORDINGS / "restless.jsonl.zst"]
    list(import_recordings(files, RecordingTally(), progress=lambda *move: moves.append(move)))
    assert moves == [(0, 2), (1, 2), (2, 2)]


# -- Several tabs -------------------------------------------------------------------------------------------


def in_tab(name: str, events: list[Entry], start: int) -> list[Entry]:
    return [
        event | {"windowId": name, "timestamp": 1_700_000_000_000 + start + 100 * number}
        for number, event in enumerate(events)
    ]


def two_tabs(second: list[Entry]) -> list[Entry]:
    """Return two tabs' events in order of time; both have a node 10."""
    return sorted(in_tab("w1", VISIT, 0) + in_tab("w2", second, 50), key=lambda event: event["timestamp"])


MORE = [meta(f"{HOME}x"), full(document(tag(10, "a", {"href": "/b"}, text(11, "Bowls")))), click(10)]


def test_each_tab_is_a_session_and_its_clicks_are_on_its_own_page(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(two_tabs(MORE)), "utf-8")
    sessions, tally = read(path)
    assert [(session.session_id, [step.action.name for step in session.steps]) for session in sessions] == [
        ("a-tab1", ["mugs"]),
        ("a-tab2", ["bowls"]),
    ]
    assert (tally.recordings, tally.sessions, tally.steps, tally.counts) == (1, 2, 2, {})


def test_of_several_tabs_the_last_one_ends_with_leaving_unless_one_bought(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(two_tabs(MORE)), "utf-8")
    assert [session.outcome for session in read(path, leaves=True)[0]] == [None, "terminate"]
    bought, _ = read(path, leaves=True, bought=f"{HOME}x")
    assert [session.outcome for session in bought] == [None, "purchase"]
    assert {step.action.type for session in bought for step in session.steps} == {"click"}


def test_a_tab_in_which_nothing_was_done_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(two_tabs(MORE[:2])), "utf-8")
    sessions, tally = read(path)
    assert [session.session_id for session in sessions] == ["a-tab1"]
    assert tally.counts == {"tabs in which nothing was done": 1}


def test_a_file_of_another_format_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"EventType": "click", "EventStart": "2023-11-14T22:13:20Z"}]', "utf-8")
    with pytest.raises(DataError, match="is a FullStory data export, which is not rrweb's; expected rrweb"):
        read(path)


# -- What the way to us does to a recording -----------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["store", "restless"])
def test_batches_that_come_late_or_twice_give_the_same_session(tmp_path: Path, name: str, seed: int) -> None:
    random = Random(seed)
    whole = [json.loads(line) for _, line in read_lines(RECORDINGS / f"{name}.jsonl.zst")]
    batches: list[list[Any]] = []
    for event in whole:  # a batch ends between two times only
        is_full = not batches or (
            random.random() < 0.1 and batches[-1][-1]["timestamp"] != event["timestamp"]
        )
        batches.append([event]) if is_full else batches[-1].append(event)
    sent = [batch for batch in batches for _ in range(random.choice([1, 1, 2]))]
    random.shuffle(sent)
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps(sent), "utf-8")
    sessions, tally = read(path)
    expected, plain = read(RECORDINGS / f"{name}.jsonl.zst")
    assert sessions == expected
    assert tally.counts - plain.counts == {"events sent twice": sum(map(len, sent)) - len(whole)}
    assert tally.remarks.keys() == {"events out of order, sorted by time"}


@pytest.mark.parametrize("lost", range(1, 7))
def test_a_recording_without_one_snapshot_lacks_the_steps_on_that_page_alone(
    tmp_path: Path, lost: int
) -> None:
    whole = [json.loads(line) for _, line in read_lines(RECORDINGS / "store.jsonl.zst")]
    places = [place for place, event in enumerate(whole) if event["type"] == 2]
    assert len(places) == 7
    url = whole[places[lost] - 1]["data"]["href"]
    path = tmp_path / "store.json"
    path.write_text(json.dumps(whole[: places[lost]] + whole[places[lost] + 1 :]), "utf-8")
    (expected,), _ = read(RECORDINGS / "store.jsonl.zst")
    (session,), tally = read(path)
    assert list(session.steps) == [step for step in expected.steps if step.page.url != url]
    if len(session.steps) < len(expected.steps):
        assert tally.counts["events on a page whose snapshot is missing"] > 0


@pytest.mark.parametrize("lost", range(1, 7))
def test_on_request_a_visit_ends_before_the_first_action_on_a_lost_page(tmp_path: Path, lost: int) -> None:
    whole = [json.loads(line) for _, line in read_lines(RECORDINGS / "store.jsonl.zst")]
    places = [place for place, event in enumerate(whole) if event["type"] == 2]
    url = whole[places[lost] - 1]["data"]["href"]
    path = tmp_path / "store.json"
    path.write_text(json.dumps(whole[: places[lost]] + whole[places[lost] + 1 :]), "utf-8")
    (expected,), _ = read(RECORDINGS / "store.jsonl.zst", until_error=True)
    (session,), tally = read(path, until_error=True)
    cut = next((place for place, step in enumerate(expected.steps) if step.page.url == url), None)
    assert list(session.steps) == list(expected.steps[:cut])
    assert tally.counts["visits that end before their first error"] == (cut is not None)
    assert session.outcome is None


@pytest.mark.parametrize("seed", range(8))
def test_a_cut_recording_gives_a_session_or_a_reason(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    for name in ("store", "restless"):
        whole = [json.loads(line) for _, line in read_lines(RECORDINGS / f"{name}.jsonl.zst")]
        first, last = sorted(random.sample(range(len(whole)), 2))
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(whole[:first] + whole[last:]), "utf-8")
        try:
            sessions, _ = read(path)
        except DataError as error:
            assert f"{name}.json: holds no" in str(error)
            continue
        for step in sessions[0].steps:
            assert step.action.name in TargetPage(step.page.html).simplified.by_name

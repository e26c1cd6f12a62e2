import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from shop_r1.errors import DataError
from shop_r1.records.actions import Action, click, terminate
from shop_r1.records.results import Grid, Plot, Prediction, RewardBreakdown, TableRow, read_table
from shop_r1.records.sessions import Page, Session, Step
from shop_r1.report.build import ReportInputs, build_report

EVIL = (
    "</script><script>document.title='HACKED'</script></iframe></textarea><img src=x onerror=\"alert('1')\">"
    '<a name="go" href="https://evil.example/x" onclick="alert(1)">\x00go</a>\u2028<!--'
)


class Elements(HTMLParser):
    """Every start tag with its attributes, and the text within each tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append((self.tags[-1][0] if self.tags else "", data))


def make_session(name: str = "s1", html: str = EVIL, action: Action | None = None) -> Session:
    steps = (
        Step(
            page=Page(url="https://shop.example/?q=" + EVIL, html=html),
            action=action or click("go"),
            rationale=EVIL,
        ),
        Step(page=Page(html=html), action=terminate()),
    )
    return Session(session_id=name, outcome="terminate", steps=steps)


def make_prediction(session: Session, step: int = 0, action: Action | None = None, **more: Any) -> Prediction:
    target = session.steps[step].action if step < len(session.steps) else click("x")
    return Prediction(session_id=session.session_id, step=step, target=target, action=action, **more)


def make_hostile_inputs() -> ReportInputs:
    session = make_session(EVIL)
    reward = RewardBreakdown(
        format=0.5,
        type=0.3,
        attribute=0.2,
        value=1000,
        rationale=0.131,
        total=1001.131,
        reasons={"format": EVIL},
    )
    prediction = make_prediction(session, 0, click(EVIL), rationale=EVIL, completion=EVIL, reward=reward)
    unparsable = make_prediction(session, 1, None, failure=EVIL, completion=EVIL)
    row = {key: [0.1, 0.2, 0.3] for key in ("exact", "type_accuracy", "type_f1_macro")}
    return ReportInputs(
        title=EVIL,
        summary=EVIL,
        settings={EVIL: EVIL},
        rows=(TableRow.model_validate({"setting": EVIL, "n": 9, "note": EVIL, "collapse": EVIL, **row}),),
        tables=(Grid(title=EVIL, header=(EVIL, EVIL), rows=((EVIL, EVIL),), note=EVIL),),
        plots=(Plot(svg=f"<svg><title>{EVIL}</title></svg>", caption=EVIL),),
        warnings=(EVIL,),
        sessions=(session,),
        predictions={EVIL: (prediction, unparsable)},
    )


def build(tmp_path: Path, inputs: ReportInputs) -> str:
    return build_report(tmp_path / "report" / "index.html", inputs).read_text("utf-8")


def replay_of(text: str) -> Any:
    found = re.search(r'<script type="application/json" id="replay">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_hostile_content_adds_no_element_and_no_attribute(tmp_path: Path) -> None:
    text = build(tmp_path, make_hostile_inputs())
    elements = Elements(text)
    assert [tag for tag, _ in elements.tags].count("script") == 3  # the two data blocks and our own
    assert [tag for tag, _ in elements.tags].count("iframe") == 0  # our script makes the one there is
    assert "\x00" not in text
    for tag, attributes in elements.tags:
        assert not [key for key in attributes if key.startswith("on")], tag
    replay = replay_of(text)
    assert replay["sessions"][0]["steps"][0]["why"] == EVIL.replace("\x00", "\ufffd")


def test_the_report_refers_to_nothing_outside_itself(tmp_path: Path) -> None:
    for tag, attributes in Elements(build(tmp_path, make_hostile_inputs())).tags:
        for key in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
            value = attributes.get(key)
            assert value is None or value.startswith(("#", "data:image/svg+xml;base64,")), (tag, key, value)


def test_only_our_own_script_may_run(tmp_path: Path) -> None:
    elements = Elements(build(tmp_path, make_hostile_inputs())).tags
    policy = next(
        each["content"] for tag, each in elements if each.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/]{43}='", rules["script-src"])
    assert rules["img-src"] == "data:"


def test_pages_reach_the_reader_inert_and_once(tmp_path: Path) -> None:
    session = make_session()
    replay = replay_of(build(tmp_path, ReportInputs(title="t", sessions=(session, make_session("s2")))))
    assert len(replay["pages"]) == 2  # two addresses, one content; the second session shares both
    assert '<a name="go">' in replay["pages"][0]["safe"]
    assert "onclick" not in replay["pages"][0]["safe"]
    assert replay["pages"][0]["source"].startswith("</script>")


def test_the_reader_has_actions_verdicts_rationales_and_rewards(tmp_path: Path) -> None:
    session = make_session()
    reward = RewardBreakdown(
        format=0.5,
        type=0.3,
        attribute=0.2,
        value=0,
        rationale=0.13,
        total=1.13,
        reasons={"value": "too unlike"},
    )
    inputs = ReportInputs(
        title="t",
        sessions=(session,),
        predictions={
            "sft": (
                make_prediction(session, 0, click("other"), reward=reward),
                make_prediction(session, 1, terminate()),
            ),
            "shop-r1": (
                make_prediction(session, 0, None, failure="not JSON"),
                make_prediction(session, 1, click("x")),
            ),
        },
    )
    first, second = replay_of(build(tmp_path, inputs))["sessions"][0]["steps"]
    assert first["action"] == {"type": "click", "name": "go"}
    assert [each["same"] for each in first["predictions"]] == ["type", "unparsable"]
    assert [each["same"] for each in second["predictions"]] == ["action", "none"]
    assert first["predictions"][0]["reward"][3] == {"part": "value", "earned": "0", "reason": "too unlike"}
    assert first["predictions"][0]["reward"][-1]["earned"] == "1.13"


def test_the_same_action_is_what_the_metrics_count_as_exact(tmp_path: Path) -> None:
    def product(kind: str | None) -> Action:
        return Action(type="click", name="mug", click_type=kind)

    session = make_session(action=product("product_link"))
    actions = {
        "same": product("product_link"),
        "other": product("cart_side_bar"),  # another subtype: no exact match (paper, 4.1)
        "untold": product(None),
    }
    predictions = {name: (make_prediction(session, 0, action),) for name, action in actions.items()}
    text = build(tmp_path, ReportInputs(title="t", sessions=(session,), predictions=predictions))
    step = replay_of(text)["sessions"][0]["steps"][0]
    assert [each["same"] for each in step["predictions"]] == ["action", "type", "action"]
    assert step["action"] == {"type": "click", "name": "mug", "click_type": "product_link"}
    assert step["predictions"][1]["action"]["click_type"] == "cart_side_bar"


def test_what_is_left_out_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shop_r1.report.session_view.SESSIONS_SHOWN", 3)
    monkeypatch.setattr("shop_r1.report.session_view.PAGE_LIMIT_CHARS", 20)
    sessions = tuple(make_session(f"s{place}", html="<p>" + "x" * 50) for place in range(5))
    stray = make_prediction(sessions[0], 9)
    inputs = ReportInputs(
        title="t",
        sessions=sessions,
        predictions={"sft": (*(make_prediction(session) for session in sessions[:4]), stray)},
    )
    text = build(tmp_path, inputs)
    assert "Shown: 3 of 4 sessions; 2 pages cut at 20 characters" in text
    assert "1 predictions belong to no recorded step" in text
    assert replay_of(text)["pages"][0]["cut"] == 33  # 3 + 50 characters, 20 kept


def test_after_a_session_with_large_pages_no_further_one_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shop_r1.report.session_view.PAGES_CHARS", 150)
    sessions = tuple(make_session(f"s{at}", html=f"<p>{at}" + "x" * 60) for at in range(5))
    text = build(tmp_path, ReportInputs(title="t", sessions=sessions))
    # Each page is there under two addresses: 64 characters twice, so that the second session passes 150.
    assert "Shown: 2 of 5 sessions." in text
    assert [session["id"] for session in replay_of(text)["sessions"]] == ["s0", "s1"]


def test_a_report_without_sessions_says_so(tmp_path: Path) -> None:
    text = build(tmp_path, ReportInputs(title="Nothing yet"))
    assert "No recorded session was given" in text
    assert "<script" not in text


def test_the_table_shows_per_cent_with_intervals_beside_the_papers(tmp_path: Path) -> None:
    figures = {
        "exact": [0.25, 0.2812, 0.31],
        "type_accuracy": [0.3, 0.4, 0.5],
        "type_f1_macro": [0.1, 0.2, 0.3],
    }
    paper = {"exact": 0.2772, "type_accuracy": 0.364, "type_f1_macro": 0.3128, "source": "Table 2"}
    paper |= {"model": "Qwen2.5-3B-Instruct", "setting": "shop-r1"}
    path = tmp_path / "table.json"
    path.write_text(json.dumps([{"setting": "shop-r1", "n": 9, "paper": paper, **figures}]), "utf-8")
    text = build(tmp_path, ReportInputs(title="t", rows=tuple(read_table(path))))
    assert '<b>28.1</b> <span class="bounds">[25.0, 31.0]</span>' in text
    assert "27.72" in text


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", "utf-8")
    with pytest.raises(DataError, match="cannot be written"):
        build_report(tmp_path / "file" / "index.html", ReportInputs(title="t"))


def test_an_alert_that_a_run_and_its_row_both_raise_is_shown_once(tmp_path: Path) -> None:
    row: dict[str, Any] = {"setting": "sft", "n": 9, "collapse": "95% of the predictions are click"}
    row |= {key: [0.1, 0.2, 0.3] for key in ("exact", "type_accuracy", "type_f1_macro")}
    told = "sft: 95% of the predictions are click"
    rows = (TableRow.model_validate(row),)
    for warnings in ((), (told,), ("another", told)):
        text = build(tmp_path, ReportInputs(title="t", rows=rows, warnings=warnings))
        assert text.count(told) == 1
        assert text.count('class="alert" role="note"') == len({told, *warnings})
    vanishing = rows[0].model_copy(update={"collapse": None, "vanishing": "hardly ever predicted: none"})
    assert "sft: hardly ever predicted" in build(tmp_path, ReportInputs(title="t", rows=(vanishing,)))

from pathlib import Path

from shop_r1.cli.simulation.edit_uses import edit_rows, edit_warnings, read_edit_uses
from shop_r1.drivers.edits.page_variant import Hide, PageVariant, Text
from shop_r1.jsonl import write_records
from shop_r1.records.actions import click, terminate
from shop_r1.records.sessions import Page, Session, Step, StepEvent


def step(action: str, *events: tuple[str, str, int]) -> Step:
    told = tuple(StepEvent(kind=kind, detail=detail, count=n) for kind, detail, n in events)
    chosen = terminate() if action == "leave" else click(action)
    return Step(page=Page(html="<page>"), action=chosen, events=told)


def test_pages_on_which_an_edit_held_are_counted_by_version(tmp_path: Path) -> None:
    variant = PageVariant(
        name="b", edits=(Hide(do="hide", selector=".ad"), Text(do="text", selector="h1", to="x"))
    )
    ad, title = variant.labels
    left = (step("a", ("edited", ad, 2)), step("leave", ("edit_undone", ad, 1)))
    held_back = (step("a", ("edited", ad, 1)), step("pay", ("purchase_held", "Pay", 1)))
    visits = {"1-b": left, "2-b": held_back, "1-a": left}
    path = tmp_path / "sessions.jsonl"
    write_records(path, [Session(session_id=key, steps=steps) for key, steps in visits.items()])
    uses = read_edit_uses(path, {"b": variant}, {"1-b": "b", "2-b": "b", "1-a": "a"})
    # The first visit saw the pages of its two steps; so did the second: what it did last was held back.
    assert [(each.edit, each.pages, each.undone, each.pages_seen) for each in uses] == [
        (ad, 3, 1, 4),
        (title, 0, 0, 4),
    ]
    assert edit_rows(uses, "b")[1] == (title, "0 of 4")
    taken_back, never = edit_warnings(uses)
    assert taken_back == "Edit 1 hide .ad of b was taken back on 1 of the pages"
    assert never.startswith("Edit 2 text h1 of b held on none of the 4 pages")
    assert read_edit_uses(path, {"b": variant})[0].pages == 5

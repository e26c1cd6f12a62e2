from shop_r1.evaluation.metrics import UNPARSABLE as METRICS_UNPARSABLE
from shop_r1.evaluation.metrics import evaluate_predictions
from shop_r1.evaluation.tables import table_row
from shop_r1.records.actions import LIVE, Action
from shop_r1.records.results import Prediction, TableRow
from shop_r1.report import pictures


def act(kind: str) -> Action:
    fields = LIVE.kind(kind)
    assert fields is not None
    return Action(type=kind, **dict.fromkeys(fields.fields, "x"))


def predict(pairs: list[tuple[str, str | None]]) -> TableRow:
    """Return the row of predictions, each a target's type and a predicted one."""
    predictions = [
        Prediction(session_id=f"s{at}", step=0, target=act(target), action=act(found) if found else None)
        for at, (target, found) in enumerate(pairs)
    ]
    return table_row("a", evaluate_predictions(predictions, LIVE, bootstrap=20))


def test_a_mix_shows_each_of_the_eight_types_of_the_live_space_and_the_unparsable_last() -> None:
    kinds = LIVE.type_names
    row = predict([(kind, kind) for kind in kinds] + [("click", None), ("click", None)])
    mixes = pictures.draw_mixes([row])
    assert [label for label, _ in mixes] == ["shoppers", "a"]
    predicted = {part.label: part.share for part in mixes[1][1]}
    assert predicted == dict.fromkeys(kinds, 10.0) | {"unparsable": 20.0}
    assert pictures.list_labels(mixes) == [*kinds, "unparsable"]
    assert pictures.UNPARSABLE == METRICS_UNPARSABLE


def test_a_confusion_has_a_column_for_what_occurs_only() -> None:
    row = predict([("click", "click"), ("click", "back"), ("terminate", None), ("click", "click")])
    grid = pictures.draw_confusion(row)
    assert grid is not None
    assert sorted(grid.columns) == ["back", "click", "terminate", "unparsable"]
    assert grid.columns[-1] == "unparsable"
    lines = {name: (n, dict(zip(grid.columns, cells, strict=True))) for name, n, cells in grid.rows}
    assert set(lines) == {"click", "terminate"}
    n, cells = lines["click"]
    assert (n, cells["click"].steps, cells["back"].steps, cells["terminate"].steps) == (3, 2, 1, 0)
    assert cells["click"].is_right and not cells["back"].is_right
    assert abs(cells["click"].share - 2 / 3) < 1e-9
    assert lines["terminate"][1]["unparsable"].share == 1.0


def test_a_row_without_a_confusion_has_no_grid() -> None:
    row = predict([("click", "click")]).model_copy(update={"confusion": {}})
    assert pictures.draw_confusion(row) is None


def test_bars_stand_on_a_scale_with_room_for_intervals_and_for_the_papers_value() -> None:
    row = predict([("click", "click"), ("terminate", "click")])
    exact = pictures.draw_headline([row])[0]
    assert (exact.bars[0].value, exact.scale) == (50.0, 100)
    assert [(bar.label, bar.value) for bar in pictures.draw_types([row])[0].bars] == [
        ("click", 100),
        ("terminate", 0),
    ]
    types = pictures.draw_types([row, row.model_copy(update={"setting": "b"})])
    assert [(group.title, [bar.label for bar in group.bars]) for group in types] == [
        ("Right action at click", ["a", "b"]),
        ("Right action at terminate", ["a", "b"]),
    ]
    assert len({group.scale for group in types}) == 1  # so that they can be compared


def test_the_papers_value_has_room_and_stands_beside_ours() -> None:
    paper = {"source": "Table 2", "model": "m", "setting": "a", "exact": 0.7, "type_accuracy": 0.2}
    row = predict([("click", "back"), ("click", "back")])
    shown = TableRow.model_validate(
        row.model_dump() | {"paper": paper | {"type_f1_macro": 0.1, "exact_per_type": {"click": 0.55}}}
    )
    exact = pictures.draw_headline([shown])[0]
    assert (exact.bars[0].value, exact.bars[0].paper, exact.scale) == (0.0, 70.0, 80)
    assert pictures.draw_types([shown])[0].bars[0].paper == 55.0

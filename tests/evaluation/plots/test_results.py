import xml.etree.ElementTree as ET

import pytest

from shop_r1.errors import DataError
from shop_r1.evaluation.metrics import Metrics, evaluate_predictions
from shop_r1.evaluation.plots.results import plot_temperature
from shop_r1.evaluation.plots.rewards import RewardCurve, plot_rewards
from shop_r1.evaluation.tables import table_row
from shop_r1.records.actions import SHOP, click, terminate, type_and_submit
from shop_r1.records.results import Prediction, TableRow

SVG = "{http://www.w3.org/2000/svg}"


def make_metrics(right: int = 2) -> Metrics:
    targets = (click("a"), type_and_submit("search_input", "mug"), terminate())
    predictions = [
        Prediction(
            session_id=f"s{session}", step=step, target=target, action=target if step < right else None
        )
        for session in range(4)
        for step, target in enumerate(targets)
    ]
    return evaluate_predictions(predictions, SHOP, bootstrap=20)


def make_rows() -> list[TableRow]:
    return [table_row("sft", make_metrics(1)), table_row("a < b & c", make_metrics(2))]


def make_sweep() -> list[TableRow]:
    return [table_row("shop-r1", make_metrics(), temperature=value) for value in (0.6, 0.7, 1.2)]


def make_curves() -> list[RewardCurve]:
    return [
        RewardCurve(part=part, steps=(0, 5, 10), means=(0.1, 0.2, 0.4), spreads=(0.1, 0.1, 0.0))
        for part in ("total", "format", "type", "value")
    ]


def draw_all() -> list[str]:
    return [
        plot_temperature(make_sweep()),
        *plot_rewards(make_curves()),
    ]


def test_plots_are_svg_with_title_and_description_and_the_same_each_time() -> None:
    first, second = draw_all(), draw_all()
    assert first == second
    for text in first:
        root = ET.fromstring(text)
        assert root.tag == f"{SVG}svg"
        assert root.findtext(f"{SVG}title")
        assert root.findtext(f"{SVG}desc")
        assert root.find(".//{http://purl.org/dc/elements/1.1/}date") is None


def test_plots_load_nothing() -> None:
    for text in draw_all():
        for element in ET.fromstring(text).iter():
            for key, value in element.attrib.items():
                if key.endswith(("href", "src")):
                    assert value.startswith("#"), (element.tag, value)
        assert "@import" not in text
        assert "<script" not in text


def test_the_description_tells_the_values() -> None:
    assert "total from 0.1 to 0.4" in plot_rewards(make_curves())[0]
    assert "T 0.6: exact 66.7" in plot_temperature(make_sweep())


def test_the_temperature_plot_leaves_out_greedy_rows_and_needs_a_temperature() -> None:
    greedy = table_row("shop-r1", make_metrics(), temperature=0.0)
    assert "T 0:" not in plot_temperature([*make_sweep(), greedy])
    with pytest.raises(DataError, match="temperature"):
        plot_temperature(make_rows())

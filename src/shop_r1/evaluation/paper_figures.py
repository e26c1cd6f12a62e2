"""The paper's numbers (arXiv 2507.17842), to stand beside ours; typed in by hand, in per cent as printed."""

from collections.abc import Mapping

from shop_r1.records.results import PaperRow, Summary

SHOP_TYPES = ("click", "type_and_submit", "terminate")
"""The order of Table 3's columns."""


def _row(source: str, model: str, setting: str, percents: tuple[float, ...], note: str = "") -> PaperRow:
    """Return the row: exact, type accuracy and F1; then exact per type; then type accuracy per type."""
    shares = [percent / 100 for percent in percents]
    return PaperRow(
        source=source,
        model=model,
        setting=setting,
        **dict(zip(Summary.model_fields, shares, strict=False)),
        exact_per_type=dict(zip(SHOP_TYPES, shares[3:6], strict=False)),
        type_accuracy_per_type=dict(zip(SHOP_TYPES, shares[6:9], strict=False)),
        note=note,
    )


_LARGE, _MIDDLE, _SMALL = "Qwen2.5-3B-Instruct", "Qwen2.5-1.5B-Instruct", "Qwen2.5-0.5B-Instruct"
_VISION = "Qwen2.5-VL-3B-Instruct"
_BOTH = "Tables 2, 3"
_UNEVEN = "Table 3's columns over the test counts do not give Table 2's totals"

MAIN: tuple[PaperRow, ...] = (
    _row(_BOTH, _LARGE, "zero-shot", (0.32, 15.33, 16.15, 0.58, 0.15, 0.00, 38.70, 1.62, 0.00), _UNEVEN),
    _row("Table 2", _LARGE, "rl(binary)", (1.01, 6.17, 9.92)),
    _row(_BOTH, _LARGE, "sft", (16.76, 22.25, 24.52, 4.93, 3.84, 49.80, 8.55, 15.36, 49.80)),
    _row(_BOTH, _LARGE, "sft+rl(binary)", (16.55, 23.74, 28.07, 8.12, 3.25, 45.51, 17.25, 13.88, 45.51)),
    _row(_BOTH, _LARGE, "shop-r1", (27.72, 36.40, 31.28, 7.39, 7.53, 81.84, 10.29, 28.66, 81.84)),
    _row(_BOTH, _MIDDLE, "zero-shot", (0.53, 3.94, 6.16, 1.01, 0.15, 0.39, 10.00, 0.44, 0.39)),
    _row(_BOTH, _MIDDLE, "sft", (10.86, 23.58, 29.02, 4.49, 7.83, 23.44, 15.07, 32.35, 23.44)),
    _row(_BOTH, _MIDDLE, "shop-r1", (24.11, 34.54, 29.19, 3.62, 8.12, 72.85, 6.52, 34.12, 72.85)),
    _row(_BOTH, _SMALL, "zero-shot", (6.76, 12.88, 15.55, 0.43, 0.15, 24.02, 12.90, 4.43, 24.02)),
    _row(_BOTH, _SMALL, "sft", (9.90, 17.72, 21.61, 3.19, 7.68, 21.88, 5.94, 26.59, 21.88)),
    _row(_BOTH, _SMALL, "shop-r1", (27.72, 31.83, 21.20, 0.72, 3.99, 97.07, 1.01, 17.87, 97.07), _UNEVEN),
)
"""Tables 2 and 3: settings by model size, and per type of action."""

ABLATIONS: tuple[PaperRow, ...] = (
    _row("Table 4", _LARGE, "no-sft", (4.63, 36.56, 21.92)),
    _row("Table 4", _LARGE, "no-format", (2.87, 3.19, 5.04)),
    _row("Table 4", _LARGE, "no-rationale", (26.93, 37.25, 33.74)),
    _row("Table 4", _LARGE, "no-dars", (27.83, 27.20, 11.70)),
    _row("Table 4", _LARGE, "binary-action", (27.41, 27.46, 12.11), note="exact is 27.04 in a later version"),
    _row("Table 4", _LARGE, "shop-r1", (27.72, 36.40, 31.28)),
)
"""Table 4: Shop-R1 with one part left out."""

CONTEXTS: tuple[PaperRow, ...] = (
    _row("Table 5", _LARGE, "whole-session", (27.72, 36.40, 31.28)),
    _row("Table 5", _LARGE, "latest-step", (14.74, 30.46, 33.48)),
)
"""Table 5: all pages of the session in the prompt, or the latest only."""

OPERA_ROWS: tuple[PaperRow, ...] = (
    _row("Table A3", _VISION, "zero-shot", (6.41, 34.45, 38.79)),
    _row("Table A3", _VISION, "sft", (20.23, 60.86, 53.95)),
    _row("Table A3", _VISION, "shop-r1", (38.44, 57.27, 57.69), note="printed as SFT + RL"),
    _row("Table A3", "Claude 3.5 Sonnet", "zero-shot", (7.66, 58.83, 45.61)),
)
"""Appendix E: OPeRA, with the types input, click and scroll."""

TEMPERATURE_EXACT: Mapping[float, float] = {0.6: 0.2772, 0.7: 0.2863}
"""Figure 2: the points of the exact-match curve that the text states."""
TEMPERATURE_F1: Mapping[float, float] = {0.6: 0.3128, 1.2: 0.2836}
"""Figure 2: the ends of the F1 curve; it falls from one to the other."""
TEMPERATURE_TYPE_ACCURACY: Mapping[float, float] = {0.6: 0.3640}
"""Figure 2: type accuracy stays near this over 0.6 to 1.2."""


def find_paper_row(setting: str, rows: tuple[PaperRow, ...] = MAIN + ABLATIONS) -> PaperRow | None:
    """Return the paper's row for the setting with its 3B model, or None where the paper has none."""
    return next((row for row in rows if row.setting == setting and row.model == _LARGE), None)

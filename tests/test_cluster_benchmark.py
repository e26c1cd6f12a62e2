"""What `benchmarks.cluster` makes of measured steps: the model of their time, and the tables."""

import json
from dataclasses import asdict
from itertools import product
from typing import Any

import pytest
from benchmarks.cluster import GROUP, TIMES, Step, fit_times, model_steps, predict, read_step, summarise
from benchmarks.cluster_tables import PAGE, RESULT, render
from benchmarks.tables import put_tables

TRUE = {
    "sampling": (1.0, 0.2, 0.0),
    "scoring": (0.1, 0.1, 0.3),
    "update": (0.2, 0.4, 0.5),
    "other": (0.7, 0.0, 0.0),
}
"""By part: seconds of a step, of a thousand tokens on a device, and of several devices."""


def make_step(devices: int, prompts: int, context: int, tokens: float, slower: float = 1.0) -> Step:
    seconds = {
        part: slower * (constant + each * tokens / devices / 1000 + several * (devices > 1))
        for part, (constant, each, several) in TRUE.items()
    }
    return Step(devices, prompts, context, tokens, 64, seconds)


def make_steps(slower: float = 1.0) -> list[Step]:
    runs = product((1, 2), (2, 8), (1024, 4096))
    return [
        make_step(devices, prompts, context, prompts * context * share, slower)
        for devices, prompts, context in runs
        for share in (0.8, 0.9, 1.0)
    ]


def test_a_steps_tokens_are_each_prompt_once_and_all_completions() -> None:
    # 2 prompts of 500 tokens with 8 completions of 40 each, in 4 s: 2 x 8 x 540 tokens as a step counts them.
    line = {
        "seconds/step": 4.0,
        "seconds/sampling": 1.0,
        "seconds/update": 2.0,
        "tokens_per_second": 2 * GROUP * 540 / 4,
        "policy/length_mean": 40,
        "policy/length_max": 64,
    }
    step = read_step(line, devices=1, prompts=2, context=1024)
    assert step.tokens == pytest.approx(2 * 500 + 2 * GROUP * 40)
    assert step.seconds == {"sampling": 1.0, "scoring": 0.0, "update": 2.0, "other": 1.0}
    assert step.whole == 4.0


def test_the_fit_finds_the_times_that_steps_were_made_of() -> None:
    times = fit_times(make_steps())
    for part in TIMES:
        assert times[part] == pytest.approx(TRUE[part], abs=1e-6)


def test_no_part_is_given_a_negative_time() -> None:
    faster = [make_step(2, 8, 4096, tokens, slower=0.2) for tokens in (20_000, 30_000)]
    times = fit_times([make_step(1, 8, 4096, tokens) for tokens in (20_000, 30_000)] + faster)
    assert min(min(part) for part in times.values()) >= 0


def test_the_model_says_where_half_of_a_step_is_not_divided() -> None:
    found = model_steps(make_steps())
    assert found["error_max"] == pytest.approx(0, abs=1e-6)
    assert found["left_out_max"] == pytest.approx(0, abs=1e-5)
    scaling = found["scaling"]
    tokens = 8 * 4096 * 0.9  # the median of the largest run
    divided = 0.7 * tokens / 1000
    assert scaling["seconds"]["1"] == pytest.approx(2.0 + divided)
    assert scaling["seconds"]["8"] == pytest.approx(2.0 + 0.8 + divided / 8)
    assert list(scaling["seconds"]) == ["1", "2", "4", "8"]  # a prompt is not divided
    assert scaling["half"] == pytest.approx(divided / 2.8)


def test_errors_are_those_of_the_runs_that_do_not_fit() -> None:
    steps = make_steps()
    slow = [make_step(1, 4, 2048, 8000, slower=2) for _ in range(3)]
    found = model_steps([*steps, *slow])
    assert found["left_out_max"] == pytest.approx(0.5, abs=0.02)  # predicted at half of what they took
    assert found["left_out_median"] < 0.2


def result() -> dict[str, Any]:
    steps = make_steps()
    engine = summarise(steps[:3])
    size = {"prompt": 1024, "group": 8, "completion": 64}
    return {
        "machine": {
            "processor": "a processor",
            "threads": 2,
            "python": "3.11",
            "torch": "2",
            "transformers": "5",
            "trl": "1",
            "accelerate": "1",
            "load_before": 0.25,
        },
        "engines": {"trl": engine, "verl": engine},
        "prefixes": [size | {"cached_s": 1.0, "plain_s": 4.0, "faster": 4.0, "cached_share": 0.875}],
        "scoring": [
            size
            | {"ours_score_s": 1.0, "verl_score_s": 2.0, "score_faster": 2.0}
            | {"ours_update_s": 3.0, "verl_update_s": 9.0, "update_faster": 3.0}
        ],
        "devices": {"points": [asdict(step) for step in steps], "model": model_steps(steps)},
    }


def test_the_tables_have_the_results_figures() -> None:
    tables = render(result())
    assert "The machine's load was 0.2 when it began." in tables["cluster machine"]
    assert "| 1,024 | 8 | 1.00 | 4.00 | 4.00 | 88% |" in tables["cluster prefixes"]
    assert "| 1,024 | 8 | 1.00 | 2.00 | 2.00 | 3.00 | 9.00 | 3.00 |" in tables["cluster scoring"]
    assert tables["cluster devices"].count("\n| 2 |") == 4  # runs with two processes
    assert "A step takes 2.00 s, 0.700 s for each thousand tokens" in tables["cluster model"]


def test_the_page_has_a_place_for_each_table_and_the_figures_that_were_measured() -> None:
    page = PAGE.read_text("utf-8")
    if RESULT.exists():
        assert put_tables(page, render(json.loads(RESULT.read_text("utf-8")))) == page
    else:
        assert page.count("\nNot measured yet.\n<!-- end -->") == len(render(result()))
    filled = put_tables(page, render(result()))
    assert "Not measured yet." not in filled
    assert put_tables(filled, render(result())) == filled


def test_a_prediction_is_the_sum_of_the_parts() -> None:
    step = make_step(2, 8, 4096, 30_000)
    assert predict(TRUE, step) == pytest.approx(step.whole)

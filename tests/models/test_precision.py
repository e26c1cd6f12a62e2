"""Which number format is chosen, on which machine; no test here asks what this machine's CPU can do."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from shop_r1.models import precision
from shop_r1.models.precision import autocast, choose_precision, format_name, product_rate, time_products


@pytest.fixture(autouse=True)
def fresh_choice(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    precision._choose_on_cpu.cache_clear()
    yield
    precision._choose_on_cpu.cache_clear()


def make_cpu(
    monkeypatch: pytest.MonkeyPatch, *, supports: bool, ratio: float = 1.0, native: bool = False
) -> list[None]:
    """Make the machine one of this kind; what is returned grows with every timing."""
    timings: list[None] = []

    def timed() -> float:
        timings.append(None)
        return ratio

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(precision, "_cpu_supports_bf16", lambda: supports)
    monkeypatch.setattr(precision, "_cpu_has_native_bf16", lambda: native)
    monkeypatch.setattr(precision, "time_products", timed)
    return timings


def test_a_cpu_without_the_instructions_computes_in_float32_and_is_not_even_timed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    timings = make_cpu(monkeypatch, supports=False, ratio=9.0)
    assert str(choose_precision()) == "float32: this CPU has no bfloat16 instructions"
    assert timings == []


@pytest.mark.parametrize(
    ("ratio", "bf16"), [(0.3, False), (1.0, False), (1.19, False), (1.2, True), (4.0, True)]
)
def test_a_cpu_with_them_computes_in_what_is_clearly_faster(
    ratio: float, bf16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    timings = make_cpu(monkeypatch, supports=True, ratio=ratio)
    chosen = choose_precision("auto")
    assert (chosen.bf16, chosen.reason) == (bf16, f"bfloat16 products run {ratio:.1f}x as fast on this CPU")
    assert choose_precision("auto") == chosen and len(timings) == 1  # timed once in a process


@pytest.mark.parametrize("native", [True, False])
def test_processes_that_train_together_choose_by_instructions_alone(
    native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    timings = make_cpu(monkeypatch, supports=True, ratio=0.1 if native else 9.0, native=native)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert choose_precision().bf16 is native
    assert timings == []


def test_what_is_set_is_followed_and_what_it_costs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    make_cpu(monkeypatch, supports=False)
    assert str(choose_precision(False)) == "float32: as set"
    assert choose_precision(True).bf16
    assert "this CPU has no instructions for it; float32 would be faster" in choose_precision(True).reason
    make_cpu(monkeypatch, supports=True)
    assert str(choose_precision(True)) == "bfloat16: as set"


@pytest.mark.parametrize("supported", [True, False])
def test_a_gpu_computes_in_bfloat16_where_it_supports_it(
    supported: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **given: asked.update(given) or supported)
    assert choose_precision().bf16 is supported
    assert asked == {"including_emulation": False}
    assert choose_precision(True).bf16 and not choose_precision(False).bf16
    assert ("only emulates it" in choose_precision(True).reason) is not supported


def test_a_model_on_the_cpu_is_not_asked_about_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    make_cpu(monkeypatch, supports=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_precision("auto", "cpu").reason == "this CPU has no bfloat16 instructions"


def test_the_ratio_is_that_of_the_two_formats_times(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {torch.float32: iter([9, 4, 3, 5, 6, 7]), torch.bfloat16: iter([9, 2, 2, 1.5, 2, 2])}
    monkeypatch.setattr(precision, "_time_product", lambda pair: next(seconds[pair.dtype]))
    assert time_products() == 3 / 1.5  # the fastest of five each; the first, 9, builds the kernel


def test_the_rate_counts_the_products_of_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])  # begun, then asked before each product
    monkeypatch.setattr(precision, "_time_product", lambda pair: 0.0)
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    assert product_rate(bf16=False, seconds=1.0) == 4 * 2 * 512**3 / 1.0


@pytest.mark.parametrize("bf16", [True, False])
def test_the_context_computes_in_the_format(bf16: bool) -> None:
    left, right = torch.ones(2, 3), torch.ones(3, 2)
    with autocast(bf16, "cpu"):
        assert str((left @ right).dtype) == f"torch.{format_name(bf16)}"


def test_the_choice_can_be_written_down() -> None:
    assert json.loads(json.dumps(choose_precision(False).bf16)) is False

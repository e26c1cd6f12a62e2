"""Which number format a model's matrix products run in: bfloat16 only where it is faster.

A CPU without bfloat16 instructions runs such products in a scalar fallback, up to a hundred times slower than
in float32; one with AVX-512 alone emulates them, some three times slower. So nothing but the hardware that is
there can decide, and this module is the only place where it does.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

Bf16 = bool | Literal["auto"]
"""A setting: compute in bfloat16, in float32, or in what is faster on this machine."""

FASTER = 1.2
"""How many times faster bfloat16 has to be on a CPU, since its rounding is coarser. Ours."""
_SIZE = 512
"""Rows and columns of the timed product: 0.27 GFLOP, 2 ms at 140 GFLOP/s."""
_ROUNDS = 5


@dataclass(frozen=True)
class Precision:
    """The number format of a run."""

    bf16: bool
    """Whether matrix products run in bfloat16; weights and optimiser stay float32."""
    reason: str
    """Why, as a clause."""

    def __str__(self) -> str:
        return f"{format_name(self.bf16)}: {self.reason}"


def format_name(bf16: bool) -> str:
    """Return the format's name.

    >>> format_name(False)
    'float32'
    """
    return "bfloat16" if bf16 else "float32"


def choose_precision(asked: Bf16 = "auto", device: str | None = None) -> Precision:
    """Return the number format to compute in, on `cpu` or `cuda`; None: where training runs, on a GPU if any.

    True and false are followed; `auto` takes bfloat16 on a GPU that supports it, and on a CPU that has
    instructions for it and runs a short product at least `FASTER` times as fast with them.
    """
    import torch

    if (device or ("cuda" if torch.cuda.is_available() else "cpu")) == "cuda":
        supported = torch.cuda.is_bf16_supported(including_emulation=False)
        if asked == "auto":
            return Precision(
                supported, "the GPU supports bfloat16" if supported else "the GPU has no bfloat16"
            )
        warning = "though the GPU only emulates it"
    else:
        if asked == "auto":
            return _choose_on_cpu()
        supported = _cpu_supports_bf16()
        warning = "though this CPU has no instructions for it; float32 would be faster"
    return Precision(asked, f"as set, {warning}" if asked and not supported else "as set")


@cache
def _choose_on_cpu() -> Precision:
    if not _cpu_supports_bf16():
        return Precision(False, "this CPU has no bfloat16 instructions")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        # Timed one by one, processes that train together could come to different answers.
        native = _cpu_has_native_bf16()
        return Precision(native, "this CPU has bfloat16 instructions" if native else "bfloat16 is emulated")
    ratio = time_products()
    return Precision(ratio >= FASTER, f"bfloat16 products run {ratio:.1f}x as fast on this CPU")


def _cpu_supports_bf16() -> bool:
    """Return whether oneDNN runs bfloat16 products on this CPU, natively or emulated with AVX-512."""
    import torch

    return bool(torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _cpu_has_native_bf16() -> bool:
    import torch

    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in checks)


_flushing = 0
"""How many of `flush_subnormals` are open."""


@contextmanager
def flush_subnormals() -> Iterator[None]:
    """Take numbers below 1.2e-38 for zero on the CPU while this is open; it may be opened within itself.

    Such numbers cost a hundred times as much as others, and attention that is sure where to look is full of
    them: in float32 a training step of the demo takes twice as long, all of it in the backward pass.
    The setting is a thread's own, and OpenMP's threads take it over when they start and keep it, so the first
    large computation of a process should be in here.
    """
    global _flushing
    import torch

    torch.set_flush_denormal(True)
    _flushing += 1
    try:
        yield
    finally:
        _flushing -= 1
        if not _flushing:
            torch.set_flush_denormal(False)


@flush_subnormals()
def time_products() -> float:
    """Return how many times faster a bfloat16 product is than the same in float32, on the CPU.

    Both sides in turn, the fastest of a few rounds each, in CPU seconds: other programs only ever slow one
    down.
    """
    import torch

    pairs = [torch.randn(2, _SIZE, _SIZE, dtype=dtype) for dtype in (torch.float32, torch.bfloat16)]
    rounds = [[_time_product(pair) for pair in pairs] for _ in range(_ROUNDS + 1)]
    single, half = (min(each[side] for each in rounds[1:]) for side in (0, 1))  # the first builds the kernels
    return single / half


def _time_product(pair: Any) -> float:
    from torch.nn.functional import linear

    started = time.process_time()  # what other programs take of the core is no part of it
    linear(pair[0], pair[1])
    return time.process_time() - started


@flush_subnormals()
def product_rate(
    bf16: bool, seconds: float = 1.0, sizes: tuple[int, int, int] = (_SIZE, _SIZE, _SIZE)
) -> float:
    """Return how many floating-point operations a second this machine's CPU does in matrix products.

    `sizes` are rows of the left factor, its columns, and columns of the product.
    """
    import torch

    rows, inner, columns = sizes
    dtype = torch.bfloat16 if bf16 else torch.float32
    pair = torch.randn(rows, inner, dtype=dtype), torch.randn(columns, inner, dtype=dtype)
    _time_product(pair)  # the first builds the kernel
    count, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        _time_product(pair)
        count += 1
    return 2 * rows * inner * columns * count / elapsed


def autocast(asked: Bf16, device: str) -> Any:
    """Return the context in which a model on the device, `cpu` or `cuda`, computes in the chosen format."""
    import torch

    return torch.autocast(device, torch.bfloat16, enabled=choose_precision(asked, device).bf16)

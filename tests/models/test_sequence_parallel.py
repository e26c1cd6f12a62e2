"""Two and four processes on gloo that share a sequence find what one process finds, gradients too."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.split import CASES, Found, run, run_pairs

from shop_r1.errors import ModelError
from shop_r1.models.sequence_parallel import check_heads

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Found], list[Any]]:
    folder = tmp_path_factory.mktemp("split")
    paths = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    command = [sys.executable, "-m", "tests.models.split", str(folder)]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": paths}, check=True, timeout=300)
    found, pairs = torch.load(folder / "found.pt")
    return {name: Found(**values) for name, values in found.items()}, pairs


@pytest.mark.parametrize("name", CASES)
def test_processes_that_share_a_sequence_find_what_one_finds(name: str, split: Any) -> None:
    found, expected = split[0][name], run(CASES[name])
    torch.testing.assert_close(found.loss, expected.loss, atol=1e-5, rtol=0)
    for column, values in expected.scores.items():
        torch.testing.assert_close(found.scores[column], values, atol=1e-5, rtol=0, msg=column)
    assert found.gradients.keys() == expected.gradients.keys()
    for weight, gradient in expected.gradients.items():
        assert gradient.abs().max() > 1e-4, weight  # so that the next line can fail
        torch.testing.assert_close(found.gradients[weight], gradient, atol=1e-5, rtol=0)


def test_trees_that_are_run_one_after_the_other_are_split_too(split: Any) -> None:
    for found, expected in zip(split[1], run_pairs(), strict=True):
        for column, values in expected.items():
            torch.testing.assert_close(found[column], values, atol=1e-5, rtol=0, msg=column)


@pytest.mark.parametrize(("heads", "kv_heads", "ranks"), [(16, 2, 2), (16, 2, 16), (14, 2, 2), (4, 4, 1)])
def test_heads_are_shared_out_evenly(heads: int, kv_heads: int, ranks: int) -> None:
    check_heads(heads, kv_heads, ranks)


@pytest.mark.parametrize(
    ("heads", "kv_heads", "ranks", "possible"), [(16, 2, 3, "1, 2, 4, 8, 16"), (14, 2, 4, "1, 2, 14")]
)
def test_heads_that_cannot_be_are_refused(heads: int, kv_heads: int, ranks: int, possible: str) -> None:
    with pytest.raises(
        ModelError, match=rf"{heads} heads .* between {ranks} devices .* expected {possible}$"
    ):
        check_heads(heads, kv_heads, ranks)

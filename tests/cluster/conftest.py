"""What needs verl is collected where it is: in the environment of `make cluster`."""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from shop_r1.jobs.cluster import Cluster

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_NEEDS_TRL = ["test_same_step.py", "test_same_sft.py"]
_NEEDS_VERL = [
    "verl_step.py",
    "sft_worker.py",
    "test_routing.py",
    "test_engine.py",
    "test_trainer.py",
    "test_sft_engine.py",
    "test_sft_run.py",
    "test_sft_trainer.py",
    "test_verl_settings.py",
    "test_run.py",
    "test_shoppers.py",
    "test_jobs.py",
]
collect_ignore = [str(_HERE / name) for name in (_NEEDS_TRL if find_spec("verl") else _NEEDS_VERL)]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the environment of a worker that has no others beside it, for one test."""
    values = {
        "RANK": "0",
        "WORLD_SIZE": "1",
        "LOCAL_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "0",  # which verl wants, and nobody listens at
        "DIST_INIT_METHOD": "",  # `sft_worker.meet_in` sets it
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def cluster() -> "Iterator[Cluster]":
    """A Ray cluster on this machine, of which two workers are used."""
    from shop_r1.jobs.cluster import joined_workers

    before = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    mine = (str(_ROOT / "src"), str(_ROOT / "tests" / "jobs"))
    os.environ["PYTHONPATH"] = os.pathsep.join((*mine, *before))  # for its workers
    with joined_workers("local", workers=2) as found:
        yield found


@pytest.fixture
def address(cluster: "Cluster") -> str:
    """Where another process joins the cluster."""
    import ray

    return str(ray.get_runtime_context().gcs_address)

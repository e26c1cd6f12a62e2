"""What needs verl is collected where it is: in the environment of `make cluster`."""

from importlib.util import find_spec
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
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

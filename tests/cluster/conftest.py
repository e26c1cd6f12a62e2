"""What needs verl is collected where it is: in the environment of `make cluster`."""

from importlib.util import find_spec
from pathlib import Path

_HERE = Path(__file__).parent
_NEEDS_TRL = ["test_same_step.py"]
_NEEDS_VERL = [
    "verl_step.py",
    "test_routing.py",
    "test_engine.py",
    "test_verl_settings.py",
    "test_run.py",
    "test_shoppers.py",
]
collect_ignore = [str(_HERE / name) for name in (_NEEDS_TRL if find_spec("verl") else _NEEDS_VERL)]

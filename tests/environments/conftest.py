"""What needs BrowserGym or verifiers is collected in the environment of `make environments` only."""

from importlib.util import find_spec
from pathlib import Path

_HERE = Path(__file__).parent
_NEEDS = {"browsergym": ["test_browser_tasks.py"], "verifiers": ["test_hub.py"]}
collect_ignore = [
    str(_HERE / name) for package, names in _NEEDS.items() if not find_spec(package) for name in names
]

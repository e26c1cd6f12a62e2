"""The compiled pages (`make fast`, setup.py) say what the source says, to the byte."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shop_r1.pages.simplify import simplify_page

REPOSITORY = Path(__file__).resolve().parents[2]
READ_PAGES = """
import sys
from pathlib import Path
from shop_r1.pages.serialize import page
from tests.pages.test_compiled import digest
assert not page.__file__.endswith(".py"), page.__file__
for line in sys.stdin:
    print(digest(Path(line.rstrip("\\n"))))
"""


def digest(file: Path) -> str:
    """Return a hash of all that simplifying a page gives."""
    page = simplify_page(file.read_bytes(), explain=True)
    return hashlib.sha256(repr(page).encode()).hexdigest()


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed package, its pages compiled."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler on this machine")
    folder = tmp_path_factory.mktemp("compiled")
    source = folder / "source"
    shutil.copytree(REPOSITORY / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info", "base"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    command = [*pip, "--target", str(folder / "site"), str(source)]
    subprocess.run(command, env=os.environ | {"SHOP_R1_COMPILE": "1"}, check=True, capture_output=True)
    return folder / "site"


@pytest.mark.slow
def test_compiled_pages_say_the_same(compiled: Path) -> None:
    files = sorted(Path(__file__).parent.glob("cases/*.html"))
    files += sorted((REPOSITORY.parent / "shared" / "data" / "pages").rglob("*.html"))  # a user has none
    done = subprocess.run(
        [sys.executable, "-c", READ_PAGES],
        input="\n".join(map(str, files)),
        env=os.environ | {"PYTHONPATH": f"{compiled}{os.pathsep}{REPOSITORY}"},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert len(files) >= 19
    assert done.stdout.split() == [digest(file) for file in files]

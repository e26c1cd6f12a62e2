from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def real_pages() -> Path:
    """The folder of real shop pages; a user's clone has none, and the tests on them are skipped there."""
    folder = _REPOSITORY.parent / "shared" / "data" / "pages"
    if not folder.is_dir():
        pytest.skip("no ../shared/data/pages beside this clone")
    return folder
